"""GET /health/live and /health/ready, for balancers and supervisors; they need no key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from payk.domain.errors import Code
from payk.web.answers import Answer
from payk.web.exchange import Exchange
from payk.web.problems import Problem

__all__ = ["Health", "Readiness"]

Readiness = Callable[[], Awaitable[tuple[bool, list[str]]]]
"""Whether this process can do its work, and what is worth knowing."""

PATIENCE = 2.0
"""Seconds after which a readiness that does not answer counts as no."""


class Health:
    """Says whether the process runs (live) and whether it can do its work (ready)."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    async def live(self, exchange: Exchange) -> Answer:
        """The process runs; nothing else is asked."""
        return _fine([])

    async def ready(self, exchange: Exchange) -> Answer:
        """The process can do its work. Raises Problem (ServiceUnavailable) with the warnings."""
        try:
            async with asyncio.timeout(PATIENCE):
                ready, warnings = await self._readiness()
        except TimeoutError:
            ready, warnings = False, [f"no answer within {PATIENCE:g} seconds"]
        if ready:
            return _fine(warnings)
        detail = f"Not ready: {'; '.join(warnings) or 'no reason given'}."
        raise Problem(Code.SERVICE_UNAVAILABLE, detail, retry_after=PATIENCE, members={"Warnings": warnings})


def _fine(warnings: list[str]) -> Answer:
    return Answer(200, msgspec.json.encode({"Status": "OK", "Warnings": warnings}))
