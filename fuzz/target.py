"""What can be fuzzed: a name, inputs to begin with, a way to make new ones, and the run of one input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

__all__ = ["Target"]


def _unchanged(octets: bytes) -> bytes:
    return octets


@dataclass(frozen=True)
class Target:
    name: str
    run: Callable[[bytes], str]
    """What came of these octets, in one line; raises if something is wrong. Inputs of which the same came up to the
    first ` | `, numbers aside, are of one kind."""
    seeds: Sequence[bytes]
    make: Callable[[Random], bytes]
    """A new input that knows the structure of inputs."""
    repair: Callable[[bytes], bytes] = _unchanged
    """An input whose outer lengths are right again, after octets were put in or taken out."""
    batch: int = 100
    """Inputs in a row; together with those of the other targets, each target gets a like share of the time."""
    seconds: float = 0.05
    """CPU time that an input of up to 70,000 octets may take; longer ones in proportion."""

    def limit(self, octets: bytes) -> float:
        """CPU seconds that this input may take."""
        return self.seconds * max(1.0, len(octets) / 70_000)
