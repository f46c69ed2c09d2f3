"""Changes to running traffic: hold, release and cancel what waits; drain and resume operators and links.

A hold is part of the picture that processes work with: it is written, versioned and announced as every other change is.
What follows from it for the messages themselves is done in slices (`continue_holds`), by whoever gave the command and
by the duty that goes on where that one was interrupted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from payk.domain.access import Actor
from payk.domain.hold import Hold, Selection
from payk.domain.message import SmsType
from payk.domain.receipt import ReceiptWait
from payk.registry.change import ANYTHING, apply, keep
from payk.registry.difference import Change, Difference
from payk.registry.errors import Problem, TrafficError
from payk.registry.file import read
from payk.registry.resource import Identity
from payk.registry.secrets import SecretBox
from payk.registry.value import shown, suggestion
from payk.store.database import Connection, Database
from payk.store.ending import OnEnded
from payk.store.errors import OutcomeUnknown, StoreError, StoreUnavailable
from payk.store.holds import (
    Counts,
    Step,
    cancel_some,
    client_numbers,
    count_waiting,
    counts,
    link_owners,
    operator_numbers,
    place_hold,
    release_hold,
    settle_some,
    unfinished_holds,
)
from payk.store.registry import RegistryChange, announce, changing

__all__ = [
    "Chosen",
    "cancel",
    "carry_out",
    "continue_holds",
    "drain",
    "find",
    "finish",
    "hold",
    "let_go",
    "matching",
    "place",
    "release",
    "resume",
]

_LATER: Final = 0.1
"""Seconds until a slice that came too early is tried again."""
_SLICE: Final = 10.0
"""Seconds that a slice is given at most."""
_SELF: Final = "payk"
"""The author of what Payk does by itself."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which messages people mean, by name; None = any."""

    client: str | None = None
    label: str | None = None
    sms_type: SmsType | None = None
    operator: str | None = None

    def fields(self) -> dict[str, tuple[None, Any]]:
        """For the difference: what was chosen."""
        given = {
            "client": self.client,
            "label": self.label,
            "type": None if self.sms_type is None else self.sms_type.name.lower(),
            "operator": self.operator,
        }
        return {name: (None, value) for name, value in given.items() if value is not None}


async def find(connection: Connection, chosen: Chosen) -> Selection:
    """The same by number. TrafficError names what is not there, or that nothing was chosen."""
    problems = []
    found: dict[str, int | None] = {}
    for kind, name in (("client", chosen.client), ("operator", chosen.operator)):
        found[kind] = None
        if name is not None:
            numbers = await (client_numbers if kind == "client" else operator_numbers)(connection)
            found[kind] = numbers.get(name)
            if name not in numbers:
                problems.append(Problem(kind, f"{shown(name)} is not known", suggestion(name, numbers)))
    if problems:
        raise TrafficError(problems)
    try:
        return Selection(found["client"], chosen.label, chosen.sms_type, found["operator"])
    except ValueError as error:
        raise TrafficError([Problem("", "nothing is chosen", str(error))]) from None


async def hold(db: Database, chosen: Chosen, *, author: str, actor: Actor | None = None, reason: str = "") -> Hold:
    """Hold back what waits, and what will, until it is released. TrafficError, StoreError."""
    return await _place(db, chosen, author, actor, reason=reason, cancels=False)


async def _place(db: Database, chosen: Chosen, author: str, actor: Actor | None, *, reason: str, cancels: bool) -> Hold:
    async with changing(db) as change:
        selection = await find(change.connection, chosen)
        placed, version = await place(change, selection, chosen, author, actor, reason=reason, cancels=cancels)
    await announce(db, version)
    return placed


async def place(
    change: RegistryChange,
    selection: Selection,
    chosen: Chosen,
    author: str,
    actor: Actor | None,
    *,
    reason: str = "",
    cancels: bool = False,
) -> tuple[Hold, int]:
    """Hold `selection`, which is `chosen` by number, as the last thing of a change; the hold, and the version to be
    announced."""
    placed = await place_hold(change.connection, selection, author=author, reason=reason, cancels=cancels)
    fields = chosen.fields() | ({"reason": (None, reason)} if reason else {})
    line = Change("+", "cancel" if cancels else "hold", str(placed.hold_id), fields=fields)
    return placed, await keep(change, Difference((line,)), author, actor)


async def matching(db: Database, chosen: Chosen, most: int = 100_000) -> tuple[int, bool]:
    """How many messages wait, now or for later, that are meant and not claimed; at most about `most` are counted, and
    False with it says that there may be more. A label that shares its key with another one is told apart."""
    async with db.connection() as connection:
        selection = await find(connection, chosen)
    return await count_waiting(db, selection, most)


async def release(db: Database, hold_id: int, *, author: str, actor: Actor | None = None) -> bool:
    """Let go what a hold keeps; False if no such hold stands. Its traffic flows within a second.

    What follows for its ExpiresIn `finish` does, or the duty. A cancel that is under way ends here: what it did not
    come to stays.
    """
    async with changing(db) as change:
        version = await let_go(change, [hold_id], author, actor)
    if version is None:
        return False
    await announce(db, version)
    return True


async def let_go(change: RegistryChange, hold_ids: Iterable[int], author: str, actor: Actor | None) -> int | None:
    """Release those of these holds that stand, as the last thing of a change; the version to be announced, None where
    none of them does."""
    released = [hold_id for hold_id in hold_ids if await release_hold(change.connection, hold_id) is not None]
    if not released:
        return None
    lines = [Change("~", "hold", str(hold_id), notes=("released",)) for hold_id in released]
    return await keep(change, Difference(tuple(lines)), author, actor)


