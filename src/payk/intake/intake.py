"""What takes messages in: check, find a place in the queue, store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from payk.clock import Clock
from payk.domain.account import BulkPolicy, Client
from payk.domain.directory import CurrentDirectory
from payk.domain.errors import Rejection
from payk.domain.queue_limit import QueueFull
from payk.domain.recipient_zone import DUSHANBE
from payk.intake.checking import Checking
from payk.intake.demotion import Demotion
from payk.intake.digests import Digests
from payk.intake.queue_depth import QueueDepth
from payk.intake.request import BulkResult, ItemRefusal, Once, Refused, Request, Result, Unconfirmed
from payk.store.accept import (
    GroupCommit,
    Inserted,
    Keyed,
    NewMessage,
    NewRequest,
    Row,
    Withheld,
    insert_requests,
)
from payk.store.database import Database
from payk.store.errors import OutcomeUnknown, StoreError, StoreUnavailable
from payk.store.kept_answers import AnswerKey, KeptAnswer, find_answer
from payk.store.rates import SharedRates

__all__ = ["Intake"]

COMMIT_RESERVE = 0.6
"""Seconds before the deadline at which the store is to give up, so that the answer is out in time: a COMMIT that has
begun is given half a second more. Of less than twice that the store gets half."""

BULKS_AT_ONCE = 2
"""Bulks of a process that are stored at the same time: codes and heartbeats need connections too."""

AWAY_WAIT = 2.4
"""Seconds that a request waits for a database that is known to be away."""


class Intake:
    """Takes messages in. `digest_keys` are those by which repeats are recognised (payk.intake.digests), `zone` is
    where recipients live whose number does not tell.

    Deadlines are by Clock.monotonic. A request that is cancelled before its batch went to the store takes nothing.
    """

    def __init__(
        self,
        db: Database,
        directory: CurrentDirectory,
        group_commit: GroupCommit,
        depth: QueueDepth,
        digest_keys: bytes,
        clock: Clock,
        rates: SharedRates,
        zone: ZoneInfo = DUSHANBE,
    ) -> None:
        self._db = db
        self._group_commit = group_commit
        self._depth = depth
        self._digests = Digests(digest_keys)
        self._checking = Checking(directory, self._digests, clock, db.now, zone)
        self._clock = clock
        self._demotion = Demotion(rates)
        self._bulk_turn = asyncio.Semaphore(BULKS_AT_ONCE)

    async def once(
        self, client: Client, path: str, key: bytes, body: bytes, render: Callable[[Result], bytes]
    ) -> Once[Result]:
        """The wish that a request to `path` be carried out once under `key`; `render` as in Once."""
        return Once(await self.request_key(client, path, key, body), render)

    async def request_key(self, client: Client, path: str, key: bytes, body: bytes) -> AnswerKey:
        """What the answer to a request to `path` under `key` is kept by."""
        return await self._digests.of_request(client.client_id, path, key, body)

    async def accept(
        self, request: Request, client: Client, deadline: float, once: Once[Inserted] | None = None
    ) -> Inserted | KeptAnswer:
        """Check and store one message; KeptAnswer if it was carried out before.

        Raises Refused, QueueFull, StoreUnavailable (surely nothing was taken), KeyReused and Unconfirmed.
        """
        try:
            message = self._checking.one(request, client)
            if client.limits.otp_per_minute:
                message = await self._demotion.one(message, client, self.store_timeout(deadline))
            self._depth.admit(1, (message.admitted_as,))
        except (Refused, QueueFull):
            # What was taken under the key stays so, whatever the rules and the queue have become since.
            if (kept := await self._kept(once, deadline)) is not None:
                return kept
            raise
        stored = 1  # it may be, unless something else is known: cancelled or unconfirmed, the next count will show
        try:
            keyed = None if once is None else _keyed_single(once)
            taken = await self._group_commit.insert(message, self.store_timeout(deadline), keyed)
            stored = 1 if isinstance(taken, Inserted) and not taken.repeated else 0
        except OutcomeUnknown as exc:
            raise Unconfirmed(repeatable=once is not None or _is_recognised(message)) from exc
        except StoreError:
            stored = 0
            raise
        finally:
            self._depth.settle(1, stored=stored)
        if isinstance(taken, Rejection):
            raise Refused((taken,))
        return taken

    async def accept_bulk(
        self,
        requests: Iterator[Request | Rejection],
        client: Client,
        deadline: float,
        once: Once[BulkResult] | None = None,
    ) -> BulkResult | KeptAnswer:
        """Check many messages and store the good ones in one transaction; a Rejection stands for an unreadable item.

        A client that is set to all-or-nothing has none stored when one is refused. Raises as `accept`, Refused where a
        limit is judged for all of them; what `requests` raises passes through.
        """
        messages, refusals = await self._checking.many(requests, client, deadline)
        if client.limits.otp_per_minute:
            messages = await self._demotion.many(messages, client, self.store_timeout(deadline))
        good = [message for message in messages if message is not None]
        if refusals and client.bulk is BulkPolicy.ALL_OR_NOTHING:
            good = []
        if not good and (refusals or once is None):  # that an empty bulk was taken is kept too
            return await self._kept(once, deadline) or BulkResult([None] * len(messages), refusals)
        try:
            if good:
                self._depth.admit(len(good), {message.admitted_as for message in good})
        except QueueFull:
            if (kept := await self._kept(once, deadline)) is not None:
                return kept
            raise
        stored = len(good)
        try:
            keyed = None if once is None else _keyed_bulk(once, messages, refusals)
            taken = await self._store_bulk(good, keyed, client.bulk, deadline)
            stored = sum(_is_new(row) for row in taken) if isinstance(taken, list) else 0
        except OutcomeUnknown as exc:
            raise Unconfirmed(repeatable=once is not None or all(map(_is_recognised, good))) from exc
        except StoreError:
            stored = 0
            raise
        finally:
            self._depth.settle(len(good), stored=stored)
        if isinstance(taken, Withheld):
            return _withheld(messages, refusals, taken)
        return taken if isinstance(taken, KeptAnswer) else _bulk_result(messages, refusals, taken)

    def store_timeout(self, deadline: float) -> float:
        """Seconds that the store may take, so that the answer is out at `deadline`."""
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise StoreUnavailable("the time to answer in is used up")
        timeout = max(left - COMMIT_RESERVE, left / 2)
        return min(timeout, AWAY_WAIT) if self._db.away else timeout

    async def _store_bulk(
        self, messages: Sequence[NewMessage], keyed: Keyed | None, policy: BulkPolicy, deadline: float
    ) -> list[Row] | KeptAnswer | Withheld:
        try:
            async with asyncio.timeout(self.store_timeout(deadline)):
                await self._bulk_turn.acquire()
        except TimeoutError as exc:
            raise StoreUnavailable("other bulks took all the time there was") from exc
        try:
            request = NewRequest(messages, keyed, policy)
            [taken] = await insert_requests(
                self._db,
                [request],
                timeout=self.store_timeout(deadline),
                give_way=self._group_commit.give_way,
                write_texts=self._group_commit.write_texts,
            )
        finally:
            self._bulk_turn.release()
        return taken if keyed is None or not isinstance(taken, KeptAnswer) else taken.to(keyed.key)

    async def _kept(self, once: Once[Any] | None, deadline: float) -> KeptAnswer | None:
        """What a request with this key was answered before. Raises KeyReused."""
        return None if once is None else await find_answer(self._db, once.key, self.store_timeout(deadline))


def _keyed_single(once: Once[Inserted]) -> Keyed:
    def render(rows: Sequence[Row]) -> bytes:
        [row] = rows
        assert isinstance(row, Inserted)  # nothing is kept of what is refused
        return once.render(row)

    return Keyed(once.key, render)


def _keyed_bulk(once: Once[BulkResult], messages: Sequence[NewMessage | None], refusals: list[ItemRefusal]) -> Keyed:
    return Keyed(once.key, lambda rows: once.render(_bulk_result(messages, refusals, rows)))


def _bulk_result(messages: Sequence[NewMessage | None], refusals: list[ItemRefusal], rows: Sequence[Row]) -> BulkResult:
    """`rows` are those of the messages that are not None."""
    taken = [row for row in rows if isinstance(row, Inserted)]
    if len(taken) == len(messages):
        return BulkResult([*taken], refusals)
    left = iter(rows)
    inserted: list[Inserted | None] = []
    limited: list[ItemRefusal] = []
    for place, message in enumerate(messages):
        row = None if message is None else next(left)
        if isinstance(row, Rejection):
            limited.append(ItemRefusal(place, (row,)))
            row = None
        inserted.append(row)
    return BulkResult(inserted, _by_index(refusals, limited))


def _withheld(messages: Sequence[NewMessage | None], refusals: list[ItemRefusal], withheld: Withheld) -> BulkResult:
    """Nothing is taken, for what these items are told. Raises Refused where it is for all of them."""
    if withheld.whole is not None:
        raise Refused((withheld.whole,))
    places = [place for place, message in enumerate(messages) if message is not None]
    limited = [ItemRefusal(places[of_good], (rejection,)) for of_good, rejection in withheld.items.items()]
    return BulkResult([None] * len(messages), _by_index(refusals, limited))


def _by_index(refusals: list[ItemRefusal], more: list[ItemRefusal]) -> list[ItemRefusal]:
    return sorted(refusals + more, key=lambda refusal: refusal.index) if more else refusals


def _is_new(row: Row) -> bool:
    return isinstance(row, Inserted) and not row.repeated


def _is_recognised(message: NewMessage) -> bool:
    """Whether a repeat of this very message would be taken for one for as long as a caller tries."""
    return message.client_message_id is not None and message.repeat_digest is not None
