"""Base backups of the embedded database, in a folder of the user's.

DIR/
  base-20261126T104700Z/   a base backup that is whole and verified; the time is its end, UTC
  wal/20261126T104655Z/    the log from that time on, without a gap (wal_stream.py); each base backup goes with the last
                           that began before it
  secret-key               without it the passwords of operators cannot be read; secret-key.old those of before
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from payk.store.embedded.errors import EmbeddedError
from payk.store.embedded.place import Place
from payk.store.embedded.programs import connection_options, run_program
from payk.store.embedded.wal_stream import SLOT, end_reading, read_folder, write_folder

__all__ = ["Base", "back_up", "bases", "stop_streaming"]

_TIME = "%Y%m%dT%H%M%SZ"
_BASE, _STREAM = re.compile(r"base-(\d{8}T\d{6}Z)"), re.compile(r"(\d{8}T\d{6}Z)")
_START = re.compile(r"^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Base:
    """A base backup; it can be restored to any time from `ended_at` on."""

    folder: Path
    ended_at: datetime
    wal: Path | None
    """The folder of the log that goes on from it."""

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    @property
    def first_segment(self) -> str:
        """The file of the log that it needs first."""
        found = _START.search((self.folder / "backup_label").read_text(encoding="utf-8"))
        if found is None:
            raise EmbeddedError(f"{self.folder}/backup_label names no WAL location")
        return found[1]


def bases(backups: Path) -> list[Base]:
    """The base backups in a folder, oldest first."""
    streams = _dated(backups / "wal", _STREAM)
    return [
        Base(folder, at, next((stream for began, stream in reversed(streams) if began <= at), None))
        for at, folder in _dated(backups, _BASE)
    ]


def _dated(parent: Path, name: re.Pattern[str]) -> list[tuple[datetime, Path]]:
    """The folders of this name with the time in it, oldest first; none where there is no such parent."""
    folders = parent.iterdir() if parent.is_dir() else ()
    found = [(match[1], folder) for folder in folders if (match := name.fullmatch(folder.name))]
    return [(datetime.strptime(at, _TIME).replace(tzinfo=UTC), folder) for at, folder in sorted(found)]


def _next_name(backups: Path, at: datetime) -> str:
    """`at`, or later: the times in names keep the order in which base backups and streams were made.

    They have seconds only, and clocks go back; by their order a base backup finds its stream.
    """
    named = [*_dated(backups, _BASE), *_dated(backups / "wal", _STREAM)]
    return f"{max([at, *(earlier + timedelta(seconds=1) for earlier, _ in named)]):{_TIME}}"


async def back_up(place: Place, dsn: str, secret_key: Path, backups: Path, keep: int | None) -> Base:
    """Make a base backup of the running server while it serves, and have its log streamed from now on.

    Of several the newest `keep` are left, with the log that they need. Raises EmbeddedError and OSError.
    """
    if backups.is_relative_to(place.base) or backups.is_relative_to(place.home):
        raise EmbeddedError(f"{backups} is inside the home: a backup belongs elsewhere, best on another disk")
    backups.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(backups):
        await _have_stream(place, dsn, backups)
        unfinished = backups / "unfinished"
        await asyncio.to_thread(_copy, place, secret_key, backups, unfinished)
        ended_at = await _database_time(dsn) + timedelta(seconds=1)  # names end in seconds: none before the end
        folder = backups / f"base-{_next_name(backups, ended_at)}"
        unfinished.rename(folder)
        _sync(backups)
        found = bases(backups)
        if keep is not None:
            await asyncio.to_thread(_prune, backups, found[-keep:])
    return next(base for base in found if base.folder == folder)


@contextmanager
def _alone(backups: Path) -> Iterator[None]:
    """Nobody else makes a backup there meanwhile."""
    descriptor = os.open(backups, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedError(f"another backup to {backups} is under way") from None
        yield
    finally:
        os.close(descriptor)


async def _have_stream(place: Place, dsn: str, backups: Path) -> None:
    """Go on with the newest stream there if it is ours and has no gap, else begin one, with a slot of its own."""
    streams = _dated(backups / "wal", _STREAM)
    connection = await asyncpg.connect(dsn)
    try:
        slot = await connection.fetchval("select wal_status from pg_replication_slots where slot_name = $1", SLOT)
        if streams and streams[-1][1] == read_folder(place) and slot not in (None, "lost"):
            return
        write_folder(place, None)
        await _drop_slot(connection)
        await connection.execute("select pg_create_physical_replication_slot($1, true)", SLOT)
    finally:
        await connection.close()
    folder = backups / "wal" / _next_name(backups, await _database_time(dsn))
    folder.mkdir(mode=0o700, parents=True)
    _sync(folder.parent)
    write_folder(place, folder)


async def _drop_slot(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """If there is one; whoever reads from it is ended, as often as it comes back before it knows better."""
    while True:
        await end_reading(connection)
        try:
            await connection.execute(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1", SLOT
            )
        except asyncpg.ObjectInUseError:
            continue
        return


async def _database_time(dsn: str) -> datetime:
    connection = await asyncpg.connect(dsn)
    try:
        now: datetime = await connection.fetchval("select clock_timestamp()")
    finally:
        await connection.close()
    return now.astimezone(UTC).replace(microsecond=0)


def _copy(place: Place, secret_key: Path, backups: Path, unfinished: Path) -> None:
    sockets = place.socket_folder()
    assert sockets is not None  # the server runs
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    options = [*connection_options(sockets), "--wal-method=stream", "--checkpoint=fast", "--manifest-checksums=SHA256"]
    run_program("pg_basebackup", *options, "--pgdata", unfinished)
    _verify(unfinished)
    for key in (secret_key, secret_key.with_name(f"{secret_key.name}.old")):
        if key.exists():
            new = backups / f"{key.name}.new"
            new.unlink(missing_ok=True)
            new.touch(mode=0o600)
            new.write_bytes(key.read_bytes())
            _sync(new)
            new.rename(backups / key.name)


def _verify(folder: Path) -> None:
    """Every file is what the server says that it sent (pg_verifybackup of this wheel crashes)."""
    manifest = json.loads((folder / "backup_manifest").read_bytes())
    for file in manifest["Files"]:
        path = folder / file["Path"]
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        if path.stat().st_size != file["Size"] or digest != file["Checksum"]:
            raise EmbeddedError(f"{path} is not what the server sent: is the disk sound?")


def _sync(path: Path) -> None:
    """What this file or folder holds is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prune(backups: Path, kept: Sequence[Base]) -> None:
    """Remove what nobody would restore any more."""
    oldest = kept[0]
    for at, folder in _dated(backups, _BASE):
        if at < oldest.ended_at:
            shutil.rmtree(folder)
    for _, stream in _dated(backups / "wal", _STREAM):
        if oldest.wal is not None and stream < oldest.wal:
            shutil.rmtree(stream)
    if oldest.wal is not None:
        run_program("pg_archivecleanup", oldest.wal, oldest.first_segment)


async def stop_streaming(place: Place, dsn: str) -> None:
    """Stream the log nowhere any more; what is there stays."""
    write_folder(place, None)
    connection = await asyncpg.connect(dsn)
    try:
        await _drop_slot(connection)
    finally:
        await connection.close()
