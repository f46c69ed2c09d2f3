"""What fails, and when: drawn from a seed, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

__all__ = ["LONG", "Kind", "Planned", "schedule"]


class Kind(StrEnum):
    """What can fail."""

    KILL_PROCESS = "kill -9 of a process"
    KILL_DATABASE = "kill -9 of PostgreSQL"
    KILL_OPERATOR = "kill -9 of an operator"
    CUT_OPERATOR = "sessions to an operator cut"
    SILENCE_OPERATOR = "session to an operator half-open"
    CUT_DATABASE = "connections to the database cut"
    SILENCE_DATABASE = "connections to the database half-open"
    CUT_COMMIT = "cut during COMMIT"
    STOP_PROCESS = "SIGSTOP longer than a lease"
    TERMINATE_PROCESS = "SIGTERM and restart"


LONG = (Kind.SILENCE_OPERATOR, Kind.STOP_PROCESS, Kind.SILENCE_DATABASE)
"""After these an operator may still hold a session when its bind is asked for anew; the next try takes a minute."""

FIRST = 3.0
"""Seconds of load before the first fault."""
GAP = (3.5, 6.9)
"""Seconds from one fault to the next."""
LAST = 3.0
"""Seconds of load after the last fault."""
AFTERMATH = 36.0
"""Seconds of load after the last one of `LONG`, so that not everything has to be made up for at the end."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault to come, `at` seconds into the load. `seed` decides whom it strikes, and how hard."""

    at: float
    kind: Kind
    seed: str


def schedule(seed: int, seconds: float) -> list[Planned]:
    """The faults of a load that lasts `seconds`: round after round of all kinds."""
    random = Random(seed)
    kinds = _kinds(random)
    planned: list[Planned] = []
    at = FIRST
    while at < seconds - LAST:
        kind = next(kinds)
        while kind in LONG and at > seconds - AFTERMATH:
            kind = next(kinds)
        planned.append(Planned(at, kind, f"{seed}/{len(planned)}"))
        at += random.uniform(*GAP)
    return planned


def _kinds(random: Random) -> Iterator[Kind]:
    """The first round begins with the long ones, else a short run would do without them."""
    first = [
        Kind.SILENCE_OPERATOR,
        random.choice((Kind.CUT_OPERATOR, Kind.KILL_OPERATOR)),
        *random.sample((Kind.STOP_PROCESS, Kind.SILENCE_DATABASE), 2),
    ]
    yield from first
    yield from random.sample(others := [kind for kind in Kind if kind not in first], len(others))
    while True:
        yield from random.sample(list(Kind), len(Kind))
