"""Something that a target raised, and the octets that made it."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from fuzz.broken import Broken
from fuzz.notation import written

__all__ = ["Fault", "Finding", "fault_of"]

_ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True)
class Fault:
    """What went wrong, without the values of the input: two inputs with the same fault show the same thing."""

    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.what} at {self.where}"


@dataclass(frozen=True)
class Finding:
    target: str
    fault: Fault
    octets: bytes
    before: int
    """Octets of the input before it was cut down."""
    message: str
    """The exception in full."""

    def __str__(self) -> str:
        return (
            f"FINDING {self.target}: {self.fault}\n"
            f"  {self.message}\n"
            f"  {len(self.octets)} octets, {self.before} before they were cut down; "
            f"for tests/fuzz/findings.txt, with what should come of them:\n"
            f"{self.target} {written(self.octets)} => ?"
        )


def fault_of(error: BaseException) -> Fault:
    if isinstance(error, Broken):
        return Fault(str(error), _place(error.__traceback__))
    return Fault(type(error).__name__, _place(error.__traceback__))


def _place(trace: TracebackType | None) -> str:
    """The innermost line of ours: file and line."""
    frames = traceback.extract_tb(trace)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_ROOT) and ".venv" not in frame.filename]
    if not ours:
        return "nowhere of ours"
    frame = ours[-2] if len(ours) > 1 and ours[-1].filename.endswith("broken.py") else ours[-1]
    return f"{Path(frame.filename).relative_to(_ROOT)}:{frame.lineno}"
