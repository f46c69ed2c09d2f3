"""Makes what is planned fail. A fault finds its victim when it strikes, and waits a little where there is none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Final

from chaos.database import CommitCut, Loss
from chaos.program import Program
from chaos.records import Strike
from chaos.relay import Relay
from chaos.schedule import Kind, Planned
from chaos.stage import LEASE, Stage

__all__ = ["Faults"]

WAIT: Final = 4.0
"""Seconds in which a fault looks for a victim."""
LOOK: Final = 0.25
RESTARTS: Final = (0.5, 4.0)
"""Seconds until something that was killed is started again."""
STOPS: Final = (LEASE + 1, LEASE + 6)
OPERATOR_SILENCE: Final = (6.0, 12.0)
DATABASE_SILENCE: Final = (3.0, LEASE + 4)
COMMITS: Final = (1, 4)
COMMITS_WITHIN: Final = 1.0
"""Seconds in which a process has to send them; then another one is tried."""
HOLDER: Final = 3
"""How often whoever holds binds is drawn for each time that another is."""


class Faults:
    """`tell` is called with each fault that happened."""

    def __init__(self, stage: Stage, tell: Callable[[Strike], None]) -> None:
        self._stage = stage
        self._tell = tell
        self.strikes: list[Strike] = []
        self.missed: list[Planned] = []
        """Faults that found no victim."""
        self._ways = {
            Kind.KILL_PROCESS: self._kill_process,
            Kind.KILL_DATABASE: self._kill_database,
            Kind.KILL_OPERATOR: self._kill_operator,
            Kind.CUT_OPERATOR: self._cut_operator,
            Kind.SILENCE_OPERATOR: self._silence_operator,
            Kind.CUT_DATABASE: self._cut_database,
            Kind.SILENCE_DATABASE: self._silence_database,
            Kind.CUT_COMMIT: self._cut_commit,
            Kind.STOP_PROCESS: self._stop_process,
            Kind.TERMINATE_PROCESS: self._terminate_process,
        }

    async def run(self, planned: Sequence[Planned]) -> None:
        """Strike as planned; in the end everything is whole again, but for what is still starting."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for fault in planned:
                await asyncio.sleep(began + fault.at - loop.time())
                group.create_task(self._strike(fault))

    async def _strike(self, fault: Planned) -> None:
        way, random = self._ways[fault.kind], Random(fault.seed)
        deadline = time.monotonic() + WAIT
        while not await way(fault.kind, random):
            if time.monotonic() > deadline:
                self.missed.append(fault)
                return
            await asyncio.sleep(LOOK)

    def _happened(self, kind: Kind, target: str) -> Strike:
        strike = Strike(str(kind), time.time(), target)
        self.strikes.append(strike)
        self._tell(strike)
        return strike

    def _victims(self, *roles: str) -> list[Program]:
        """Processes that work, and whose twins do: one of each role is left alone.

        Whoever holds binds comes more often: the other dispatcher may have nothing to do.
        """
        processes = self._stage.processes(*roles)
        victims = [each for each in processes if each.healthy and self._stage.twin(each).healthy]
        holders = self._stage.witness.holders()
        return [each for each in victims for _ in range(HOLDER if each.pid in holders else 1)]

    # -- each says whether it found a victim, and returns when the fault is over

    async def _kill_process(self, kind: Kind, random: Random) -> bool:
        victims = self._victims()
        if victims:
            victim = random.choice(victims)
            victim.kill(kind, restart_after=random.choice((0.0, random.uniform(*RESTARTS))))
            self._happened(kind, victim.name)
        return bool(victims)

    async def _terminate_process(self, kind: Kind, random: Random) -> bool:
        victims = self._victims()
        if victims:
            victim = random.choice(victims)
            strike = self._happened(kind, victim.name)
            if await victim.terminate(kind) is None:
                strike.target += ", which did not stop and was killed"
            strike.until = time.time()
        return bool(victims)

    async def _stop_process(self, kind: Kind, random: Random) -> bool:
        victims = self._victims()
        if victims:
            victim = random.choice(victims)
            strike = self._happened(kind, victim.name)
            await victim.stop_for(random.uniform(*STOPS))
            strike.until = time.time()
        return bool(victims)

    async def _kill_database(self, kind: Kind, random: Random) -> bool:
        if self._stage.database.pid is None:
            return False
        self._stage.database.kill()
        self._happened(kind, "postmaster")
        return True

    async def _kill_operator(self, kind: Kind, random: Random) -> bool:
        victims = [operator for operator in self._stage.operators.values() if operator.healthy]
        if victims:
            victim = random.choice(victims)
            victim.kill(kind, restart_after=random.uniform(*RESTARTS))
            self._happened(kind, victim.name)
        return bool(victims)

    async def _cut_operator(self, kind: Kind, random: Random) -> bool:
        networks = [network for network in self._stage.networks.values() if network.relays]
        if networks:
            network = random.choice(networks)
            where = _some(network.relays, random)
            self._happened(kind, f"{network.operator}, {network.cut(where)}")
        return bool(networks)

    async def _silence_operator(self, kind: Kind, random: Random) -> bool:
        networks = [network for network in self._stage.networks.values() if network.relays]
        if networks:
            network = random.choice(networks)
            where = _some(network.relays, random)
            strike = self._happened(kind, network.operator)
            count = await network.silence(where, random.uniform(*OPERATOR_SILENCE))
            strike.target += f", {count}"
            strike.until = time.time()
        return bool(networks)

    async def _cut_database(self, kind: Kind, random: Random) -> bool:
        victim = random.choice([None, *self._victims()])
        network = self._stage.database.network
        pid = victim and victim.pid
        count = network.cut(lambda relay: pid in (None, relay.pid))
        if count:
            self._happened(kind, f"{victim.name if victim else 'all'}, {count}")
        return bool(count)

    async def _silence_database(self, kind: Kind, random: Random) -> bool:
        victims = self._victims()
        if victims:
            victim = random.choice(victims)
            assert victim.pid is not None
            strike = self._happened(kind, victim.name)
            await self._stage.database.network.isolate(victim.pid, random.uniform(*DATABASE_SILENCE))
            strike.until = time.time()
        return bool(victims)

    async def _cut_commit(self, kind: Kind, random: Random) -> bool:
        victims = self._victims()
        if not victims:
            return False
        victim = random.choice(victims)
        assert victim.pid is not None
        cut = CommitCut(victim.pid, random.choice(list(Loss)), times=random.randint(*COMMITS))
        network = self._stage.database.network
        network.commit_cut = cut
        with suppress(TimeoutError):
            async with asyncio.timeout(COMMITS_WITHIN):
                await cut.done.wait()
        network.commit_cut = None
        if cut.met:
            self._happened(kind, f"{victim.name}, {cut.met} {cut.loss}")
        return bool(cut.met)


def _some(relays: set[Relay], random: Random) -> Callable[[Relay], bool]:
    """All of them, or one."""
    chosen = set(relays) if random.random() < 0.5 else {random.choice(list(relays))}
    return chosen.__contains__
