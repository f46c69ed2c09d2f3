"""Everything that runs: the database, two operators, and a centre of six processes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from chaos.database import DatabaseServer, database_server
from chaos.door import Door
from chaos.program import Program, run_to_end
from chaos.witness import OperatorNetwork, Witness
from payk.store.database import Database
from payk.store.migrations import migrate

__all__ = ["KEY", "LEASE", "OPERATORS", "ROLES", "SENDER", "Stage", "stage"]

KEY: Final = "00000000-0000-4000-8000-000000000001"
SENDER: Final = "AlifBank"
LEASE: Final = 10.0
"""PAYK_LEASE, in seconds: the default."""
ROLES: Final = ("api", "dispatch", "maintenance")
PROCESSES: Final = 2
"""Of each role."""
OPERATORS: Final = {"tcell": "99290", "babilon": "99291"}
"""The prefix that is routed to each; the second one has the first for a fallback."""
BINDS: Final = 2
"""Of each link; the operators allow no more."""
SETTINGS: Final = {
    "PAYK_SECRET_KEY": "5a" * 32,
    "PAYK_PORT": "0",
    "PAYK_ADMIN_PORT": "0",
    "PAYK_LOG_FORMAT": "json",
    # Short waits, so that the end comes soon.
    "PAYK_UNCERTAIN_HOLD": "10",
    "PAYK_RECEIPT_WAIT": "20",
    "PAYK_RETRY_FOR": "600",
}
ERRORS: Final = (
    *("--latency", "30", "--throttle", "0.0003", "--refuse", "0.01", "--lose", "0.002"),
    *("--early", "0.02", "--duplicate", "0.02"),
)
START_WITHIN: Final = 60.0


class Stage:
    """What faults strike and loads use. All of it works once `stage` has given it out."""

    def __init__(self, database: DatabaseServer, folder: Path) -> None:
        self.database = database
        self.witness = Witness(lambda: [pid for program in self.processes("dispatch") if (pid := program.pid)])
        self.networks = {name: OperatorNetwork(name, self.witness) for name in OPERATORS}
        self.doors = [Door(f"api-{number}", KEY) for number in range(1, PROCESSES + 1)]
        self.operators = {name: self._operator(name, folder) for name in OPERATORS}
        self._processes = {role: [self._process(role, n, folder) for n in range(PROCESSES)] for role in ROLES}

    def processes(self, *roles: str) -> list[Program]:
        """Those of some roles, or all."""
        return [program for role in roles or ROLES for program in self._processes[role]]

    @property
    def programs(self) -> list[Program]:
        """The processes and the operators."""
        return [*self.processes(), *self.operators.values()]

    def twin(self, program: Program) -> Program:
        """The other process of the same role."""
        twins = next(of_role for of_role in self._processes.values() if program in of_role)
        return next(each for each in twins if each is not program)

    def _operator(self, name: str, folder: Path) -> Program:
        network = self.networks[name]

        def listens(found: re.Match[str]) -> None:
            network.operator_port = int(found[1])

        return Program(
            name,
            # A free port each time: to Payk it is the same, that of the network.
            ["simulate", "--port", "0", "--max-binds", str(BINDS), *ERRORS],
            environment={"PAYK_LOG_FORMAT": "json"},
            folder=folder,
            ready=r"listens on \S+:(\d+)",
            on_ready=listens,
        )

    def _process(self, role: str, place: int, folder: Path) -> Program:
        environment = {**SETTINGS, "PAYK_DATABASE_URL": self.database.network.dsn, "PAYK_LEASE": f"{LEASE:g}"}
        if role != "api":
            return Program(
                f"{role}-{place + 1}",
                ["serve", "--roles", role],
                environment=environment,
                folder=folder,
                ready="^management ",
            )
        door = self.doors[place]

        def opens(found: re.Match[str]) -> None:
            door.port = int(found[1])

        return Program(
            door.name,
            ["serve", "--roles", role],
            environment=environment,
            folder=folder,
            ready=r"^API +http://\S+:(\d+)",
            on_ready=opens,
        )


@asynccontextmanager
async def stage(folder: Path, logs: Path, group: asyncio.TaskGroup) -> AsyncIterator[Stage]:
    """Start everything, with new homes under `folder`, and end everything. What fails by a defect ends the group."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_server(folder / "home"))
        supervisors: list[asyncio.Task[None]] = []
        stack.push_async_callback(_end, supervisors)
        supervisors.append(group.create_task(database.supervise()))
        await _migrate(database.dsn)
        made = Stage(database, logs)
        for network in made.networks.values():
            stack.callback((await network.listen()).close)
        supervisors += [group.create_task(program.supervise()) for program in made.programs]
        await _apply(folder / "centre.toml", made)
        async with asyncio.timeout(START_WITHIN):
            for program in made.programs:
                await program.ready.wait()
        yield made


async def _end(supervisors: Iterable[asyncio.Task[None]]) -> None:
    """Nothing that they keep running is left."""
    for task in supervisors:
        task.cancel()
    await asyncio.gather(*supervisors, return_exceptions=True)


async def _migrate(dsn: str) -> None:
    db = await Database.open(dsn, max_connections=2)
    try:
        await migrate(db)
    finally:
        await db.close()


async def _apply(file: Path, made: Stage) -> None:
    file.write_text(_registry(made.networks.values()), encoding="utf-8")
    await run_to_end(["apply", str(file)], {**SETTINGS, "PAYK_DATABASE_URL": made.database.dsn})


def _registry(networks: Iterable[OperatorNetwork]) -> str:
    client = f'[[client]]\nname = "bank"\napi_keys = ["{KEY}"]\nsenders = ["{SENDER}"]\n'
    first, second = OPERATORS
    return "".join(
        [
            client,
            *(_operator_table(network) for network in networks),
            _route_table(OPERATORS[first], f'"{first}"'),
            _route_table(OPERATORS[second], f'"{second}", "{first}"'),
        ]
    )


def _operator_table(network: OperatorNetwork) -> str:
    return f"""
[[operator]]
name = "{network.operator}"
[[operator.link]]
host = "127.0.0.1"
port = {network.port}
system_id = "payk"
password = "payk"
binds = {BINDS}
response_timeout = 5
"""


def _route_table(prefix: str, operators: str) -> str:
    return f'\n[[route]]\nprefix = "{prefix}"\noperators = [{operators}]\n'
