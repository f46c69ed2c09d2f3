"""The record of a simulated operator, as tests read it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = ["Record"]

UCS2 = 8


@dataclass(frozen=True, slots=True)
class Record:
    """Lines come up to 0.1 s late."""

    path: Path

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """Of one kind, in the order in which they were written; a line that is being written is left out."""
        whole = self.path.read_bytes().rpartition(b"\n")[0] if self.path.exists() else b""
        return [line for line in map(json.loads, whole.splitlines()) if line["kind"] == kind]

    def submits(self, number: str | None = None) -> list[dict[str, Any]]:
        """Every submit_sm (to one number) in the order of arrival; `at` = when, seconds of the epoch."""
        lines = [line for line in self.lines("submit_sm") if number in (None, line["destination"])]
        for line in lines:
            line["at"] = datetime.fromisoformat(line["time"]).timestamp()
        return sorted(lines, key=lambda line: line["at"])

    def receipts(self, number: str | None = None) -> list[dict[str, Any]]:
        """Every receipt (of a message to one number) that was sent."""
        return [line for line in self.lines("receipt") if number in (None, line["source"])]

    async def wait_for(self, submits: int, number: str | None = None, *, within: float = 10.0) -> list[dict[str, Any]]:
        """Until so many were received."""
        deadline = time.monotonic() + within
        while len(found := self.submits(number)) < submits:
            assert time.monotonic() < deadline, f"{len(found)} of {submits} submits within {within:g} s"
            await asyncio.sleep(0.02)
        return found
