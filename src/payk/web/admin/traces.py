"""Traces of links: what goes over the wire, shown for a limited time; that somebody looked is recorded."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, model_validator

from payk.domain.access import Permission
from payk.domain.audit import AuditEntry
from payk.domain.management_errors import ManagementCode
from payk.logs import mask
from payk.sealing import SealError
from payk.store import audit
from payk.store.link_states import link_states
from payk.store.link_traces import (
    TRACES,
    TraceOf,
    begin_trace,
    end_trace,
    look_at_trace,
    note_reading,
    read_trace,
    sealed_as,
)
from payk.web.admin.configured import not_found
from payk.web.admin.given import Given
from payk.web.admin.management import Caller, Known, Management, Parts
from payk.web.problems import Problem

__all__ = ["router"]

router = APIRouter(tags=["traces"])

LONGEST = 600
"""Seconds of one trace."""


class TraceWish(Given):
    """What to look at, and for how long: a link, or one number on every link."""

    link: str | None = Field(None, max_length=64)
    number: str | None = Field(None, pattern="^[+]?[0-9]{5,15}$", description="Its messages and the answers to them.")
    seconds: int = Field(60, ge=1, le=LONGEST)
    texts: bool = Field(False, description="With texts; it takes the permission read-texts.")
    whole_numbers: bool = Field(False, description="With numbers as they are; it takes the permission read-texts.")

    @model_validator(mode="after")
    def _one_of_both(self) -> TraceWish:
        if (self.link is None) is (self.number is None):
            raise ValueError("name a link, or a number")
        return self


class TraceBegun(BaseModel):
    """A trace that runs."""

    trace_id: int
    held_by: int = Field(description="How many processes hold the link now; of a number: any link.")


class TraceRecord(BaseModel):
    """One PDU."""

    at: int = Field(description="Microseconds since 1970, by the clock of the process that holds the link.")
    link: str
    stream: str = Field(description="The connection.")
    sent: bool = Field(description="By the centre; else by the operator.")
    ours: tuple[str, int] = Field(description="Address and port of the centre's side.")
    theirs: tuple[str, int]
    pdu: str = Field(description="Its octets in hexadecimal digits. Passwords are never in it.")


class TracePageShown(BaseModel):
    """What was seen since the page before."""

    items: list[TraceRecord]
    next: int = Field(description="`after` of the next page; what was shown is dropped then.")
    goes_on: bool = Field(description="false: nothing more comes.")
    lost: int = Field(description="PDUs that were not kept so far.")
    full: bool = Field(description="It ended because it became too large.")


TraceId = Annotated[int, Query(ge=0, lt=2**62)]


@router.post("/traces", status_code=201)
async def begin(caller: Known, parts: Parts, wish: TraceWish) -> TraceBegun:
    """Begin one, within a second. It ends when its time is over, or 15 seconds after it was last read."""
    caller.check(Permission.CONTROL_TRAFFIC)
    if wish.texts or wish.whole_numbers:
        caller.check(Permission.READ_TEXTS)
    link_id = None if wish.link is None else _link_id(parts, wish.link)
    number = None if wish.number is None else wish.number.lstrip("+")
    detail = {"seconds": wish.seconds, "texts": wish.texts, "whole_numbers": wish.whole_numbers}
    kind, name = ("link", wish.link) if number is None else ("number", mask(number))
    held = [state for state in await link_states(parts.db) if wish.link in (None, state.link)]
    trace_id = await begin_trace(
        parts.db,
        TraceOf(link_id, number, wish.texts, wish.whole_numbers),
        seconds=wish.seconds + 1,
        by=_named(caller),
        entry=AuditEntry(caller.actor, "trace.begin", kind, name or "", detail),
    )
    if trace_id is None:
        raise Problem(ManagementCode.CONFLICT, f"{TRACES} traces run already, as many as may; wait for one to end.")
    return TraceBegun(trace_id=trace_id, held_by=len({state.incarnation for state in held}))


@router.get("/traces/{trace_id}")
async def read(caller: Known, parts: Parts, trace_id: int, after: TraceId = 0) -> TracePageShown:
    """What was seen since `after`; ask again until it does not go on. Who did not begin it is recorded, once, before
    anything is shown; where no key opens it that is recorded, as `trace.unopened`."""
    caller.check(Permission.CONTROL_TRAFFIC)
    of = await look_at_trace(parts.db, trace_id) if 0 <= trace_id < 2**62 else None
    if of is None:
        raise not_found("trace", trace_id)
    if of.texts or of.numbers:
        caller.check(Permission.READ_TEXTS)
    page = await read_trace(parts.db, trace_id, after)
    if page is None:
        raise not_found("trace", trace_id)
    try:
        opened = [json.loads(parts.open_text(piece, sealed_as(trace_id))) for piece in page.pieces]
    except SealError:
        await audit.record(parts.db, [_entry(parts, caller, "trace.unopened", of)])
        raise
    await note_reading(parts.db, trace_id, _named(caller), _entry(parts, caller, "trace.read", of))
    items = [_record(*fields) for piece in opened for fields in piece]
    return TracePageShown(items=items, next=page.last, goes_on=page.goes_on, lost=page.lost, full=page.full)


@router.delete("/traces/{trace_id}", status_code=204)
async def end(caller: Known, parts: Parts, trace_id: int) -> None:
    """End it, and drop what was not read; recorded where somebody else began it."""
    caller.check(Permission.CONTROL_TRAFFIC)

    def entry(of: TraceOf) -> AuditEntry:
        return _entry(parts, caller, "trace.end", of)

    if not (0 <= trace_id < 2**62 and await end_trace(parts.db, trace_id, _named(caller), entry)):
        raise not_found("trace", trace_id)


def _named(caller: Caller) -> str:
    """As nobody else is: names of users and of tokens may be the same."""
    actor = caller.actor
    return f"{actor.kind} {actor.id} {actor.name}"


def _entry(parts: Management, caller: Caller, act: str, of: TraceOf) -> AuditEntry:
    """About what the entry of its beginning is about."""
    kind, name = ("link", _link_name(parts, of.link_id)) if of.number is None else ("number", mask(of.number))
    return AuditEntry(caller.actor, act, kind, name, {"texts": of.texts, "whole_numbers": of.numbers})


def _link_name(parts: Management, link_id: int | None) -> str:
    link = None if link_id is None else parts.names.link_of(link_id)
    return str(link_id) if link is None else link.name


def _link_id(parts: Management, name: str) -> int:
    for operator in parts.directory.value.operators.values():
        for link in operator.links:
            if link.name == name:
                return link.link_id
    raise not_found("link", name)


def _record(
    at: int, link: str, stream: str, sent: bool, our_host: str, our_port: int, host: str, port: int, pdu: str
) -> TraceRecord:
    return TraceRecord(
        at=at, link=link, stream=stream, sent=sent, ours=(our_host, our_port), theirs=(host, port), pdu=pdu
    )
