"""`payk backup` and `payk restore`, of the embedded database."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from payk.app.opening import StartError, opened
from payk.settings import Settings
from payk.store.embedded.backup import back_up, stop_streaming
from payk.store.embedded.restore import restore as restore_database

__all__ = ["backup", "restore"]

_OTHER = "this is for the embedded database; for one of your own see docs/operations.md, Backup and restore"


async def backup(settings: Settings, folder: Path | None, *, keep: int | None, stop: bool) -> None:
    """Make a base backup in `folder` and stream the log there from now on; or `stop` streaming it."""
    if settings.database_url is not None:
        raise StartError(_OTHER)
    if stop == (folder is not None):
        raise StartError("name the folder to back up to, or --stop")
    async with opened(settings) as (_, embedded):
        assert embedded is not None
        if folder is None:
            await stop_streaming(embedded.place, embedded.dsn)
            print("the log is streamed to no backup any more")
            return
        try:
            base = await back_up(embedded.place, embedded.dsn, settings.home / "secret-key", folder.resolve(), keep)
        except OSError as error:
            raise StartError(f"{error.filename or folder}: {error.strerror}") from error
    print(
        f"{base.folder}: {base.size / 1e6:.0f} MB, can be restored to {_moment(base.ended_at)} and, by the log that is"
        f" streamed there while Payk runs, to any time since"
    )


async def restore(settings: Settings, folder: Path, *, to: str | None, base: str | None) -> None:
    """Make the embedded database of PAYK_HOME what a backup holds."""
    if settings.database_url is not None:
        raise StartError(_OTHER)
    try:
        restored = await restore_database(settings.home.resolve(), folder.resolve(), to=_instant(to), name=base)
        keys_aside = [_restore_key(folder / name, settings.home / name) for name in ("secret-key", "secret-key.old")]
    except OSError as error:
        raise StartError(f"{error.filename or folder}: {error.strerror}") from error
    until = "no transaction after it" if restored.until is None else f"up to {_moment(restored.until)}"
    print(f"restored {restored.base.folder.name}, {until}; timeline {restored.timeline}")
    for aside in (restored.set_aside, *keys_aside):
        if aside is not None:
            print(f"what was there before is now {aside}")
    print("nothing is taken or sent until `payk recover`; then make a new backup")


def _instant(written: str | None) -> datetime | None:
    if written is None:
        return None
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise StartError(f"--to {written!r} is no time such as 2026-11-26T10:30:00+05:00") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _restore_key(kept: Path, file: Path) -> Path | None:
    """A file of keys that restored passwords are encrypted under; where another lies now, if there was one."""
    if not kept.exists() or (file.exists() and file.read_bytes() == kept.read_bytes()):
        return None
    aside = None
    if file.exists():
        aside = file.with_name(f"{file.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        file.rename(aside)
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    shutil.copyfile(kept, new)
    new.rename(file)
    return aside


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
