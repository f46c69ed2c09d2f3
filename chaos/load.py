"""Clients that send through the API and try again as real ones do: on the other host, after a while.

Half of them give a ClientMessageId and repeat the same request; the centre must see that. The others cannot be told
from new ones when they repeat, so each of their tries goes to numbers of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, Final

from chaos.door import ClosedDoor, Door, NoAnswer
from chaos.records import Answer, Sent

__all__ = ["Load"]

BULK: Final = (20, 50)
"""Messages of a bulk; half of all messages come in one."""
BULK_SHARE: Final = 1 / (1 + sum(BULK) / 2)
"""Of the requests."""
TWO_PARTS: Final = 0.15
OTP, COMMON, BATCH = 2, 1, 3
TYPES: Final = (OTP, COMMON, COMMON, BATCH)
"""Drawn with equal chances; bulks are Common and Batch."""
TEXTS: Final = (
    "Your code is 48213. Do not show it to anyone.",
    "Ваш код подтверждения: 48213",
    "Card *4821: payment of 120.50 TJS. Balance: 1342.10 TJS.",
)
LONG_TEXTS: Final = (
    "Dear client, the statement of the month is ready: open the application and choose Statements. " * 2,
    "Уважаемый клиент, напоминаем о предстоящем платеже: пополните счёт до конца недели.",
)
SINGLE: Final = "/api/v1/sms"
WITH_IDS: Final = "/api/v1/sms/bulk?MessageIds=true"
PACE: Final = 0.02
AT_ONCE: Final = 1500
"""Requests that wait for an answer at the same time; no more are begun then."""
BURST: Final = 0.5
"""Seconds of the load that are made up for, at most."""
TRIES: Final = 8
TIMEOUT: Final = 7.0
"""Seconds that a client waits for an answer; the centre promises one within 5."""
IMPATIENT: Final = 0.02
"""The share of tries whose client waits for `SOON` at most: the repeat comes while the first is being answered."""
SOON: Final = (0.005, 0.05)
PAUSE: Final = (0.3, 3.0)
"""Seconds before the second try and before late ones; in between it doubles."""
LAST_TRIES: Final = 10.0
"""Seconds after the end of the load in which requests are tried again."""
AGAIN: Final = frozenset({Answer.NOT_CONNECTED, Answer.NONE, 429, 503, 504})


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a client wants to be sent: prefix of the number, text and type of each message."""

    messages: Sequence[tuple[str, str, int]]
    bulk: bool
    name: str | None
    """What its ClientMessageIds begin with; None: it has none."""


class Load:
    """`rate` messages a second through `doors`, to numbers of these prefixes."""

    def __init__(self, doors: Sequence[Door], *, rate: float, seed: str, prefixes: Sequence[str], sender: str) -> None:
        self._doors = doors
        self._rate = rate
        self._random = Random(seed)
        self._prefixes = prefixes
        self._sender = sender
        self._numbers = count(1)
        self._names = count(1)
        self._tries_end = float("inf")
        self.sent: dict[str, Sent] = {}
        """By number."""
        self.answers: Counter[int] = Counter()
        self.accepted_at: list[float] = []
        self.refusals: list[Any] = []
        """Answers that no client should get, with what was sent."""

    async def run(self, seconds: float) -> None:
        """Send for so long, and wait for the last answers."""
        loop = asyncio.get_running_loop()
        began = last = loop.time()
        owed = 0.0
        self._tries_end = began + seconds + LAST_TRIES
        under_way: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while (now := loop.time()) < began + seconds:
                owed = min(owed + (now - last) * self._rate, self._rate * BURST)
                last = now
                while owed > 0 and len(under_way) < AT_ONCE:
                    wish = self._wish()
                    owed -= len(wish.messages)
                    task = group.create_task(self._insist(wish))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                await asyncio.sleep(PACE)

    def _wish(self) -> _Wish:
        random = self._random
        bulk = random.random() < BULK_SHARE
        size = random.randint(*BULK) if bulk else 1
        name = f"c{next(self._names)}" if random.random() < 0.5 else None
        return _Wish([self._message(bulk) for _ in range(size)], bulk, name)

    def _message(self, bulk: bool) -> tuple[str, str, int]:
        random = self._random
        text = random.choice(LONG_TEXTS if random.random() < TWO_PARTS else TEXTS)
        sms_type = random.choice((COMMON, BATCH) if bulk else TYPES)
        return random.choice(self._prefixes), text, sms_type

    async def _insist(self, wish: _Wish) -> None:
        """Try until it is taken, or refused, or the client loses patience."""
        random = self._random
        place = random.randrange(len(self._doors))
        pause, longest = PAUSE
        loop = asyncio.get_running_loop()
        messages: list[Sent] = []
        for number in range(TRIES):
            if wish.name is None or not messages:
                messages = self._new_messages(wish)
            door = self._doors[(place + number) % len(self._doors)]
            hasty = random.random() < IMPATIENT
            answer = await self._try(wish, messages, door, random.uniform(*SOON) if hasty else TIMEOUT)
            if answer not in AGAIN or loop.time() > self._tries_end:
                return
            if not hasty:
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, longest)

    def _new_messages(self, wish: _Wish) -> list[Sent]:
        messages = [
            Sent(f"{prefix}{next(self._numbers):07}", sms_type, wish.name and f"{wish.name}-{place}")
            for place, (prefix, _, sms_type) in enumerate(wish.messages)
        ]
        self.sent.update((message.phone, message) for message in messages)
        return messages

    async def _try(self, wish: _Wish, messages: Sequence[Sent], door: Door, timeout: float) -> int:
        """One request; what came of it within `timeout` seconds."""
        items = [self._body(message, text) for message, (_, text, _) in zip(messages, wish.messages, strict=True)]
        path, body = (WITH_IDS, f"[{','.join(items)}]") if wish.bulk else (SINGLE, items[0])
        content: Any = None
        try:
            answer, content = await door.post(path, body.encode(), timeout=timeout)
        except ClosedDoor:
            answer = Answer.NOT_CONNECTED
        except NoAnswer:
            answer = Answer.NONE
        self.answers[answer] += 1
        for message in messages:
            message.answers.append(answer)
        if answer == 200:
            self.accepted_at.append(time.time())
        ids = content.get("MessageIds", [content.get("MessageId")]) if answer == 200 else []
        if None in ids or (answer not in AGAIN and not ids):
            self.refusals.append({"status": answer, "answer": content, "numbers": [m.phone for m in messages[:3]]})
        for message, message_id in zip(messages, ids, strict=False):
            if message_id is not None:
                message.message_ids.append(int(message_id))
        return answer

    def _body(self, message: Sent, text: str) -> str:
        name = message.client_message_id
        named = "" if name is None else f',"ClientMessageId":"{name}"'
        return (
            f'{{"PhoneNumber":"{message.phone}","Text":"{text}","SenderAddress":"{self._sender}"'
            f',"SmsType":{message.sms_type}{named}}}'
        )
