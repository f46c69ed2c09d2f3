"""When an operator counts as sick, and when it returns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from payk.domain.health import LONGEST_PAUSE, LOOKS, PAUSE, Receipts, Results, Standing, carrier, failed, judge
from payk.domain.outcome import Accepted, PartOutcome, RefusalKind, Refused, Uncertain, Unsent

START = datetime(2026, 11, 27, tzinfo=UTC)
WELL = {1: Results(60, 2), 2: Results(30, 0)}
BAD = {1: Results(5, 60), 2: Results(3, 30)}


class Operator:
    """Looked at every 5 seconds of a time that is simulated."""

    def __init__(self) -> None:
        self.now = START
        self.standing = Standing(START)

    def looks(self, results: Mapping[int, Results], count: int = 1, *, watched: bool = True) -> bool:
        """Look so often; whether it is sick then."""
        for _ in range(count):
            self.now += timedelta(seconds=5)
            self.standing = judge(self.standing, results, 0.5, self.now, watched=watched)
        return self.standing.sick

    def falls_sick(self) -> float:
        """The seconds that it is probed at least."""
        assert self.looks(BAD, LOOKS)
        return self.standing.pause

    def recovers(self) -> None:
        """Good results until it returns."""
        while self.looks({1: Results(20, 0)}):
            pass


def test_trouble_counts_when_it_lasts() -> None:
    operator = Operator()
    assert not operator.looks(BAD, LOOKS - 1)
    assert not operator.looks(WELL)
    assert not operator.looks(BAD, LOOKS - 1)
    assert operator.looks(BAD)
    assert operator.standing.reason == "90 of 98 messages in 30 s refused or not answered"


def test_few_results_say_nothing() -> None:
    assert not Operator().looks({1: Results(0, 19)}, 100)
    assert not Operator().looks({}, 100)
    assert Operator().looks({1: Results(0, 20)}, LOOKS)


def test_below_the_share_it_is_healthy() -> None:
    assert not Operator().looks({1: Results(51, 49)}, 100)
    assert Operator().looks({1: Results(50, 50)}, LOOKS)


def test_the_trouble_of_one_client_is_its_own() -> None:
    assert not Operator().looks({1: Results(0, 500), 2: Results(20, 1), 3: Results(5, 0)}, 100)
    assert Operator().looks({1: Results(0, 500), 2: Results(2, 3)}, LOOKS)  # another one has it too
    assert Operator().looks({1: Results(0, 500)}, LOOKS)  # nobody else is there to tell


def test_it_returns_when_probes_succeed_and_not_before_the_pause_is_over() -> None:
    operator = Operator()
    assert operator.falls_sick() == PAUSE
    good = {1: Results(20, 0)}
    assert operator.looks(good, int(PAUSE / 5) - 1)
    assert not operator.looks(good)
    assert operator.standing.reason == "20 of 20 messages in 30 s taken"


def test_failing_or_too_few_probes_keep_it_sick() -> None:
    operator = Operator()
    operator.falls_sick()
    assert operator.looks({1: Results(20, 8)}, 1_000)
    assert operator.looks({1: Results(4, 0)}, 0)


def test_with_nothing_to_probe_it_gets_another_chance_after_half_an_hour() -> None:
    operator = Operator()
    operator.falls_sick()
    assert operator.looks({}, int(LONGEST_PAUSE / 5) - 1)
    assert not operator.looks({})


def test_flapping_is_probed_for_longer_each_time() -> None:
    operator = Operator()
    pauses = []
    for _ in range(7):
        pauses.append(operator.falls_sick())
        operator.recovers()
    assert pauses == [60, 120, 240, 480, 960, 1800, 1800]
    operator.looks(WELL, int(LONGEST_PAUSE / 5))
    assert operator.falls_sick() == PAUSE  # it was well for long enough


def test_one_that_is_not_watched_is_never_sick() -> None:
    operator = Operator()
    assert not operator.looks(BAD, 100, watched=False)
    operator.falls_sick()
    assert not operator.looks(BAD, watched=False)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([Accepted(1, "a"), Accepted(2, "b")], False),
        ([Uncertain(1, "no answer")], True),
        ([Refused(1, 8, RefusalKind.TEMPORARY)], True),
        ([Refused(1, 0xFF, RefusalKind.TEMPORARY_TWICE)], True),
        ([Refused(1, 0x58, RefusalKind.THROTTLED)], True),
        ([Refused(1, 4, RefusalKind.LINK)], True),
        ([Accepted(1, "a"), Refused(2, 8, RefusalKind.TEMPORARY)], True),
        ([Refused(1, 0x0B, RefusalKind.NUMBER)], None),
        ([Refused(1, 0x0A, RefusalKind.PERMANENT)], None),
        ([Unsent(1)], None),
    ],
)
def test_what_counts_against_an_operator(outcomes: list[PartOutcome], expected: bool | None) -> None:
    assert failed(outcomes) is expected


def test_who_carries() -> None:
    assert carrier((1, 2, 3), {1, 2, 3}, ()) == 1
    assert carrier((1, 2, 3), {1, 2, 3}, {1}) == 2
    assert carrier((1, 2, 3), {1, 3}, {1}) == 3
    assert carrier((1, 2), {1}, {1}) == 1  # sick is better than nothing
    assert carrier((1, 2), {1, 2}, {1, 2}) == 1
    assert carrier((1, 2), (), {1}) is None


# ------------------------------------------------------------------------------------------------------------ receipts


def of_receipts(standing: Standing, taken: int, in_time: int, seconds: float, wanted: float = 0.5) -> Standing:
    receipts = Receipts(taken, in_time, wanted, delay=60)
    return judge(standing, WELL, 0.5, START + timedelta(seconds=seconds), receipts=receipts)


def after_looks(taken: int, in_time: int, wanted: float = 0.5, looks: int = LOOKS) -> Standing:
    standing = Standing(START)
    for look in range(looks):
        standing = of_receipts(standing, taken, in_time, 5.0 * look, wanted)
    return standing


def test_receipts_that_do_not_come_in_time_are_trouble() -> None:
    assert not after_looks(200, 99, looks=LOOKS - 1).sick
    sick = after_looks(200, 99)
    assert (sick.sick, sick.reason) == (True, "receipts of 99 of 200 messages came within 60 s")
    assert not after_looks(200, 100).sick
    assert not after_looks(19, 0).sick, "few say nothing"
    assert not after_looks(0, 0).sick
    assert not after_looks(200, 0, wanted=0.0).sick, "nobody asked for them"


def test_it_returns_when_receipts_come_again() -> None:
    sick = after_looks(200, 0)
    assert of_receipts(sick, 200, 0, 1_000).sick, "though messages are taken"
    assert of_receipts(sick, 10, 9, PAUSE - 1).sick, "not before the pause is over"
    assert not of_receipts(sick, 10, 9, 1_000).sick
    assert not of_receipts(sick, 4, 0, 1_000).sick, "too few to tell: results decide"
