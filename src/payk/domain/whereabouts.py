"""Where a message is, and why it is not delivered yet, in one sentence for those whom a customer asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from payk.domain.hold import Hold
from payk.domain.message import Lane, MessageState
from payk.domain.states import FINAL

__all__ = ["QueueOperator", "Whereabouts", "why"]


@dataclass(frozen=True, slots=True)
class QueueOperator:
    """An operator of the queue that a message waits in, in the order in which they are tried."""

    name: str
    enabled: bool
    """It and one of its links at least, and neither is drained."""
    bound: int
    """Its binds that are up."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What the database knows of a message at one instant. Times are UTC with zone."""

    at: datetime
    state: MessageState
    client: str
    client_enabled: bool
    operator: str | None
    """That it was handed to last."""
    operators: tuple[QueueOperator, ...]
    """Of its queue."""
    submitted_at: datetime | None = None
    receipt_due: datetime | None = None
    done_at: datetime | None = None
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    queued: bool = False
    lane: Lane | None = None
    hold: Hold | None = None
    """That keeps it in the queue."""
    tries: int = 0
    """How often it was submitted already."""
    claimed_by: int | None = None
    """The process (payk processes) that hands it over at this moment."""
    claimed_link: str | None = None
    held_until: datetime | None = None
    has_hours: bool = False
    """It is Batch, and its client's may leave in certain hours only."""
    set_aside_at: datetime | None = None


def why(message: Whereabouts) -> str:
    """One sentence: what became of it or what it waits for."""
    if message.state in FINAL:
        return _ended(message)
    if message.set_aside_at is not None:
        return (
            f"It is set aside since {_told(message.set_aside_at)}: the database was restored and it may have been sent"
            " already; `payk recover` releases it or gives it up."
        )
    if message.held_until is not None:
        return _held(message, message.held_until)
    if message.claimed_by is not None:
        return f"It is being handed over on link {message.claimed_link} by process {message.claimed_by}."
    if message.queued:
        return _waits(message)
    if message.submitted_at is not None:
        until = "" if message.receipt_due is None else f", until {_told(message.receipt_due)}, then it ends as Unknown"
        return f"{_handed_over(message)}; its receipt is awaited{until}."
    return "It waits nowhere: it was just taken from one place to the next; look again."


def _ended(message: Whereabouts) -> str:
    by = {
        MessageState.DELIVERED: "the operator's receipt says so",
        MessageState.EXPIRED: "it was not handed over, or the operator did not deliver it, in time",
        MessageState.DELETED: "it was cancelled, or deleted by the operator",
        MessageState.UNDELIVERABLE: "the operator refused the number, could not deliver, or refused it for too long",
        MessageState.REJECTED: "the operator refused it",
        MessageState.UNKNOWN: "no final receipt came in time; a late one still corrects it",
    }[message.state]
    when = "" if message.done_at is None else f" at {_told(message.done_at)}"
    handed = "it was never handed over" if message.submitted_at is None else _lower_first(_handed_over(message))
    return f"{message.state.label}{when}: {by}; {handed}."


def _handed_over(message: Whereabouts) -> str:
    assert message.submitted_at is not None
    return f"It was handed to {message.operator or 'an operator'} at {_told(message.submitted_at)}"


def _held(message: Whereabouts, until: datetime) -> str:
    if message.tries:
        return f"It is held until {_told(until)} for try {message.tries + 1}; the tries before failed for now."
    if message.has_hours:
        return f"It is held until {_told(until)}: its client scheduled it, or the hours for its Batch open then."
    if message.scheduled_at is not None and message.scheduled_at >= until:
        return f"It is held until {_told(until)}: its client scheduled it for then."
    return f"It is held until {_told(until)}."


def _waits(message: Whereabouts) -> str:
    names = ", ".join(operator.name for operator in message.operators) or "no operator"
    lane = "" if message.lane is None else f", lane {message.lane.name.replace('_', ' ').capitalize()}"
    if message.expires_at is not None and message.expires_at <= message.at:
        return f"It expired at {_told(message.expires_at)} in the queue of {names}{lane}; its state follows at once."
    return f"It waits in the queue of {names}{lane}: {_reason(message)}."


def _reason(message: Whereabouts) -> str:
    if not message.client_enabled:
        return f"client '{message.client}' is suspended"
    if message.hold is not None:
        hold, because = message.hold, f" ({message.hold.reason})" if message.hold.reason else ""
        return f"it is held back since {_told(hold.placed_at)} by hold {hold.hold_id} of {hold.author}{because}"
    usable = [operator for operator in message.operators if operator.enabled]
    if not usable:
        return "these operators, or their links, are switched off or drained"
    up = next((operator for operator in usable if operator.bound), None)
    if up is None:
        return "no bind to any of these operators is up"
    again = f"for try {message.tries + 1}, " if message.tries else ""
    return f"{again}{up.name} is up and takes what waits before it"


def _lower_first(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _told(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
