"""What a process writes down, as tests read it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from tests.end_to_end.program import Program

__all__ = ["Journal"]


class Journal:
    """The log lines of a program. They are asked for by how the event begins."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def lines(self, beginning: str = "") -> list[dict[str, Any]]:
        """Every such line so far; one that is being written is left out."""
        whole = self._program.stderr.rpartition("\n")[0]
        return [line for line in map(json.loads, whole.splitlines()) if line["event"].startswith(beginning)]

    async def line(self, beginning: str, *, number: int = 1, within: float = 5.0) -> dict[str, Any]:
        """The first such line, or the one of this number; waited for."""
        deadline = time.monotonic() + within
        while len(found := self.lines(beginning)) < number:
            assert time.monotonic() < deadline, f"{len(found)} lines {beginning!r} within {within:g} s"
            await asyncio.sleep(0.02)
        return found[number - 1]
