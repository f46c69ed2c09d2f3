"""Payk as its users have it: a home, its commands, the centre over HTTP, the operator beside it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psutil

from payk.store.embedded.place import SYSTEM_STATE
from tests.end_to_end.program import Ended, Program, run
from tests.end_to_end.record import Record
from tests.homes import remove_home

__all__ = ["FINAL", "KEY", "MESSAGE", "Centre", "Operator", "Payk", "of_operator", "registry"]

_END = "end of the command"

FINAL = frozenset({"Delivered", "Expired", "Deleted", "Undeliverable", "Unknown", "Rejected"})
KEY = "00000000-0000-4000-8000-000000000001"
MESSAGE = {"PhoneNumber": "992900900900", "Text": "Ваш код: 12345", "SenderAddress": "AlifBank", "SmsType": 2}


def registry(port: int, *, client: str = "", link: str = "", prefix: str = "") -> str:
    """A registry file: client `bank` with KEY, one operator at `port`, one route; more keys for client and link."""
    carried_by = of_operator("tcell", port, link=f"response_timeout = 5\n{link}", prefix=prefix)
    return f"""
[[client]]
name = "bank"
api_keys = ["{KEY}"]
senders = ["AlifBank", "AlifSarmoya"]
{client}
{carried_by}"""


def of_operator(name: str, port: int, *, link: str = "", prefix: str | None = None) -> str:
    """What a registry file says of an operator with one link; with `prefix` also of a route to it."""
    route = "" if prefix is None else f'[[route]]\nprefix = "{prefix}"\noperators = ["{name}"]\n'
    return f"""
[[operator]]
name = "{name}"
[[operator.link]]
host = "127.0.0.1"
port = {port}
system_id = "payk"
password = "payk"
{link}

