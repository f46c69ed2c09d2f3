"""The whole run: every process its share of the seed, one report of all."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from fuzz.fuzzer import Report, fuzz
from fuzz.targets import TARGETS

__all__ = ["campaign"]


def campaign(names: Sequence[str], seed: int, seconds: float, jobs: int) -> Report:
    """Process `n` fuzzes with the seed ``seed/n``: the same seed in as many processes repeats the inputs."""
    if jobs == 1:
        return _job(names, f"{seed}/1", seconds)
    report = Report()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as processes:
        running = [processes.submit(_job, names, f"{seed}/{number}", seconds) for number in range(1, jobs + 1)]
        for one in running:
            report.add(one.result())
    return report


def _job(names: Sequence[str], seed: str, seconds: float) -> Report:
    return fuzz([TARGETS[name] for name in names], seed, seconds=seconds)
