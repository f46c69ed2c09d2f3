"""Homes for tests (PAYK_HOME), and their servers. As root the database of a home lies elsewhere, and goes with it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from payk.store.embedded import EmbeddedPostgres
from payk.store.embedded.place import SYSTEM_STATE


@contextmanager
def new_home(path: Path) -> Iterator[Path]:
    """`path`, not made yet; in the end it is removed, with its database. Its server must have been stopped by then."""
    try:
        yield path
    finally:
        remove_home(path)


def remove_home(path: Path) -> None:
    if os.geteuid() == 0 and (path / "database-id").exists():
        shutil.rmtree(SYSTEM_STATE / (path / "database-id").read_text().strip(), ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def shared_server(home: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """The DSN of one server for all processes that ask for this home; the last to leave stops and removes it."""
    server = EmbeddedPostgres(home, settings=settings)
    with home.with_suffix(".lock").open("w") as coming_or_going:
        fcntl.flock(coming_or_going, fcntl.LOCK_EX)
        dsn = asyncio.run(server.attach_or_start())
    try:
        yield dsn
    finally:
        with home.with_suffix(".lock").open("w") as coming_or_going:
            fcntl.flock(coming_or_going, fcntl.LOCK_EX)
            if asyncio.run(server.stop()):
                remove_home(home)
