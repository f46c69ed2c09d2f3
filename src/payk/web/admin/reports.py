"""Reports of everybody's traffic, single messages as files, and how labels stand."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from payk.domain.management_errors import ManagementCode
from payk.domain.report import ReportRefused
from payk.store.reports import LabelProgress
from payk.web.admin.configured import not_found
from payk.web.admin.management import Caller, Known, Management, Parts
from payk.web.admin.messages import own_client
from payk.web.admin.times import moment
from payk.web.problems import Problem
from payk.web.report_query import MessageQuery, ReportQuery
from payk.web.reports import Prepared, as_managed, failures

__all__ = ["router"]

router = APIRouter(tags=["reports"])

PATIENCE = 5.0
"""Seconds that a caller waits for its turn."""
LABELS_MOST = 1_000

GroupBy = Annotated[
    str | None,
    Query(max_length=200, description="A list of Client, SmsLabel, SenderAddress, SmsType, Operator, Route, and one of"
          " Hour, Day, Week, Month."),
]  # fmt: skip
From = Annotated[
    str | None,
    Query(alias="from", max_length=40, description="A day, or a time; of a time without an offset in `time_zone`."),
]
To = Annotated[str | None, Query(alias="to", max_length=40, description="Up to before this time or day.")]
TimeZone = Annotated[str | None, Query(max_length=64, description="IANA name; UTC without it.")]
Format = Annotated[str | None, Query(max_length=10, description="json, csv or xlsx.")]
Client = Annotated[str | None, Query(max_length=64)]
Label = Annotated[str | None, Query(max_length=255)]
Sender = Annotated[str | None, Query(max_length=15)]
SmsType = Annotated[str | None, Query(max_length=10, description="common, otp or batch.")]
State = Annotated[str | None, Query(max_length=20, description="As in MessageState: Delivered.")]
Operator = Annotated[str | None, Query(max_length=64)]
Route = Annotated[
    str | None,
    Query(
        max_length=1000,
        description="The operators of a route and no others, with commas, whatever order it drew for each message; in"
        " this order where routes differ by it alone. Of a sender that only some of them carry: these.",
    ),
]

_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The report; it is passed on while it is read.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/csv": {"schema": {"type": "string"}},
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {
                "schema": {"type": "string", "format": "binary"}
            },
        },
    }
}


class LabelSeen(BaseModel):
    """A label and its messages of late."""

    client: str
    label: str
    messages: int
    delivered: int
    failed: int
    last_day: str = Field(description="Of UTC, on which its newest message came.")


class LabelsSeen(BaseModel):
    """Labels, newest first."""

    items: list[LabelSeen]


class LabelStands(BaseModel):
    """How a label stands: each message is one of scheduled, held, queued, submitted, delivered, failed."""

    client: str
    label: str
    planned: int
    parts: int
    scheduled: int
    held: int
    queued: int
    submitted: int
    delivered: int
    failed: int
    failures: list[dict[str, Any]]
    messages_per_second: float = Field(description="That were submitted, over the last minutes.")
    last_due: str | None = Field(description="The last minute at which scheduled ones become due.")
    ends_at: str | None = Field(
        description="When all that is queued or scheduled will have left at this rate, last_due at the earliest; null"
        " while nothing moves or some are held."
    )
    other_labels: bool = Field(
        description="On some of its days counts do not tell it apart; its messages that are stored are counted."
    )
    at_least: bool = Field(description="More messages than are counted for that: these are not all.")


async def _members(
    begins: From = None,
    ends: To = None,
    time_zone: TimeZone = None,
    format: Format = None,  # noqa: A002 - as callers write it
    label: Label = None,
    sender: Sender = None,
    sms_type: SmsType = None,
    operator: Operator = None,
) -> dict[str, str | None]:
    """What reports and exports are asked alike, as payk.web.report_query names it."""
    return {
        "From": begins, "To": ends, "TimeZone": time_zone, "Format": format,
        "SmsLabel": label, "SenderAddress": sender, "SmsType": sms_type, "Operator": operator,
    }  # fmt: skip


Members = Annotated[dict[str, str | None], Depends(_members)]


@router.get("/reports", responses=_FILE, response_class=StreamingResponse)
async def report(
    caller: Known,
    parts: Parts,
    members: Members,
    group_by: GroupBy = None,
    client: Client = None,
    route: Route = None,
) -> StreamingResponse:
    """Messages and parts per state, delivery rate, percentiles, price and reasons of failure."""
    given = _given(members | {"GroupBy": group_by, "Route": route})
    try:
        query = ReportQuery.of(given, parts.reports.now(), _client_id(caller, parts, client))
        return _streamed(await parts.reports.report(_asker(caller), query, as_managed, timeout=PATIENCE))
    except ReportRefused as error:
        raise _wrong(error) from error


@router.get("/reports/messages", responses=_FILE, response_class=StreamingResponse)
async def messages(
    caller: Known,
    parts: Parts,
    members: Members,
    client: Client = None,
    state: State = None,
) -> StreamingResponse:
    """Single messages of a label or a time, newest first, with masked numbers."""
    try:
        query = MessageQuery.of(_given(members | {"State": state}), own_client(caller, parts, client))
        prepared = await parts.reports.messages(
            _asker(caller), query, as_managed, timeout=PATIENCE, whole_numbers=False
        )
        return _streamed(prepared)
    except ReportRefused as error:
        raise _wrong(error) from error


@router.get("/reports/labels")
async def labels(
    caller: Known, parts: Parts, client: Client = None, days: Annotated[int, Query(ge=1, le=93)] = 31
) -> LabelsSeen:
    """The labels of the last days."""
    client_id = _client_id(caller, parts, client)
    since = parts.reports.now() - timedelta(days=days)
    found = await parts.reports.labels(_asker(caller), client_id, since, LABELS_MOST, timeout=PATIENCE)
    return LabelsSeen(
        items=[
            LabelSeen(
                client=each.client,
                label=each.label,
                messages=each.messages,
                delivered=each.delivered,
                failed=each.failed,
                last_day=f"{each.last_at:%Y-%m-%d}",
            )
            for each in found
        ]
    )


@router.get("/reports/label")
async def label(
    caller: Known,
    parts: Parts,
    label: Annotated[str, Query(min_length=1, max_length=255)],
    client: Client = None,
) -> LabelStands:
    """How a label of a client stands."""
    name = own_client(caller, parts, client)
    client_id = _client_id(caller, parts, client)
    if name is None or client_id is None:
        raise _wrong(ReportRefused("Client", "each client has its own labels; name the client"))
    progress = await parts.reports.progress(_asker(caller), client_id, label, timeout=PATIENCE)
    if progress is None:
        raise not_found("label", label)
    return _stands(name, label, progress)


def _stands(client: str, label: str, progress: LabelProgress) -> LabelStands:
    return LabelStands(
        client=client,
        label=label,
        planned=progress.planned,
        parts=progress.parts,
        scheduled=progress.scheduled,
        held=progress.held,
        queued=progress.queued,
        submitted=progress.submitted,
        delivered=progress.delivered,
        failed=progress.failed,
        failures=failures(progress.failures, as_managed),
        messages_per_second=round(progress.rate, 2),
        last_due=moment(progress.last_due),
        ends_at=moment(progress.ends_at),
        other_labels=progress.other_labels,
        at_least=progress.at_least,
    )


def _asker(caller: Caller) -> tuple[object, ...]:
    """Whose turn a report of this caller takes: all who belong to one client share one."""
    principal = caller.principal
    return (principal.kind, principal.id) if principal.client_id is None else ("of client", principal.client_id)


def _client_id(caller: Caller, parts: Management, asked: str | None) -> int | None:
    """The number of the client to look at, as own_client names it; None = all of them."""
    name = own_client(caller, parts, asked)
    if name is None:
        return None
    found = next((each.client_id for each in parts.directory.value.clients.values() if each.name == name), None)
    if found is None:
        raise not_found("client", name)
    return found


def _given(members: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in members.items() if value is not None and (value or name == "SmsLabel")}


def _streamed(prepared: Prepared) -> StreamingResponse:
    headers = {"content-disposition": prepared.disposition.decode()}
    return StreamingResponse(prepared.octets, media_type=prepared.content_type.decode(), headers=headers)


_WRITTEN = {
    "SmsLabel": "label", "SenderAddress": "sender", "From": "from", "To": "to", "TimeZone": "time_zone",
    "GroupBy": "group_by",
}  # fmt: skip


def _wrong(error: ReportRefused) -> Problem:
    field = _WRITTEN.get(error.field, as_managed(error.field))
    return Problem(ManagementCode.REQUEST_INVALID, f"{field}: {error.rule}.", errors={field: [error.rule]})
