"""How many messages come in: counted over the newest of them, in bounded time whatever there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from payk.domain.message import SmsType
from payk.store.database import Database
from payk.store.queries import sql

__all__ = ["Incoming", "incoming"]

WINDOW: Final = 10.0
_LOOKS: Final = (500, 5_000, 50_000)
"""Messages that are looked at: few where little comes, and never more than the last of these."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """Messages that were taken."""

    seconds: float
    """In how long: WINDOW, or less where more came in it than are looked at."""
    taken: Mapping[SmsType, int]


async def incoming(db: Database) -> Incoming:
    """What was taken in the last 10 s, by type. StoreError."""
    taken, seconds = dict.fromkeys(SmsType, 0), WINDOW
    async with db.connection() as connection:
        for look in _LOOKS:
            rows = await connection.fetch(sql("queues.taken_lately"), look, WINDOW)
            taken |= {SmsType(row["sms_type"]): row["lately"] for row in rows}
            if sum(row["lately"] for row in rows) < look:
                return Incoming(WINDOW, taken)
            seconds = max(row["seconds"] for row in rows)
    return Incoming(max(0.001, seconds), taken)
