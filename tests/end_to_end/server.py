"""A PostgreSQL beside Payk, which tests stop, kill and freeze."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

import psutil

from payk.store.embedded import EmbeddedPostgres
from tests.homes import remove_home

__all__ = ["Server"]


class Server:
    """A PostgreSQL that is not Payk's to supervise."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._postgres = EmbeddedPostgres(home)
        self.dsn = ""

    async def start(self) -> None:
        self.dsn = await self._postgres.start()

    async def stop(self) -> None:
        await self._postgres.stop()

    def kill(self) -> None:
        """As a crash would: every process of it at once."""
        for process in self._family():
            with suppress(psutil.NoSuchProcess):  # they notice each other's end
                process.kill()

    def _family(self) -> list[psutil.Process]:
        assert self._postgres.pid is not None
        postmaster = psutil.Process(self._postgres.pid)
        return [postmaster, *postmaster.children(recursive=True)]

    async def freeze(self) -> None:
        """It takes connections still, and answers nothing."""
        for process in self._family():
            process.send_signal(signal.SIGSTOP)

    async def thaw(self) -> None:
        for process in self._family():
            process.send_signal(signal.SIGCONT)

    async def close(self) -> None:
        if self._postgres.pid is not None:
            await self.thaw()
        await self._postgres.stop()
        remove_home(self._home)
