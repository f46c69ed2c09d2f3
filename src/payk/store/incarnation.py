"""This run of this process as the others see it: its number, its heartbeats, and whether its leases still hold.

No wall clock decides who is alive. A process holds what it leased for four fifths of a lease after it began its last
heartbeat that went through, by its own CLOCK_BOOTTIME, which counts suspended time too. Another one ends it only after
it saw no new heartbeat of it for a whole lease, by its own CLOCK_BOOTTIME, while its own heartbeats went through: so a
database that was away ends nobody, and a clock that jumps says nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path

from payk.clock import Clock
from payk.logs import get_logger
from payk.store.continuity import find_missing, look, mark_lost, recognise, vouch
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.processes import (
    Beat,
    Heartbeat,
    beats,
    end_dead,
    end_process,
    end_silent,
    heartbeat,
    is_registered,
    register,
)

__all__ = ["Incarnation", "SilenceWatch", "host_identity"]

log = get_logger("store")

SHORT_PAUSE = 0.3
"""Seconds between heartbeats while something is wrong, at most."""
SEARCHES = 6
"""For our last commits, one at each heartbeat: what is being recorded at this moment is in neither place."""


class SilenceWatch:
    """Whose heartbeats stand still. Pure: times are by CLOCK_BOOTTIME of whoever looks."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._seen: dict[int, tuple[datetime, float]] = {}  # incarnation -> last heartbeat, and when it was first seen
        self._looked_at = float("-inf")

    def silent(self, present: Sequence[Beat], now: float) -> list[Beat]:
        """Those of the incarnations that have not ended whose last heartbeat was seen a whole lease ago.

        After a gap in our own looking (the database was away, we were stopped) everybody's lease begins anew.
        """
        if now - self._looked_at > self._lease / 2:
            self._seen.clear()
        self._looked_at = now
        seen = {}
        for beat in present:
            at, since = self._seen.get(beat.incarnation, (beat.at, now))
            seen[beat.incarnation] = (beat.at, since if at == beat.at else now)
        self._seen = seen
        return [beat for beat in present if now - seen[beat.incarnation][1] > self._lease]


