"""Servers that nobody would ever stop: their Payk was killed, and its home was removed.

As an ordinary user there are none: the cluster goes with the home, and PostgreSQL ends when it misses its files.
"""

from __future__ import annotations

from pathlib import Path

from payk.store.embedded.locks import Locks
from payk.store.embedded.place import SYSTEM_STATE
from payk.store.embedded.postmaster import Postmaster

__all__ = ["stop_strays"]


async def stop_strays() -> None:
    """As root: stop the servers under /var/lib/payk that no home names and no Payk uses. Their data stay."""
    for base in SYSTEM_STATE.iterdir():
        server = None if _has_home(base) else Postmaster.find(base / "data")
        if server is None:
            continue
        locks = Locks(base)
        try:
            if locks.try_supervise() and locks.try_leave():
                await server.end()
        finally:
            locks.release()


def _has_home(base: Path) -> bool:
    try:
        home = Path((base / "home").read_text().rstrip("\n"))
        return (home / "database-id").read_text().strip() == base.name
    except OSError:
        return False
