"""GET /api/v1/sms/{id}/events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from payk.domain.whereabouts import Whereabouts, cause_of, until, why_for_client
from payk.smpp import parse_network_error, status_name
from payk.store.timeline import EventKind, Timeline, TimelineEvent, TimelineReader
from payk.web.answers import Answer
from payk.web.api.question import Questions, not_found
from payk.web.exchange import Exchange

__all__ = ["Timelines"]

_encode = msgspec.json.Encoder().encode


class Timelines:
    """Tells what happened to one message of the calling client, and why it is where it is."""

    def __init__(self, reader: TimelineReader, questions: Questions) -> None:
        self._reader = reader
        self._questions = questions

    async def one(self, exchange: Exchange) -> Answer:
        """The timeline of the message whose id the path names."""
        client_id, message_id, timeout = await self._questions.asked(exchange)
        timeline = await self._reader.timeline(client_id, message_id, timeout)
        if timeline is None:
            raise not_found(exchange)
        return Answer(200, _encode(_body(timeline)))


def _body(timeline: Timeline) -> dict[str, Any]:
    return {
        "MessageId": str(timeline.message_id),
        "MessageState": timeline.state.label,
        "Parts": timeline.parts,
        "Why": _why(timeline.whereabouts),
        "Events": [_members(event) for event in timeline.events],
    }


def _why(whereabouts: Whereabouts) -> dict[str, Any]:
    return {
        "Code": cause_of(whereabouts),
        "Detail": why_for_client(whereabouts),
        "Until": _written(until(whereabouts)),
    }


def _members(event: TimelineEvent) -> dict[str, Any]:
    """What is known of an event. Only the State of a receipt is told where there is none: it says nothing then."""
    members = {
        "Event": event.kind,
        "Time": _written(event.at),
        "Part": event.part,
        "Attempt": event.attempt,
        "Operator": event.operator,
        "OperatorMessageId": event.smsc_id,
        "Until": _written(event.until),
        "Reason": event.reason,
        "CommandStatus": None if event.command_status is None else status_name(event.command_status),
        "State": None if event.state is None else event.state.label,
        "RawState": event.raw_state,
        "Error": event.error,
        "NetworkError": _network_error(event.network_error),
        "OperatorTime": _written(event.operator_done_at),
    }
    needed = {"State"} if event.kind is EventKind.RECEIPT else set()
    return {name: value for name, value in members.items() if value is not None or name in needed}


def _network_error(octets: bytes | None) -> dict[str, Any] | None:
    if not octets:
        return None
    error = parse_network_error(octets)
    return {"Network": error.network, "Code": error.code}


def _written(at: datetime | None) -> str | None:
    """A time as the documented API writes it, UTC and no zone, with milliseconds."""
    return None if at is None else at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
