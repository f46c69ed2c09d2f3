"""Reading answers of the documented API: typed results from 2xx, the matching error from everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

import httpx

from payk.client.errors import (
    AllRejected,
    AlreadySent,
    ApiError,
    BadRequest,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
)
from payk.client.listing import MessagePage, StoredMessage
from payk.client.message import Priority, SmsType
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
    "error_of",
    "preview_of",
    "read_bulk",
    "read_cancellation",
    "read_held",
    "read_label",
    "read_page",
    "read_preview",
    "read_sent",
    "read_status",
    "read_statuses",
    "read_timeline",
    "retry_after",
]

Result = TypeVar("Result")

_BY_CODE: Mapping[str, type[ApiError]] = {"AllMessagesRejected": AllRejected, "MessageAlreadySent": AlreadySent}
_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    429: TooManyRequests,
    503: ServiceUnavailable,
    504: OutcomeUnknown,
}


def read_sent(response: httpx.Response, client_message_id: str) -> SentMessage:
    """The answer of POST /api/v1/sms."""
    repeated = response.headers.get("X-Payk-Repeated", "").lower() == "true"
    return _read(response, lambda body: SentMessage(str(body["MessageId"]), client_message_id, repeated))


def read_bulk(response: httpx.Response) -> BulkResult:
    """The answer of POST /api/v1/sms/bulk?MessageIds=true."""
    return _read(
        response,
        lambda body: BulkResult(
            added=int(body["Added"]),
            message_ids=tuple(body.get("MessageIds", ())),
            rejections=_rejections(body),
            repeated=int(body.get("Repeated", 0)),
        ),
    )


def read_status(response: httpx.Response) -> Status:
    """The answer of GET /api/v1/sms/{id}."""
    return _read(response, _status)


def read_statuses(response: httpx.Response) -> dict[str, Status]:
    """The answer of POST /api/v1/sms/status: those that are known, by id."""

    def read(body: Mapping[str, Any]) -> dict[str, Status]:
        known = [row for row in body["Statuses"] if row["CommandStatus"] == "OK"]
        return {str(row["MessageId"]): _status(row) for row in known}

    return _read(response, read)


def _status(body: Mapping[str, Any]) -> Status:
    return Status(
        message_id=str(body["MessageId"]),
        state=MessageState(body["MessageState"]),
        submitted_at=_utc(body["DateSubmitted"]),
        done_at=_utc_or_none(body["DateDone"]),
    )


def read_page(response: httpx.Response) -> MessagePage:
    """The answer of GET /api/v1/sms."""
    return _read(
        response,
        lambda body: MessagePage(
            messages=tuple(_stored(row) for row in body["Messages"]),
            cursor=body["Cursor"],
            looked_back_to=_utc_or_none(body.get("LookedBackTo")),
        ),
    )


def _stored(row: Mapping[str, Any]) -> StoredMessage:
    return StoredMessage(
        message_id=str(row["MessageId"]),
        client_message_id=row["ClientMessageId"],
        phone_number=str(row["PhoneNumber"]),
        sender=str(row["SenderAddress"]),
        sms_type=SmsType(row["SmsType"]),
        priority=Priority(row["Priority"]),
        label=row["SmsLabel"],
        state=MessageState(row["MessageState"]),
        parts=int(row["Parts"]),
        operator=row["Operator"],
        submitted_at=_utc(row["DateSubmitted"]),
        scheduled_at=_utc_or_none(row["ScheduledAt"]),
        expires_at=_utc_or_none(row["ExpiresAt"]),
        sent_at=_utc_or_none(row["DateSent"]),
        done_at=_utc_or_none(row["DateDone"]),
        reason=row.get("Reason"),
    )


def read_timeline(response: httpx.Response) -> Timeline:
    """The answer of GET /api/v1/sms/{id}/events."""
    return _read(
        response,
        lambda body: Timeline(
            message_id=str(body["MessageId"]),
            state=MessageState(body["MessageState"]),
            parts=int(body["Parts"]),
            events=tuple(_event(members) for members in body["Events"]),
            why=_why(body.get("Why")),
            body=body,
        ),
    )


def _why(members: Mapping[str, Any] | None) -> Why | None:
    if members is None:
        return None
    return Why(str(members["Code"]), str(members["Detail"]), _utc_or_none(members["Until"]))


def _event(members: Mapping[str, Any]) -> TimelineEvent:
    def read(name: str, kind: Callable[[Any], Result]) -> Result | None:
        value = members.get(name)
        return None if value is None else kind(value)

    return TimelineEvent(
        kind=str(members["Event"]),
        at=_utc(members["Time"]),
        part=read("Part", int),
        attempt=read("Attempt", int),
        operator=read("Operator", str),
        operator_message_id=read("OperatorMessageId", str),
        until=read("Until", _utc),
        reason=read("Reason", str),
        command_status=read("CommandStatus", str),
        state=read("State", MessageState),
        raw_state=read("RawState", str),
        error=read("Error", str),
        network_error=read("NetworkError", lambda error: NetworkError(error["Network"], error["Code"])),
        operator_time=read("OperatorTime", _utc),
    )


def read_preview(response: httpx.Response) -> Preview:
    """The answer of POST /api/v1/sms/preview."""
    return _read(response, preview_of)


def preview_of(body: Mapping[str, Any]) -> Preview:
    """The preview that the documented JSON tells of."""
    shorter, route = body["Shorter"], body["Route"]
    return Preview(
        phone_number=body["PhoneNumber"],
        encoding=body["Encoding"],
        parts=body["Parts"],
        units=body["Units"],
        characters_left=body["CharactersLeft"],
        ends=None if body["Ends"] is None else tuple(body["Ends"]),
        forced_by=tuple(ForcingCharacter(row["Character"], row["At"], row["Count"]) for row in body["ForcedBy"]),
        shorter=None if shorter is None else _shorter(shorter),
        route=None if route is None else _route(route),
        price=body["Price"],
        cost=body["Cost"],
        rejections=tuple(BrokenRule(row["Field"], row["Code"], row["Detail"]) for row in body["Rejections"]),
        body=body,
    )


def _shorter(row: Mapping[str, Any]) -> ShorterText:
    return ShorterText(row["Spelling"], row["Text"], row["Encoding"], int(row["Parts"]), int(row["CharactersLeft"]))


def _route(row: Mapping[str, Any]) -> PreviewRoute:
    operators = tuple(
        PreviewOperator(one["Operator"], int(one["Weight"]), bool(one["Carries"]), one["Why"])
        for one in row["Operators"]
    )
    return PreviewRoute(row["Prefix"], row["Why"], operators)


def read_cancellation(response: httpx.Response) -> Cancellation:
    """The answer of POST /api/v1/sms/cancel."""
    return _read(
        response,
        lambda body: Cancellation(int(body["Cancelled"]), int(body["TooLate"]), body.get("Done", True) is True),
    )


def read_held(response: httpx.Response) -> int:
    """The answer of POST /api/v1/sms/pause and /resume."""
    return _read(response, lambda body: int(body["Messages"]))


def read_label(response: httpx.Response) -> LabelProgress:
    """The answer of GET /api/v1/reports/labels with SmsLabel."""

    def time_of(written: str | None) -> datetime | None:
        return None if written is None else _utc(written)

    return _read(
        response,
        lambda body: LabelProgress(
            label=str(body["SmsLabel"]),
            planned=int(body["Planned"]),
            parts=int(body["Parts"]),
            scheduled=int(body["Scheduled"]),
            held=int(body["Held"]),
            queued=int(body["Queued"]),
            submitted=int(body["Submitted"]),
            delivered=int(body["Delivered"]),
            failed=int(body["Failed"]),
            failures=tuple(
                LabelFailure(MessageState(each["MessageState"]), each["Reason"], int(each["Messages"]))
                for each in body["Failures"]
            ),
            per_second=float(body["MessagesPerSecond"]),
            last_due=time_of(body["LastDue"]),
            ends_at=time_of(body["EndsAt"]),
            body=body,
            at_least=body.get("AtLeast", False) is True,
        ),
    )


def retry_after(response: httpx.Response) -> float | None:
    """Seconds of the header Retry-After; None where it is missing or no number."""
    try:
        seconds = float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None
    return seconds if 0 <= seconds < float("inf") else None


def error_of(response: httpx.Response) -> ApiError | UnexpectedAnswer:
    """The error that a refusal stands for."""
    body = _object(response)
    code = body.get("MessageResult") or body.get("CommandStatus")
    if not isinstance(code, str):
        return _unexpected(response)
    kind = _BY_CODE.get(code) or _BY_STATUS.get(response.status_code, BadRequest)
    error = kind(
        code,
        detail=str(body.get("Detail") or body.get("Title") or ""),
        status=response.status_code,
        title=str(body.get("Title") or ""),
        fields=body.get("Errors") if isinstance(body.get("Errors"), dict) else None,
        retryable=body.get("Retryable") is True,
        retry_after=retry_after(response),
        request_id=body.get("RequestId") or response.headers.get("X-Request-Id"),
    )
    if isinstance(error, AllRejected):
        error.rejections = _rejections(body)
    return error


def _read(response: httpx.Response, read: Callable[[Mapping[str, Any]], Result]) -> Result:
    if not response.is_success:
        raise error_of(response)
    try:
        return read(_object(response))
    except (KeyError, TypeError, ValueError) as exc:
        raise _unexpected(response) from exc


def _object(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _rejections(body: Mapping[str, Any]) -> tuple[Rejection, ...]:
    rows = body.get("Rejections", ())
    return tuple(Rejection(int(row["Index"]), str(row["Code"]), str(row.get("Detail", ""))) for row in rows)


def _utc(value: str) -> datetime:
    time = datetime.fromisoformat(value)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _utc_or_none(value: str | None) -> datetime | None:
    return None if value is None else _utc(value)


def _unexpected(response: httpx.Response) -> UnexpectedAnswer:
    try:
        phrase = f"{response.status_code} {HTTPStatus(response.status_code).phrase}"
    except ValueError:
        phrase = str(response.status_code)
    kind = response.headers.get("Content-Type", "no Content-Type").partition(";")[0]
    address = response.request.url.copy_with(query=None)
    return UnexpectedAnswer(f"{address} answered {phrase} ({kind}); that is not an SMS centre", response.status_code)
