"""Base backups of the embedded database, in a folder of the user's.

DIR/
  base-20261126T104700Z/   a base backup that is whole and verified; the time is its end, UTC
  wal/                     the log since the first of them (wal_stream.py)
  secret-key               without it the passwords of operators cannot be read
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from payk.store.embedded.errors import EmbeddedError
from payk.store.embedded.place import Place
from payk.store.embedded.programs import connection_options, run_program
from payk.store.embedded.wal_stream import SLOT, write_folder

__all__ = ["Base", "back_up", "bases", "stop_streaming"]

_NAME = re.compile(r"base-(\d{8}T\d{6}Z)")
_START = re.compile(r"^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Base:
    """A base backup; it can be restored to any time from `ended_at` on."""

    folder: Path
    ended_at: datetime

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
    found = []
    for folder in backups.iterdir() if backups.is_dir() else ():
        match = _NAME.fullmatch(folder.name)
        if match:
            found.append(Base(folder, datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)))
    return sorted(found, key=lambda base: base.ended_at)


async def back_up(place: Place, dsn: str, secret_key: Path, backups: Path, keep: int | None) -> Base:
    """Make a base backup of the running server while it serves, and have its log streamed from now on.

    Of several the newest `keep` are left, with the log that they need. Raises EmbeddedError and OSError.
    """
    if backups.is_relative_to(place.base) or backups.is_relative_to(place.home):
        raise EmbeddedError(f"{backups} is inside the home: a backup belongs elsewhere, best on another disk")
    backups.mkdir(mode=0o700, parents=True, exist_ok=True)
    await _have_slot(dsn)
    write_folder(place, backups / "wal")
    unfinished = backups / "unfinished"
    await asyncio.to_thread(_copy, place, secret_key, backups, unfinished)
    connection = await asyncpg.connect(dsn)
    try:
        now = (await connection.fetchval("select clock_timestamp() + interval '1 s'")).astimezone(UTC)  # names end in s
    finally:
        await connection.close()
    base = Base(backups / f"base-{now:%Y%m%dT%H%M%SZ}", now.replace(microsecond=0))
    unfinished.rename(base.folder)
    if keep is not None:
        await asyncio.to_thread(_prune, backups, bases(backups)[-keep:])
    return base


def _copy(place: Place, secret_key: Path, backups: Path, unfinished: Path) -> None:
    sockets = place.socket_folder()
    assert sockets is not None  # the server runs
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    options = [*connection_options(sockets), "--wal-method=stream", "--checkpoint=fast", "--manifest-checksums=SHA256"]
    run_program("pg_basebackup", *options, "--pgdata", unfinished)
    _verify(unfinished)
    if secret_key.exists():
        copy = backups / "secret-key"
        copy.unlink(missing_ok=True)
        copy.touch(mode=0o600)
        copy.write_bytes(secret_key.read_bytes())


def _verify(folder: Path) -> None:
    """Every file is what the server says that it sent (pg_verifybackup of this wheel crashes)."""
    manifest = json.loads((folder / "backup_manifest").read_bytes())
    for file in manifest["Files"]:
        path = folder / file["Path"]
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        if path.stat().st_size != file["Size"] or digest != file["Checksum"]:
            raise EmbeddedError(f"{path} is not what the server sent: is the disk sound?")


def _prune(backups: Path, kept: Sequence[Base]) -> None:
    """Remove what nobody would restore any more."""
    for base in bases(backups):
        if base not in kept:
            shutil.rmtree(base.folder)
    if (backups / "wal").is_dir():
        run_program("pg_archivecleanup", backups / "wal", kept[0].first_segment)


async def stop_streaming(place: Place, dsn: str) -> None:
    """Stream the log nowhere any more; what is there stays."""
    write_folder(place, None)
    connection = await asyncpg.connect(dsn)
    try:
        for _ in range(100):
            active = await connection.fetchval("select active from pg_replication_slots where slot_name = $1", SLOT)
            if not active:  # None: there is none
                break
            await asyncio.sleep(0.1)
        await connection.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1", SLOT
        )
    finally:
        await connection.close()


async def _have_slot(dsn: str) -> None:
    """A slot that keeps the log from now on; one that has lost its place begins anew."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
            " where slot_name = $1 and wal_status = 'lost'",
            SLOT,
        )
        await connection.execute(
            "select pg_create_physical_replication_slot($1, true)"
            " where not exists (select from pg_replication_slots where slot_name = $1)",
            SLOT,
        )
    finally:
        await connection.close()
