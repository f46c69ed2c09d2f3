"""The verb that takes a message in: one transaction stores it, its place in the queue and its idempotency key."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from payk.domain.message import Priority, SmsType, lane_of, rank_of
from payk.store.arrays import columns
from payk.store.batching import Batcher
from payk.store.commits import was_committed
from payk.store.database import Connection, Database
from payk.store.errors import OutcomeUnknown, StoreBusy, StoreUnavailable
from payk.store.queries import sql
from payk.store.wakeups import Flow

__all__ = ["GroupCommit", "Inserted", "NewMessage", "insert_messages", "label_key"]

# The first of two requests with one ClientMessageId no longer counts when it ended so; the second one is sent.
_FAILED = frozenset({3, 4, 5, 8})
_TAKE_OVER_ROUNDS = 5
CHUNK = 1_000
"""Messages of one statement."""
NEIGHBOUR_WAIT = 0.2
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A checked message, ready to be stored. Times are UTC with zone, `expires_in` seconds, 0 = never."""

    client_id: int
    phone: str
    sender: str
    text: str
    sms_type: SmsType
    priority: Priority
    queue_id: int
    parts: int
    scheduled_at: datetime | None = None
    expires_in: int = 0
    label: str | None = None
    client_message_id: str | None = None
    repeat_digest: bytes | None = None
    """Keyed digest of what makes a repeat; None = never a repeat."""
    repeat_window: int = 0
    """Seconds in which the digest is remembered."""

    @property
    def flow(self) -> Flow:
        """The flow it waits in."""
        sms_type, priority = SmsType(self.sms_type), Priority(self.priority)
        return Flow(
            self.queue_id,
            int(lane_of(sms_type, priority)),
            self.client_id,
            rank_of(sms_type, priority),
            label_key(self.label),
        )


@dataclass(frozen=True, slots=True)
class Inserted:
    """The id that answers a request; `repeated` = it is the id of an earlier one, and nothing was stored."""

    message_id: int
    repeated: bool


def label_key(label: str | None) -> int:
    """A signed 32-bit key for a label; two labels that share one merely share their turns."""
    return 0 if label is None else zlib.crc32(label.encode("utf-8", "surrogatepass")) - 2**31


async def insert_messages(
    db: Database, messages: Sequence[NewMessage], *, timeout: float, lock_wait: float | None = None
) -> list[Inserted]:
    """Store `messages` in one transaction; one answer each, in order.

    A request with the same digest that is being stored elsewhere is waited for, `lock_wait` seconds at most (default:
    as long as there is time). Raises StoreUnavailable (nothing was stored), StoreRefused (the same), StoreBusy (the
    wait was too long) and OutcomeUnknown (the COMMIT was not confirmed and could not be looked up).
    """
    if not messages:
        return []
    deadline = asyncio.get_running_loop().time() + timeout
    xid: str | None = None
    ids: list[int] = []
    try:
        async with db.transaction(timeout) as connection:
            for chunk in _chunks(messages):
                ids += [row[0] for row in await connection.fetch(sql("accept.draw_ids"), len(chunk))]
            firsts = await _claim_digests(connection, messages, ids, timeout * 0.9 if lock_wait is None else lock_wait)
            new = [
                (message_id, message)
                for message_id, message in zip(ids, messages, strict=True)
                if message_id not in firsts
            ]
            for rows in _chunks(new):
                xid = await connection.fetchval(sql("accept.insert_messages"), *columns(_rows(rows)))
    except OutcomeUnknown as error:
        # Without an id nothing was stored: there was nothing but repeats.
        if xid is None or not await was_committed(db, xid, deadline):
            raise StoreUnavailable("the transaction was rolled back") from error
    if new:
        db.wakeups.add((message.flow, message_id) for message_id, message in new if message.scheduled_at is None)
    return [Inserted(firsts.get(message_id, message_id), message_id in firsts) for message_id in ids]


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """A bulk goes to the database a chunk at a time, so that no other request waits long for the event loop."""
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def _rows(new: Sequence[tuple[int, NewMessage]]) -> list[tuple[object, ...]]:
    return [
        (
            message_id, m.client_id, m.queue_id, m.sms_type, m.priority, m.parts, m.phone, m.sender, m.label,
            m.client_message_id, m.text, m.scheduled_at, m.expires_in, flow.label_key, flow.lane, flow.rank,
        )
        for message_id, m in new
        for flow in (m.flow,)
    ]  # fmt: skip


