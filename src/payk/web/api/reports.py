"""GET /api/v1/reports, /api/v1/reports/messages and /api/v1/reports/labels: what became of the caller's own traffic."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import msgspec

from payk.domain.errors import Code
from payk.domain.report import ReportRefused
from payk.store.reports import LabelProgress
from payk.web.admission import Admission
from payk.web.answers import Answer, Stream
from payk.web.api.status import written_time
from payk.web.exchange import Exchange
from payk.web.problems import Problem, parameter_invalid
from payk.web.report_query import MessageQuery, ReportQuery, asked_label, members_of
from payk.web.reports import Prepared, Reports, as_documented, failures

__all__ = ["OwnReports"]

LABELS_MOST: Final = 1_000
LABEL_DAYS: Final = 31

_encode = msgspec.json.Encoder().encode


class OwnReports:
    """Reports of the calling client. `patience`: seconds that a caller waits for its turn."""

    def __init__(self, reports: Reports, admission: Admission, patience: float) -> None:
        self._reports = reports
        self._admission = admission
        self._patience = patience

    async def report(self, exchange: Exchange) -> Stream:
        """Messages and parts per state, by whatever they are grouped by."""
        client = await self._admission.client(exchange)
        try:
            members = members_of(_query(exchange), ReportQuery.MEMBERS)
            query = ReportQuery.of(members, self._reports.now(), client.client_id)
            with exchange.caller:
                return _stream(
                    await self._reports.report(client.client_id, query, as_documented, timeout=self._patience)
                )
        except ReportRefused as error:
            raise parameter_invalid(error.field, error.rule) from error

    async def messages(self, exchange: Exchange) -> Stream:
        """Single messages of a label, or of a time."""
        client = await self._admission.client(exchange)
        try:
            query = MessageQuery.of(members_of(_query(exchange), MessageQuery.MEMBERS), client.name)
            with exchange.caller:
                prepared = await self._reports.messages(
                    client.client_id, query, as_documented, timeout=self._patience, whole_numbers=True
                )
                return _stream(prepared)
        except ReportRefused as error:
            raise parameter_invalid(error.field, error.rule) from error

    async def labels(self, exchange: Exchange) -> Answer:
        """How a label stands; without one, which labels there are of late."""
        client = await self._admission.client(exchange)
        try:
            label = asked_label(members_of(_query(exchange), ["SmsLabel"]))
        except ReportRefused as error:
            raise parameter_invalid(error.field, error.rule) from error
        who = client.client_id
        with exchange.caller:
            if label is None:
                since = self._reports.now() - timedelta(days=LABEL_DAYS)
                found = await self._reports.labels(who, who, since, LABELS_MOST, timeout=self._patience)
                labels = [
                    {
                        "SmsLabel": each.label,
                        "Messages": each.messages,
                        "Delivered": each.delivered,
                        "Failed": each.failed,
                        "LastDay": f"{each.last_at:%Y-%m-%d}",
                    }
                    for each in found
                ]
                return Answer(200, _encode({"Labels": labels}))
            progress = await self._reports.progress(who, who, label, timeout=self._patience)
        if progress is None:
            raise Problem(Code.MESSAGE_NOT_FOUND, "This client has no messages with this SmsLabel.")
        return Answer(200, _encode(_members(label, progress)))


def _members(label: str, progress: LabelProgress) -> dict[str, Any]:
    return {
        "SmsLabel": label,
        "Planned": progress.planned,
        "Parts": progress.parts,
        "Scheduled": progress.scheduled,
        "Held": progress.held,
        "Queued": progress.queued,
        "Submitted": progress.submitted,
        "Delivered": progress.delivered,
        "Failed": progress.failed,
        "Failures": failures(progress.failures, as_documented),
        "MessagesPerSecond": round(progress.rate, 2),
        "LastDue": written_time(progress.last_due),
        "EndsAt": written_time(progress.ends_at),
        **({"OtherLabels": True} if progress.other_labels else {}),
        **({"AtLeast": True} if progress.at_least else {}),
    }


def _query(exchange: Exchange) -> str:
    query: bytes = exchange.scope["query_string"]
    return query.decode("utf-8", "replace")


def _stream(prepared: Prepared) -> Stream:
    headers = ((b"content-disposition", prepared.disposition),)
    return Stream(200, prepared.octets, prepared.content_type, headers)
