"""Incarnations, their heartbeats, and the leases of binds and duties that live and lapse with them."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from payk.clock import Clock
from payk.logs import get_logger
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.queries import sql

__all__ = [
    "Ended",
    "HeldBind",
    "Incarnation",
    "end_process",
    "end_silent",
    "heartbeat",
    "held_binds",
    "lease_binds",
    "lease_duty",
    "live_roles",
    "note_binds",
    "operators_up",
    "register",
    "release_binds",
]

log = get_logger("store")

Bind = tuple[int, int]
"""link_id and number of a bind."""


@dataclass(frozen=True, slots=True)
class HeldBind:
    """A leased bind; `leased` counts the leased binds of its link over all processes."""

    link_id: int
    number: int
    leased: int


@dataclass(frozen=True, slots=True)
class Ended:
    """An incarnation that was ended for its silence."""

    incarnation: int
    host: str
    pid: int


async def register(db: Database, *, host: str, pid: int, roles: Collection[str]) -> int:
    """Begin an incarnation; returns its number."""
    async with db.connection() as connection:
        return int(await connection.fetchval(sql("processes.register"), host, pid, sorted(roles)))


async def heartbeat(db: Database, incarnation: int, *, timeout: float) -> bool:
    """Say that it is alive; False when somebody ended it."""
    async with db.connection(timeout) as connection:
        return await connection.fetchval(sql("processes.heartbeat"), incarnation) is not None


async def end_process(db: Database, incarnation: int) -> None:
    """End an incarnation that stops by itself."""
    async with db.connection(timeout=3.0) as connection:
        await connection.execute(sql("processes.end_process"), incarnation)


async def end_silent(db: Database, lease: float, *, timeout: float) -> list[Ended]:
    """End the incarnations that were silent for `lease` seconds. Their claims and leases are free from here on.

    Only a process whose own heartbeats went through all that time may call this: else the silence was the database's.
    """
    async with db.connection(timeout) as connection:
        rows = await connection.fetch(sql("processes.end_silent"), lease)
    return [Ended(*row) for row in rows]


async def lease_binds(db: Database, incarnation: int, binds: Iterable[Bind]) -> None:
    """Take those of `binds` that nobody alive holds."""
    wanted = sorted(binds)
    async with db.connection() as connection:
        await connection.execute(
            sql("processes.lease_binds"), incarnation, [bind[0] for bind in wanted], [bind[1] for bind in wanted]
        )


async def held_binds(db: Database, incarnation: int) -> list[HeldBind]:
    """The binds this incarnation holds."""
    async with db.connection() as connection:
        return [HeldBind(*row) for row in await connection.fetch(sql("processes.held_binds"), incarnation)]


async def release_binds(db: Database, incarnation: int, binds: Iterable[Bind]) -> None:
    """Give back leases of binds that are unbound."""
    given = sorted(binds)
    async with db.connection() as connection:
        await connection.execute(
            sql("processes.release_binds"), incarnation, [bind[0] for bind in given], [bind[1] for bind in given]
        )


async def note_binds(db: Database, incarnation: int, bound: Iterable[tuple[Bind, bool]]) -> None:
    """Say which binds are bound, so that every dispatcher knows which operators are up."""
    given = sorted(bound)
    async with db.connection() as connection:
        await connection.execute(
            sql("processes.note_binds"),
            incarnation,
            [bind[0] for bind, _ in given],
            [bind[1] for bind, _ in given],
            [up for _, up in given],
        )


async def operators_up(db: Database, lease: float) -> frozenset[int]:
    """The operators that some live process is bound to."""
    async with db.connection() as connection:
        return frozenset(row[0] for row in await connection.fetch(sql("processes.operators_up"), lease))


async def lease_duty(db: Database, incarnation: int, duty: str) -> bool:
    """Whether this incarnation holds the duty, taking it where nobody alive does."""
    async with db.connection() as connection:
        return await connection.fetchval(sql("processes.lease_duty"), incarnation, duty) is not None


async def live_roles(db: Database, lease: float) -> frozenset[str]:
    """The roles that some live process has."""
    async with db.connection(timeout=2.0) as connection:
        rows = await connection.fetch(sql("processes.live_processes"), lease)
    return frozenset(role for row in rows for role in row["roles"])


def host_identity() -> str:
    """Names this machine, its boot and its process namespace: within one identity a pid can be asked about."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
    namespace = Path("/proc/self/ns/pid").stat().st_ino
    return f"{socket.gethostname()}/{boot}/{namespace}"


