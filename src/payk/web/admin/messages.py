"""Messages: what became of one, which there are, and, as an act that is recorded, what stands in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from payk.domain.access import Permission
from payk.domain.audit import AuditEntry
from payk.domain.management_errors import ManagementCode
from payk.domain.search import MessageSearch, SearchRefused
from payk.domain.whereabouts import Cause, cause_of, why, why_for_client
from payk.logs import mask
from payk.sealing import SealError
from payk.store import audit
from payk.store.imported import read_imported
from payk.store.record import MessageRecord, read_record
from payk.store.search import FoundMessage, read_text, search_messages
from payk.store.timeline import TimelineEvent
from payk.web.admin.configured import Limit, WholeNumbers, not_found
from payk.web.admin.management import Caller, Known, Management, Parts
from payk.web.admin.times import Moment, moment
from payk.web.kinds import sms_type_of, state_of
from payk.web.problems import Problem

__all__ = ["own_client", "router"]

router = APIRouter(tags=["messages"])

_Kind = TypeVar("_Kind")
MessageId = Annotated[int, Query(ge=0, lt=2**62)]


class MessageShown(BaseModel):
    """A message without its text."""

    message_id: str
    client: str
    number: str = Field(description="Masked, unless whole numbers were asked for.")
    sender: str
    sms_type: str
    priority: str
    state: str
    reason: str | None = Field(description="Why it failed, in the words of reports; null where nobody knows.")
    parts: int
    label: str | None
    client_message_id: str | None
    operator: str | None = Field(description="That it was handed to last.")
    accepted_at: str | None
    scheduled_at: str | None
    expires_at: str | None
    submitted_at: str | None
    done_at: str | None


class MessagesShown(BaseModel):
    """A page of messages, newest first."""

    items: list[MessageShown]
    next: str | None = Field(description="`before` of the next page; null where there is nothing more.")
    looked_back_to: str | None = Field(
        description="Where the search ended for its cost: what came since was looked at; go on with `next`."
    )


class TextShown(BaseModel):
    """What stands in a message."""

    message_id: str
    text: str | None = Field(description="null: it was wiped.")


class ImportedTold(BaseModel):
    """All that is known of a message of another centre."""

    message_id: str
    client: str
    accepted_at: str | None
    done_at: str | None
    state: str
    why: str


class MessageTold(MessageShown):
    """All that is known of one message."""

    why: str = Field(description="What became of it or what it waits for, in a sentence.")
    why_code: Cause = Field(description="The same for programs, as the public API has it.")
    events: list[dict[str, Any]] = Field(description="What happened to it, in order.")


def _shown(message: FoundMessage) -> dict[str, Any]:
    return {
        "message_id": str(message.message_id),
        "client": message.client,
        "number": message.number,
        "sender": message.sender,
        "sms_type": message.sms_type.name.lower(),
        "priority": message.priority.name.lower(),
        "state": message.state.label,
        "reason": message.reason,
        "parts": message.parts,
        "label": message.label,
        "client_message_id": message.client_message_id,
        "operator": message.operator,
        "accepted_at": moment(message.accepted_at),
        "scheduled_at": moment(message.scheduled_at),
        "expires_at": moment(message.expires_at),
        "submitted_at": moment(message.submitted_at),
        "done_at": moment(message.done_at),
    }


def _event(event: TimelineEvent) -> dict[str, Any]:
    members = {
        "event": str(event.kind),
        "at": moment(event.at),
        "part": event.part,
        "attempt": event.attempt,
        "operator": event.operator,
        "operator_message_id": event.smsc_id,
        "until": moment(event.until),
        "reason": event.reason,
        "command_status": event.command_status,
        "state": None if event.state is None else event.state.label,
        "raw_state": event.raw_state,
        "error": event.error,
        "network_error": None if event.network_error is None else event.network_error.hex(),
    }
    return {name: value for name, value in members.items() if value is not None}


def _kind(field: str, written: str | None, read: Callable[[str], _Kind]) -> _Kind | None:
    try:
        return None if written is None else read(written)
    except ValueError as error:
        raise _wrong(field, str(error)) from error


def _wrong(field: str, rule: str) -> Problem:
    return Problem(ManagementCode.REQUEST_INVALID, f"{field}: {rule}.", errors={field: [rule]})


def own_client(caller: Caller, parts: Management, asked: str | None) -> str | None:
    """The client to look at: that of whoever is bound to one, whatever it asks for."""
    caller.check_kind(Permission.READ_MESSAGES)
    if caller.principal.client_id is None:
        return asked
    bound = parts.directory.value.clients.get(caller.principal.client_id)
    if bound is None or asked not in (None, bound.name):
        raise not_found("client", asked)
    return bound.name


@router.get("/messages")
async def list_messages(
    caller: Known,
    parts: Parts,
    number: Annotated[str | None, Query(max_length=40)] = None,
    number_ends: Annotated[
        str | None, Query(max_length=15, description="Last digits, with client and one day.")
    ] = None,
    client: Annotated[str | None, Query(max_length=64)] = None,
    label: Annotated[str | None, Query(max_length=255)] = None,
    sender: Annotated[str | None, Query(max_length=15)] = None,
    sms_type: Annotated[str | None, Query(max_length=10, description="common, otp or batch.")] = None,
    state: Annotated[str | None, Query(max_length=20, description="As in MessageState: Delivered.")] = None,
    operator: Annotated[str | None, Query(max_length=64)] = None,
    client_message_id: Annotated[str | None, Query(max_length=255)] = None,
    accepted_from: Moment | None = None,
    accepted_before: Moment | None = None,
    before: MessageId | None = None,
    limit: Limit = 100,
    whole_numbers: WholeNumbers = False,
) -> MessagesShown:
    """Messages that are all of what is named, newest first."""
    search = MessageSearch(
        number=number,
        number_ends=number_ends,
        client=own_client(caller, parts, client),
        label=label,
        sender=sender,
        sms_type=_kind("sms_type", sms_type, sms_type_of),
        state=_kind("state", state, state_of),
        operator=operator,
        client_message_id=client_message_id,
        accepted_from=accepted_from,
        accepted_before=accepted_before,
    )
    if whole_numbers:
        await _record_numbers(caller, parts, "messages", search.client or "", _asked_for(search))
    try:
        found = await search_messages(parts.db, search, cursor=before, limit=limit, whole_numbers=whole_numbers)
    except SearchRefused as error:
        raise _wrong(error.field, error.rule) from error
    return MessagesShown(
        items=[MessageShown(**_shown(message)) for message in found.messages],
        next=None if found.cursor is None else str(found.cursor),
        looked_back_to=moment(found.looked_back_to),
    )


async def _record_numbers(
    caller: Caller, parts: Management, kind: str, name: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Raise Problem (Forbidden) unless the caller may see whole numbers; that it does is recorded."""
    caller.check_kind(Permission.READ_TEXTS)
    await audit.record(parts.db, [AuditEntry(caller.actor, "numbers.read", kind, name, detail or {})])


