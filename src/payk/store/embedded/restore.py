"""A database made from a backup, as of its end or of any time since the base backup.

It is made beside the one that is there, in a place of its own, and recovered there; only when it is whole they change
places. So whatever ends a restore, the next one works, and nothing of the old database is lost. A restored database is
on a timeline of its own, always: nothing is taken or sent on it until `payk recover` (payk.store.continuity).

Each base backup is followed along its own timeline. So after a restore the times before it can still be had, those
too that it undid: from the base backup that was made then.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import asyncpg

from payk.store.embedded.backup import Base, bases
from payk.store.embedded.cluster import DATABASE, PORT, USER, install_binaries, write_configuration
from payk.store.embedded.errors import EmbeddedError
from payk.store.embedded.locks import Locks
from payk.store.embedded.place import Place
from payk.store.embedded.postmaster import Postmaster
from payk.store.embedded.server_log import ServerLog
from payk.store.embedded.wal_stream import write_folder

__all__ = ["Restored", "restore"]

_POLL = 0.1
_SPARE = 1.1  # of the disk that the copies take


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored; `set_aside` = where the database that was there lies now."""

    base: Base
    until: datetime | None
    """When the last transaction in it was committed."""
    timeline: int
    set_aside: Path | None


async def restore(home: Path, backups: Path, *, to: datetime | None, name: str | None) -> Restored:
    """Make the database of a home what a backup holds, as of `to`. Nobody may use it meanwhile.

    Raises EmbeddedError, whose text is one line, and OSError.
    """
    base = _choose(backups, to, name)
    place = await asyncio.to_thread(Place.prepare, home)
    locks = Locks(place.base)
    try:
        if not (locks.try_supervise() and locks.try_leave()):
            raise EmbeddedError(f"Payk is running with {home}: stop it first")
        workshop = replace(place, base=place.base / "restoring")
        for data in (place.data, workshop.data):  # of a Payk that was killed
            left = Postmaster.find(data)
            if left is not None:
                await left.end()
        workshop.remove_socket_folder()
        try:
            await asyncio.to_thread(_lay_out, place, workshop, base)
            until, timeline = await _recover(place, workshop, to)
        except (EmbeddedError, OSError):
            shutil.rmtree(workshop.data, ignore_errors=True)  # its log stays: the error names it
            shutil.rmtree(workshop.base / "wal", ignore_errors=True)
            raise
        set_aside = _change_places(place, workshop)
        write_folder(place, None)  # a stream begins with a base backup of this timeline
        return Restored(base, until, timeline, set_aside)
    finally:
        locks.release()


def _choose(backups: Path, to: datetime | None, name: str | None) -> Base:
    """The base backup to begin with: the named one, else the newest that ended before `to`."""
    found = bases(backups)
    if not found:
        raise EmbeddedError(f"{backups} holds no backup (no folder base-...)")
    if name is not None:
        found = [base for base in found if base.folder.name == name]
        if not found:
            raise EmbeddedError(
                f"{backups} holds no {name}; there are {', '.join(b.folder.name for b in bases(backups))}"
            )
    fitting = [base for base in found if to is None or base.ended_at <= to]
    if not fitting:
        raise EmbeddedError(
            f"{backups} cannot be restored to {_told(to)}: its first base backup ended {_told(found[0].ended_at)}"
        )
    return fitting[-1]


def _lay_out(place: Place, workshop: Place, base: Base) -> None:
    """Copies of the base backup and of the log since, as the server's account may read them."""
    shutil.rmtree(workshop.base, ignore_errors=True)  # of a restore that was killed
    segments = _segments(base)
    needed = int(_SPARE * (base.size + sum(path.stat().st_size for path in segments)))
    free = shutil.disk_usage(place.base).free
    if free < needed:
        raise EmbeddedError(f"{place.base} has {free // 1_000_000} MB of free disk; this takes {needed // 1_000_000}")
    workshop.base.mkdir()
    workshop.base.chmod(0o750)  # whatever the umask: the account must pass
    wal = workshop.base / "wal"
    shutil.copytree(base.folder, workshop.data, symlinks=True)
    wal.mkdir(mode=0o700)
    for path in segments:
        shutil.copyfile(path, wal / path.name.removesuffix(".partial"))
    (workshop.data / "recovery.signal").touch()
    workshop.data.chmod(0o700)
    if place.as_root:
        os.chown(workshop.base, 0, place.account.gid)
        for folder in (workshop.data, wal):
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, place.account.uid, place.account.gid, follow_symlinks=False)


def _segments(base: Base) -> list[Path]:
    """Files of the log that the backup goes on with, the unfinished last one too; and the history of timelines."""
    found: dict[str, Path] = {}
    for path in sorted(base.wal.iterdir()) if base.wal is not None else ():
        name = path.name.removesuffix(".partial")
        if name.endswith(".history") or (len(name) == 24 and name[8:] >= base.first_segment[8:]):
            found.setdefault(name, path)  # a whole one sorts before its unfinished self
    return list(found.values())


async def _recover(place: Place, workshop: Place, to: datetime | None) -> tuple[datetime | None, int]:
    """Run a server in the workshop until it has read all the log that it is to, and stop it."""
    settings = {
        "restore_command": "cp ../wal/%f %p",  # it runs in the data folder: no path of the user's in a shell
        "recovery_target_timeline": "current",
        "recovery_target_action": "promote",
        "recovery_target_inclusive": "on",
        **({} if to is None else {"recovery_target_time": to.isoformat()}),
    }
    binaries = await asyncio.to_thread(install_binaries, place)
    sockets = workshop.make_socket_folder()
    configuration, _ = write_configuration(workshop, sockets, settings)
    server_log = ServerLog(workshop.log)
    server = Postmaster.launch(workshop, binaries, configuration)
    try:
        return await _promoted(
            server, server_log, f"postgresql://{USER}@/{DATABASE}?host={quote(str(sockets))}&port={PORT}", to
        )
    finally:
        await server.end()
        workshop.remove_socket_folder()


async def _promoted(
    server: Postmaster, server_log: ServerLog, dsn: str, to: datetime | None
) -> tuple[datetime | None, int]:
    """Wait until the server has left recovery; when its last transaction was, and its timeline."""
    while server.is_running():
        try:
            connection = await asyncpg.connect(dsn, timeout=10)
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(_POLL)
            continue
        try:
            if not await connection.fetchval("select pg_is_in_recovery()"):
                until = await connection.fetchval("select pg_last_xact_replay_timestamp()")
                timeline = await connection.fetchval("select left(pg_walfile_name(pg_current_wal_lsn()), 8)")
                return until, int(timeline, 16)
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InterfaceError):
            pass  # it ends: its log says why
        finally:
            connection.terminate()
        await asyncio.sleep(_POLL)
    reason = server_log.last_error(0)
    if to is not None and "before configured recovery target" in reason:
        raise EmbeddedError(f"the backup does not reach {_told(to)}: its log ends earlier")
    raise EmbeddedError(f"the backup cannot be restored: {reason}")


def _change_places(place: Place, workshop: Place) -> Path | None:
    """The restored database becomes that of the home. Where this is ended half-way, no new one is made (cluster.py)."""
    set_aside = max(place.base.glob("data.before-*"), default=None)  # of a restore that was killed amid this
    if place.data.exists():
        set_aside = place.base / f"data.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        while set_aside.exists():
            time.sleep(1)
            set_aside = place.base / f"data.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        place.data.rename(set_aside)
    workshop.data.rename(place.data)
    os.sync()
    shutil.rmtree(workshop.base)
    return set_aside


def _told(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
