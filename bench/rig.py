"""A whole centre to be measured: its database, the processes of `payk serve`, and an operator to submit to.

Everything runs as users run it; nothing of Payk knows that it is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bench.figure import CannotRun
from bench.processes import Usage, resident_mb, usage
from payk.store.database import Database
from payk.store.embedded import EmbeddedError, EmbeddedPostgres
from payk.store.embedded.place import SYSTEM_STATE
from payk.store.migrations import migrate

__all__ = ["BANK", "SENDER", "SENDERS", "SHOP", "Link", "Operator", "Rig", "database_disk"]

BANK: Final = "00000000-0000-4000-8000-000000000001"
"""The API key of the first client, whose client_id is 1."""
SHOP: Final = "00000000-0000-4000-8000-000000000002"
SENDER: Final = "AlifBank"
SENDERS: Final = {BANK: (SENDER, "LabelOne", "LabelTwo"), SHOP: ("Shop",)}

_ROOT: Final = Path(__file__).parents[1]
_START: Final = 60.0  # seconds for a process to come up
_MEMORY: Final = 3_000_000_000  # octets that have to be free
_DISK: Final = 6_000_000_000


def database_disk() -> Path:
    """A folder on the disk that the database of a rig will be on (payk.store.embedded.place)."""
    if os.geteuid() != 0:
        return _build()
    return next(folder for folder in (SYSTEM_STATE, *SYSTEM_STATE.parents) if folder.exists())


@dataclass(slots=True)
class Operator:
    """An operator in a process of its own (bench/operator.py)."""

    process: asyncio.subprocess.Process
    port: int

    @property
    def pid(self) -> int:
        return self.process.pid

    @classmethod
    async def start(cls, *, receipt_after: float) -> Operator:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.operator", "--receipt-after", str(receipt_after),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=_ROOT, limit=1 << 26,
        )  # fmt: skip
        assert process.stdout is not None
        first = (await asyncio.wait_for(process.stdout.readline(), _START)).decode().split()
        if first[:1] != ["port"]:
            raise CannotRun("the operator of the benchmark did not start")
        return cls(process, int(first[1]))

    async def ask(self, question: str) -> dict[str, Any]:
        """The answer to a line: counts, watch PREFIX, seen PREFIX, order on, order."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(question.encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return answer

    async def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@dataclass(frozen=True, slots=True)
class Link:
    """The one link of an operator: numbers that begin with `prefix` go over it, under a system_id of its own, for the
    receipts of an account come over any session of it.
    """

    prefix: str
    operator: Operator
    rate: int = 0
    window: int = 500


