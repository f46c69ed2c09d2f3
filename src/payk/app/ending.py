"""Commands that end messages on the database itself tell of them as the centre does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from payk import tracing
from payk.app.names import load_names
from payk.domain.directory import CurrentDirectory
from payk.outcome_log import OutcomeLog
from payk.store.database import Database
from payk.store.ending import OnEnded

__all__ = ["ends_told"]


@asynccontextmanager
async def ends_told(db: Database) -> AsyncIterator[OnEnded | None]:
    """Whom to tell of messages that end: the log of this command, and traces where the environment asks for them.

    A registry that cannot be had, or understood, keeps nobody from ending them: then the lines name no client and no
    operator.
    """
    tracing.begin()
    try:
        names = CurrentDirectory()
        told = OutcomeLog(names, "app").on_ended
        if told is not None:
            await load_names(db, names)
        yield told
    finally:
        tracing.end()
