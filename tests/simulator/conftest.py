from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from payk.simulator import Simulator, SimulatorOptions

Start = Callable[..., Awaitable[Simulator]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start an operator on a free port; options by name, ``rules`` is the text of a scenario file."""
    running: list[Simulator] = []

    async def start(rules: str | None = None, **options: Any) -> Simulator:
        if rules is not None:
            options["scenario"] = tmp_path / "scenario.toml"
            options["scenario"].write_text(rules)
        simulator = Simulator(SimulatorOptions(port=0, **options), random=Random(7))
        await simulator.start()
        running.append(simulator)
        return simulator

    yield start
    for simulator in running:
        await simulator.stop()


@pytest.fixture
async def simulator(start: Start) -> Simulator:
    """An operator with the default options."""
    return await start()
