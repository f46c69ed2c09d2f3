"""Every answer that is not 2xx: from what went wrong to the one error body of docs/en/api.md, "Errors"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from payk.domain.errors import ERRORS, Code, ErrorKind, Rejection
from payk.domain.management_errors import MANAGEMENT_ERRORS, ManagementCode
from payk.domain.message import SmsType
from payk.domain.queue_limit import QueueFull
from payk.intake import Refused, Unconfirmed
from payk.registry.errors import TooMuchAtOnce
from payk.store.errors import HistoryUnknown, KeyReused, OutcomeUnknown, StoreUnavailable
from payk.web.answers import Answer, Header, limit_headers

__all__ = ["RETRY_AFTER", "Problem", "parameter_invalid", "problem_answer", "problem_of"]

RETRY_AFTER = 2
"""Seconds after which a caller may ask again when the store was away or did not confirm."""

QUEUE_RETRY_AFTER = 5
"""The same when the queue was full."""

HELD_RETRY_AFTER = 5
"""Seconds, where the store's processes, or people, have yet to say that it lost nothing."""

_encode = msgspec.json.Encoder().encode


class Problem(Exception):
    """A request that is answered with an error; a handler raises it, the site answers it.

    `retry_after` in seconds; `members` are added to the body.
    """

    def __init__(
        self,
        code: Code | ManagementCode,
        detail: str,
        *,
        errors: Mapping[str, Sequence[str]] | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        headers: Sequence[Header] = (),
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.errors = errors or {}
        self.kind = MANAGEMENT_ERRORS[code] if isinstance(code, ManagementCode) else ERRORS[code]
        self.retryable = self.kind.retryable if retryable is None else retryable
        self.headers = list(headers)
        if retry_after is not None:
            self.headers.append((b"retry-after", b"%d" % max(1, math.ceil(retry_after))))
        self.members = members or {}

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.kind.status


def parameter_invalid(name: str, rule: str) -> Problem:
    """The answer to a parameter of an address that breaks a rule."""
    return Problem(Code.PARAMETER_INVALID, f"{name}: {rule.rstrip('.')}.", errors={name: [Code.PARAMETER_INVALID]})


def problem_of(error: Exception) -> Problem:
    """What an exception of a handler is answered with. Whatever is not expected is a defect: InternalError."""
    match error:
        case Problem():
            return error
        case Refused():
            return _refusal(error.rejections)
        case Rejection():
            return _refusal((error,))
        case HistoryUnknown():
            detail = "The store changed hands or was restored and is not open yet. Nothing was taken: repeat it later."
            return Problem(Code.SERVICE_UNAVAILABLE, detail, retry_after=HELD_RETRY_AFTER)
        case StoreUnavailable():
            detail = "The store cannot be reached just now. Nothing was taken: it is safe to repeat the request."
            return Problem(Code.SERVICE_UNAVAILABLE, detail, retry_after=RETRY_AFTER)
        case QueueFull():
            name = error.sms_type.name.capitalize()
            demoted = " Otp beyond the rate agreed for you goes as Common." if error.sms_type is SmsType.COMMON else ""
            detail = (
                f"The queue is full for SmsType {name}. Nothing was taken: it is safe to repeat the request.{demoted}"
            )
            return Problem(Code.QUEUE_FULL, detail, retry_after=QUEUE_RETRY_AFTER)
        case TooMuchAtOnce():
            return Problem(Code.RATE_LIMIT_EXCEEDED, str(error), retry_after=RETRY_AFTER)
        case KeyReused():
            detail = "This Idempotency-Key came with another body in the last 12 hours; a new request needs a new key."
            return Problem(Code.IDEMPOTENCY_KEY_REUSED, detail)
        case Unconfirmed():
            detail = (
                "The connection to the store was lost while it confirmed. Repeat the request with the same"
                " Idempotency-Key or ClientMessageId; without either it may be sent twice."
            )
            return Problem(Code.OUTCOME_UNKNOWN, detail, retryable=error.repeatable, retry_after=RETRY_AFTER)
        case OutcomeUnknown():
            detail = (
                "The connection to the store was lost while it confirmed: this may be done, or not."
                " Look at how it stands before it is repeated."
            )
            return Problem(Code.OUTCOME_UNKNOWN, detail, retry_after=RETRY_AFTER)
        case _:
            return Problem(Code.INTERNAL_ERROR, "This is a defect of Payk; the log names it under the RequestId.")


def problem_answer(problem: Problem, request_id: str, *, is_status: bool = False) -> Answer:
    """The error body; `is_status` = of a request for the status of one message, whose answers have CommandStatus."""
    kind: ErrorKind = problem.kind
    body: dict[str, Any] = {"MessageId": None, "MessageResult": problem.code, "MessageError": True}
    if is_status:
        body["CommandStatus"] = problem.code
    body |= {
        "Title": kind.title,
        "Status": kind.status,
        "Detail": problem.detail,
        "Errors": problem.errors,
        "Retryable": problem.retryable,
        "RequestId": request_id,
        **problem.members,
    }
    return Answer(kind.status, _encode(body), headers=problem.headers)


def _refusal(rejections: Sequence[Rejection]) -> Problem:
    detail = " ".join(rejection.detail for rejection in rejections)
    errors = {str(rejection.field): [rejection.code] for rejection in rejections if rejection.field is not None}
    first = rejections[0]
    headers = () if first.standing is None else limit_headers(*first.standing)
    return Problem(first.code, detail, errors=errors, retry_after=first.retry_after, headers=headers)
