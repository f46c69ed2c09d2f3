"""What a row of looks at the database means, and which lines it makes: one at the beginning, one at the end."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import pytest

from payk.store.conditions import Answer, Conditions, Line, Look

QUICK = 0.002
BOOT = 1_700_000_000.0
"""What both clocks showed when CLOCK_BOOTTIME was 0."""


class Watched:
    """A look every second; what is wrong is said of the looks that follow."""

    def __init__(self) -> None:
        self.conditions = Conditions()
        self.now = 100.0
        self.wall_ahead = 0.0
        self.database_ahead = 0.0
        self.look()

    def look(self, round_trip: float | None = QUICK, **others: Any) -> list[Line]:
        """One look, `round_trip` None = no answer; its lines."""
        self.now += 1.0
        answer = None
        if round_trip is not None:
            middle = self.now + round_trip / 2
            answer = Answer(middle, round_trip, BOOT + self.database_ahead + middle)
        return self.conditions.see(Look(self.now, BOOT + self.wall_ahead + self.now, answer, **others))

    def looks(self, round_trips: Iterable[float | None]) -> list[Line]:
        return [line for round_trip in round_trips for line in self.look(round_trip)]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def events(lines: Iterable[Line]) -> list[str]:
    return [line.event.partition(":")[0] for line in lines]


def test_nothing_is_told_while_nothing_is_the_matter(watched: Watched) -> None:
    assert watched.looks([QUICK, 0.09, QUICK, 0.4, QUICK, QUICK, 3.0, QUICK] * 20) == []
    assert watched.conditions.warnings == []


# -- no answer


def test_an_unreachable_database_is_told_at_once_and_once(watched: Watched) -> None:
    [away] = watched.look(None, error="Connection refused", unreachable=True)
    assert (away.level, events([away])) == (logging.ERROR, ["the database does not answer"])
    assert "links keep their sessions" in away.event and away.fields == {"error": "Connection refused"}
    for _ in range(20):
        assert watched.look(None, unreachable=True) == []
    [back] = watched.look()
    assert (back.event, back.fields) == ("the database answers again", {"seconds": 21.0})
    assert watched.looks([QUICK] * 10) == []


def test_one_answer_that_did_not_come_is_a_moment_two_are_not(watched: Watched) -> None:
    assert watched.looks([None, QUICK, None, QUICK]) == []
    assert events(watched.looks([None, None, None])) == ["the database does not answer"]
    assert events(watched.looks([QUICK, None, QUICK])) == ["the database answers again"]


# -- slow


def test_three_slow_looks_in_a_row_are_slow_and_three_quick_ones_end_it(watched: Watched) -> None:
    assert watched.looks([0.2, 0.25, QUICK, 0.2, 0.25]) == []
    [slow] = watched.look(0.3)
    assert (slow.level, events([slow])) == (logging.WARNING, ["the database is slow"])
    assert slow.fields == {"milliseconds": 250}
    assert watched.conditions.warnings == ["the database is slow: 250 ms for a round trip"]
    assert watched.looks([0.3, QUICK, QUICK, 0.3, 0.3, QUICK, QUICK]) == []
    [quick] = watched.look()
    assert (quick.event, quick.fields) == ("the database is quick again", {"milliseconds": 2, "seconds": 8.0})
    assert watched.conditions.warnings == []


def test_no_answer_is_neither_slow_nor_quick(watched: Watched) -> None:
    watched.looks([0.2, 0.2])
    assert events(watched.looks([None, None, QUICK])) == ["the database does not answer", "the database answers again"]
    assert watched.conditions.warnings == []


# -- the disk


def test_a_full_disk_is_told_until_something_that_needs_room_was_written(watched: Watched) -> None:
    [full] = watched.look(disk_full=True)
    assert (full.level, events([full])) == (logging.ERROR, ["the database's disk is full"])
    assert watched.conditions.disk_full and watched.conditions.warnings == ["the database's disk is full"]
    for others in ({"disk_full": True}, {}, {"disk_full": True, "has_room": True}):
        assert watched.look(**others) == []
    [room] = watched.look(has_room=True)
    assert (room.event, room.fields) == ("the database's disk has room again", {"seconds": 4.0})
    assert not watched.conditions.disk_full and watched.conditions.warnings == []


def test_a_server_that_a_full_disk_ended_is_both(watched: Watched) -> None:
    lines = watched.look(None, unreachable=True, disk_full=True)
    assert events(lines) == ["the database's disk is full", "the database does not answer"]
    assert watched.look(None, unreachable=True, disk_full=True) == []
    assert events(watched.look(has_room=True)) == ["the database's disk has room again", "the database answers again"]


# -- clocks


@pytest.mark.parametrize("seconds", [7200.0, -7200.0, 1.5])
def test_this_machines_clock_that_jumps_is_told_once(watched: Watched, seconds: float) -> None:
    watched.wall_ahead = seconds
    [jumped] = watched.look()
    assert (jumped.level, events([jumped])) == (logging.WARNING, ["this machine's clock jumped"])
    assert jumped.fields == {"seconds": seconds}
    assert watched.looks([QUICK] * 5) == []
    watched.wall_ahead = 0
    [back] = watched.look()
    assert back.fields == {"seconds": -seconds}


@pytest.mark.parametrize("seconds", [7200.0, -7200.0, 1.5])
def test_the_databases_clock_that_jumps_is_told_once(watched: Watched, seconds: float) -> None:
    watched.database_ahead = seconds
    [jumped] = watched.look()
    assert (events([jumped]), jumped.fields) == (["the database's clock jumped"], {"seconds": seconds})
    assert watched.looks([QUICK] * 5) == []


def test_another_server_with_another_clock_is_told_of_when_it_answers(watched: Watched) -> None:
    watched.looks([None] * 30)
    watched.database_ahead = -40
    lines = watched.look()
    assert events(lines) == ["the database answers again", "the database's clock jumped"]


def test_clocks_that_are_kept_right_do_not_jump(watched: Watched) -> None:
    for _ in range(600):
        watched.wall_ahead += 0.0005  # what a clock is slewed by
        watched.database_ahead -= 0.2  # and what a step may do that nobody feels
        assert watched.look() == []


def test_an_answer_that_took_long_does_not_tell_the_time(watched: Watched) -> None:
    """It was given at one end or the other of its round trip."""
    watched.database_ahead = 0.6
    assert watched.look(1.2) == []
    watched.database_ahead = 0
    assert watched.looks([QUICK, 0.9, QUICK, 5.0, QUICK]) == []


@pytest.mark.parametrize(
    ("wall", "database", "warning"),
    [
        (7200.0, 0.0, "this machine's clock is 7200 s ahead of the database's"),
        (0.0, 90.0, "this machine's clock is 90 s behind the database's"),
        (7200.0, 7201.0, None),
    ],
)
def test_clocks_that_are_apart_are_a_warning_while_they_are(
    watched: Watched, wall: float, database: float, warning: str | None
) -> None:
    watched.wall_ahead, watched.database_ahead = wall, database
    watched.look()
    assert watched.conditions.warnings == ([] if warning is None else [warning])
    watched.wall_ahead = watched.database_ahead = 0
    watched.look()
    assert watched.conditions.warnings == []
