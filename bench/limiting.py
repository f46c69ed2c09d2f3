"""What limits cost a message: the load of `end_to_end_per_s`, by a client that has every limit and is refused by none.

It takes turns with a client without any. Both send through the same processes into the same tables; the block list is
there while the limited one sends, for all look at it while anything is in it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from bench.rig import BANK, SENDER, Operator, Rig
from bench.throughput import EndToEnd, end_to_end
from payk.store.balances import change_balance
from payk.store.blocked import What, block_numbers, unblock_numbers

__all__ = ["Limiting", "limited"]

_KEY: Final = "00000000-0000-4000-8000-000000000003"
_CLIENT: Final = "client-limited"
_TURNS: Final = (True, False, False, True)
"""Whether it is the limited one that sends: what changes steadily on the machine changes both alike."""
_BLOCKED: Final = [f"77790{number:07}" for number in range(10_000)]
"""Numbers that nobody sends to."""
_MONEY: Final = 10**13
_FOLLOWED: Final = 1.0
"""Seconds until every process knows what was changed."""

_SETTINGS: Final = """
[[client]]
name = "{client}"
senders = ["{sender}"]
requests_per_second = 100000
pace = 100000
sms_types = ["common", "otp", "batch"]
max_priority = {{common = "normal", otp = "high", batch = "low"}}
destinations = ["992", "993", "994"]
batch_hours = "08:00-21:00"
parts_per_day = 1000000000
parts_per_month = 1000000000
otp_parts_per_day = 1000000000
otp_parts_per_month = 1000000000
number_per_hour = 1000000
number_per_day = 1000000
otp_number_per_hour = 1000000
otp_number_per_day = 1000000
otp_per_minute = 6000000
prepaid = true
otp_reserve = "50"
otp_overdraft = "50"
max_parts = 3
[[client.key]]
key = "{key}"
allow_from = ["192.0.2.0/24", "127.0.0.0/8", "::1/128"]
[[route]]
prefix = "{prefix}"
price = "0.12"
"""


@dataclass(frozen=True, slots=True)
class Limiting:
    """Messages a second of either client, mean of two turns, and by how much the processor time of a message, in all
    processes of the centre, is more for the limited one, in percent.
    """

    limited: float
    unlimited: float
    costs: float


async def limited(rig: Rig, url: str, operator: Operator, prefix: str, seconds: float) -> Limiting:
    """All turns, in about so many seconds besides what they take to warm up and to end."""
    await rig.configure(_SETTINGS.format(client=_CLIENT, sender=SENDER, key=_KEY, prefix=prefix))
    await change_balance(rig.db, _CLIENT, _MONEY, author="bench")
    ways: dict[bool, list[EndToEnd]] = {True: [], False: []}
    for is_limited in _TURNS:
        ways[is_limited].append(await _turn(rig, url, operator, prefix, seconds / len(_TURNS), is_limited=is_limited))
    costs = [100 * (_used(one) / _used(other) - 1) for one, other in zip(ways[True], ways[False], strict=True)]
    return Limiting(fmean(way.rate for way in ways[True]), fmean(way.rate for way in ways[False]), fmean(costs))


async def _turn(rig: Rig, url: str, operator: Operator, prefix: str, seconds: float, *, is_limited: bool) -> EndToEnd:
    if is_limited:
        await block_numbers(rig.db, _BLOCKED, client=None, what=What.EVERYTHING, reason="bench", author="bench")
    await asyncio.sleep(_FOLLOWED)
    way = await end_to_end(rig, url, operator, prefix, seconds, key=_KEY if is_limited else BANK)
    if is_limited:
        await unblock_numbers(rig.db, _BLOCKED, client=None)
    await rig.empty()
    return way


def _used(way: EndToEnd) -> float:
    """Microseconds of processor time a message, of the centre alone."""
    return sum(used for name, used in way.processor_us.items() if name != "operator")