async def _end_dead_neighbours(db: Database, host: str) -> list[int]:
    """End incarnations of processes on this very machine that are no more; they need not lapse first."""
    async with db.connection() as connection:
        rows = await connection.fetch(sql("processes.neighbours"), host)
        dead = [row["incarnation"] for row in rows if not _is_alive(row["pid"])]
        if dead:
            await connection.execute(sql("processes.end_dead"), dead)
    return dead


def _is_alive(pid: int) -> bool:
    if pid == os.getpid():
        return False  # an earlier process had the number that is ours now
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Incarnation:
    """This run of this process: its number, its heartbeats, and whether its leases still hold."""

    def __init__(self, db: Database, clock: Clock, *, roles: Collection[str], lease: float) -> None:
        self._db = db
        self._clock = clock
        self._roles = roles
        self._lease = lease
        self._beat_at = float("-inf")
        self._steady_since = float("inf")
        self.number = 0
        """Grows with every registration; a process that was held for dead comes back under a new one."""

    @property
    def lease(self) -> float:
        """Seconds of silence after which others take over."""
        return self._lease

    def held(self) -> bool:
        """Whether what this incarnation leased is surely still its own, at this moment."""
        return self._clock.monotonic() < self._beat_at + self._lease * 0.8

    def silent_for(self) -> float:
        """Seconds since the last heartbeat that went through."""
        return self._clock.monotonic() - self._beat_at

    def steady(self) -> bool:
        """Whether its heartbeats went through for a whole lease: then the silence of others is their own."""
        return self.held() and self._clock.monotonic() - self._steady_since > self._lease

    async def begin(self) -> None:
        """Register. Raises StoreError."""
        host = host_identity()
        for number in await _end_dead_neighbours(self._db, host):
            log.info("a dead process of this machine was ended", incarnation=number)
        started = self._clock.monotonic()
        self.number = await register(self._db, host=host, pid=os.getpid(), roles=self._roles)
        self._beat_at = self._steady_since = started

    async def run(self) -> None:
        """Beat until cancelled, and end those who fell silent; after a lapse, come back under a new number.

        Every process looks after the others: a duty that one of them holds could die with its holder.
        """
        pause = self._lease / 5
        while True:
            await asyncio.sleep(pause)
            started = self._clock.monotonic()
            try:
                if await heartbeat(self._db, self.number, timeout=pause):
                    self._note_beat(started)
                    await self._end_silent(timeout=pause)
                else:
                    log.warning("this process was held for dead; it starts over", incarnation=self.number)
                    self._beat_at = float("-inf")
                    await asyncio.sleep(pause)  # links see that nothing is held, and close
                    await self.begin()
            except StoreError as error:
                self._steady_since = float("inf")
                log.warning("heartbeat failed", error=str(error))

    async def _end_silent(self, *, timeout: float) -> None:
        if self.steady():
            for ended in await end_silent(self._db, self._lease, timeout=timeout):
                log.warning(
                    "process ended for its silence", incarnation=ended.incarnation, host=ended.host, pid=ended.pid
                )

    def _note_beat(self, started: float) -> None:
        self._beat_at = started
        if self._steady_since == float("inf"):
            self._steady_since = started

    async def end(self) -> None:
        """Stop by itself: leases are free at once."""
        self._beat_at = float("-inf")
        await end_process(self._db, self.number)
