"""The Python SDK of Payk. It needs httpx and nothing of the server.

from payk.client import Client, Message, SmsType

with Client("http://127.0.0.1:8080", api_key) as payk:
    sent = payk.send(Message("992900900900", "Your code: 12345", "AlifBank", SmsType.OTP))
    print(payk.wait(sent.message_id).state)
"""

from payk.client.blocking import Client
from payk.client.errors import (
    AllRejected,
    AlreadySent,
    ApiError,
    BadRequest,
    ConnectionFailed,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    PaykError,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
    WaitTimeout,
)
from payk.client.listing import MessageFilter, MessagePage, StoredMessage
from payk.client.message import Message, Priority, SmsType
from payk.client.nonblocking import AsyncClient
from payk.client.preview import (
    BrokenRule,
    ForcingCharacter,
    Preview,
    PreviewOperator,
    PreviewRoute,
    ShorterText,
)
from payk.client.result import (
    BulkResult,
    Cancellation,
    LabelFailure,
    LabelProgress,
    MessageState,
    Rejection,
    SentMessage,
    Status,
)
from payk.client.timeline import NetworkError, Timeline, TimelineEvent, Why

__all__ = [
    "AllRejected",
    "AlreadySent",
    "ApiError",
    "AsyncClient",
    "BadRequest",
    "BrokenRule",
    "BulkResult",
    "Cancellation",
    "Client",
    "ConnectionFailed",
    "Forbidden",
    "ForcingCharacter",
    "LabelFailure",
    "LabelProgress",
    "Message",
    "MessageFilter",
    "MessagePage",
    "MessageState",
    "NetworkError",
    "NotFound",
    "OutcomeUnknown",
    "PaykError",
    "Preview",
    "PreviewOperator",
    "PreviewRoute",
    "Priority",
    "Rejection",
    "SentMessage",
    "ServiceUnavailable",
    "ShorterText",
    "SmsType",
    "Status",
    "StoredMessage",
    "Timeline",
    "TimelineEvent",
    "TooManyRequests",
    "Unauthorized",
    "UnexpectedAnswer",
    "WaitTimeout",
    "Why",
]
