"""Every scripted number ends in the state, and within the time, that the README names: all of them, of every type."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.payk import FINAL, Centre, Payk

COMMON, OTP, BATCH = 1, 2, 3

TABLE = [
    (0, "Delivered", 2),
    (1, "Delivered", 8),
    (2, "Undeliverable", 5),
    (3, "Expired", 5),
    (4, "Rejected", 5),
    (5, "Accepted Delivered", 8),
    (6, "Enroute Unknown", 75),
    (7, "Undeliverable", 5),
    (8, "Delivered", 15),
    (9, "Delivered", 15),
    (10, "Delivered", 5),
    (11, "Unknown", 90),
    (12, "Enroute Unknown", 75),
    (13, "Deleted", 5),
    (14, "Unknown", 90),
    (15, "Rejected", 5),
]
"""NNNN, the states that must be seen in this order, and within how many seconds the last of them."""

SUBMITS = {8: 3, 9: 2, 11: 2, 14: 2}
"""How often the operator gets it, where that is not once. 0011 and 0014 of SmsType Batch: once."""


@dataclass(frozen=True, slots=True)
class Seen:
    number: int
    states: list[str]
    seconds: float


def destination(number: int) -> str:
    return f"99200000{number:04}"


async def follow(centre: Centre, number: int, sms_type: int, within: float) -> Seen:
    """Send to a scripted number and look at the state until it is final."""
    began = time.monotonic()
    message_id = await centre.send(destination(number), SmsType=sms_type, Text=f"{number} of type {sms_type}")
    states: list[str] = []
    while not FINAL & set(states) and time.monotonic() - began < within + 5:
        state = await centre.state(message_id)
        if states[-1:] != [state]:
            states.append(state)
        await asyncio.sleep(0.15 if time.monotonic() - began < 10 else 0.5)
    return Seen(number, states, time.monotonic() - began)


async def test_every_scripted_number_sent_at_once_ends_as_the_table_says(tmp_path: Path) -> None:
    """Three centres side by side, one for each SmsType."""
    async with AsyncExitStack() as stack:
        running = []
        for sms_type in (COMMON, OTP, BATCH):
            folder = tmp_path / str(sms_type)
            folder.mkdir()
            payk = Payk(folder)
            stack.push_async_callback(payk.close)
            running.append(assert_table(payk, await payk.up(), sms_type))
        await asyncio.gather(*running)


async def assert_table(payk: Payk, centre: Centre, sms_type: int) -> None:
    seen = await asyncio.gather(*(follow(centre, number, sms_type, within) for number, _, within in TABLE))
    for one, (number, states, within) in zip(seen, TABLE, strict=True):
        wanted = states.split()
        assert [state for state in one.states if state in wanted] == wanted, (sms_type, one)
        assert set(one.states) <= {"None", "Enroute", *wanted}, (sms_type, one)
        assert one.seconds < within, (sms_type, one)
        submits = 1 if sms_type == BATCH and number in (11, 14) else SUBMITS.get(number, 1)
        assert len(payk.record.submits(destination(number))) == submits, (sms_type, one)
