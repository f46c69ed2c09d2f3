"""Running traffic: who is alive, how links stand, what waits; holding, releasing and cancelling it; draining."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from payk.domain.access import Permission
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.errors import Code
from payk.domain.hold import Hold
from payk.domain.management_errors import ManagementCode
from payk.domain.message import SmsType
from payk.logs import mask
from payk.registry.difference import Difference
from payk.registry.traffic import Chosen, cancel, drain, hold, matching, release, resume
from payk.store.census import LeasedBind, LiveProcess, live_processes
from payk.store.errors import OutcomeUnknown
from payk.store.holds import Counts, read_holds
from payk.store.incoming import incoming
from payk.store.link_states import link_states
from payk.store.parked import COUNTED, forget_parked, parked_counts, parked_page, retry_parked
from payk.store.queues import Depth, queue_depths
from payk.web.admin.changes import Done
from payk.web.admin.configured import Force, IfMatch, Limit, expected_etag, not_found, numbered
from payk.web.admin.errors import done_in_parts
from payk.web.admin.given import Given
from payk.web.admin.management import Caller, Known, Management, Name, Parts
from payk.web.admin.times import moment
from payk.web.problems import RETRY_AFTER, Problem

__all__ = ["router"]

router = APIRouter(tags=["traffic"])

HoldId = Annotated[int, numbered("hold")]
CANCEL_PATIENCE = 30.0
"""Seconds after which a cancel that goes on is answered with what it did so far."""


class Choice(Given):
    """Which waiting messages are meant: all that is named must fit, and something must be named."""

    client: str | None = Field(None, max_length=64)
    label: str | None = Field(None, max_length=255)
    sms_type: str | None = Field(None, pattern="^(common|otp|batch)$")
    operator: str | None = Field(None, max_length=64, description="That their route names first.")
    reason: str = Field("", max_length=255, description="For those who look at it later.")

    def chosen(self) -> Chosen:
        """The same in the words of the registry."""
        kind = None if self.sms_type is None else SmsType[self.sms_type.upper()]
        return Chosen(self.client, self.label, kind, self.operator)


class HoldShown(BaseModel):
    """A hold that stands."""

    hold_id: int
    client: str | None
    label: str | None
    sms_type: str | None
    operator: str | None
    placed_at: str | None
    author: str
    reason: str
    cancels: bool = Field(description="It stands while what it covers is cancelled.")


class Many(BaseModel):
    """All of them."""

    items: list[Any]


class Cancellation(BaseModel):
    """How a cancel went."""

    cancelled: int
    too_late: int = Field(description="Parts of them are with an operator, or on their way.")
    done: bool = Field(description="false: it goes on, and the hold stands until it is done.")


class Matching(BaseModel):
    """How many messages are meant."""

    waiting: int = Field(description="Now or for later, and not on their way.")
    at_least: bool = Field(description="There may be more: no more were counted.")


class BindNamed(BaseModel):
    """A bind by its link and its number."""

    link: str
    number: int


class Processes(BaseModel):
    """Who is alive, and the binds that somebody should hold and nobody does."""

    items: list[Any]
    held_by_nobody: list[BindNamed]


def _hold(parts: Management, found: Hold) -> HoldShown:
    directory, chosen = parts.names.value, found.selection
    client = None if chosen.client_id is None else directory.clients.get(chosen.client_id)
    operator = None if chosen.operator_id is None else directory.operators.get(chosen.operator_id)
    return HoldShown(
        hold_id=found.hold_id,
        client=None if chosen.client_id is None else client.name if client else f"client {chosen.client_id}",
        label=chosen.label,
        sms_type=None if chosen.sms_type is None else chosen.sms_type.name.lower(),
        operator=None if chosen.operator_id is None else operator.name if operator else f"{chosen.operator_id}",
        placed_at=moment(found.placed_at),
        author=found.author,
        reason=found.reason,
        cancels=found.cancels,
    )


@router.get("/holds")
async def list_holds(caller: Known, parts: Parts) -> Many:
    """What is held back now."""
    caller.check(Permission.READ_TRAFFIC)
    return Many(items=[_hold(parts, found) for found in await read_holds(parts.db)])


@router.post("/holds", status_code=201)
async def place_hold(caller: Known, parts: Parts, choice: Choice) -> HoldShown:
    """Hold back what waits and what will; within a second nothing of it leaves."""
    caller.check(Permission.CONTROL_TRAFFIC)
    return _hold(
        parts, await hold(parts.db, choice.chosen(), author=caller.author, actor=caller.actor, reason=choice.reason)
    )


@router.post("/holds/{hold_id}/release", status_code=204)
async def release_hold(caller: Known, parts: Parts, hold_id: HoldId) -> None:
    """Let it go; within a second it flows, and ExpiresIn counts on from here."""
    caller.check(Permission.CONTROL_TRAFFIC)
    if not await release(parts.db, hold_id, author=caller.author, actor=caller.actor):
        raise not_found("hold", hold_id)


@router.post("/cancel")
async def cancel_waiting(caller: Known, parts: Parts, choice: Choice) -> Cancellation:
    """Delete what waits and no operator can have, up to now: first it is held, so that none of it leaves meanwhile."""
    caller.check(Permission.CONTROL_TRAFFIC)
    try:
        counts: Counts = await cancel(
            parts.db,
            choice.chosen(),
            parts.receipt_wait,
            author=caller.author,
            actor=caller.actor,
            reason=choice.reason,
            on_ended=parts.outcome_log.on_ended,
            timeout=CANCEL_PATIENCE,
        )
    except OutcomeUnknown as error:
        detail = (
            "The connection to the store was lost amid it. What is cancelled stays so, and a hold that cancels stands"
            " among the holds and goes on by itself; where there is none, nothing was begun."
        )
        raise Problem(Code.OUTCOME_UNKNOWN, detail, retry_after=RETRY_AFTER) from error
    return Cancellation(cancelled=counts.cancelled, too_late=counts.too_late, done=counts.done)


@router.post("/operators/{name}/drain", tags=["operators"])
async def drain_operator(
    caller: Known, parts: Parts, name: Name, force: Force = False, if_match: IfMatch = None
) -> Done:
    """Give nothing new to it; what it has is finished, its binds stay, and its receipts come."""
    return await _turned(drain, caller, parts, if_match, operator=name, force=force)


@router.post("/operators/{name}/resume", tags=["operators"])
async def resume_operator(caller: Known, parts: Parts, name: Name, if_match: IfMatch = None) -> Done:
    """Give messages to it again."""
    return await _turned(resume, caller, parts, if_match, operator=name)


@router.post("/links/{name}/drain", tags=["operators"])
async def drain_link(caller: Known, parts: Parts, name: Name, force: Force = False, if_match: IfMatch = None) -> Done:
    """Give nothing new to one link; the others of its operator go on."""
    return await _turned(drain, caller, parts, if_match, link=name, force=force)


@router.post("/links/{name}/resume", tags=["operators"])
async def resume_link(caller: Known, parts: Parts, name: Name, if_match: IfMatch = None) -> Done:
    """Give messages to it again."""
    return await _turned(resume, caller, parts, if_match, link=name)


async def _turned(
    turn: Callable[..., Awaitable[Difference]], caller: Caller, parts: Management, if_match: str | None, **which: Any
) -> Done:
    """Drain or resume it."""
    caller.check(Permission.CONTROL_TRAFFIC)
    difference = await turn(
        *(parts.db, parts.secret_box),
        author=caller.author,
        actor=caller.actor,
        expected=expected_etag(if_match),
        **which,
    )
    return Done(difference=difference.lines())


@router.get("/processes")
async def list_processes(caller: Known, parts: Parts) -> Processes:
    """Who is alive, in which roles, with which duties and binds."""
    caller.check(Permission.READ_TRAFFIC)
    found = await live_processes(parts.db)
    items = [
        {**_plain(asdict(process)), "binds": [_bind(parts.names, bind) for bind in process.binds]} for process in found
    ]
    return Processes(items=items, held_by_nobody=_unheld(parts.directory.value, found))


def _bind(directory: CurrentDirectory, bind: LeasedBind) -> dict[str, Any]:
    link = directory.link_of(bind.link_id)
    return {"link": f"link {bind.link_id}" if link is None else link.name, **_plain(asdict(bind))}


def _unheld(directory: Directory, alive: Sequence[LiveProcess]) -> list[BindNamed]:
    held = {(bind.link_id, bind.number) for process in alive for bind in process.binds}
    return [
        BindNamed(link=link.name, number=number)
        for link in directory.links().values()
        for number in range(1, link.binds + 1)
        if (link.link_id, number) not in held
    ]


@router.get("/links/{name}/state", tags=["operators"])
async def show_link_state(caller: Known, parts: Parts, name: Name) -> Many:
    """How a link stands this second, in each process that holds it."""
    caller.check(Permission.READ_TRAFFIC)
    if not any(link.name == name for operator in parts.directory.value.operators.values() for link in operator.links):
        raise not_found("link", name)
    return Many(items=[_plain(asdict(state)) for state in await link_states(parts.db) if state.link == name])


@router.get("/link-states")
async def list_link_states(caller: Known, parts: Parts) -> Many:
    """How every link stands this second."""
    caller.check(Permission.READ_TRAFFIC)
    return Many(items=[_plain(asdict(state)) for state in await link_states(parts.db)])


class RateShown(BaseModel):
    """How much of what is taken in now."""

    sms_type: str
    messages: float = Field(description="A second.")


class RatesShown(BaseModel):
    """How much is taken in now; what goes out is told of by /link-states."""

    seconds: float = Field(description="Over which it was counted.")
    messages: float = Field(description="A second, of all types.")
    items: list[RateShown]


@router.get("/rates")
async def show_rates(caller: Known, parts: Parts) -> RatesShown:
    """Messages that are taken in a second, by type: the mean of the last 10 seconds."""
    caller.check(Permission.READ_TRAFFIC)
    found = await incoming(parts.db)
    return RatesShown(
        seconds=round(found.seconds, 3),
        messages=round(sum(found.taken.values()) / found.seconds, 3),
        items=[
            RateShown(sms_type=kind.name.lower(), messages=round(count / found.seconds, 3))
            for kind, count in found.taken.items()
        ],
    )


@router.get("/queues")
async def list_queues(caller: Known, parts: Parts) -> Many:
    """What waits, by operators, lane and client, the fullest first; of a bound caller what is its client's."""
    caller.check_kind(Permission.READ_TRAFFIC)
    depths = await queue_depths(parts.db)
    own = caller.principal.client_id
    return Many(
        items=[
            {**_plain(asdict(depth)), "lane": depth.lane.name.lower(), "held": _held(parts.directory.value, depth)}
            for depth in depths
            if own is None or depth.client_id == own
        ]
    )


