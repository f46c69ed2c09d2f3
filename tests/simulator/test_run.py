"""The whole operator as a program: its first line, its stop, what it refuses to start with."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from payk.simulator import ScenarioError, Simulator, SimulatorOptions, StartError
from tests.simulator.client import bound
from tests.simulator.conftest import Start

PROGRAM = """
import asyncio, sys
from pathlib import Path
from payk.simulator import SimulatorOptions, run
asyncio.run(run(SimulatorOptions(port=0, record=Path(sys.argv[1]))))
"""


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_listens_and_stops_on_a_signal(tmp_path: Path, stop: signal.Signals) -> None:
    record = tmp_path / "record.jsonl"
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(record), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert program.stdout is not None
        line = (await asyncio.wait_for(program.stdout.readline(), 10)).decode()
        assert line.startswith("operator listens on 127.0.0.1:")
        async with bound(int(line.rsplit(":", 1)[1])) as customer:
            await customer.submit("992000000000")
            await customer.receipt()
            program.send_signal(stop)
            await asyncio.wait_for(customer.closed.wait(), 5)
            assert customer.unbound_by_peer
        assert await asyncio.wait_for(program.wait(), 5) == 0
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    kinds = [json.loads(line)["kind"] for line in record.read_text().splitlines()]
    assert kinds == ["submit_sm", "receipt"]


async def test_a_taken_port_is_told_in_one_line(start: Start) -> None:
    taken = await start()
    with pytest.raises(
        StartError, match=rf"cannot listen on 127\.0\.0\.1:{taken.port}: Address already in use; choose"
    ):
        await Simulator(SimulatorOptions(port=taken.port)).start()


async def test_an_address_of_another_machine_is_told_in_one_line() -> None:
    with pytest.raises(
        StartError, match=r"cannot listen on 192\.0\.2\.1:2775: Cannot assign requested address; choose"
    ):
        await Simulator(SimulatorOptions(host="192.0.2.1")).start()


async def test_a_wrong_scenario_starts_nothing(tmp_path: Path) -> None:
    simulator = Simulator(SimulatorOptions(port=0, scenario=tmp_path / "none.toml"))
    with pytest.raises(ScenarioError, match="cannot be read"):
        await simulator.start()
    await simulator.stop()


def test_there_is_no_port_before_the_start() -> None:
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = Simulator(SimulatorOptions()).port
