"""The simulated operator with two customers: one that behaves, and one that does not."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from structlog.testing import capture_logs

from payk.clock import Clock
from payk.simulator import Simulator, SimulatorOptions
from tests.hostile.wire import (
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    DELIVER_SM,
    RESPONSE,
    SUBMIT_SM,
    Wire,
    bind_body,
    message_body,
    number_of,
    pdu,
    status_of,
)

__all__ = ["Operator", "Victim", "operator", "until"]

ELSEWHERE = "127.0.0.2"
"""An address of this machine that the customer that behaves does not come from."""


async def until(condition: Callable[[], object]) -> None:
    """For what the other side of a socket sees a moment later."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


class Victim:
    """A bound session with a receipt on its way to it, unanswered: what was asked of the peer as things went wrong."""

    def __init__(self, wire: Wire, message_id: str, receipt: int) -> None:
        self.wire = wire
        self.message_id = message_id
        self.receipt = receipt
        """Sequence number of its deliver_sm."""

    def acknowledge(self, status: int = 0, body: bytes = b"\0") -> None:
        self.wire.write(pdu(DELIVER_SM | RESPONSE, self.receipt, body, status))


class Operator:
    """``told_as`` says, for messages, how each receipt for it is to be recorded: the statuses that answered it."""

    def __init__(self, simulator: Simulator, logs: list[MutableMapping[str, Any]], record: Path) -> None:
        self.simulator = simulator
        self.logs = logs
        self.told_as: dict[str, list[int | None]] = {}
        self._record = record
        self._wires: list[Wire] = []
        self._number = 100

    async def connect(self, address: str = "127.0.0.1") -> Wire:
        wire = await Wire.to(self.simulator.port, address)
        self._wires.append(wire)
        return wire

    async def bound(self, kind: int = BIND_TRANSCEIVER) -> Wire:
        wire = await self.connect()
        assert status_of(await wire.ask(pdu(kind, 1, bind_body()))) == 0
        return wire

    async def victim(self) -> Victim:
        wire = await self.bound()
        answer = await wire.ask(pdu(SUBMIT_SM, 2, message_body(b"992000000000", registered_delivery=1)))
        return Victim(wire, answer[16:-1].decode(), number_of(await wire.frame()))

    async def begin(self) -> None:
        self._neighbour = await self.bound(BIND_TRANSMITTER)  # no receipt strays to it

    async def others_work(self) -> None:
        """The session that behaves has its submits answered, and a new one is let in."""
        self._number += 1
        answer = await self._neighbour.ask(pdu(SUBMIT_SM, self._number, message_body()))
        assert (number_of(answer), status_of(answer)) == (self._number, 0)
        (await self.bound(BIND_TRANSMITTER)).close()

    def broken_rules(self) -> list[str]:
        """What the log says of them."""
        return [str(line["reason"]) for line in self.logs if line["event"] == "peer broke a rule"]

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """The record, up to date once the operator is stopped."""
        lines = [json.loads(line) for line in self._record.read_text().splitlines()]
        return [line for line in lines if line["kind"] == kind]

    async def end(self) -> None:
        """Each receipt was told once for each time it was sent, no connection is left, and nothing failed within us."""
        for wire in self._wires:
            wire.close()
        await until(lambda: self.simulator.admission.connections == 0)
        assert self.simulator.admission.unbound == 0
        await self.simulator.stop()
        attempts = Counter((line["id"], line["attempt"]) for line in self.lines("receipt"))
        assert set(attempts.values()) <= {1}
        for message_id, statuses in self.told_as.items():
            assert [line["status"] for line in self.lines("receipt") if line["id"] == message_id] == statuses
        assert not [line for line in self.logs if line["log_level"] in {"error", "critical"}]


@asynccontextmanager
async def operator(path: Path, *, clock: Clock | None = None, **options: Any) -> AsyncIterator[Operator]:
    """A running one; at the end it is looked at whether it came out of it well."""
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    record = path / "record.jsonl"
    with capture_logs() as logs:
        simulator = Simulator(SimulatorOptions(port=0, record=record, **options), clock=clock, random=Random(7))
        await simulator.start()
        stage = Operator(simulator, logs, record)
        try:
            await stage.begin()
            yield stage
            await stage.others_work()
            await stage.end()
        finally:
            await simulator.stop()
    assert failures == []
