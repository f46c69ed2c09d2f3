"""What fits into the quotas, the balance and the limits for one number of a client, and what those are told who do not.

The store counts first and asks then: all sums here hold what is asked for already.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from payk.domain.errors import Code, Field, Rejection, Standing
from payk.domain.limits import Limits
from payk.value import value

__all__ = ["PERIODS", "Demand", "NumberUse", "Totals", "excess", "money_shown", "number_excess", "quota_of"]

MONEY_UNIT: Final = 10_000
PERIODS: Final = ("day", "month")


@value
class Demand:
    """The parts of one message of a client, and what they cost."""

    client_id: int
    limits: Limits
    otp: bool
    parts: int
    cost: int


@value
class Totals:
    """What is used with all that is asked for: parts by client, period and whether they are Otp, and balances."""

    now: datetime
    parts: dict[tuple[int, str, bool], int]
    balances: dict[int, int]


@value
class NumberUse:
    """How many messages a number got, with those that are asked for, and when the oldest of them counts no more."""

    in_hour: int
    in_day: int
    hour_frees: float
    """Seconds."""
    day_frees: float


def excess(demands: Sequence[Demand], totals: Totals) -> dict[int, Rejection]:
    """Those that do not fit, in the order in which they came, each by its place with what it is told."""
    found: dict[int, Rejection] = {}
    left = _Left(demands, totals)
    for place, demand in enumerate(demands):
        rejection = left.take(demand)
        if rejection is not None:
            found[place] = rejection
    return found


class _Left:
    """What is left of everything, before anything of what is asked for is taken."""

    def __init__(self, demands: Sequence[Demand], totals: Totals) -> None:
        self._now = totals.now
        self._used = dict(totals.parts)
        self._balances = dict(totals.balances)
        for demand in demands:
            for period in PERIODS:
                self._used[demand.client_id, period, demand.otp] -= demand.parts
            if demand.limits.prepaid:
                self._balances[demand.client_id] += demand.cost

    def take(self, demand: Demand) -> Rejection | None:
        for period in PERIODS:
            quota = quota_of(demand.limits, period, demand.otp)
            left = quota - self._used[demand.client_id, period, demand.otp]
            if quota and demand.parts > left:
                return _quota_used_up(demand, period, quota, left, self._now)
        if demand.limits.prepaid:
            floor = -demand.limits.otp_overdraft if demand.otp else demand.limits.otp_reserve
            balance = self._balances[demand.client_id]
            if demand.cost > 0 and balance - demand.cost < floor:
                return _balance_used_up(demand, balance, floor)
            self._balances[demand.client_id] -= demand.cost
        for period in PERIODS:
            self._used[demand.client_id, period, demand.otp] += demand.parts
        return None


def number_excess(limits: Limits, otp: bool, asked: int, use: NumberUse) -> tuple[int, Rejection] | None:
    """How many of `asked` messages to a number fit, and what the others are told; None where all do."""
    hour, day = (limits.otp_number_per_hour, limits.otp_number_per_day) if otp else (
        limits.number_per_hour, limits.number_per_day
    )  # fmt: skip
    worst: tuple[int, Rejection] | None = None
    for most, got, frees, span in (
        (hour, use.in_hour, use.hour_frees, "an hour"),
        (day, use.in_day, use.day_frees, "24 hours"),
    ):
        if most and got > most:
            fit = max(0, asked - (got - most))
            if worst is None or fit <= worst[0]:
                detail = f"This number may get {most} {_kind(otp)} of this client within {span}."
                after = max(1.0, frees)
                standing = Standing(most, fit, after)
                worst = fit, Rejection(Code.NUMBER_LIMIT_EXCEEDED, detail, Field.PHONE_NUMBER, after, standing)
    return worst


def money_shown(amount: int) -> str:
    """An amount as people write it: 0.12 of 1200."""
    whole, rest = divmod(abs(amount), MONEY_UNIT)
    text = f"{whole}.{rest:04}".rstrip("0").rstrip(".")
    return f"-{text}" if amount < 0 else text


def quota_of(limits: Limits, period: str, otp: bool) -> int:
    """The parts of a day or a month; 0 = any number."""
    if period == "day":
        return limits.otp_parts_per_day if otp else limits.parts_per_day
    return limits.otp_parts_per_month if otp else limits.parts_per_month


def _kind(otp: bool) -> str:
    return "Otp" if otp else "messages but Otp"


def _quota_used_up(demand: Demand, period: str, quota: int, left: int, now: datetime) -> Rejection:
    what = "Otp" if demand.otp else "all but Otp"
    detail = (
        f"This client may send {quota} parts of {what} in a {period} (UTC), of which {max(0, left)} are left;"
        f" this needs {demand.parts}. Nothing was taken: it is safe to repeat the request."
    )
    after = max(1.0, (_end_of(period, now) - now).total_seconds())
    return Rejection(Code.QUOTA_EXCEEDED, detail, retry_after=after, standing=Standing(quota, max(0, left), after))


def _end_of(period: str, now: datetime) -> datetime:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return midnight + timedelta(days=1)
    return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)


def _balance_used_up(demand: Demand, balance: int, floor: int) -> Rejection:
    kept = f", of which {money_shown(floor)} are kept for Otp" if floor > 0 else ""
    detail = (
        f"The balance of this client is {money_shown(balance)}{kept}; this costs {money_shown(demand.cost)}."
        " Nothing was taken."
    )
    return Rejection(Code.BALANCE_INSUFFICIENT, detail)