def _asked_for(search: MessageSearch) -> dict[str, str]:
    """Whose numbers a search looks for, as the audit log may have it: numbers masked, as they are everywhere there."""
    given = {
        "number": _masked(search.number),
        "number_ends": _masked(search.number_ends),
        "label": search.label,
        "accepted_from": moment(search.accepted_from),
        "accepted_before": moment(search.accepted_before),
    }
    return {name: value for name, value in given.items() if value is not None}


def _masked(number: str | None) -> str | None:
    return None if number is None else mask("".join(filter(str.isdecimal, number)))


@router.get("/messages/{message_id}")
async def show_message(
    caller: Known, parts: Parts, message_id: int, whole_numbers: WholeNumbers = False
) -> MessageTold | ImportedTold:
    """One message: what happened to it, and why it is where it is. Of another centre's, as it was imported."""
    record = await _record(caller, parts, message_id, whole_numbers=whole_numbers)
    if record is None:
        return await _imported(caller, parts, message_id)
    if whole_numbers:
        await _record_numbers(caller, parts, "message", str(message_id))
    events = [_event(event) for event in record.timeline.events]
    whereabouts = record.timeline.whereabouts
    # Links, processes and people are not for those who belong to a client.
    told = why(whereabouts) if caller.principal.client_id is None else why_for_client(whereabouts)
    return MessageTold(**_shown(record.message), why=told, why_code=cause_of(whereabouts), events=events)


@router.get("/messages/{message_id}/text")
async def show_text(caller: Known, parts: Parts, message_id: int) -> TextShown:
    """The text of a message. That it was read is recorded before it is shown; so is it where no key opens it, as
    `text.unopened`."""
    caller.check_kind(Permission.READ_TEXTS)
    if await _record(caller, parts, message_id) is None:
        raise not_found("message", message_id)

    async def record(act: str) -> None:
        await audit.record(parts.db, [AuditEntry(caller.actor, act, "message", str(message_id))])

    try:
        text = await read_text(parts.db, message_id, parts.open_text)
    except SealError:
        await record("text.unopened")
        raise
    if text is None:
        raise not_found("message", message_id)
    await record("text.read")
    return TextShown(message_id=str(message_id), text=text or None)


async def _record(
    caller: Caller, parts: Management, message_id: int, *, whole_numbers: bool = False
) -> MessageRecord | None:
    client = own_client(caller, parts, None)
    if whole_numbers:
        caller.check_kind(Permission.READ_TEXTS)
    if not 0 <= message_id < 2**62:
        return None
    return await read_record(parts.db, message_id, zone=parts.zone, client=client, whole_numbers=whole_numbers)


async def _imported(caller: Caller, parts: Management, message_id: int) -> ImportedTold:
    own = own_client(caller, parts, None)
    found = await read_imported(parts.db, message_id) if 0 <= message_id < 2**62 else None
    if found is None or own not in (None, found[0]):
        raise not_found("message", message_id)
    client, message = found
    return ImportedTold(
        message_id=str(message_id),
        client=client,
        accepted_at=moment(message.submitted_at),
        done_at=moment(message.done_at),
        state=message.state.label,
        why="It was sent by another centre, and its state was imported.",
    )
