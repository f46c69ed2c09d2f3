"""The verb that takes messages in: one transaction stores them, their places in the queue, the digests by which repeats
are recognised, and the answers to requests with a key.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TypeVar

import asyncpg

from payk.domain.account import BulkPolicy
from payk.domain.errors import Code, Rejection
from payk.domain.message import Lane, Priority, SmsType, lane_of
from payk.metrics.catalogue import MESSAGES_ACCEPTED, MESSAGES_DEMOTED
from payk.store.arrays import CHUNK, chunks, columns
from payk.store.batching import LEAST_TIME, MANY, Batcher
from payk.store.charging import Asked, Charging, find_blocked
from payk.store.commits import was_committed
from payk.store.counting import Counting
from payk.store.database import Connection, Database, lock_timeout
from payk.store.errors import HistoryUnknown, OutcomeUnknown, StoreBusy, StoreUnavailable
from payk.store.kept_answers import AnswerKey, KeptAnswer, claim_keys, find_answers, rewrite_answers
from payk.store.new_message import (
    Drawn,
    Inserted,
    Keyed,
    NewMessage,
    NewRequest,
    Row,
    Taken,
    Withheld,
    WriteTexts,
    in_clear,
)
from payk.store.queries import sql
from payk.store.repeats import Key, alike, claim_digests, is_answer, settle
from payk.store.wakeups import Flow

__all__ = [
    "GroupCommit",
    "Inserted",
    "Keyed",
    "NewMessage",
    "NewRequest",
    "Row",
    "Withheld",
    "WriteTexts",
    "insert_messages",
    "insert_requests",
]

_OF_THE_WHOLE = frozenset({Code.QUOTA_EXCEEDED, Code.BALANCE_INSUFFICIENT})
"""What a bulk is refused for as a whole; anything else is about one of its items."""
NEIGHBOUR_WAIT = 0.05
"""Seconds that a batch waits for what is being stored elsewhere. Then it is split, and who waits longer waits apart."""
GATHER = 0.001
"""Seconds that a batch of single requests waits at most to have its share under load (payk.store.batching)."""
GIVE_WAY = 0.02
"""Seconds that each chunk of a bulk waits at most for single requests: their callers wait, and bulks have time."""
APART = 4
"""Requests of a process that wait apart at the same time, each on a connection."""
_WAIT_WITHOUT_END = "set local lock_timeout = 0"
"""Once digests and keys are taken: a table that is being migrated is not what a batch is split for."""
_BEGIN_ANEW = "rollback; begin"
Item = TypeVar("Item")


async def insert_messages(
    db: Database,
    messages: Sequence[NewMessage],
    *,
    timeout: float,
    lock_wait: float | None = None,
    write_texts: WriteTexts = in_clear,
) -> list[Inserted]:
    """Store `messages` in one transaction; a row for each that no limit refuses, in order. As insert_requests."""
    [rows] = await insert_requests(
        db, [NewRequest(messages)], timeout=timeout, lock_wait=lock_wait, write_texts=write_texts
    )
    assert isinstance(rows, list)  # the others are for requests with a key, and bulks
    return [row for row in rows if isinstance(row, Inserted)]


async def insert_requests(
    db: Database,
    requests: Sequence[NewRequest],
    *,
    timeout: float,
    lock_wait: float | None = None,
    give_way: Callable[[], Awaitable[None]] | None = None,
    ahead: bool = False,
    write_texts: WriteTexts = in_clear,
) -> list[Taken]:
    """Store the messages of `requests` in one transaction; what became of each, in order. No two have the same key.

    A request with the same key or digest that is being stored elsewhere is waited for, `lock_wait` seconds at most
    (default: as long as there is time). `give_way` is awaited before each statement that stores a CHUNK; `ahead`: more
    will follow at once (Database.transaction). `write_texts` says what is stored in the place of the texts.
    Raises StoreUnavailable (nothing was stored), StoreRefused (the same), StoreBusy (the wait was too long) and
    OutcomeUnknown (the COMMIT was not confirmed and could not be looked up).
    """
    deadline = asyncio.get_running_loop().time() + timeout
    messages = [message for request in requests for message in request.messages]
    by_steps = len(messages) > CHUNK or any(request.keyed for request in requests)
    counted = any(message.is_counted for message in messages)
    wait = timeout * 0.9 if lock_wait is None else lock_wait
    stored = _Stored(write_texts)
    try:
        if by_steps or (counted and any(request.bulk is not None for request in requests)):
            async with db.transaction(timeout, lock_wait=wait) as connection:
                taken = await _StoringBySteps(connection, requests, stored, wait, give_way).run()
        else:
            if give_way is not None:
                await give_way()
            async with db.transaction(timeout, ahead=ahead) as connection:
                rows: Sequence[Row] | None = None
                if counted:
                    rows = await _store_counted(connection, messages, stored, wait)
                elif not await _meets_block_list(connection, messages):
                    rows = await _store_at_once(connection, messages, stored, wait)
                if rows is None:
                    await connection.execute(f"set local lock_timeout = {lock_timeout(wait)}")
                    taken = await _StoringBySteps(connection, requests, stored, wait, None).run()
                else:
                    taken = [*_of_requests(requests, [*rows])]
    except OutcomeUnknown as error:
        # Without a new message nothing was stored: there was nothing but repeats.
        if not stored.new or not await was_committed(db, stored.mark, deadline, is_there=_is_stored(stored)):
            raise StoreUnavailable("the transaction was rolled back") from error
    if stored.new:
        db.last_commits.taken([message_id for message_id, _ in stored.new])
        db.wakeups.add(stored.flows.items())
        _count(stored.new)
    return taken


def _count(new: Sequence[Drawn]) -> None:
    for (sms_type, priority, demoted), count in Counter((m.sms_type, m.priority, m.demoted) for _, m in new).items():
        lane = Lane.COMMON_HIGH if demoted else lane_of(SmsType(sms_type), Priority(priority))
        MESSAGES_ACCEPTED.add(lane.name.lower(), amount=count)
        if demoted:
            MESSAGES_DEMOTED.add(amount=count)


async def _meets_block_list(connection: Connection, messages: Sequence[NewMessage]) -> bool:
    """Whether any number of a batch of which nothing is counted is blocked."""
    listed = [(m.client_id, m.phone, m.sms_type) for m in messages if m.limits is not None]
    return bool(listed) and bool(await find_blocked(connection, listed))


class _Stored:
    """What a transaction has stored so far."""

    def __init__(self, write_texts: WriteTexts) -> None:
        self.write_texts = write_texts
        self.new: list[Drawn] = []
        self.first_text = ""
        """What stands in the place of the text of the first of them."""
        self.flows: dict[Flow, int] = {}
        """Flows of messages that may go now, each with its first id."""
        self.mark = ""

    async def undo(self, connection: Connection) -> None:
        """Take everything back, and begin the transaction anew."""
        await connection.execute(_BEGIN_ANEW)
        self.new.clear()
        self.flows.clear()


async def _store_at_once(
    connection: Connection, messages: Sequence[NewMessage], stored: _Stored, wait: float
) -> list[Inserted]:
    """CHUNK messages at most, by one statement where none is a repeat; a row each, in order."""
    firsts, repeats_of = alike(messages)
    alone = messages if not repeats_of else [m for place, m in enumerate(messages) if place not in repeats_of]
    digests = [message.repeat_digest for message in alone] if firsts else []
    ids, held = await _take(connection, alone, stored, digests=digests, wait=wait)
    repeats: dict[int, int] = {}
    if held:
        left_out = [pair for pair in zip(ids, alone, strict=True) if pair[0] in held]
        await connection.execute(f"set local lock_timeout = {lock_timeout(wait)}")
        repeats = await settle(connection, left_out)
        await connection.execute(_WAIT_WITHOUT_END)
        taken_over = [pair for pair in left_out if pair[0] not in repeats]
        await _take(connection, [message for _, message in taken_over], stored, [own for own, _ in taken_over])
    rows = [Inserted(repeats.get(own, own), own in repeats) for own in ids]
    if not repeats_of:
        return rows
    left = iter(rows)
    by_place = {place: next(left) for place in range(len(messages)) if place not in repeats_of}
    return [
        by_place.get(place) or Inserted(by_place[repeats_of[place]].message_id, True) for place in range(len(messages))
    ]


async def _store_counted(
    connection: Connection, messages: Sequence[NewMessage], stored: _Stored, wait: float
) -> list[Inserted] | None:
    """The same of clients with limits; None, and nothing of it is there, where not all fits or any is a repeat."""
    firsts, repeats_of = alike(messages)
    counting = Counting(messages)
    if repeats_of or counting.changed:
        return None
    kinds, digests = _Kinds(messages), [message.repeat_digest for message in messages] if firsts else []
    values = (*kinds.values(stored.write_texts, (), digests, wait), *counting.values())
    row = await connection.fetchrow(sql("counting.take_counted"), *values)
    assert row is not None  # it is one row whatever there is
    if not row["fit"]:
        return None
    ids, held = kinds.note(stored, row)
    if held or not row["counted"]:
        await stored.undo(connection)
        return None
    return [Inserted(own, False) for own in ids]


class _StoringBySteps:
    """Any number of messages, requests with keys, and clients with limits: what does not fit is refused; then ids, keys
    and digests; then what is counted; then the messages a CHUNK at a time.
    """

    def __init__(
        self,
        connection: Connection,
        requests: Sequence[NewRequest],
        stored: _Stored,
        wait: float,
        give_way: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._connection = connection
        self._requests = requests
        self._stored = stored
        self._wait = wait
        self._give_way = give_way
        self._messages = [message for request in requests for message in request.messages]
        self._bulk = requests[0].bulk if len(requests) == 1 else None
        self._charging = Charging(connection)
        self._refused: dict[int, Rejection] = {}
        """By id; what is refused before ids are drawn has one of its own (`_no_id`)."""

    async def run(self) -> list[Taken]:
        """What became of each request."""
        await self._look()
        if (withheld := self._withheld([_no_id(place) for place in range(len(self._messages))])) is not None:
            return [withheld]
        ids = await self._draw()
        of_requests = _of_requests(self._requests, ids)
        kept = await self._claim_keys(of_requests)
        todo = [
            (own, message)
            for answer, of_one, request in zip(kept, of_requests, self._requests, strict=True)
            for own, message in zip(of_one, request.messages, strict=True)
            if answer is None and own not in self._refused
        ]
        repeats = await claim_digests(self._connection, todo)
        new = await self._count([pair for pair in todo if pair[0] not in repeats] if repeats else todo)
        self._refused |= {own: self._refused[first] for own, first in repeats.items() if first in self._refused}
        if (withheld := self._withheld(ids)) is not None:
            return [await self._undo(withheld)]
        await self._connection.execute(_WAIT_WITHOUT_END)
        for chunk in chunks(new):
            if self._give_way is not None:
                await self._give_way()
            of_chunk = [own for own, _ in chunk]
            await _take(self._connection, [m for _, m in chunk], self._stored, of_chunk, of_transaction=True)
        if self._bulk is not None and await self._is_too_dear(new):
            withheld = self._withheld(ids)
            assert withheld is not None
            return [await self._undo(withheld)]
        return await self._answer(of_requests, kept, repeats)

    async def _look(self) -> None:
        """Refuse what does not fit before anything is drawn."""
        if all(message.limits is None for message in self._messages):
            return
        firsts, repeats_of = alike(self._messages)
        alone = [pair for pair in enumerate(self._messages) if pair[0] not in repeats_of]
        await self._charging.look(_asked((_no_id(place), m) for place, m in alone), lambda: self._known(firsts))
        refused = self._charging.refused
        self._refused = dict(refused)
        for place, first in repeats_of.items():
            if _no_id(first) in refused:
                self._refused[_no_id(place)] = refused[_no_id(first)]
        refused.clear()

    async def _known(self, firsts: Mapping[Key, int]) -> set[int]:
        """Messages that were taken before: by themselves, or with their request."""
        places = _of_requests(self._requests, range(len(self._messages)))
        keys = [request.keyed.key for request in self._requests if request.keyed is not None]
        held = await find_answers(self._connection, keys) if keys else {}
        known = {
            _no_id(place)
            for request, own in zip(self._requests, places, strict=True)
            if request.keyed is not None and request.keyed.key in held
            for place in own
        }
        for chunk in chunks(sorted(firsts)):
            windows = [self._messages[firsts[key]].repeat_window for key in chunk]
            given = ([key[0] for key in chunk], [key[1] for key in chunk], windows)
            rows = await self._connection.fetch(sql("accept.find_digests"), *given)
            known |= {_no_id(firsts[row["client_id"], row["digest"]]) for row in rows if is_answer(row)}
        return known

    async def _draw(self) -> list[int]:
        """An id for each message, of those that are refused none that was drawn."""
        drawn = iter(await _draw_ids(self._connection, len(self._messages) - len(self._refused)))
        return [own if (own := _no_id(place)) in self._refused else next(drawn) for place in range(len(self._messages))]

    async def _claim_keys(self, of_requests: Sequence[Sequence[int]]) -> list[KeptAnswer | None]:
        """Claim keys, with the answers as they are if nothing is a repeat; what is kept under those that are held."""
        answers = {
            request.keyed.key: request.keyed.render(rows)
            for request, own in zip(self._requests, of_requests, strict=True)
            if request.keyed is not None and not _is_refused(rows := self._rows(own, {}))
        }
        held = await claim_keys(self._connection, answers) if answers else {}
        return [None if request.keyed is None else held.get(request.keyed.key) for request in self._requests]

    async def _count(self, new: Sequence[Drawn]) -> Sequence[Drawn]:
        """Count what limits count; what fits of it. A bulk pays at the end, for it would hold up others meanwhile."""
        asked = _asked(new)
        if not asked:
            return new
        await self._charging.count(asked)
        if self._bulk is None:
            await self._charging.charge(asked)
        refused = self._charging.refused
        if refused:  # others were faster since the look
            await self._charging.take_back(refused)
            await self._give_back_digests([pair for pair in new if pair[0] in refused])
            self._refused |= refused
        if self._bulk is None:
            await self._charging.enter()
        return [pair for pair in new if pair[0] not in refused]

    async def _is_too_dear(self, new: Sequence[Drawn]) -> bool:
        """Charge a bulk that is stored; whether others were faster, and it does not fit any more."""
        asked = _asked(new)
        if not asked:
            return False
        await self._connection.execute(f"set local lock_timeout = {lock_timeout(self._wait)}")
        self._charging.refused.clear()
        await self._charging.charge(asked)
        self._refused |= self._charging.refused
        await self._charging.enter()
        return bool(self._charging.refused)

    def _withheld(self, ids: Sequence[int]) -> Withheld | None:
        """Whether nothing of a bulk is taken, for what was refused so far."""
        if self._bulk is None or not self._refused:
            return None
        whole = next((each for each in self._refused.values() if each.code in _OF_THE_WHOLE), None)
        if whole is None and self._bulk is BulkPolicy.PARTIAL and len(self._refused) < len(ids):
            return None
        return Withheld(whole, {place: self._refused[own] for place, own in enumerate(ids) if own in self._refused})

    async def _undo(self, withheld: Withheld) -> Withheld:
        await self._stored.undo(self._connection)
        return withheld

    async def _give_back_digests(self, drawn: Sequence[Drawn]) -> None:
        rows = [(m.client_id, m.repeat_digest, own) for own, m in drawn if m.repeat_digest is not None]
        if rows:
            await self._connection.execute(sql("charging.give_back_digests"), *columns(rows))

    async def _answer(
        self, of_requests: Sequence[Sequence[int]], kept: Sequence[KeptAnswer | None], repeats: Mapping[int, int]
    ) -> list[Taken]:
        taken: list[Taken] = [answer or self._rows(own, repeats) for answer, own in zip(kept, of_requests, strict=True)]
        if all(_is_refused(rows) for rows in taken):
            await self._connection.execute(_BEGIN_ANEW)  # there is nothing to keep
        else:
            await self._mend_answers(of_requests, taken)
        return taken

    def _rows(self, ids: Sequence[int], repeats: Mapping[int, int]) -> list[Row]:
        return [self._refused.get(own) or Inserted(repeats.get(own, own), own in repeats) for own in ids]

    async def _mend_answers(self, of_requests: Sequence[Sequence[int]], taken: Sequence[Taken]) -> None:
        """Write answers anew that were claimed before messages turned out to be repeats, or were refused."""
        answers: dict[AnswerKey, bytes] = {}
        given_back: list[tuple[int, bytes]] = []
        for request, own, rows in zip(self._requests, of_requests, taken, strict=True):
            if request.keyed is None or not isinstance(rows, list):
                continue
            if _is_refused(rows):
                given_back += [request.keyed.key.name] if own[0] > 0 else []
            elif any(isinstance(row, Rejection) or row.repeated for row in rows):
                answers[request.keyed.key] = request.keyed.render(rows)
        if answers:
            await rewrite_answers(self._connection, answers)
        if given_back:
            await self._connection.execute(sql("charging.give_back_keys"), *columns(sorted(given_back)))


def _no_id(place: int) -> int:
    """What a message goes by that is refused before ids are drawn."""
    return -1 - place


def _asked(drawn: Iterable[Drawn]) -> list[Asked]:
    """Those messages that limits count."""
    return [
        Asked(own, m.client_id, m.phone, m.sms_type, m.parts, m.limits, m.price)
        for own, m in drawn
        if m.limits is not None
    ]


def _is_refused(taken: Taken) -> bool:
    """Whether limits refuse all of a request."""
    return isinstance(taken, list) and bool(taken) and all(isinstance(row, Rejection) for row in taken)


async def _take(
    connection: Connection,
    messages: Sequence[NewMessage],
    stored: _Stored,
    ids: Sequence[int] = (),
    *,
    digests: Sequence[bytes | None] = (),
    wait: float | None = None,
    of_transaction: bool = False,
) -> tuple[Sequence[int], set[int]]:
    """Store CHUNK messages at most, and note it; all ids, and those that were left out: their digest is held.

    `of_transaction`: they are accepted at the moment of the transaction, and not of the statement.
    """
    if not messages:
        return (), set()
    kinds = _Kinds(messages)
    values = kinds.values(stored.write_texts, ids, digests, wait, of_transaction=of_transaction)
    row = await connection.fetchrow(sql("accept.take"), *values)
    assert row is not None  # it is one row whatever there is
    return kinds.note(stored, row)


class _Kinds:
    """Messages of one statement, by kinds: what is the same in nearly all of them is sent once."""

    def __init__(self, messages: Sequence[NewMessage]) -> None:
        self._messages = messages
        self._texts: Sequence[str] = ()
        self._numbers: dict[tuple[object, ...], int] = {}
        self._firsts: list[tuple[Flow, int]] = []
        """The flow of each kind, and the place of its first message."""
        self._of_rows: list[int] = []
        numbers = self._numbers
        for place, m in enumerate(messages):
            kind = (m.client_id, m.queue_id, m.sms_type, m.priority, m.sender, m.label, m.scheduled_at, m.expires_in,
                    m.repeat_window, m.demoted, m.price)  # fmt: skip
            number = numbers.get(kind)
            if number is None:
                number = numbers[kind] = len(numbers) + 1
                self._firsts.append((m.flow, place))
            self._of_rows.append(number)

    def values(
        self,
        write_texts: WriteTexts,
        ids: Sequence[int],
        digests: Sequence[bytes | None],
        wait: float | None,
        *,
        of_transaction: bool = False,
    ) -> tuple[object, ...]:
        """$1 to $26 of accept.take."""
        messages = self._messages
        self._texts = write_texts(messages)
        of_all = columns(self._numbers)
        return (
            ids,
            digests,
            str(lock_timeout(wait)),
            [m.parts for m in messages],
            [m.phone for m in messages],
            self._texts,
            _of_some([m.client_message_id for m in messages]),
            self._of_rows,
            *of_all[:-1],
            [flow.label_key for flow, _ in self._firsts],
            [flow.lane for flow, _ in self._firsts],
            [flow.rank for flow, _ in self._firsts],
            max(m.repeat_window for m in messages),
            of_transaction,
            of_all[-1],
            _of_some([m.request_id for m in messages]),
            _of_some([m.trace for m in messages]),
        )

    def note(self, stored: _Stored, row: asyncpg.Record) -> tuple[Sequence[int], set[int]]:
        """Note what is stored by the statement's answer; as _take. Raises HistoryUnknown."""
        messages = self._messages
        ids, held, stored.mark = row[0], set(row[1]), row[2]
        if len(ids) < len(messages):
            raise HistoryUnknown
        if not stored.new:
            stored.first_text = next((t for own, t in zip(ids, self._texts, strict=True) if own not in held), "")
        drawn = list(zip(ids, messages, strict=True))
        stored.new += [pair for pair in drawn if pair[0] not in held] if held else drawn
        for flow, place in self._firsts:
            if messages[place].scheduled_at is None:
                stored.flows.setdefault(flow, ids[place])
        return ids, held


