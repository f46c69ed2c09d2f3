"""What clients do to their own traffic: pause and resume what goes under a label, and cancel it.

It touches messages of that client alone, whoever else uses the same label, and no hold that people placed: only what
the client paused itself it can resume. Each act is in the audit log like those of people.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from payk.domain.access import Actor
from payk.domain.account import Client
from payk.domain.hold import Hold, Selection, client_author
from payk.domain.receipt import ReceiptWait
from payk.registry.errors import TooMuchAtOnce
from payk.registry.traffic import Chosen, carry_out, let_go, place
from payk.store.database import Database
from payk.store.ending import OnEnded
from payk.store.errors import StoreError
from payk.store.holds import Counts, count_under_label, holds_in_force, unsettled_of
from payk.store.registry import announce, changing

__all__ = ["PAUSED_MOST", "NotCounted", "cancel_label", "pause_label", "resume_label"]

PAUSED_MOST: Final = 100
"""Labels that a client may have paused at once: every look of a dispatcher goes through them."""

SETTLING_MOST: Final = 100
"""Pauses of a client that were resumed and whose ExpiresIn is still to be moved on: each walks through what waits."""

CANCELS_AT_ONCE: Final = 1
"""Cancels by label of one client: each walks through all that waits."""


class NotCounted(Exception):
    """The label is paused or resumed, as was asked for; how many messages wait could not be read."""


async def pause_label(db: Database, client: Client, label: str, *, actor: Actor, timeout: float) -> int:
    """Hold back what the client has waiting under a label, and what it will have, until it is resumed; how many wait.

    Within a second nothing of it leaves. A label that is paused already stays so. Raises TooMuchAtOnce, StoreError, and
    NotCounted.
    """
    ends_at = asyncio.get_running_loop().time() + timeout
    async with changing(db, timeout) as change:
        own = _own(await holds_in_force(change.connection), client, cancels=False)
        version = None
        if not any(one.selection.label == label for one in own):
            if len(own) >= PAUSED_MOST:
                raise TooMuchAtOnce(f"This client has {len(own)} labels paused, the most; resume one first.")
            if await unsettled_of(change.connection, client_author(client.name)) >= SETTLING_MOST:
                raise TooMuchAtOnce("What this client resumed just now is still being let go; wait until that is done.")
            selection, chosen = Selection(client.client_id, label), Chosen(client.name, label)
            _, version = await place(change, selection, chosen, client_author(client.name), actor)
    if version is not None:
        await announce(db, version)
    try:
        return await _count(db, client, label, ends_at)
    except StoreError as error:
        raise NotCounted from error


async def resume_label(db: Database, client: Client, label: str, *, actor: Actor, timeout: float) -> int:
    """Let go what the client paused under a label; how many messages it kept, 0 where the client paused none.

    Within a second it flows, unless people hold it too; ExpiresIn counts on from here. Raises StoreError, and
    NotCounted: nothing waits for the count.
    """
    ends_at = asyncio.get_running_loop().time() + timeout
    async with db.connection(timeout) as connection:
        if not _of_label(_own(await holds_in_force(connection), client, cancels=False), label):
            return 0
    async with changing(db, timeout) as change:
        own = _own(await holds_in_force(change.connection), client, cancels=False)
        version = await let_go(change, _of_label(own, label), client_author(client.name), actor)
    if version is None:
        return 0
    # It sees what is there as it begins, before anything flows.
    counting = _count(db, client, label, ends_at)
    count, _ = await asyncio.gather(counting, announce(db, version), return_exceptions=True)
    if isinstance(count, StoreError):
        raise NotCounted from count
    if isinstance(count, BaseException):
        raise count
    return count


async def cancel_label(
    db: Database,
    client: Client,
    label: str,
    wait: ReceiptWait,
    on_ended: OnEnded | None = None,
    *,
    actor: Actor,
    timeout: float,
) -> Counts:
    """Delete what the client has waiting under a label and no operator can have, up to now. `on_ended` is told of it.

    At once it is held, so that none of it leaves meanwhile. After `timeout` seconds the counts so far are answered, not
    `done`; the duty goes on. Raises TooMuchAtOnce while another one of this client goes on, and StoreError; of these
    OutcomeUnknown where the store was lost on the way: the duty goes on then too.
    """
    ends_at = asyncio.get_running_loop().time() + timeout
    async with changing(db, timeout) as change:
        if len(_own(await holds_in_force(change.connection), client, cancels=True)) >= CANCELS_AT_ONCE:
            raise TooMuchAtOnce("Another cancel by label of this client goes on; wait until it is done.")
        selection, chosen = Selection(client.client_id, label), Chosen(client.name, label)
        placed, version = await place(change, selection, chosen, client_author(client.name), actor, cancels=True)
    await announce(db, version)
    return await carry_out(db, placed.hold_id, wait, ends_at - asyncio.get_running_loop().time(), on_ended)


async def _count(db: Database, client: Client, label: str, ends_at: float) -> int:
    left = max(0.0, ends_at - asyncio.get_running_loop().time())
    return await count_under_label(db, client.client_id, label, timeout=left)


def _own(holds: Iterable[Hold], client: Client, *, cancels: bool) -> list[Hold]:
    """The holds that the client placed itself."""
    return [
        one
        for one in holds
        if one.author == client_author(client.name)
        and one.selection.client_id == client.client_id
        and one.cancels is cancels
    ]


def _of_label(holds: Iterable[Hold], label: str) -> list[int]:
    return [one.hold_id for one in holds if one.selection.label == label]
