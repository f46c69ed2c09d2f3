"""How long a link does without a bind after the process that held it ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaos.records import Life, Session, Strike

__all__ = ["TakeOver", "take_overs"]

STOPPING = 10.0
"""Seconds from the first unbind of a process to its end."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """A bind that was lost with its process, from when the operator saw the end of its session."""

    operator: str
    process: str
    lost_at: float
    bound_at: float | None
    """When the link was bound again in its place; None: not while we looked."""
    disturbed: bool
    """Whether something else failed meanwhile."""

    @property
    def seconds(self) -> float | None:
        return None if self.bound_at is None else self.bound_at - self.lost_at


def take_overs(
    sessions: Sequence[Session], lives: Iterable[Life], strikes: Sequence[Strike], ended_at: float
) -> list[TakeOver]:
    """Those of processes that ended while they held binds, up to `ended_at`."""
    found: list[TakeOver] = []
    binds = sorted((session for session in sessions if session.bound_at), key=lambda session: session.bound_at or 0.0)
    for life in lives:
        if life.ended_at is None or life.ended_at > ended_at:
            continue
        for operator in sorted({session.operator for session in binds}):
            lost = [each for each in binds if each.operator == operator and _ended_with(each, life)]
            if lost:
                first = min(each.ended_at or 0.0 for each in lost)
                later = [each.bound_at for each in binds if each.operator == operator and (each.bound_at or 0) > first]
                found += _matched(life, lost, [at for at in later if at], strikes)
    return found


def _ended_with(session: Session, life: Life) -> bool:
    """Whether the end of the process was the end of the session: killed it takes it along, stopped it unbinds first."""
    if session.pid != life.pid or session.ended_at is None or life.ended_at is None:
        return False
    return life.ended_by is not None and session.ended_at > life.ended_at - STOPPING


def _matched(life: Life, lost: Sequence[Session], later: Sequence[float], strikes: Sequence[Strike]) -> list[TakeOver]:
    """The first bind that was lost and the first that came again, and so on."""
    others = [strike for strike in strikes if not _ended(strike, life)]
    found = []
    for place, session in enumerate(sorted(lost, key=lambda each: each.ended_at or 0.0)):
        lost_at, bound_at = session.ended_at or 0.0, later[place] if place < len(later) else None
        until = bound_at or float("inf")
        disturbed = any(strike.at < until and (strike.until or strike.at) > lost_at for strike in others)
        found.append(TakeOver(session.operator, life.name, lost_at, bound_at, disturbed))
    return found


def _ended(strike: Strike, life: Life) -> bool:
    """Whether this is the fault that ended the process."""
    return strike.kind == life.ended_by and strike.target.startswith(life.name) and strike.at <= (life.ended_at or 0.0)
