"""Why a message is not there yet, in one sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payk.domain.hold import Hold, Selection
from payk.domain.message import Lane, MessageState
from payk.domain.whereabouts import QueueOperator, Whereabouts, why

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
            replace(STORED, held_until=LATER, scheduled_at=LATER, has_hours=True),
            "It is held until 2026-11-20 11:30:00 UTC: its client scheduled it, or the hours for its Batch open then.",
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


@pytest.mark.parametrize("state", MessageState)
def test_every_state_has_a_sentence(state: MessageState) -> None:
    assert why(replace(HANDED, state=state)).endswith(".")
