"""Commands that end messages on the database itself tell of them as the centre does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from payk import tracing
from payk.domain.directory import CurrentDirectory
from payk.outcome_log import OutcomeLog
from payk.registry.follow import load as load_directory
from payk.store.database import Database
from payk.store.ending import OnEnded

__all__ = ["ends_told"]


@asynccontextmanager
async def ends_told(db: Database) -> AsyncIterator[OnEnded | None]:
    """Whom to tell of messages that end: the log of this command, and traces where the environment asks for them."""
    tracing.begin()
    try:
        yield OutcomeLog(CurrentDirectory(await load_directory(db)), "app").on_ended
    finally:
        tracing.end()
