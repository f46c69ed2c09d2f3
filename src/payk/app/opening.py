"""What every command stands on: its database, its secret key, and errors that are one line to the user."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import uvloop

from payk.registry.errors import ForceRequired, RegistryError
from payk.sealing import KeyRing
from payk.sealing.keys import KEY_SIZE
from payk.settings import Settings
from payk.store.database import Database
from payk.store.embedded import EmbeddedError, EmbeddedPostgres
from payk.store.errors import StoreError
from payk.web.server import ListenError
from payk.web.tls import TlsError

__all__ = ["StartError", "opened", "run", "secret_keys", "write_secret"]


class StartError(Exception):
    """The command cannot do its work; str() is what to tell, one line per reason."""


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a command on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_told(coroutine))


async def _told(coroutine: Coroutine[Any, Any, None]) -> None:
    """What stops a command before it began becomes a StartError."""
    try:
        await coroutine
    except ForceRequired as error:
        raise StartError(f"{error}\nRepeat it with --force if that is meant.") from error
    except (EmbeddedError, ListenError, RegistryError, StoreError, TlsError) as error:
        raise StartError(str(error)) from error


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Database, EmbeddedPostgres | None]]:
    """The database: the given one, else the embedded one of PAYK_HOME, started if need be and stopped at the end."""
    async with AsyncExitStack() as stack:
        embedded = None
        if settings.database_url is not None:
            dsn = settings.database_url.get_secret_value()
        else:
            embedded = EmbeddedPostgres(settings.home)
            dsn = await embedded.attach_or_start()
            stack.push_async_callback(embedded.stop)
        db = await Database.open(dsn)
        stack.push_async_callback(db.close)
        yield db, embedded


def secret_keys(settings: Settings, *, trying: bool = False) -> KeyRing:
    """PAYK_SECRET_KEY, else the file secret-key of PAYK_HOME; then PAYK_OLD_SECRET_KEYS, else secret-key.old."""
    first = _secret_key(settings, trying=trying)
    old = [key.get_secret_value() for key in settings.old_secret_keys]
    if not old:
        file = settings.home / "secret-key.old"
        try:
            lines = file.read_text(encoding="ascii").split() if file.exists() else []
            old = [bytes.fromhex(line) for line in lines]
        except (OSError, ValueError) as error:
            raise StartError(f"{file} cannot be read as 64 hex digits a line: {error}") from error
        for key in old:
            if len(key) != KEY_SIZE:
                raise StartError(f"{file} should hold 64 hex digits a line, one has {2 * len(key)}")
    return KeyRing([first, *old])


def _secret_key(settings: Settings, *, trying: bool) -> bytes:
    """The key that seals, or is to seal.

    The file is made with an embedded database and for `payk up` only: several hosts on one database must share a key.
    """
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    file = settings.home / "secret-key"
    if (trying or settings.database_url is None) and not file.exists():
        write_secret(file, secrets.token_hex(32))
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        raise StartError(
            f"no secret key: set PAYK_SECRET_KEY to 64 hex digits, or write them to {file}; where a centre runs, it is"
            " the key of that centre (its environment, or the secret-key file of its PAYK_HOME); or ask its server by"
            " PAYK_ADMIN_URL"
        ) from None
    except (OSError, ValueError) as error:
        raise StartError(f"{file} cannot be read as 64 hex digits: {error}") from error
    if len(key) != KEY_SIZE:
        raise StartError(f"{file} should hold 64 hex digits, it holds {2 * len(key)}")
    return key


def write_secret(file: Path, content: str) -> None:
    """Write a file that only we may read, whole or not at all; one that another process writes meanwhile wins."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened_file:
        opened_file.write(content + "\n")
        opened_file.flush()
        os.fsync(descriptor)
    with suppress(FileExistsError):
        os.link(unfinished, file)
    unfinished.unlink()
