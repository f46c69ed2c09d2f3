"""What is counted of messages while they are taken, in the transaction that stores them: block lists, messages to one
number, parts of a day and a month, balances; and what is given back when a message was not sent.

What does not fit is refused by a look, before ids are drawn: refused messages use none up. What fits is counted, then
it is asked what is too much now, and that is taken back: rows stay locked from the count on, so that nobody ever sees
more than there may be. All of them are touched in one order: digests, numbers, usage, balances, each sorted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import asyncpg

from payk.domain.errors import Code, Field, Rejection
from payk.domain.limits import Limits
from payk.domain.message import SmsType
from payk.domain.quota import PERIODS, Demand, NumberUse, Totals, excess, number_excess
from payk.store.arrays import chunks, columns
from payk.store.database import Connection
from payk.store.queries import sql
from payk.value import value

__all__ = ["Asked", "Charging", "find_blocked", "refund", "would_be_refused"]

_Number = tuple[int, str, bool]
"""Client, number, whether they are Otp."""


@value
class Asked:
    """A new message, by the id that was drawn for it, with what it is judged by."""

    message_id: int
    client_id: int
    phone: str
    sms_type: SmsType
    parts: int
    limits: Limits
    price: int | None
    """Of a part; None = its parts are not counted."""

    @property
    def cost(self) -> int:
        """In 1/10,000 of the currency unit; 0 where the client is not prepaid."""
        return self.parts * self.price if self.price is not None and self.limits.prepaid else 0

    @property
    def otp(self) -> bool:
        """Otp is counted apart."""
        return self.sms_type is SmsType.OTP


async def find_blocked(connection: Connection, asked: Sequence[tuple[int, str, SmsType]]) -> list[int]:
    """The places of messages (client, number, type) whose number takes none of their kind."""
    found: list[int] = []
    passed = 0
    for chunk in chunks(asked):
        rows = await connection.fetch(
            sql("charging.find_blocked"),
            [client_id for client_id, _, _ in chunk],
            [phone for _, phone, _ in chunk],
            [sms_type is SmsType.BATCH for _, _, sms_type in chunk],
        )
        found += [passed + row[0] - 1 for row in rows]
        passed += len(chunk)
    return sorted(found)


async def refund(connection: Connection, message_ids: Sequence[int]) -> int:
    """Give back what was counted of messages that end unsent, in the transaction that ends them; returns of how many.

    Once for each message, however often it is called, and nothing for those of which nothing was counted.
    """
    return int(await connection.fetchval(sql("charging.refund"), message_ids)) if message_ids else 0


async def would_be_refused(connection: Connection, asked: Asked) -> list[Rejection]:
    """Everything that a message would be refused for now, each limit asked apart; nothing is counted."""
    limits = asked.limits
    found: list[Rejection] = []
    if await find_blocked(connection, [(asked.client_id, asked.phone, asked.sms_type)]):
        found.append(_blocked(asked))
    quotas = replace(limits, prepaid=False)
    balance = Limits(prepaid=limits.prepaid, otp_reserve=limits.otp_reserve, otp_overdraft=limits.otp_overdraft)
    number = Charging(connection)
    await number.look_at_number(asked)
    found += number.refused.values()
    for alone in (quotas, balance):
        if alone.counts_parts:
            totals = Charging(connection)
            await totals.look_at_totals([_asked_alone(asked, alone)])
            found += totals.refused.values()
    return found


def _asked_alone(asked: Asked, limits: Limits) -> Asked:
    return Asked(asked.message_id, asked.client_id, asked.phone, asked.sms_type, asked.parts, limits, asked.price)


@dataclass
class Charging:
    """What one transaction has counted, and whom it refuses. Steps: `look`, `count`, `charge`, `take_back`, `enter`."""

    connection: Connection
    refused: dict[int, Rejection] = field(default_factory=dict)
    """By message id."""
    _numbered: dict[int, _Number] = field(default_factory=dict)
    """Messages that are counted to their number."""
    _charged: dict[int, Asked] = field(default_factory=dict)

    async def look(self, asked: Sequence[Asked], known: Callable[[], Awaitable[Set[int]]]) -> None:
        """Refuse those whose number is blocked, and, without counting or locking anything, those that do not fit now.

        `known` is asked, if any are refused, which of them are repeats: those take nothing.
        """
        if await self._look(asked):
            repeats = await known()
            if repeats:
                self.refused.clear()
                await self._look([one for one in asked if one.message_id not in repeats])

    async def count(self, asked: Sequence[Asked]) -> None:
        """Count messages to their numbers, and refuse those of numbers that got as many as they may."""
        by_number = self._by_number(asked)
        self._numbered = {one.message_id: number for number, ones in by_number.items() for one in ones}
        await self._count_numbers({number: len(ones) for number, ones in by_number.items()})
        await self._refuse_of_numbers(by_number, counted=True)

    async def charge(self, asked: Sequence[Asked]) -> None:
        """Count parts and take what they cost, of those that are not refused; refuse those that are too much."""
        charged = self._to_charge(asked)
        if charged:
            totals = _totals(await self.connection.fetch(sql("charging.charge"), *columns(_demanded(charged, 1))))
            self._charged = {one.message_id: one for one in charged}
            self._refuse_excess(charged, totals)

    async def take_back(self, message_ids: Collection[int]) -> None:
        """What was counted of these: they were refused since, or turned out to be repeats."""
        counts = Counter(self._numbered.pop(message_id) for message_id in message_ids if message_id in self._numbered)
        await self._count_numbers({number: -count for number, count in sorted(counts.items())})
        charged = [self._charged.pop(message_id) for message_id in message_ids if message_id in self._charged]
        if charged:
            await self.connection.fetch(sql("charging.charge"), *columns(_demanded(charged, -1)))

    async def enter(self) -> None:
        """What was charged goes into the ledgers: one entry for each client."""
        costs: dict[int, tuple[int, int]] = {}
        for one in self._charged.values():
            cost, count = costs.get(one.client_id, (0, 0))
            costs[one.client_id] = cost + one.cost, count + 1
        entries = [(client_id, cost, count) for client_id, (cost, count) in sorted(costs.items()) if cost]
        if entries:
            await self.connection.execute(sql("charging.enter_charges"), *columns(entries))

    async def _look(self, asked: Sequence[Asked]) -> bool:
        """Whether any are refused."""
        for place in await find_blocked(self.connection, [(one.client_id, one.phone, one.sms_type) for one in asked]):
            self.refused[asked[place].message_id] = _blocked(asked[place])
        await self._refuse_of_numbers(self._by_number(asked), counted=False)
        await self.look_at_totals(asked)
        return bool(self.refused)

    async def look_at_number(self, asked: Asked) -> None:
        """Refuse it where its number got as many messages as it may."""
        await self._refuse_of_numbers(self._by_number([asked]), counted=False)

    async def look_at_totals(self, asked: Sequence[Asked]) -> None:
        """Refuse those that do not fit into the quotas and balances as they are, of those that are not refused."""
        charged = self._to_charge(asked)
        if charged:
            rows = await self.connection.fetch(
                sql("charging.find_totals"), *columns(sorted({(one.client_id, one.otp) for one in charged}))
            )
            totals = _totals(rows)
            for one in charged:
                for period in PERIODS:
                    totals.parts[one.client_id, period, one.otp] += one.parts
                totals.balances[one.client_id] -= one.cost
            self._refuse_excess(charged, totals)

    def _to_charge(self, asked: Sequence[Asked]) -> list[Asked]:
        return [one for one in asked if one.price is not None and one.message_id not in self.refused]

    def _by_number(self, asked: Sequence[Asked]) -> dict[_Number, list[Asked]]:
        """Messages of clients whose numbers get but so many, sorted by these."""
        found: dict[_Number, list[Asked]] = {}
        for one in asked:
            if one.limits.limits_numbers(otp=one.otp) and one.message_id not in self.refused:
                found.setdefault((one.client_id, one.phone, one.otp), []).append(one)
        return dict(sorted(found.items()))

    async def _count_numbers(self, counts: Mapping[_Number, int]) -> None:
        for chunk in chunks([(*number, count) for number, count in counts.items()]):
            await self.connection.execute(sql("charging.count_numbers"), *columns(chunk))

    async def _refuse_of_numbers(self, by_number: Mapping[_Number, Sequence[Asked]], *, counted: bool) -> None:
        for chunk in chunks(list(by_number)):
            uses = await self.connection.fetch(sql("charging.find_number_use"), *columns(chunk))
            for number, use in zip(chunk, uses, strict=True):
                asked = by_number[number]
                more = 0 if counted else len(asked)
                found = number_excess(
                    asked[0].limits,
                    asked[0].otp,
                    len(asked),
                    NumberUse(use["in_hour"] + more, use["in_day"] + more, use["hour_frees"], use["day_frees"]),
                )
                if found is not None:
                    fit, rejection = found
                    self.refused |= {one.message_id: rejection for one in asked[fit:]}

    def _refuse_excess(self, charged: Sequence[Asked], totals: Totals) -> None:
        demands = [Demand(one.client_id, one.limits, one.otp, one.parts, one.cost) for one in charged]
        for place, rejection in excess(demands, totals).items():
            self.refused[charged[place].message_id] = rejection


def _demanded(charged: Sequence[Asked], sign: int) -> list[tuple[int, bool, int, int | None]]:
    """Client, Otp or not, parts and cost (None = not prepaid), sorted."""
    sums: dict[tuple[int, bool], tuple[int, int | None]] = {}
    for one in charged:
        parts, cost = sums.get((one.client_id, one.otp), (0, None))
        if one.limits.prepaid:  # it may have become so since the ones before it
            cost = (cost or 0) + sign * one.cost
        sums[one.client_id, one.otp] = parts + sign * one.parts, cost
    return [(*key, *sum_) for key, sum_ in sorted(sums.items())]


def _totals(rows: Sequence[asyncpg.Record]) -> Totals:
    return Totals(
        rows[0]["now"],
        {(row["client_id"], row["kind"], row["otp"]): row["total"] for row in rows if row["kind"] != "balance"},
        {row["client_id"]: row["total"] for row in rows if row["kind"] == "balance"},
    )


def _blocked(one: Asked) -> Rejection:
    what = "Batch" if one.sms_type is SmsType.BATCH else "messages"
    return Rejection(Code.PHONE_NUMBER_BLOCKED, f"This number takes no {what} from this client.", Field.PHONE_NUMBER)
