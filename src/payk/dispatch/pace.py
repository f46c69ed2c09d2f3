"""How long the engines of a dispatcher rest between two batches: what comes meanwhile goes to the database at once.

What the store costs the dispatcher is a quarter less in batches of 500 than in batches of 100 (docs/performance.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

__all__ = ["PACE", "after_claim", "gather"]

PACE: Final = 0.020
_LONGEST: Final = 0.100
_MANY: Final = 64
"""Items of a PACE from which on more of them are waited for; a peer that sends no more costs one PACE."""
_ENOUGH: Final = 500
"""Items that are worth a transaction of their own."""


async def gather(waiting: Callable[[], int], hurry: asyncio.Event | None = None) -> None:
    """Rest after a batch while the next one fills: PACE, or longer while many keep coming, or until `hurry` is set.

    `waiting` tells how many wait. A peer that sends no more before it has its answers is noticed within a PACE.
    """
    had = 0
    for _ in range(round(_LONGEST / PACE)):
        if hurry is None:
            await asyncio.sleep(PACE)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(PACE):
                    await hurry.wait()
                    return
        has = waiting()
        if has - had < _MANY or has >= _ENOUGH:
            return
        had = has


def after_claim(claimed: int) -> float:
    """Seconds until the next claim, where the queue was emptied by one of so many messages."""
    return min(_LONGEST, PACE * (1 + claimed // _MANY))