async def _claim_digests(
    connection: Connection, messages: Sequence[NewMessage], ids: Sequence[int], lock_wait: float
) -> dict[int, int]:
    """The drawn ids that turned out to be repeats, each with the id of its first."""
    keyed: dict[tuple[int, bytes], tuple[int, int]] = {}  # (client, digest) -> (drawn id, window)
    repeats: dict[int, int] = {}
    for message_id, message in zip(ids, messages, strict=True):
        if message.repeat_digest is not None:
            first = keyed.setdefault((message.client_id, message.repeat_digest), (message_id, message.repeat_window))
            if first[0] != message_id:
                repeats[message_id] = first[0]
    if not keyed:
        return {}
    await connection.execute(f"set local lock_timeout = {max(1, int(lock_wait * 1000))}")
    open_keys = sorted(keyed)  # the same order in every process, else two of them deadlock
    done: set[int] = set()
    for keys in _chunks(open_keys):
        claimed = await connection.fetch(sql("accept.claim_digests"), *_key_columns(keys, keyed))
        done |= {row[0] for row in claimed}
    open_keys = [key for key in open_keys if keyed[key][0] not in done]
    for _ in range(_TAKE_OVER_ROUNDS):
        if not open_keys:
            break
        open_keys = await _settle_held(connection, open_keys, keyed, repeats)
    else:
        raise StoreBusy("the same request is being repeated faster than it can be stored")
    # A repeat inside this batch answers what its first answers.
    return {drawn: repeats.get(first, first) for drawn, first in repeats.items()}


def _key_columns(
    keys: Sequence[tuple[int, bytes]], keyed: dict[tuple[int, bytes], tuple[int, int]]
) -> tuple[list[int], list[bytes], list[int], list[int]]:
    return (
        [key[0] for key in keys],
        [key[1] for key in keys],
        [keyed[key][1] for key in keys],
        [keyed[key][0] for key in keys],
    )


async def _settle_held(
    connection: Connection,
    keys: list[tuple[int, bytes]],
    keyed: dict[tuple[int, bytes], tuple[int, int]],
    repeats: dict[int, int],
) -> list[tuple[int, bytes]]:
    """Answer held keys with the message that holds them, or take them over; returns the keys still open."""
    rows = await connection.fetch(sql("accept.find_digests"), *_key_columns(keys, keyed)[:3])
    holders: dict[tuple[int, bytes], list[int]] = {key: [] for key in keys}
    for row in rows:
        key = (row["client_id"], row["digest"])
        drawn = keyed[key][0]
        if row["message_id"] == drawn:
            continue  # our own half of a key that is written to two days
        if row["in_window"] and row["state"] is not None and row["state"] not in _FAILED:
            repeats.setdefault(drawn, row["message_id"])
        else:
            holders[key].append(row["message_id"])
    still_open = [key for key in keys if keyed[key][0] not in repeats]
    moves = [(key, old) for key in still_open for old in holders[key]]
    if moves:
        moved = await connection.fetch(
            sql("accept.take_over_digests"),
            [key[0] for key, _ in moves],
            [key[1] for key, _ in moves],
            [old for _, old in moves],
            [keyed[key][0] for key, _ in moves],
        )
        taken = {row[0] for row in moved}
        held = [key for key in still_open if keyed[key][0] in taken]
        if held:
            await connection.execute(
                sql("accept.hold_digests"),
                [key[0] for key in held],
                [key[1] for key in held],
                [keyed[key][0] for key in held],
            )
        still_open = [key for key in still_open if keyed[key][0] not in taken]
    return still_open


class GroupCommit:
    """Single requests of the same instant share one transaction."""

    def __init__(self, db: Database, *, workers: int = 2) -> None:
        async def write(messages: Sequence[NewMessage], timeout: float) -> list[Inserted]:
            # Nobody's neighbour waits long: a batch with a digest that is being stored elsewhere is split.
            wait = None if len(messages) == 1 else NEIGHBOUR_WAIT
            return await insert_messages(db, messages, timeout=timeout, lock_wait=wait)

        self._batcher: Batcher[NewMessage, Inserted] = Batcher(write, max_items=500, workers=workers)

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Run the writers in `group`."""
        return self._batcher.start(group, "group commit")

    async def insert(self, message: NewMessage, timeout: float) -> Inserted:
        """Store one message; raises as insert_messages. Withdrawn if cancelled before its batch was taken."""
        return await self._batcher.put(message, timeout)