{route}"""


@dataclass(frozen=True, slots=True)
class Centre:
    """A running `payk up` or `payk serve`; `http` is a client's, with its key."""

    program: Program
    http: httpx.AsyncClient
    admin: httpx.AsyncClient

    async def send(self, number: str = "992900900900", **fields: Any) -> str:
        """Send one message that must be taken; its MessageId."""
        answer = await self.http.post("/api/v1/sms", json=MESSAGE | {"PhoneNumber": number} | fields)
        assert answer.status_code == 200, answer.text
        assert answer.json()["MessageResult"] == "OK"
        return str(answer.json()["MessageId"])

    async def status(self, message_id: str) -> dict[str, Any]:
        """The documented status object."""
        answer = await self.http.get(f"/api/v1/sms/{message_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def state(self, message_id: str) -> str:
        return str((await self.status(message_id))["MessageState"])

    async def wait_for(self, message_id: str, states: Collection[str] | str = FINAL, *, within: float = 30.0) -> str:
        """Until the message is in one of these states; which."""
        wanted = {states} if isinstance(states, str) else states
        deadline = time.monotonic() + within
        while (state := await self.state(message_id)) not in wanted:
            assert time.monotonic() < deadline, f"{state} after {within:g} s, not {', '.join(sorted(wanted))}"
            await asyncio.sleep(0.02)
        return state

    async def wait_for_all(self, message_ids: Collection[str], *, within: float) -> dict[str, str]:
        """Until all are final; the states."""
        deadline = time.monotonic() + within
        states: dict[str, str] = {}
        while left := [message_id for message_id in message_ids if states.get(message_id) not in FINAL]:
            assert time.monotonic() < deadline, f"{len(left)} of {len(message_ids)} not final after {within:g} s"
            for message_id in left:
                states[message_id] = await self.state(message_id)
            await asyncio.sleep(0.1)
        return states


@dataclass(frozen=True, slots=True)
class Operator:
    """A running `payk simulate`."""

    program: Program
    port: int
    record: Record


class Payk:
    """One home with the processes that were started on it. `environment`: what every command is told besides."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.environment = {"PAYK_HOME": str(self.home), **(environment or {})}
        self._programs: list[Program] = []
        self._clients: list[httpx.AsyncClient] = []
        self._number = count(1)

    # -- commands

    async def run(self, *arguments: str, stdin: str = "", **environment: str) -> Ended:
        """A command that ends by itself, whatever its exit code."""
        return await run(*arguments, environment=self.environment | environment, folder=self.folder, stdin=stdin)

    async def done(self, *arguments: str, **environment: str) -> str:
        """A command that must succeed; what it printed."""
        ended = await self.run(*arguments, **environment)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    async def in_a_shell(self, script: str, *, within: float = 300.0, **environment: str) -> Ended:
        """What somebody types, our commands among it, in the folder, `within` seconds."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PAYK_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return await asyncio.to_thread(
            subprocess.run,
            ["bash", "-c", script],
            env={**inherited, "PATH": path, **self.environment, **environment},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    async def outputs(self, commands: Sequence[str], places: Mapping[str, str], **environment: str) -> list[str]:
        """What each of the commands of a page printed, in one shell, with what it shows replaced by what is here.

        All must succeed.
        """
        script = "set -e\n" + "".join(f"{command}\necho; echo '{_END}'\n" for command in commands)
        for shown, here in places.items():
            script = script.replace(shown, here)
        ended = await self.in_a_shell(script, **environment)
        assert ended.returncode == 0, (ended.stdout[-2_000:], ended.stderr)
        return ended.stdout.split(f"\n{_END}\n")

    async def apply(self, content: str, *options: str, **environment: str) -> str:
        """`payk apply` of a file with this content; what it printed."""
        file = self.folder / "centre.toml"
        file.write_text(content, encoding="utf-8")
        return await self.done("apply", str(file), *options, **environment)

    # -- what runs

    async def up(self, **environment: str) -> Centre:
        """`payk up`, ready; the client is "demo"."""
        program = self.start("up", PAYK_PORT="0", PAYK_ADMIN_PORT="0", **environment)
        await program.line("^(Ctrl-C)")
        return await self._centre(program, (self.home / "demo-key").read_text().strip())

    async def serve(self, *arguments: str, **environment: str) -> Centre:
        """`payk serve` with the role api, ready; the client is "bank" of `registry`."""
        program = self.start("serve", *arguments, **{"PAYK_PORT": "0", "PAYK_ADMIN_PORT": "0", **environment})
        return await self._centre(program, KEY)

    async def simulate(self, *arguments: str, port: int = 0) -> Operator:
        """`payk simulate`, listening, with a record."""
        record = Record(self.folder / f"operator-{next(self._number)}.jsonl")
        program = self.start("simulate", "--port", str(port), "--record", str(record.path), *arguments)
        return Operator(program, int(await program.line(r"listens on \S+:(\d+)")), record)

    @property
    def record(self) -> Record:
        """That of the operator of `payk up`."""
        return Record(self.home / "simulator.jsonl")

    def start(self, *arguments: str, script: Path | None = None, **environment: str) -> Program:
        """A command that runs until it is told to stop."""
        name = f"{arguments[0]}-{next(self._number)}"
        program = Program(
            *arguments, environment=self.environment | environment, folder=self.folder, name=name, script=script
        )
        self._programs.append(program)
        return program

    async def _centre(self, program: Program, key: str) -> Centre:
        admin = await program.line(r"^management +(https?://\S+)")
        api = await program.line(r"^API +(https?://\S+)")
        headers = {"X-Api-Key": key}
        clients = [httpx.AsyncClient(base_url=url, headers=headers, timeout=20) for url in (api, admin)]
        self._clients += clients
        return Centre(program, *clients)

    # -- what is left

    def processes(self) -> list[psutil.Process]:
        """Every process of this home, the database's too."""
        folders = [self.home]
        if (self.home / "database-id").exists():
            folders.append(SYSTEM_STATE / (self.home / "database-id").read_text().strip())
        return [process for process in psutil.process_iter() if _is_of(process, self.home, folders)]

    async def close(self) -> None:
        """End what still runs and remove the home. No program may have told of a defect."""
        for client in self._clients:
            await client.aclose()
        for program in self._programs:
            if program.runs:
                program.kill()
        left = self.processes()
        for process in left:
            with suppress(psutil.NoSuchProcess):  # it ended by itself meanwhile
                process.kill()
        psutil.wait_procs(left, timeout=5)
        if os.path.lexists(self.home):
            remove_home(self.home)
        for program in self._programs:
            assert "Traceback" not in program.stderr, program.stderr


def _is_of(process: psutil.Process, home: Path, folders: list[Path]) -> bool:
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        if process.environ().get("PAYK_HOME") == str(home):
            return True
        return any(Path(process.cwd()).is_relative_to(folder) for folder in folders)
    except psutil.Error:
        return False
