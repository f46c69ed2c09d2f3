"""What fails and when follows from the seed, and is enough to show something."""

from __future__ import annotations

from itertools import pairwise

import pytest

from chaos.schedule import LONG, Kind, schedule

SEEDS = range(1, 40)


def test_the_same_seed_plans_the_same_faults() -> None:
    assert schedule(5, 300) == schedule(5, 300) != schedule(6, 300)


@pytest.mark.parametrize("seed", SEEDS)
def test_600_s_see_60_faults_of_every_kind(seed: int) -> None:
    planned = schedule(seed, 600)
    assert len(planned) >= 60
    assert {fault.kind for fault in planned} == set(Kind)
    assert len({fault.seed for fault in planned}) == len(planned)


@pytest.mark.parametrize("seed", SEEDS)
def test_60_s_see_most_kinds_and_end_in_peace(seed: int) -> None:
    planned = schedule(seed, 60)
    assert len({fault.kind for fault in planned}) >= 8
    assert {fault.kind for fault in planned} >= set(LONG)
    assert all(3 <= later.at - earlier.at <= 7 for earlier, later in pairwise(planned))
    assert planned[-1].at < 57
    assert max(fault.at for fault in planned if fault.kind in LONG) <= 24
