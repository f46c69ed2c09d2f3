"""The tokens in force, as this process knows them: never older than half a second when somebody is let in by them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from payk.clock import Clock
from payk.domain.access import Permission, Principal, PrincipalKind, Role
from payk.logs import get_logger
from payk.store.access import TokenInForce, access_version, note_token_use, tokens_in_force
from payk.store.database import Database
from payk.store.errors import StoreError

__all__ = ["TokenPicture"]

FRESH: Final = 0.5
"""Seconds for which a picture is good without asking the database whether it still is."""
NOTE_EVERY: Final = 10.0
"""Seconds between two notes of which tokens were used."""

log = get_logger("access")


class TokenPicture:
    """Asked by whoever calls, not by a task of its own: so it cannot stay behind, and without the database it says no
    more than that it does not know.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._version: int | None = None
        self._tokens: Mapping[bytes, tuple[Principal, datetime | None]] = {}
        self._confirmed = float("-inf")
        self._now: tuple[datetime, float] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._used: set[int] = set()
        self._noted = float("-inf")

    async def find(self, sha256: bytes) -> Principal | None:
        """Whose token this is. StoreError where the picture is old and the database cannot be asked."""
        if self._clock.monotonic() - self._confirmed >= FRESH:
            await self._refresh()
        if sha256 not in self._tokens:  # it may have been made a moment ago
            await self._refresh(self._clock.monotonic())
        known = self._tokens.get(sha256)
        if known is None or self._now is None:
            return None
        principal, expires_at = known
        told, at = self._now
        if expires_at is not None and told + timedelta(seconds=self._clock.monotonic() - at) >= expires_at:
            return None
        self._used.add(principal.id)
        return principal

    async def _refresh(self, asked: float | None = None) -> None:
        """Make sure that the picture is younger than FRESH, or than `asked`; many callers at once ask once."""
        async with self._one_at_a_time:
            if self._confirmed >= (self._clock.monotonic() - FRESH if asked is None else asked):
                return
            before = self._clock.monotonic()
            version, now = await access_version(self._db)
            if version != self._version:
                self._tokens = {
                    row.sha256: (_principal(row), row.expires_at) for row in await tokens_in_force(self._db)
                }
                self._version = version
            self._now, self._confirmed = (now, before), before
            if self._used and before - self._noted >= NOTE_EVERY:
                await self._note_use()
                self._noted = before

    async def _note_use(self) -> None:
        """Nobody is refused because this fails: whose token it is was found out."""
        used, self._used = self._used, set()
        try:
            await note_token_use(self._db, sorted(used))
        except StoreError as error:
            self._used |= used
            log.warning("the use of tokens was not noted", error=str(error))


def _principal(row: TokenInForce) -> Principal:
    scopes = None if row.scopes is None else frozenset(p for p in Permission if p in row.scopes)
    name = row.name if row.user_name is None else f"{row.user_name}/{row.name}"
    return Principal(PrincipalKind.TOKEN, row.token_id, name, Role(row.role), row.client_id, scopes)