class Incarnation:
    """Begin it, run it beside the engines, end it. A process that was held for dead comes back as a new one.

    `warnings` tells what is wrong with this process; each heartbeat says it.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        roles: Collection[str],
        lease: float,
        key_ids: Collection[bytes] = (),
        warnings: Callable[[], Sequence[str]] = list,
    ) -> None:
        self._db = db
        self._clock = clock
        self._roles = roles
        self._key_ids = key_ids
        self._lease = lease
        self._warnings = warnings
        self._host = host_identity()
        self._beat_at = float("-inf")
        self._beats = 0
        self._line = ""
        self._searches = 0
        self._beats_lost = False
        self._watch = SilenceWatch(lease)
        self._callbacks: list[Callable[[], None]] = []
        self.number = 0
        """Grows with every registration."""
        self.on_known_line = True
        """Whether messages are taken and sent (payk.store.continuity), as of the last heartbeat."""

    @property
    def lease(self) -> float:
        """Seconds of silence after which others take over."""
        return self._lease

    def held(self) -> bool:
        """Whether what this incarnation leased is surely still its own, at this moment."""
        return self._clock.monotonic() < self._held_until

    @property
    def _held_until(self) -> float:
        return self._beat_at + self._lease * 0.8

    def silent_for(self) -> float:
        """Seconds since the last heartbeat that went through."""
        return self._clock.monotonic() - self._beat_at

    def when_lapsed(self, callback: Callable[[], None]) -> None:
        """Call this, at once, whenever the process finds that it may have lost what it leased."""
        self._callbacks.append(callback)

    async def begin(self) -> None:
        """Register. Raises StoreError."""
        await self._end_dead(await beats(self._db, timeout=10.0), also=os.getpid())
        self._line = (await look(self._db)).line
        started = self._clock.monotonic()
        self.number = await register(
            self._db, host=self._host, pid=os.getpid(), roles=self._roles, key_ids=self._key_ids
        )
        self._beats, self._searches, self._beats_lost = 0, 0, False
        self._beat_at = started

    async def run(self) -> None:
        """Beat until cancelled, and end those who fell silent; after a lapse, come back under a new number.

        Every process looks after the others: a duty that one of them holds could die with its holder.
        """
        pause = self._lease / 5
        well = True
        while True:
            wait = pause if well else min(pause, SHORT_PAUSE)
            began = self._clock.monotonic()
            await asyncio.sleep(wait)
            self._notice_standstill(began + wait)
            began = self._clock.monotonic()
            try:
                well = await self._beat(timeout=pause)
            except StoreError as error:
                if well:
                    log.warning("heartbeat failed", error=str(error))
                well = False
            self._notice_standstill(began + self._lease)  # a beat's statements take less than that all together

    def _notice_standstill(self, due: float) -> None:
        """Where this process was stopped, and is on its way again long after `due`: let go of what it held."""
        late = self._clock.monotonic() - due
        if late > self._lease / 5 and self._beat_at > float("-inf") and not self.held():
            log.warning("this process stood still for longer than its leases hold", seconds=round(late, 1))
            self._lapse()

    async def _beat(self, *, timeout: float) -> bool:
        """One heartbeat and what it shows; whether all is well."""
        started = self._clock.monotonic()
        beat = await heartbeat(self._db, self.number, timeout=timeout, warnings=self._warnings())
        if beat is None:
            await self._start_over()
            return False
        self._beat_at = started
        if beat.line != self._line:
            await self._cross(beat)
        if beat.line == self._line:
            self._beats = beat.beats
        self._note_known(beat.known)
        if not beat.known and await recognise(self._db):
            log.warning("the database lost nothing at its change: going on", line=beat.line)
        await self._look_after_others(timeout=timeout)
        return beat.known and beat.line == self._line

    async def _start_over(self) -> None:
        """This incarnation is no more: whatever it held is another's."""
        self._lapse()
        lived_on, history = self._line, await look(self._db)
        if await is_registered(self._db, self.number):
            log.warning("this process was held for dead; it starts over", incarnation=self.number)
            missing = await self._search() if history.line != lived_on else None
        else:
            missing = "the process itself is missing" if history.line != lived_on else None
            log.error("the database does not know this process", incarnation=self.number)
        if missing is not None:
            await self._tell_lost(history.line, missing)
        await self.begin()
        if history.line != lived_on and missing is None:
            await vouch(self._db, self.number, history.line)

    async def _cross(self, beat: Heartbeat) -> None:
        """The database is on another line than the one this process lived on: look for what it wrote last."""
        if self._searches == 0:
            self._beats_lost = beat.beats <= self._beats
        self._searches += 1
        missing = await self._search()
        if missing is not None and self._searches < SEARCHES:
            return
        self._searches = 0
        if missing is None:
            await vouch(self._db, self.number, beat.line)
            log.warning("the database changed; all that this process wrote is there", line=beat.line)
        else:
            await self._tell_lost(beat.line, missing)
        self._line = beat.line

    async def _search(self) -> str | None:
        """What is missing of our last commits, in words."""
        if self._beats_lost:
            return "the last heartbeats are missing"
        return await find_missing(self._db, self.number, self._db.last_commits)

    async def _tell_lost(self, line: str, missing: str) -> None:
        log.error("the database has lost commits", line=line, missing=missing)
        await mark_lost(self._db, line, missing, self._db.last_commits.highest_id)

    def _note_known(self, known: bool) -> None:
        if known != self.on_known_line:
            self.on_known_line = known
            if known:
                log.info("messages are taken and sent again")
            else:
                log.error("the database is not the one it was: nothing is taken or sent; see `payk recover`")

    async def _look_after_others(self, *, timeout: float) -> None:
        present = [beat for beat in await beats(self._db, timeout=timeout) if beat.incarnation != self.number]
        await self._end_dead(present)
        silent = self._watch.silent(present, self._clock.monotonic())
        for beat in await end_silent(self._db, silent, timeout=timeout) if silent else ():
            log.warning("process ended for its silence", incarnation=beat.incarnation, host=beat.host, pid=beat.pid)

    async def _end_dead(self, present: Collection[Beat], *, also: int | None = None) -> None:
        """Processes of this very machine that are no more need not be waited for. `also` is no longer whose it was."""
        neighbours = [beat for beat in present if beat.host == self._host]
        dead = [beat.incarnation for beat in neighbours if beat.pid == also or not _is_alive(beat.pid)]
        if dead:
            await end_dead(self._db, dead)
            log.info("dead processes of this machine were ended", incarnations=dead)

    def _lapse(self) -> None:
        """From here on nothing is held; those who hold on to something let go at once."""
        self._beat_at = float("-inf")
        for callback in self._callbacks:
            callback()

    async def end(self) -> None:
        """Stop by itself: leases are free at once."""
        self._beat_at = float("-inf")
        await end_process(self._db, self.number)


def host_identity() -> str:
    """Names this machine, its boot and its process namespace: within one identity a pid can be asked about."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
    namespace = Path("/proc/self/ns/pid").stat().st_ino
    return f"{socket.gethostname()}/{boot}/{namespace}"


def _is_alive(pid: int) -> bool:
    """One that nobody has reaped yet is dead, though it has its number still."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:
        return True  # not ours to read
    return status.rpartition(")")[2].split()[:1] not in (["Z"], ["X"])