async def cancel(
    db: Database,
    chosen: Chosen,
    wait: ReceiptWait,
    *,
    author: str,
    actor: Actor | None = None,
    reason: str = "",
    on_ended: OnEnded | None = None,
    timeout: float | None = None,
) -> Counts:
    """Delete what waits and no operator can have, up to now. First it is held, so that none of it leaves meanwhile.
    `on_ended` is told of it.

    After `timeout` seconds the counts so far are answered, not `done`; the duty goes on. Raises as `carry_out`.
    """
    placed = await _place(db, chosen, author, actor, reason=reason, cancels=True)
    return await carry_out(db, placed.hold_id, wait, timeout, on_ended)


async def carry_out(
    db: Database, hold_id: int, wait: ReceiptWait, timeout: float | None, on_ended: OnEnded | None = None
) -> Counts:
    """Do what a cancel that was just placed is for; after `timeout` seconds the duty goes on.

    Raises OutcomeUnknown where the store was lost on the way: it is placed, and the duty goes on then too.
    """
    ends_at = None if timeout is None else asyncio.get_running_loop().time() + timeout
    try:
        if await _cancel(db, hold_id, wait, ends_at, on_ended):
            with suppress(TimeoutError):
                async with asyncio.timeout_at(ends_at):
                    await release(db, hold_id, author=_SELF)
                    await finish(db, hold_id)
        found = await counts(db, hold_id)
    except StoreError as error:
        raise OutcomeUnknown from error
    assert found is not None  # it was just placed, and is kept for a month
    return found


async def _cancel(
    db: Database, hold_id: int, wait: ReceiptWait, ends_at: float | None, on_ended: OnEnded | None
) -> bool:
    """Delete all of it; False where `ends_at` (of the event loop's clock) came first.

    A slice gets the time that is left, and is not cut off amid its COMMIT: nobody would tell what it ended.
    """
    loop = asyncio.get_running_loop()
    step = Step.MORE
    while step is not Step.DONE:
        left = _SLICE if ends_at is None else min(_SLICE, ends_at - loop.time())
        if left <= 0:
            return False
        try:
            step = await cancel_some(db, hold_id, wait, on_ended, timeout=left)
        except StoreUnavailable:
            if ends_at is None or loop.time() < ends_at:
                raise
            return False
        if step is Step.LATER:
            await asyncio.sleep(_LATER)
    return True


async def finish(db: Database, hold_id: int) -> None:
    """Move on the ExpiresIn of all that a released hold kept; the duty does the same, a slice at a time."""
    while await settle_some(db, hold_id) is not Step.DONE:
        pass


async def continue_holds(db: Database, wait: ReceiptWait, on_ended: OnEnded | None = None) -> int:
    """Do one slice of every hold that is released and not settled, and of every cancel; returns how many of these have
    more. `on_ended` is told of what cancels end."""
    more = 0
    for hold_id in await unfinished_holds(db):
        step = await cancel_some(db, hold_id, wait, on_ended)
        if step is Step.DONE and not await release(db, hold_id, author=_SELF):
            step = await settle_some(db, hold_id)
        elif step is Step.DONE:
            step = Step.MORE
        more += step is Step.MORE
    return more


async def drain(
    db: Database,
    secret_box: SecretBox,
    *,
    author: str,
    actor: Actor | None = None,
    operator: str | None = None,
    link: str | None = None,
    force: bool = False,
    expected: str = ANYTHING,
) -> Difference:
    """Give nothing new to an operator, or to one link; what they have is finished, and their binds stay.

    `expected`: the etag of the operator, or of the link, that is meant. TrafficError where there is none of that name;
    ChangedMeanwhile; ForceRequired where messages wait that nobody else could take, or would, for no route that carries
    is left.
    """
    return await _set_draining(db, secret_box, operator, link, True, author, actor, expected, force=force)


async def resume(
    db: Database,
    secret_box: SecretBox,
    *,
    author: str,
    actor: Actor | None = None,
    operator: str | None = None,
    link: str | None = None,
    expected: str = ANYTHING,
) -> Difference:
    """Give messages to it again. TrafficError, ChangedMeanwhile."""
    return await _set_draining(db, secret_box, operator, link, False, author, actor, expected)


async def _set_draining(
    db: Database,
    secret_box: SecretBox,
    operator: str | None,
    link: str | None,
    draining: bool,
    author: str,
    actor: Actor | None,
    expected: str,
    *,
    force: bool = False,
) -> Difference:
    identity: Identity
    async with db.connection() as connection:
        if link is not None:
            owners = await link_owners(connection)
            _must_be_known("link", link, owners)
            identity = "operator.link", link
            table: dict[str, Any] = {"name": owners[link], "link": [{"name": link, "draining": draining}]}
        else:
            assert operator is not None  # one of both is given
            _must_be_known("operator", operator, await operator_numbers(connection))
            identity = "operator", operator
            table = {"name": operator, "draining": draining}
    file = read({"operator": [table]}, "", {})
    return await apply(db, secret_box, file, author=author, actor=actor, force=force, expected={identity: expected})


def _must_be_known(kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise TrafficError([Problem(kind, f"{shown(name)} is not known", suggestion(name, known))])