def _of_some(column: list[Item | None]) -> list[Item | None]:
    """A column, empty where there is nothing in it: unnest makes nulls of that, and they need not be sent."""
    return column if any(value is not None for value in column) else []


def _is_stored(stored: _Stored) -> Callable[[Connection], Awaitable[bool]]:
    """Asks whether a transaction's first message is there, and with it all others."""
    message_id, message = stored.new[0]
    values = (message_id, message.client_id, message.phone, stored.first_text)

    async def is_stored(connection: Connection) -> bool:
        return bool(await connection.fetchval(sql("accept.was_stored"), *values))

    return is_stored


def _of_requests(requests: Sequence[NewRequest], items: Iterable[Item]) -> list[list[Item]]:
    """Items that stand for the messages of all requests, one each, by request."""
    rest = iter(items)
    return [list(islice(rest, len(request.messages))) for request in requests]


async def _draw_ids(connection: Connection, count: int) -> list[int]:
    ids: list[int] = []
    for start in range(0, count, CHUNK):
        ids += [row[0] for row in await connection.fetch(sql("accept.draw_ids"), min(CHUNK, count - start))]
    if len(ids) < count:
        raise HistoryUnknown
    return ids


class GroupCommit:
    """Single requests of the same instant share one transaction. `write_texts` as in insert_requests."""

    def __init__(self, db: Database, *, workers: int = 2, write_texts: WriteTexts = in_clear) -> None:
        self._db = db
        self.write_texts = write_texts
        self._batcher: Batcher[NewRequest, Taken] = Batcher(self._write, max_items=500, workers=workers, gather=GATHER)
        self._apart = asyncio.Semaphore(APART)

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Run the writers in `group`."""
        return self._batcher.start(group, "group commit")

    async def give_way(self) -> None:
        """Wait until no single request is being stored, GIVE_WAY seconds at most: for bulks, between their chunks."""
        await self._batcher.idle(GIVE_WAY)

    async def insert(self, message: NewMessage, timeout: float, keyed: Keyed | None = None) -> Row | KeptAnswer:
        """Store one message, unless an answer is kept under its key: then that; a Rejection if a limit refuses it.

        Raises as insert_requests, and KeyReused. Withdrawn if cancelled before its batch was taken.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        request = NewRequest((message,), keyed)
        try:
            taken = await self._batcher.put(request, timeout)
        except StoreBusy:
            taken = await self._insert_apart(request, deadline)
        assert not isinstance(taken, Withheld)  # that is for bulks
        if not isinstance(taken, KeptAnswer):
            return taken[0]
        return taken if keyed is None else taken.to(keyed.key)

    async def _insert_apart(self, request: NewRequest, deadline: float) -> Taken:
        """Wait for what is being stored elsewhere with nobody behind; its process may have stopped amid it."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._apart.acquire()
        except TimeoutError as exc:
            raise StoreBusy("too many requests wait for others like them that are being stored") from exc
        try:
            left = deadline - asyncio.get_running_loop().time()
            timeout = max(left, LEAST_TIME)
            return (await insert_requests(self._db, [request], timeout=timeout, write_texts=self.write_texts))[0]
        finally:
            self._apart.release()

    async def _write(self, requests: Sequence[NewRequest], timeout: float) -> list[Taken]:
        """Store a batch; of requests with the same key the first, whose answer the others get."""
        firsts: dict[tuple[int, bytes], NewRequest] = {}
        alone = [request for request in requests if request is _first_of_its_key(request, firsts)]
        stored = await insert_requests(
            self._db,
            alone,
            timeout=timeout,
            lock_wait=NEIGHBOUR_WAIT,
            ahead=len(alone) >= MANY,
            write_texts=self.write_texts,
        )
        if len(alone) == len(requests):
            return stored
        taken = {id(request): outcome for request, outcome in zip(alone, stored, strict=True)}
        return [_of_repeat(request, _first_of_its_key(request, firsts), taken) for request in requests]


def _first_of_its_key(request: NewRequest, firsts: dict[tuple[int, bytes], NewRequest]) -> NewRequest:
    """The first request with the key of this one, which is this one where none came before."""
    return request if request.keyed is None else firsts.setdefault(request.keyed.key.name, request)


def _of_repeat(request: NewRequest, first: NewRequest, taken: dict[int, Taken]) -> Taken:
    """What a request gets where the first with its key got what stands in `taken`."""
    outcome = taken[id(first)]
    if request is first or first.keyed is None or not isinstance(outcome, list) or _is_refused(outcome):
        return outcome
    return KeptAnswer(first.keyed.key.body_digest, first.keyed.render(outcome))
