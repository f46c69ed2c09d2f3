"""The judge finds every kind of broken promise, and none where there is none: else its silence would say nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chaos.judgement import sent_twice
from chaos.records import Answer, Incarnation, Session, State
from tests.chaos.observed import BATCH, BEGAN, PHONE, Run

THROTTLED, REFUSED = 0x58, 0x45


def event(kind: str, attempt: int, part: int = 1) -> dict[str, Any]:
    return {"Event": kind, "Attempt": attempt, "Part": part}


def submitted(attempt: int, part: int = 1) -> dict[str, Any]:
    return event("submitted", attempt, part)


def uncertain(attempt: int, part: int = 1) -> dict[str, Any]:
    return event("uncertain", attempt, part)


def test_a_run_without_fault_breaks_nothing() -> None:
    run = Run().message().submit(2).told({"Event": "accepted"}, submitted(1))
    run.message(101, phone="992910000002", parts=2).submit(3, phone="992910000002").submit(
        3, phone="992910000002", part=2
    )
    assert run.broken == {}
    figures = run.judgement.figures
    assert (figures["accepted"], figures["final"], figures["submits"], figures["sent_twice"]) == (2, 2, 3, 0)
    assert figures["states"] == {"Delivered": 2}


def test_nobody_is_blamed_for_a_message_that_no_client_was_given() -> None:
    assert Run().row(100, [Answer.NONE, 503]).broken == {}
    assert Run().row(100, [504]).broken == {}


# -- lost


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (Run().message(says=None).submit(2), "the API does not know it"),
        (Run().message(state=State.NONE, done=None), "it is None to the end"),
        (Run().message(state=State.ENROUTE, done=None).submit(2), "it is Enroute to the end"),
        (Run().message(state=State.ACCEPTED, done=None).submit(2), "it is Accepted to the end"),
        (Run().message(), "it is Delivered, and part 1 was never submitted"),
        (Run().message(parts=2).submit(2), "it is Delivered, and part 2 was never submitted"),
        (Run().message().submit(2, status=THROTTLED), "it is Delivered, and part 1 was never submitted"),
        (Run().message(state=State.REJECTED).submit(2), "it is Rejected, and no operator refused it"),
        (Run().message(state=State.UNDELIVERABLE), "it is Undeliverable, and no operator refused it"),
        (Run().message(state=State.EXPIRED), "it is Expired, which nobody asked for"),
        (Run().message(state=State.DELETED).submit(2), "it is Deleted, which nobody asked for"),
        (Run().message(says="Unknown").submit(2), "the API says Unknown, the database Delivered"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_lost(run: Run, reason: str) -> None:
    assert run.broken == {"lost": 1}
    assert run.reason == reason


def test_an_id_that_names_another_message_is_lost() -> None:
    run = Run().message(100).submit(2)
    other = run.seen.rows[0]
    run.seen = replace(run.seen, rows=[replace(other, phone="992910000002")])
    run.submit(2, phone="992910000002")
    assert run.broken == {"lost": 1}
    assert run.reason == "its id was given to the message to 992910000002"


def test_an_answered_id_that_no_row_has_is_missing() -> None:
    run = Run().message(stored=False, says=None)
    assert run.broken == {"lost": 1, "answered_yet_missing": 1}


@pytest.mark.parametrize("state", [State.REJECTED, State.UNDELIVERABLE])
def test_what_an_operator_refused_is_not_lost(state: State) -> None:
    assert Run().message(state=state).submit(2, status=REFUSED).broken == {}


def test_unknown_is_an_end_even_of_what_was_never_submitted() -> None:
    """A claimed message may have been sent; where policy forbids to repeat it, nobody will ever know."""
    assert Run().message(state=State.UNKNOWN).broken == {}


# -- sent twice


def test_a_second_submit_that_the_timeline_explains_is_no_fault() -> None:
    run = Run().message().submit(2, status=None).submit(20).told(uncertain(1), submitted(2))
    assert run.broken == {}
    assert run.judgement.figures["sent_twice"] == 1
    assert sent_twice(run.seen) == {100}


def test_an_answer_that_came_too_late_explains_it_too() -> None:
    """The timeline has the attempt twice then: as uncertain, and as submitted once the answer came."""
    assert Run().message().submit(2).submit(20).told(uncertain(1), submitted(1), submitted(2)).broken == {}


def test_both_may_have_had_no_answer() -> None:
    run = Run().message(state=State.UNKNOWN).submit(2, status=None).submit(20, status=None)
    assert run.told(uncertain(1), uncertain(2)).broken == {}


@pytest.mark.parametrize(
    "events",
    [
        [],
        [submitted(1)],
        [submitted(1), submitted(2)],
        [submitted(1), uncertain(2)],
        [uncertain(1, part=2), submitted(2)],
        [{"Event": "refused", "Attempt": 1, "Part": 1}, submitted(2)],
    ],
    ids=["nothing", "one", "both answered", "sent on after an answer", "another part", "refused"],
)
def test_a_second_submit_that_the_timeline_does_not_explain(events: list[dict[str, Any]]) -> None:
    run = Run().message().submit(2, status=None).submit(20).told(*events)
    assert run.broken == {"sent_twice_unlabelled": 1}
    [violation] = run.judgement.violations
    assert (violation.message_id, violation.phone, len(violation.submits)) == (100, PHONE, 2)


def test_what_was_refused_was_not_taken() -> None:
    run = Run().message().submit(2, status=THROTTLED).submit(5, status=THROTTLED).submit(8).told(submitted(3))
    assert run.broken == {}
    assert run.judgement.figures["sent_twice"] == 0


def test_parts_are_judged_apart() -> None:
    run = Run().message(parts=2).submit(2).submit(2, part=2, status=None).submit(20, part=2)
    assert run.told(submitted(1), uncertain(1, part=2), submitted(2, part=2)).broken == {}
    run = Run().message(parts=2).submit(2).submit(2, part=2, status=None).submit(20, part=2).submit(20)
    assert run.told(submitted(1), uncertain(1, part=2), submitted(2, part=2)).broken == {"sent_twice_unlabelled": 1}


def test_two_messages_for_one_client_message_id() -> None:
    run = Run().message(100, name="c1-0").message(101, name="c1-0", accepted=5)
    run.submit(2).submit(6).told(submitted(1)).told(submitted(1), message_id=101)
    assert run.broken == {"sent_twice_unlabelled": 1}
    assert run.reason == "c1-0 was taken as 100 (DELIVERED) and 101"


def test_a_repeat_after_the_first_had_failed_is_a_new_message() -> None:
    run = Run().message(100, name="c1-0", state=State.REJECTED, done=3).message(101, name="c1-0", accepted=5)
    run.submit(2, status=REFUSED).submit(6).told(submitted(1), message_id=101)
    assert run.broken == {}
    later = replace(run.seen.rows[0], done_at=BEGAN + 7)
    run.seen = replace(run.seen, rows=[later, run.seen.rows[1]])
    assert run.broken == {"sent_twice_unlabelled": 1}


def test_a_batch_message_is_never_sent_again() -> None:
    run = Run().message(sms_type=BATCH).submit(2, status=None).submit(20).told(uncertain(1), submitted(2))
    assert run.broken == {"sent_beyond_policy": 1}


def test_others_are_sent_again_once() -> None:
    run = Run().message().submit(2, status=None).submit(20, status=None).submit(40)
    assert run.told(uncertain(1), uncertain(2), submitted(3)).broken == {"sent_beyond_policy": 1}


# -- leases


def test_a_submit_after_the_lease_has_lapsed() -> None:
    run = Run().message().lapses(10).submit(12.0)
    assert run.broken == {"submits_on_lapsed_lease": 1}
    assert run.reason == "process 77 submitted 1.970 s after its incarnation 5"
    [violation] = run.judgement.violations
    assert violation.message_id == 100


def test_a_submit_before_that_is_none() -> None:
    assert Run().message().lapses(10).submit(9.99).broken == {}


def test_a_witness_that_read_late_blames_nobody() -> None:
    run = Run().message().lapses(10).submit(12.0)
    run.seen = replace(run.seen, lags=[(BEGAN + 9.9, BEGAN + 12.0)])
    assert run.broken == {}
    run.seen = replace(run.seen, lags=[(BEGAN + 10.5, BEGAN + 12.0)])
    assert run.broken == {"submits_on_lapsed_lease": 1}


def test_what_a_dead_process_had_written_was_under_way() -> None:
    run = Run().message().lapses(10).submit(12.0)
    run.seen = replace(run.seen, lives=[replace(run.seen.lives[0], ended_at=BEGAN + 9)])
    assert run.broken == {}


def test_a_session_belongs_to_the_incarnation_that_asked_for_it() -> None:
    """The process came back under a new number: its new session is its right, the old one is not."""
    run = Run().message().lapses(10)
    run.seen = replace(run.seen, incarnations=[*run.seen.incarnations, Incarnation(6, 77, BEGAN + 11, None)])
    new = Session("tcell", 77, BEGAN + 12, asked_at=BEGAN + 12, bound_at=BEGAN + 12)
    assert run.submit(13, session=new).broken == {}
    run.seen = replace(run.seen, submits=[])
    assert run.submit(13).broken == {"submits_on_lapsed_lease": 1}


# -- answers


def test_taken_despite_503() -> None:
    run = Run().row(100, [503])
    assert run.broken == {"taken_despite_503": 1}
    assert Run().row(100, [503, Answer.NOT_CONNECTED, 503]).broken == {"taken_despite_503": 1}
    assert Run().message().submit(2).broken == {}


def test_a_503_beside_another_answer_of_the_same_message_says_nothing() -> None:
    run = Run().message().submit(2)
    run.seen.sent[PHONE].answers.insert(0, 503)
    assert run.broken == {}


def test_the_longest_time_without_accepting_counts_from_the_first_moment_to_the_last() -> None:
    run = Run()
    run.seen = replace(run.seen, accepted_at=[BEGAN + at for at in (1, 2, 30, 95, 130)])
    assert run.judgement.figures["longest_without_accepting"] == 65.0
    run.seen = replace(run.seen, accepted_at=[])
    assert run.judgement.figures["longest_without_accepting"] == 100.0


def test_answers_are_counted_by_their_names() -> None:
    run = Run()
    run.seen = replace(run.seen, answers={200: 7, 504: 2, Answer.NONE: 1, Answer.NOT_CONNECTED: 3})
    figures = run.judgement.figures
    assert figures["answers"] == {"not_connected": 3, "none": 1, "200": 7, "504": 2}
    assert figures["outcome_unknown"] == 2