def _held(directory: Directory, depth: Depth) -> bool:
    """Whether all of it is held back, whatever its label; what a suspended client has waiting is."""
    first = next(iter(directory.queues.get(depth.queue_id, ())), None)
    return directory.suspends(depth.client_id) or any(
        hold.selection.label is None and hold.selection.covers(depth.client_id, depth.lane, 0, first)
        for hold in directory.holds.all
    )


@router.post("/queues/matching")
async def count_matching(caller: Known, parts: Parts, choice: Choice) -> Matching:
    """How many messages a hold or a cancel would mean; nothing is changed."""
    caller.check(Permission.READ_TRAFFIC)
    waiting, whole = await matching(parts.db, choice.chosen())
    return Matching(waiting=waiting, at_least=not whole)


@router.get("/receipts/parked")
async def list_parked(
    caller: Known,
    parts: Parts,
    operator: Annotated[str | None, Query(max_length=64)] = None,
    after: Annotated[int, Query(ge=0, lt=2**62)] = 0,
    limit: Limit = 100,
) -> Many:
    """Receipts that no submit is known for, the oldest first."""
    caller.check(Permission.READ_TRAFFIC)
    found = await parked_page(parts.db, operator=operator, after=after, limit=limit)
    return Many(
        items=[
            {**_plain(asdict(receipt)), "source": mask(receipt.source), "destination": mask(receipt.destination)}
            for receipt in found
        ]
    )


