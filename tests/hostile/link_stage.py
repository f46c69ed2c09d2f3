"""Two links of one process: one to an operator that behaves, one to an operator whose octets the test writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from structlog.testing import capture_logs

from payk.domain.outcome import Accepted, PartOutcome
from payk.links import Timing
from tests.hostile.wire import RESPONSE, SUBMIT_SM, Wire, number_of, pdu
from tests.links.raw_smsc import raw_operator
from tests.links.smsc import QUICK, Bench, link_to, message, operator

__all__ = ["LinkStage", "Pending", "link"]


class Pending:
    """A submit_sm that the operator has and has not answered."""

    def __init__(self, wire: Wire, frame: bytes) -> None:
        self.wire = wire
        self.number = number_of(frame)

    def accept(self, message_id: bytes = b"17") -> None:
        self.wire.write(pdu(SUBMIT_SM | RESPONSE, self.number, message_id + b"\0"))


class LinkStage:
    def __init__(
        self, bench: Bench, neighbour: Bench, arrivals: asyncio.Queue[Wire], logs: list[MutableMapping[str, Any]]
    ) -> None:
        self.bench = bench
        self.logs = logs
        self._neighbour = neighbour
        self._arrivals = arrivals
        self._wires: list[Wire] = []
        self._submitted = 0
        self._others = 0

    async def arrival(self) -> Wire:
        """The next connection of the link."""
        wire = await asyncio.wait_for(self._arrivals.get(), 10)
        self._wires.append(wire)
        return wire

    async def bound(self) -> Wire:
        """The next one, its bind answered."""
        wire = await self.arrival()
        bind = await wire.frame()
        wire.write(pdu(int.from_bytes(bind[4:8], "big") | RESPONSE, number_of(bind), b"smsc\0"))
        await self.bench.bound()
        return wire

    def submit(self) -> None:
        self._submitted += 1
        self.bench.link.submit(message(self._submitted))

    async def pending(self) -> Pending:
        """Bound, and one submit_sm is written and not answered."""
        wire = await self.bound()
        self.submit()
        return Pending(wire, await wire.frame())

    async def outcomes(self) -> list[PartOutcome]:
        """What became of all that was submitted, as soon as it is known."""
        await self.bench.until(lambda: len(self.bench.results) >= self._submitted)
        return [outcome for result in self.bench.results for outcome in result.outcomes]

    async def others_work(self) -> None:
        """The link to the operator that behaves."""
        self._others += 1
        self._neighbour.link.submit(message(self._others))
        await self._neighbour.until(lambda: len(self._neighbour.results) >= self._others)
        assert isinstance(self._neighbour.results[-1].outcomes[0], Accepted)

    def broken_rules(self) -> list[str]:
        """What the log says of them."""
        return [str(line["error"]) for line in self.logs if line["event"] == "operator broke the protocol"]

    def hang_up(self) -> None:
        for wire in self._wires:
            wire.close()

    def check(self) -> None:
        """Each message has one result."""
        assert len(self.bench.results) == self._submitted
        assert len({result.submission.message_id for result in self.bench.results}) == self._submitted


@asynccontextmanager
async def link(timing: Timing = QUICK, **settings: Any) -> AsyncIterator[LinkStage]:
    """Both of them, running; at the end it is looked at whether they came out of it well."""
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    arrivals: asyncio.Queue[Wire] = asyncio.Queue()
    over = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrivals.put_nowait(Wire(reader, writer))
        await over.wait()

    with capture_logs() as logs:
        async with operator() as smsc, link_to(smsc) as neighbour, raw_operator(talk) as port:
            async with link_to(port, timing=timing, **settings) as bench:
                await neighbour.bound()
                stage = LinkStage(bench, neighbour, arrivals, logs)
                yield stage
                await stage.others_work()
                stage.hang_up()
            stage.check()
            over.set()
    assert failures == []
    assert not [line for line in logs if "exc_info" in line or line["event"].endswith("failed")]
