"""What came of submitting one part, and of one message's submission as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import Enum, auto

from payk.domain.message import SmsType
from payk.value import value

__all__ = ["Accepted", "PartOutcome", "RefusalKind", "Refused", "Submission", "SubmissionResult", "Uncertain", "Unsent"]


class RefusalKind(Enum):
    """What a refusal of submit_sm means for the message."""

    PERMANENT = auto()
    """This message will never be taken: Rejected."""
    NUMBER = auto()
    """The number is no good (RINVDSTADR): Undeliverable."""
    TEMPORARY = auto()
    """Try again later, with back-off; counts as an attempt."""
    TEMPORARY_TWICE = auto()
    """The same, but only after the first two temporary refusals; then it is Rejected."""
    THROTTLED = auto()
    """The link is to slow down; costs no attempt and no place."""
    LINK = auto()
    """The session was not fit to take it; tried again soon, on another."""


@value
class Accepted:
    """The operator took the part; `smsc_id` is its id as written, "" where it gave none."""

    part: int
    smsc_id: str


@value
class Refused:
    """The operator answered with a command_status other than ESME_ROK."""

    part: int
    command_status: int
    kind: RefusalKind


@value
class Uncertain:
    """Written and never answered: it may or may not have been taken."""

    part: int
    reason: str


@value
class Unsent:
    """Surely not written to any socket."""

    part: int
    pause: float = 0.0
    """Seconds before another try is worth it."""


PartOutcome = Accepted | Refused | Uncertain | Unsent


@value
class Submission:
    """One message as a link is asked to submit it. Parts count from 1."""

    message_id: int
    phone: str
    sender: str
    text: str
    sms_type: SmsType
    attempt: int
    parts_left: tuple[int, ...] | None
    """The parts still to be sent, None = all of them."""
    valid_until: datetime | None
    """UTC; None = the operator's own default."""
    now: datetime
    """UTC by the database's clock, when the message was claimed."""


@value
class SubmissionResult:
    """The outcomes of all parts that were asked for, given back exactly once per submission."""

    submission: Submission
    link_id: int
    outcomes: tuple[PartOutcome, ...]
    written_at: float | None
    """Clock.monotonic() of the last write of a part, None where none was written."""
    times: Mapping[int, tuple[float, float]] = field(default_factory=dict, compare=False)
    """By part when it was written, and when it was answered or given up; those not written are missing."""
