"""Why a message is where it is: the code, and the sentences for those who run the centre and for its client."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payk.domain.hold import Hold, Selection
from payk.domain.message import Lane, MessageState
from payk.domain.states import FINAL
from payk.domain.whereabouts import Cause, QueueOperator, Whereabouts, cause_of, until, why, why_for_client

NOW = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
UP, DOWN = QueueOperator("tcell", True, 2), QueueOperator("babilon", True, 0)
OFF = QueueOperator("zet", False, 0)
STORED = Whereabouts(NOW, MessageState.NONE, "demo", True, None, (UP, DOWN))
QUEUED = replace(STORED, queued=True, lane=Lane.COMMON_HIGH)
HANDED = replace(STORED, state=MessageState.ENROUTE, operator="tcell", submitted_at=NOW)
HOLD = Hold(4, Selection(client_id=1), NOW, author="ann", reason="wrong price")
DONE: dict[str, Any] = {"done_at": LATER}
IN_QUEUE = "It waits in the queue of tcell, babilon, lane Common high: "


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (QUEUED, IN_QUEUE + "tcell is up and takes what waits before it."),
        (replace(QUEUED, tries=2), IN_QUEUE + "for try 3, tcell is up and takes what waits before it."),
        (replace(QUEUED, client_enabled=False), IN_QUEUE + "client 'demo' is suspended."),
        (
            replace(QUEUED, operators=(DOWN, UP), lane=Lane.OTP),
            "It waits in the queue of babilon, tcell, lane Otp: tcell is up and takes what waits before it.",
        ),
        (
            replace(QUEUED, operators=(OFF, DOWN), lane=Lane.BATCH),
            "It waits in the queue of zet, babilon, lane Batch: no bind to any of these operators is up.",
        ),
        (
            replace(QUEUED, operators=(OFF,)),
            (
                "It waits in the queue of zet, lane Common high: "
                "these operators, or their links, are switched off or drained."
            ),
        ),
        (
            replace(QUEUED, hold=HOLD),
            IN_QUEUE + "it is held back since 2026-11-20 10:30:00 UTC by hold 4 of ann (wrong price).",
        ),
        (
            replace(QUEUED, hold=replace(HOLD, reason="")),
            IN_QUEUE + "it is held back since 2026-11-20 10:30:00 UTC by hold 4 of ann.",
        ),
        (
            replace(QUEUED, expires_at=NOW),
            (
                "It expired at 2026-11-20 10:30:00 UTC in the queue of tcell, babilon, lane Common high;"
                " its state follows at once."
            ),
        ),
        (
            replace(QUEUED, claimed_by=7, claimed_link="tcell-1"),
            "It is being handed over on link tcell-1 by process 7.",
        ),
        (
            replace(STORED, held_until=LATER, scheduled_at=LATER),
            "It is held until 2026-11-20 11:30:00 UTC: its client scheduled it for then.",
        ),
        (
            replace(STORED, held_until=LATER, scheduled_at=LATER, hours_open=True),
            "It is held until 2026-11-20 11:30:00 UTC: the hours for its client's Batch open then.",
        ),
        (
            replace(STORED, held_until=LATER, scheduled_at=LATER, hours_before=True),
            (
                "It is held until 2026-11-20 11:30:00 UTC: when it was taken its client scheduled it for then, or the"
                " hours for its client's Batch opened then; they are others now, which changes nothing for what waits."
            ),
        ),
        (replace(STORED, held_until=LATER), "It is held until 2026-11-20 11:30:00 UTC."),
        (
            replace(STORED, held_until=LATER, tries=1),
            "It is held until 2026-11-20 11:30:00 UTC for try 2; the tries before failed for now.",
        ),
        (
            replace(STORED, set_aside_at=NOW),
            (
                "It is set aside since 2026-11-20 10:30:00 UTC: the database was restored and it may have been sent"
                " already; `payk recover` releases it or gives it up."
            ),
        ),
        (
            replace(HANDED, receipt_due=LATER),
            (
                "It was handed to tcell at 2026-11-20 10:30:00 UTC; its receipt is awaited, until 2026-11-20"
                " 11:30:00 UTC, then it ends as Unknown."
            ),
        ),
        (
            replace(HANDED, state=MessageState.DELIVERED, **DONE),
            (
                "Delivered at 2026-11-20 11:30:00 UTC: the operator's receipt says so; it was handed to tcell at"
                " 2026-11-20 10:30:00 UTC."
            ),
        ),
        (
            replace(HANDED, state=MessageState.REJECTED, reason="refused: RINVSRCADR", **DONE),
            (
                "Rejected at 2026-11-20 11:30:00 UTC: an operator refused it (RINVSRCADR); it was handed to tcell at"
                " 2026-11-20 10:30:00 UTC."
            ),
        ),
        (
            replace(HANDED, doubtful=True, receipt_due=LATER),
            (
                "It was handed to tcell at 2026-11-20 10:30:00 UTC and not answered, so it may be there; it is not sent"
                " again, and a receipt is awaited until 2026-11-20 11:30:00 UTC, then it ends as Unknown."
            ),
        ),
        (
            replace(STORED, held_until=LATER, scheduled_at=LATER, hold=HOLD),
            (
                "It is held until 2026-11-20 11:30:00 UTC: its client scheduled it for then; and it is held back since"
                " 2026-11-20 10:30:00 UTC by hold 4 of ann (wrong price)."
            ),
        ),
        (
            replace(QUEUED, operators=(replace(UP, slowed=True),)),
            (
                "It waits in the queue of tcell, lane Common high: tcell is up and takes what waits before it, slowly,"
                " for it throttles."
            ),
        ),
        (
            replace(STORED, state=MessageState.EXPIRED, **DONE),
            (
                "Expired at 2026-11-20 11:30:00 UTC: it was not handed over, or the operator did not deliver it, in"
                " time; it was never handed over."
            ),
        ),
        (STORED, "It waits nowhere: it was just taken from one place to the next; look again."),
    ],
)
def test_one_sentence(message: Whereabouts, sentence: str) -> None:
    assert why(message) == sentence


OWN = replace(HOLD, author="client:demo", reason="")
SLOW = replace(UP, slowed=True)
AWAITED = replace(HANDED, receipt_due=LATER)
FOR_CLIENT = [
    (replace(STORED, held_until=LATER, scheduled_at=LATER), Cause.SCHEDULED, LATER, "from 2026-11-20 11:30:00 UTC on."),
    (
        replace(STORED, held_until=LATER, scheduled_at=LATER, hold=OWN),
        Cause.SCHEDULED,
        LATER,
        "on. Besides: you paused its label at 2026-11-20 10:30:00 UTC; it goes on when you resume that.",
    ),
    (replace(STORED, held_until=LATER, scheduled_at=LATER, hours_open=True), Cause.BATCH_HOURS, LATER, "your Batch"),
    (replace(STORED, held_until=LATER, tries=1), Cause.RETRY, LATER, "refused for the moment"),
    (replace(STORED, held_until=LATER), Cause.RETRY, LATER, "could not be handed over"),
    (replace(AWAITED, held_until=LATER, tries=1, doubtful=True), Cause.UNCERTAIN, LATER, "it is sent again at"),
    (replace(AWAITED, doubtful=True), Cause.UNCERTAIN, LATER, "it is not sent again"),
    (AWAITED, Cause.AWAITING_RECEIPT, LATER, "It was handed to tcell at 2026-11-20 10:30:00 UTC; its receipt is"),
    (replace(QUEUED, hold=OWN), Cause.PAUSED, None, "You paused its label"),
    (replace(QUEUED, hold=OWN, expires_at=NOW), Cause.PAUSED, None, "You paused its label"),
    (replace(QUEUED, hold=replace(OWN, cancels=True)), Cause.CANCELLING, None, "You cancelled its label"),
    (replace(QUEUED, hold=HOLD), Cause.HELD, None, "Those who run the centre hold it back since"),
    (replace(QUEUED, client_enabled=False), Cause.SUSPENDED, None, "Your client is suspended"),
    (replace(STORED, set_aside_at=NOW), Cause.SET_ASIDE, None, "it may have been sent already"),
    (replace(QUEUED, expires_at=NOW), Cause.EXPIRING, None, "It was not sent by 2026-11-20 10:30:00 UTC"),
    (replace(QUEUED, operators=(OFF,)), Cause.OPERATOR_OFF, None, "switched off"),
    (replace(QUEUED, operators=(OFF, DOWN)), Cause.NO_CONNECTION, None, "no connection"),
    (replace(QUEUED, operators=(DOWN, SLOW)), Cause.THROTTLED, None, "takes messages slowly"),
    (QUEUED, Cause.QUEUED, None, "what waits before it goes first."),
    (replace(QUEUED, pace=10.0), Cause.QUEUED, None, "first. Of your messages 10 a second leave at most, Otp apart."),
    (replace(QUEUED, claimed_by=7, claimed_link="tcell-1"), Cause.HANDING_OVER, None, "handed to an operator"),
    (STORED, Cause.MOVING, None, "ask again"),
    (replace(HANDED, state=MessageState.DELIVERED, **DONE), Cause.DELIVERED, None, "the operator's receipt says so."),
    (replace(STORED, state=MessageState.EXPIRED, reason="not sent in time"), Cause.EXPIRED, None, "not sent in time."),
    (replace(STORED, state=MessageState.DELETED, reason="cancelled"), Cause.DELETED, None, "before it was sent."),
    (replace(HANDED, state=MessageState.UNDELIVERABLE, reason="receipt: 12"), Cause.UNDELIVERABLE, None, "so (12)."),
    (replace(HANDED, state=MessageState.UNKNOWN, reason="no receipt"), Cause.UNKNOWN, None, "still corrects it."),
    (replace(HANDED, state=MessageState.REJECTED, reason="refused: RSYSERR"), Cause.REJECTED, None, "it (RSYSERR)."),
]


@pytest.mark.parametrize(("message", "cause", "ends", "words"), FOR_CLIENT)
def test_a_client_is_told_a_code_a_time_and_a_sentence(
    message: Whereabouts, cause: Cause, ends: datetime | None, words: str
) -> None:
    assert (cause_of(message), until(message)) == (cause, ends)
    assert words in why_for_client(message)


def test_every_code_is_told() -> None:
    assert {cause for _, cause, _, _ in FOR_CLIENT} == set(Cause)


@pytest.mark.parametrize("message", [message for message, *_ in FOR_CLIENT])
def test_a_client_is_told_nothing_of_links_people_and_operators_that_do_not_have_it(message: Whereabouts) -> None:
    words = why_for_client(message)
    for name in ("tcell-1", "babilon", "zet", "ann", "hold 4", "wrong price", "process", "None"):
        assert name not in words
    assert "tcell" not in words or message.submitted_at is not None


@pytest.mark.parametrize("state", MessageState)
def test_every_state_has_a_sentence(state: MessageState) -> None:
    for said in (why, why_for_client):
        assert said(replace(HANDED, state=state)).endswith(".")
    assert (cause_of(replace(HANDED, state=state)) == state.label) is (state in FINAL)
