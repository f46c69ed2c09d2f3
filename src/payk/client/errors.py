"""What the SDK raises.

PaykError
+-- ConnectionFailed        no answer, also after the retries
+-- UnexpectedAnswer        an answer that is not the centre's, e.g. a page of a proxy
+-- WaitTimeout             no final state in time; `.status` is the last one seen
+-- ApiError                the centre refused: `.code`, `.detail`, `.status`, `.retryable`, `.request_id`
    +-- BadRequest          400, 405, 409, 413: the request is wrong as it stands
    |   +-- AllRejected     no item of a bulk was taken: `.rejections`
    |   +-- AlreadySent     409: it is too late to cancel the message
    +-- Unauthorized        401: the key
    +-- Forbidden           403: the sender, the address, the client, the balance
    +-- NotFound            404: no such message of this client
    +-- TooManyRequests     429: nothing was taken, repeat after `.retry_after` seconds
    +-- ServiceUnavailable  503: nothing was taken, repeat after `.retry_after` seconds
    +-- OutcomeUnknown      504: taken or not; repeat with the same client_message_id or idempotency_key
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from payk.client.result import Rejection, Status

__all__ = [
    "AllRejected",
    "AlreadySent",
    "ApiError",
    "BadRequest",
    "ConnectionFailed",
    "Forbidden",
    "NotFound",
    "OutcomeUnknown",
    "PaykError",
    "ServiceUnavailable",
    "TooManyRequests",
    "Unauthorized",
    "UnexpectedAnswer",
    "WaitTimeout",
]


class PaykError(Exception):
    """Anything that the SDK raises on purpose."""


class ConnectionFailed(PaykError):
    """The centre could not be reached, or the connection was lost before it answered."""


class UnexpectedAnswer(PaykError):
    """The answer is not one of the documented API; `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class WaitTimeout(PaykError):
    """The message had no final state when the time was up."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"message {status.message_id} is still {status.state}")
        self.status = status


class ApiError(PaykError):
    """The centre answered with its error body."""

    def __init__(
        self,
        code: str,
        *,
        detail: str,
        status: int,
        title: str = "",
        fields: Mapping[str, Sequence[str]] | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        """MessageResult of the error body, such as `SenderAddressNotAllowed`."""
        self.detail = detail
        """What exactly is wrong, for people."""
        self.status = status
        """HTTP status."""
        self.title = title
        self.fields = dict(fields or {})
        """Every broken field with its codes."""
        self.retryable = retryable
        self.retry_after = retry_after
        """Seconds that the centre asks to wait, None where it asks for none."""
        self.request_id = request_id
        """To be quoted when asking the centre about this request."""


class BadRequest(ApiError):
    """The request is wrong; repeating it gives the same answer."""


class AllRejected(BadRequest):
    """A bulk of which no item was taken."""

    rejections: tuple[Rejection, ...] = ()


class AlreadySent(BadRequest):
    """It is too late to cancel the message: an operator has it, may have it or is just getting it, or it is final."""


class Unauthorized(ApiError):
    """The key is missing, unknown, revoked or expired."""


class Forbidden(ApiError):
    """This client, sender or address may not do that."""


class NotFound(ApiError):
    """There is no such message of this client."""


class TooManyRequests(ApiError):
    """A limit was reached; nothing was taken."""


class ServiceUnavailable(ApiError):
    """The centre takes nothing just now; nothing was taken."""


class OutcomeUnknown(ApiError):
    """The centre does not know whether it took the request; repeating it under the same id or key is safe."""
