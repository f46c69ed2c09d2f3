"""The loop: take an input that was worth keeping, change it, try it; keep it if something new came of it."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from fuzz.finding import Fault, Finding, fault_of
from fuzz.minimiser import minimise
from fuzz.mutation import mutate
from fuzz.target import Target
from fuzz.trial import HANG, attempt, same_fault, watched

__all__ = ["Report", "fuzz"]

_FRESH: Final = 0.25
"""Share of inputs that are made anew."""
_REPAIRED: Final = 0.8
"""Share of changed inputs whose outer lengths are put right; the others lie."""
_KEPT: Final = 2_000
"""Inputs that a target keeps to change further."""
_SHORT: Final = 2_000
"""Octets of the longest that is kept: long ones are slow and show little more."""
_FINDINGS_EACH: Final = 10
"""A target with so many different findings is left alone."""
_MINIMISING: Final = 10.0

_NUMBER: Final = re.compile(r"\d+")


@dataclass
class Report:
    executions: Counter[str] = field(default_factory=Counter)
    """Inputs tried, by target."""
    seconds: dict[str, float] = field(default_factory=dict)
    """CPU time that they took, mutation included, by target."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Different things that came of them, by target."""
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """That of another process; the same fault is told once."""
        self.executions += other.executions
        for name, seconds in other.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        self.kinds |= other.kinds
        known = {(finding.target, finding.fault) for finding in self.findings}
        self.findings += [finding for finding in other.findings if (finding.target, finding.fault) not in known]


def fuzz(
    targets: Sequence[Target],
    seed: str,
    *,
    seconds: float | None = None,
    rounds: int | None = None,
    hang: float = HANG,
) -> Report:
    """For so many seconds, or rounds over all targets. The same seed tries the same inputs in the same order."""
    report = Report()
    random = Random(seed)
    campaigns = [_Campaign(target, random, report, hang) for target in targets]
    until = None if seconds is None else time.monotonic() + seconds
    done = 0
    with watched():
        for campaign in campaigns:
            campaign.begin()
        while rounds is None or done < rounds:
            done += 1
            for campaign in campaigns:
                campaign.go_on()
                if until is not None and time.monotonic() >= until:
                    return report
    return report


class _Campaign:
    """One target with what it has seen."""

    def __init__(self, target: Target, random: Random, report: Report, hang: float) -> None:
        self._target = target
        self._random = random
        self._report = report
        self._hang = hang
        self._pool: list[bytes] = []
        self._seen: set[str] = set()
        self._faults: set[Fault] = set()

    def begin(self) -> None:
        """The seeds as they are; all but long ones are kept."""
        for seed in self._target.seeds:
            self._try(seed)
        self._pool = [seed for seed in dict.fromkeys(self._target.seeds) if len(seed) <= _SHORT] or [b""]

    def go_on(self) -> None:
        if len(self._faults) >= _FINDINGS_EACH:
            return
        name, begin = self._target.name, time.thread_time()
        for _ in range(self._target.batch):
            octets = self._next()
            if self._try(octets) and len(octets) <= _SHORT:
                self._keep(octets)
        spent = time.thread_time() - begin
        self._report.seconds[name] = self._report.seconds.get(name, 0.0) + spent

    def _next(self) -> bytes:
        random, target = self._random, self._target
        if random.random() < _FRESH:
            octets = target.make(random)
            if random.random() < _FRESH:
                return octets
        else:
            octets = self._pool[int(random.random() * len(self._pool))]
        octets = mutate(octets, random, self._pool)
        return target.repair(octets) if random.random() < _REPAIRED else octets

    def _try(self, octets: bytes) -> bool:
        """True if something came of it that had not been seen."""
        name = self._target.name
        self._report.executions[name] += 1
        try:
            outcome = attempt(self._target, octets, hang=self._hang)
        except Exception as error:  # noqa: BLE001 (whatever a target raises is a finding)
            self._found(octets, error)
            return False
        kind = _NUMBER.sub("#", outcome.partition(" | ")[0])
        if kind in self._seen:
            return False
        self._seen.add(kind)
        self._report.kinds[name] = len(self._seen)
        return True

    def _keep(self, octets: bytes) -> None:
        if len(self._pool) < _KEPT:
            self._pool.append(octets)
        else:
            self._pool[self._random.randrange(_KEPT)] = octets

    def _found(self, octets: bytes, error: Exception) -> None:
        fault = fault_of(error)
        if fault in self._faults:
            return
        self._faults.add(fault)
        shortest = minimise(
            octets,
            lambda candidate: same_fault(self._target, candidate, error, hang=self._hang),
            self._target.repair,
            _MINIMISING,
        )
        message = f"{type(error).__name__}: {error}"
        self._report.findings.append(Finding(self._target.name, fault, shortest, len(octets), message))
