"""Telling dispatchers that there is something to send: NOTIFY after the commit, on its own.

Inside the writing transaction NOTIFY serialises commits; so flows that gained messages are collected here, and one
engine sends them: the first at once, those of one-time passwords at most every 5 ms, others at most every 20 ms, for a
dispatcher claims them no more often. Dispatchers look for themselves five times a second as well, so a wake-up that is
lost costs 200 ms.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from payk.domain.message import Lane

__all__ = ["QUEUE_CHANNEL", "Flow", "Wakeup", "Wakeups", "decode_wakeup"]

QUEUE_CHANNEL = "payk_queue"
PAYLOAD_MAX = 7_900  # PostgreSQL takes less than 8,000 octets
EVERYTHING = "*"
"""The payload that names no flow: look for yourself."""


class Flow(NamedTuple):
    """Messages that share a turn: one label of one client in one lane of one queue (and rank, among Batch)."""

    queue_id: int
    lane: int
    client_id: int
    rank: int
    label_key: int


@dataclass(frozen=True, slots=True)
class Wakeup:
    """Flows that gained messages, each with the lowest id among them; `everything` = look for yourself."""

    flows: dict[Flow, int]
    everything: bool = False


def decode_wakeup(payload: str) -> Wakeup:
    """Read a NOTIFY payload; anything unreadable means: look for yourself."""
    try:
        rows = [tuple(int(field) for field in row.split(":")) for row in payload.split(",")]
        return Wakeup({Flow(queue, Lane(lane), *others): lowest for queue, lane, *others, lowest in rows})
    except (ValueError, TypeError):
        return Wakeup({}, everything=True)


class Wakeups:
    """Collects flows that gained messages; store.listening.tell sends them to the dispatchers of every process."""

    def __init__(self) -> None:
        self._flows: dict[Flow, int] = {}
        self._some = asyncio.Event()
        self._urgent = asyncio.Event()

    def add(self, flows: Iterable[tuple[Flow, int]]) -> None:
        """Note flows with a message id each; call it after the commit."""
        known = self._flows
        for flow, message_id in flows:
            lowest = known.get(flow)
            if lowest is None or message_id < lowest:
                known[flow] = message_id
                if flow.lane == Lane.OTP:
                    self._urgent.set()
        if known:
            self._some.set()

    async def take(self) -> str:
        """Wait for flows and return them as the payload of one NOTIFY."""
        await self._some.wait()
        self._some.clear()
        self._urgent.clear()
        flows, self._flows = self._flows, {}
        payload = ",".join(":".join(map(str, (*flow, lowest))) for flow, lowest in flows.items())
        return payload if len(payload) <= PAYLOAD_MAX else EVERYTHING

    async def urgent(self, patience: float) -> None:
        """Wait until a one-time password is among the flows, `patience` seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._urgent.wait()