@dataclass(slots=True)
class Rig:
    """`home` is its PAYK_HOME, `db` a pool of our own."""

    home: Path
    server: EmbeddedPostgres
    db: Database
    environment: dict[str, str]
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    management: dict[str, str] = field(default_factory=dict)
    """Where the management listener of each process is."""

    @classmethod
    @asynccontextmanager
    async def open(cls, disk: int = _DISK) -> AsyncIterator[Rig]:
        """A migrated centre in a folder of its own, with nothing running but the database; `disk` is the octets that
        it will need. Raises CannotRun.
        """
        _look_for_room(disk)
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="payk-bench-", dir=_build()))
            home = Path(folder) / "home"
            server = EmbeddedPostgres(home)
            stack.callback(_remove, home)
            stack.push_async_callback(server.stop)
            try:
                dsn = await server.start()
            except EmbeddedError as error:
                raise CannotRun(str(error)) from error
            db = await Database.open(dsn)
            stack.push_async_callback(db.close)
            await migrate(db)
            (home / "secret-key").write_text("00" * 32 + "\n")
            environment = {name: value for name, value in os.environ.items() if not name.startswith("PAYK_")}
            rig = cls(home, server, db, {**environment, "PAYK_HOME": str(home), "PAYK_DATABASE_URL": dsn})
            rig.environment["PAYK_SECRET_KEY"] = "00" * 32
            stack.push_async_callback(rig.stop)
            yield rig

    @asynccontextmanager
    async def beside(self, name: str) -> AsyncIterator[Rig]:
        """Another migrated centre, in a database of that name on the same server."""
        async with self.db.connection() as connection:
            await connection.execute(f"create database {name}")
        dsn = urlsplit(self.environment["PAYK_DATABASE_URL"])._replace(path=f"/{name}").geturl()
        async with AsyncExitStack() as stack:
            db = await Database.open(dsn)
            stack.push_async_callback(db.close)
            await migrate(db)
            rig = Rig(self.home, self.server, db, {**self.environment, "PAYK_DATABASE_URL": dsn})
            stack.push_async_callback(rig.stop)
            yield rig

    async def apply(self, links: Sequence[Link]) -> None:
        """Two clients, and for each link an operator and a route."""
        lines = []
        for number, (key, senders) in enumerate(SENDERS.items(), 1):
            lines += ["[[client]]", f'name = "client-{number}"', f'api_keys = ["{key}"]', f"senders = {list(senders)}"]
        for link in links:
            lines += [
                "[[operator]]", f'name = "operator-{link.prefix}"', "[[operator.link]]", 'host = "127.0.0.1"',
                f"port = {link.operator.port}", f'system_id = "payk-{link.prefix}"', 'password = "payk"',
                f"window = {link.window}", f"rate = {link.rate}", "[[route]]", f'prefix = "{link.prefix}"',
                f'operators = ["operator-{link.prefix}"]',
            ]  # fmt: skip
        await self.configure("\n".join([*lines, ""]))

    async def configure(self, text: str) -> None:
        """Make the registry be as a file with this text says."""
        file = self.home.parent / "centre.toml"
        file.write_text(text)
        command = [sys.executable, "-m", "payk", "apply", str(file)]
        child = await asyncio.create_subprocess_exec(
            *command, env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        told = (await child.communicate())[0].decode()
        if child.returncode:
            raise CannotRun(f"payk apply: {told.strip().splitlines()[-1]}")

    async def serve(self, name: str, roles: str) -> str:
        """Start a process of `payk serve` under `name`; where its API is, "" if it has none."""
        log = (self.home.parent / f"{name}.log").open("wb")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "payk", "serve", "--roles", roles, "--port", "0", "--admin-port", "0",
            env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
        log.close()
        self.processes[name] = process
        assert process.stdout is not None
        url = ""
        while True:
            line = (await asyncio.wait_for(process.stdout.readline(), _START)).decode()
            if line.startswith("API "):
                url = line.split()[1]
            if line.startswith("management "):
                self.management[name] = line.split()[1]
                return url
            if not line:
                raise CannotRun(f"payk serve --roles {roles} ended: {self._last_words(name)}")

    async def stop(self, *names: str) -> None:
        """Stop processes as an operator would; all of them where none is named."""
        for name in names or tuple(self.processes):
            process = self.processes.pop(name)
            self.management.pop(name, None)
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()

    def pids(self, **others: int) -> dict[str, int]:
        """Every process of the centre and `others`, by name."""
        assert self.server.pid is not None
        own = {name: process.pid for name, process in self.processes.items()}
        return {**own, "postgresql": self.server.pid, **others}

    def usage(self, **others: int) -> Usage:
        """Their processor time so far."""
        return usage(self.pids(**others))

    def memory(self) -> dict[str, float]:
        """Megabytes of each process of the centre."""
        return resident_mb(self.pids())

    async def bound(self, links: int) -> None:
        """Wait until every link is bound."""
        deadline = time.monotonic() + _START
        while True:
            async with self.db.connection() as connection:
                bound = await connection.fetchval("select count(*) from bind_lease where bound_at is not null")
            if bound >= links:
                return
            if time.monotonic() > deadline:
                raise CannotRun("the links of the benchmark were not bound in time")
            await asyncio.sleep(0.05)

    async def queues(self) -> dict[str, int]:
        """The queue of each route, by its prefix."""
        async with self.db.connection() as connection:
            rows = await connection.fetch("select prefix, queue_id from route")
        return {row["prefix"]: row["queue_id"] for row in rows}

    async def empty(self) -> None:
        """Forget every message, so that what one figure leaves is not the next one's work."""
        async with self.db.connection(timeout=120) as connection:
            await connection.execute(
                "truncate message, receipt, waiting, staged, awaiting, receipt_key, unnamed_part, uncertain_part,"
                " parked_receipt, refusal, idempotency, kept_answer"
            )
            await connection.execute("checkpoint")

    def _last_words(self, name: str) -> str:
        lines = (self.home.parent / f"{name}.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "without a word"


def _build() -> Path:
    """Where the disk is that users would use too; the temporary folder may be memory."""
    folder = _ROOT / "build"
    folder.mkdir(exist_ok=True)
    return folder


def _look_for_room(disk: int) -> None:
    import psutil

    free = psutil.virtual_memory().available
    if free < _MEMORY:
        raise CannotRun(f"{free / 1e9:.1f} GB of memory are free; the benchmark takes {_MEMORY / 1e9:.0f}")
    folder = database_disk()
    free = shutil.disk_usage(folder).free
    if free < disk:
        raise CannotRun(f"{free / 1e9:.1f} GB of disk are free for {folder}; the benchmark takes {disk / 1e9:.0f}")


def _remove(home: Path) -> None:
    if os.geteuid() == 0 and (home / "database-id").exists():
        shutil.rmtree(SYSTEM_STATE / (home / "database-id").read_text().strip(), ignore_errors=True)
