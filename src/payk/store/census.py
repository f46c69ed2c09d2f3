"""Which processes are alive, and what each of them holds, for those who look from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payk.store.database import Database
from payk.store.queries import sql

__all__ = ["LeasedBind", "LiveProcess", "live_processes"]


@dataclass(frozen=True, slots=True)
class LeasedBind:
    """A bind and how its holder says it stands."""

    link_id: int
    number: int
    bound_at: datetime | None
    """Since when it is bound; None while it is not."""
    waiting_for: str | None
    last_error: str | None
    """Why it came down or was refused last; kept while it is up again."""


@dataclass(frozen=True, slots=True)
class LiveProcess:
    """A process that has not ended, by itself or by the judgement of others."""

    incarnation: int
    host: str
    pid: int
    roles: tuple[str, ...]
    started_at: datetime
    silent_for: float
    """Seconds since its last heartbeat, by the database's clock."""
    duties: tuple[str, ...]
    binds: tuple[LeasedBind, ...]
    warnings: tuple[str, ...]
    """What it found wrong with itself."""


async def live_processes(db: Database) -> list[LiveProcess]:
    """All of them, the oldest first."""
    async with db.connection() as connection:
        processes = await connection.fetch(sql("census.live_processes"))
        leases = await connection.fetch(sql("census.leased_binds"), [row["incarnation"] for row in processes])
    binds: dict[int, list[LeasedBind]] = {}
    for incarnation, *bind in leases:
        binds.setdefault(incarnation, []).append(LeasedBind(*bind))
    return [
        LiveProcess(
            row["incarnation"],
            row["host"],
            row["pid"],
            tuple(row["roles"]),
            row["started_at"],
            row["silent_for"],
            tuple(row["duties"]),
            tuple(binds.get(row["incarnation"], ())),
            tuple(row["warnings"]),
        )
        for row in processes
    ]
