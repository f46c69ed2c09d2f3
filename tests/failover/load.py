"""Clients under load: they send, and send again what was not answered, as clients in production do."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.end_to_end.payk import MESSAGE

__all__ = ["Load"]

BULK = 10


@dataclass
class Load:
    """Half of the requests bear a ClientMessageId and keep their text; the others get another text at each try."""

    doors: Sequence[httpx.AsyncClient]
    given: dict[str, str] = field(default_factory=dict)
    """MessageId -> text."""
    refused: set[str] = field(default_factory=set)
    """Texts of tries that were answered 503, and of no other."""
    answers: Counter[str] = field(default_factory=Counter)
    taken_at: list[float] = field(default_factory=list)
    """Clock of the event loop."""

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._stop = asyncio.Event()

    def stop(self) -> None:
        self._stop.set()

    async def run(self, rate: float) -> None:
        """So many messages a second until `stop`; every request that was begun is carried through."""
        async with asyncio.TaskGroup() as group:
            while not self._stop.is_set():
                for size in (1, 1, 1, 1, 1, BULK):
                    group.create_task(self._request(size))
                await asyncio.sleep((5 + BULK) / rate)

    async def _request(self, size: int) -> None:
        number = next(self._numbers)
        named = number % 2 == 0
        for attempt in range(40):
            texts = [f"text {number}-{place}" + ("" if named else f" try {attempt}") for place in range(size)]
            items: list[dict[str, Any]] = [
                MESSAGE | {"PhoneNumber": f"9929{number:06}{place:02}", "Text": text, "SmsType": 1 + number % 2}
                for place, text in enumerate(texts)
            ]
            if named:
                for place, item in enumerate(items):
                    item["ClientMessageId"] = f"{number}-{place}"
            door = self.doors[(number + attempt) % len(self.doors)]
            if await self._try(door, items, texts):
                return
            await asyncio.sleep(0.3)
        raise AssertionError(f"request {number} was never taken")

    async def _try(self, door: httpx.AsyncClient, items: list[dict[str, Any]], texts: list[str]) -> bool:
        single = len(items) == 1
        path = "/api/v1/sms" if single else "/api/v1/sms/bulk?MessageIds=true"
        try:
            answer = await door.post(path, json=items[0] if single else items)
        except httpx.TransportError:
            self.answers["none"] += 1
            return False
        self.answers[str(answer.status_code)] += 1
        if answer.status_code != 200:
            assert answer.status_code in (503, 504), answer.text
            if answer.status_code == 503:
                self.refused.update(texts)
            return False
        ids = [answer.json()["MessageId"]] if single else answer.json()["MessageIds"]
        self.given |= dict(zip(ids, texts, strict=True))
        self.taken_at.append(time.monotonic())
        return True
