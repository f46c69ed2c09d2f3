from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from payk.simulator import Simulator, SimulatorOptions
from tests.witness.received import Received


@pytest.fixture
def received(tmp_path: Path) -> Received:
    """What `simulator` has taken so far."""
    return Received(tmp_path / "record.jsonl")


@pytest.fixture
async def simulator(received: Received) -> AsyncIterator[Simulator]:
    """Our server on a free port: account payk, password payk."""
    simulator = Simulator(SimulatorOptions(port=0, record=received.path), random=Random(7))
    await simulator.start()
    yield simulator
    await simulator.stop()
