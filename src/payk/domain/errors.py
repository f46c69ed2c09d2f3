"""What may be wrong with a request: every code with its HTTP status and title, and the order of a message's fields.

Source: docs/en/api.md, "Errors". The doors turn these into answers; nothing else in Payk spells a code.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

__all__ = ["ERRORS", "Code", "ErrorKind", "Field", "Rejection", "Standing", "quoted"]

QUOTED_MAX = 40


class Field(StrEnum):
    """The fields of a message, in the order in which their errors count."""

    PHONE_NUMBER = "PhoneNumber"
    TEXT = "Text"
    SENDER_ADDRESS = "SenderAddress"
    PRIORITY = "Priority"
    SMS_TYPE = "SmsType"
    SCHEDULED_AT = "ScheduledAt"
    EXPIRES_IN = "ExpiresIn"
    SMS_LABEL = "SmsLabel"
    CLIENT_MESSAGE_ID = "ClientMessageId"


class Code(StrEnum):
    """Every error that an answer may name."""

    JSON_INVALID = "JsonInvalid"
    PHONE_NUMBER_REQUIRED = "PhoneNumberRequired"
    PHONE_NUMBER_INVALID = "PhoneNumberInvalid"
    PHONE_NUMBER_NOT_ROUTABLE = "PhoneNumberNotRoutable"
    TEXT_REQUIRED = "TextRequired"
    TEXT_INVALID = "TextInvalid"
    TEXT_TOO_LONG = "TextTooLong"
    SENDER_ADDRESS_REQUIRED = "SenderAddressRequired"
    SENDER_ADDRESS_TOO_LONG = "SenderAddressTooLong"
    SENDER_ADDRESS_INVALID = "SenderAddressInvalid"
    SENDER_ADDRESS_NOT_ALLOWED = "SenderAddressNotAllowed"
    PRIORITY_INVALID = "PriorityInvalid"
    SMS_TYPE_REQUIRED = "SmsTypeRequired"
    SMS_TYPE_INVALID = "SmsTypeInvalid"
    SCHEDULED_AT_INVALID = "ScheduledAtInvalid"
    SCHEDULED_AT_TOO_FAR = "ScheduledAtTooFar"
    EXPIRES_IN_INVALID = "ExpiresInInvalid"
    SMS_LABEL_TOO_LONG = "SmsLabelTooLong"
    CLIENT_MESSAGE_ID_TOO_LONG = "ClientMessageIdTooLong"
    ALL_MESSAGES_REJECTED = "AllMessagesRejected"
    MESSAGE_ID_INVALID = "MessageIdInvalid"
    PARAMETER_INVALID = "ParameterInvalid"
    IDEMPOTENCY_KEY_INVALID = "IdempotencyKeyInvalid"
    HTTP_INVALID = "HttpInvalid"
    UNAUTHORIZED = "Unauthorized"
    IP_ADDRESS_NOT_ALLOWED = "IpAddressNotAllowed"
    CLIENT_SUSPENDED = "ClientSuspended"
    SMS_TYPE_NOT_ALLOWED = "SmsTypeNotAllowed"
    PRIORITY_NOT_ALLOWED = "PriorityNotAllowed"
    DESTINATION_NOT_ALLOWED = "DestinationNotAllowed"
    PHONE_NUMBER_BLOCKED = "PhoneNumberBlocked"
    BALANCE_INSUFFICIENT = "BalanceInsufficient"
    MESSAGE_NOT_FOUND = "MessageNotFound"
    PATH_NOT_FOUND = "PathNotFound"
    METHOD_NOT_ALLOWED = "MethodNotAllowed"
    IDEMPOTENCY_KEY_REUSED = "IdempotencyKeyReused"
    MESSAGE_ALREADY_SENT = "MessageAlreadySent"
    REQUEST_TIMEOUT = "RequestTimeout"
    PAYLOAD_TOO_LARGE = "PayloadTooLarge"
    RATE_LIMIT_EXCEEDED = "RateLimitExceeded"
    QUOTA_EXCEEDED = "QuotaExceeded"
    NUMBER_LIMIT_EXCEEDED = "NumberLimitExceeded"
    INTERNAL_ERROR = "InternalError"
    SERVICE_UNAVAILABLE = "ServiceUnavailable"
    QUEUE_FULL = "QueueFull"
    OUTCOME_UNKNOWN = "OutcomeUnknown"


class ErrorKind(NamedTuple):
    """HTTP status and title of a code; `retryable` = the same request may succeed later, and nothing was taken."""

    status: int
    title: str
    retryable: bool = False


ERRORS: Mapping[Code, ErrorKind] = {
    Code.JSON_INVALID: ErrorKind(400, "The body is not the JSON that is expected here"),
    Code.PHONE_NUMBER_REQUIRED: ErrorKind(400, "Phone number is required"),
    Code.PHONE_NUMBER_INVALID: ErrorKind(400, "Phone number is invalid"),
    Code.PHONE_NUMBER_NOT_ROUTABLE: ErrorKind(400, "No route leads to this phone number"),
    Code.TEXT_REQUIRED: ErrorKind(400, "Text is required"),
    Code.TEXT_INVALID: ErrorKind(400, "Text holds what cannot be sent"),
    Code.TEXT_TOO_LONG: ErrorKind(400, "Text is too long"),
    Code.SENDER_ADDRESS_REQUIRED: ErrorKind(400, "Sender address is required"),
    Code.SENDER_ADDRESS_TOO_LONG: ErrorKind(400, "Sender address is too long"),
    Code.SENDER_ADDRESS_INVALID: ErrorKind(400, "Sender address is invalid"),
    Code.SENDER_ADDRESS_NOT_ALLOWED: ErrorKind(403, "Sender address is not registered for this client"),
    Code.PRIORITY_INVALID: ErrorKind(400, "Priority is invalid"),
    Code.SMS_TYPE_REQUIRED: ErrorKind(400, "SMS type is required"),
    Code.SMS_TYPE_INVALID: ErrorKind(400, "SMS type is invalid"),
    Code.SCHEDULED_AT_INVALID: ErrorKind(400, "Scheduled time is invalid"),
    Code.SCHEDULED_AT_TOO_FAR: ErrorKind(400, "Scheduled time is too far ahead"),
    Code.EXPIRES_IN_INVALID: ErrorKind(400, "Lifetime is invalid"),
    Code.SMS_LABEL_TOO_LONG: ErrorKind(400, "Label is too long"),
    Code.CLIENT_MESSAGE_ID_TOO_LONG: ErrorKind(400, "Client message id is too long"),
    Code.ALL_MESSAGES_REJECTED: ErrorKind(400, "No message of this request was taken"),
    Code.MESSAGE_ID_INVALID: ErrorKind(400, "Message id is invalid"),
    Code.PARAMETER_INVALID: ErrorKind(400, "A parameter in the address is invalid"),
    Code.IDEMPOTENCY_KEY_INVALID: ErrorKind(400, "Idempotency key is invalid"),
    Code.HTTP_INVALID: ErrorKind(400, "The request is not well-formed HTTP"),
    Code.UNAUTHORIZED: ErrorKind(401, "A valid API key is required"),
    Code.IP_ADDRESS_NOT_ALLOWED: ErrorKind(403, "This key may not be used from this address"),
    Code.CLIENT_SUSPENDED: ErrorKind(403, "This client is suspended"),
    Code.SMS_TYPE_NOT_ALLOWED: ErrorKind(403, "This client may not send messages of this type"),
    Code.PRIORITY_NOT_ALLOWED: ErrorKind(403, "This client may not send with this priority"),
    Code.DESTINATION_NOT_ALLOWED: ErrorKind(403, "This client may not send to this destination"),
    Code.PHONE_NUMBER_BLOCKED: ErrorKind(403, "This number does not take messages from this client"),
    Code.BALANCE_INSUFFICIENT: ErrorKind(403, "The balance does not cover this request"),
    Code.MESSAGE_NOT_FOUND: ErrorKind(404, "Message is not known"),
    Code.PATH_NOT_FOUND: ErrorKind(404, "There is nothing at this path"),
    Code.METHOD_NOT_ALLOWED: ErrorKind(405, "This method is not allowed here"),
    Code.IDEMPOTENCY_KEY_REUSED: ErrorKind(409, "This idempotency key belongs to another request"),
    Code.MESSAGE_ALREADY_SENT: ErrorKind(409, "It is too late to cancel this message"),
    Code.REQUEST_TIMEOUT: ErrorKind(408, "The request came too slowly", retryable=True),
    Code.PAYLOAD_TOO_LARGE: ErrorKind(413, "The request is too large"),
    Code.RATE_LIMIT_EXCEEDED: ErrorKind(429, "Too many requests", retryable=True),
    Code.QUOTA_EXCEEDED: ErrorKind(429, "The quota of this client is used up", retryable=True),
    Code.NUMBER_LIMIT_EXCEEDED: ErrorKind(429, "This number got as many messages as it may", retryable=True),
    Code.INTERNAL_ERROR: ErrorKind(500, "Payk failed to answer"),
    Code.SERVICE_UNAVAILABLE: ErrorKind(503, "The service is unavailable for the moment", retryable=True),
    Code.QUEUE_FULL: ErrorKind(503, "The queue is full", retryable=True),
    # Retryable only where the repeat would be recognised; the door knows.
    Code.OUTCOME_UNKNOWN: ErrorKind(504, "It is not known whether the request was taken"),
}


class Standing(NamedTuple):
    """Where somebody stands with a limit: how much it is, what is left of it, seconds until there is more."""

    limit: int
    left: int
    reset: float


class Rejection(Exception):
    """One broken rule. `detail` is a sentence for the integrator and never quotes a text of a message.

    `retry_after`: seconds until the rule would hold, where time alone mends it; `standing`: of a limit that counts.
    """

    def __init__(
        self,
        code: Code,
        detail: str,
        field: Field | None = None,
        retry_after: float | None = None,
        standing: Standing | None = None,
    ) -> None:
        super().__init__(code, detail, field)
        self.code = code
        self.detail = detail
        self.field = field
        self.retry_after = retry_after
        self.standing = standing


def quoted(value: str) -> str:
    """`value` as a Detail may quote it: in quotation marks, short, encodable in UTF-8."""
    shown = value if len(value) <= QUOTED_MAX else f"{value[:QUOTED_MAX]}..."
    return f"'{shown.encode('utf-8', 'replace').decode()}'"