@router.get("/receipts/parked/counts")
async def count_parked(caller: Known, parts: Parts) -> Many:
    """How many there are, by operator."""
    caller.check(Permission.READ_TRAFFIC)
    return Many(
        items=[{**_plain(asdict(count)), "at_least": count.count >= COUNTED} for count in await parked_counts(parts.db)]
    )


class ParkedChoice(Given):
    """Which parked receipts are meant: those of these numbers, of an operator, or all."""

    parked_ids: list[Annotated[int, Field(ge=0, lt=2**62)]] | None = Field(None, max_length=10_000)
    operator: str | None = Field(None, max_length=64)
    all: bool = Field(False, description="Every one is meant to be dropped; only without parked_ids and operator.")


class Affected(BaseModel):
    """How many it was."""

    receipts: int


@router.post("/receipts/parked/retry")
async def retry(caller: Known, parts: Parts, choice: ParkedChoice) -> Affected:
    """Try to match them at once."""
    caller.check(Permission.CONTROL_TRAFFIC)
    return Affected(receipts=await retry_parked(parts.db, choice.parked_ids, choice.operator, actor=caller.actor))


@router.post("/receipts/parked/forget")
async def forget(caller: Known, parts: Parts, choice: ParkedChoice) -> Affected:
    """Drop them for good; which ones must be said."""
    caller.check(Permission.CONTROL_TRAFFIC)
    if choice.parked_ids is None and choice.operator is None and not choice.all:
        rule = "name receipts by parked_ids, or an operator, or all of them"
        raise Problem(ManagementCode.VALUE_INVALID, f"parked_ids: {rule}.", errors={"parked_ids": [rule]})
    with done_in_parts("Some may be dropped already: repeat the request, it drops the rest."):
        gone = await forget_parked(parts.db, choice.parked_ids, choice.operator, actor=caller.actor)
    return Affected(receipts=gone)


def _plain(value: Any) -> Any:
    """A row as JSON has it."""
    match value:
        case datetime():
            return moment(value)
        case dict():
            return {name: _plain(element) for name, element in value.items()}
        case list() | tuple():
            return [_plain(element) for element in value]
        case float():
            return round(value, 3)
        case _:
            return value
