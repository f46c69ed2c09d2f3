"""Where a message is, and why: one rule for all who ask, in the words of those who run the centre and of its client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from payk.domain.failure import in_a_clause
from payk.domain.hold import Hold, client_author
from payk.domain.message import Lane, MessageState
from payk.domain.states import FINAL

__all__ = ["Cause", "QueueOperator", "Whereabouts", "cause_of", "until", "why", "why_for_client"]


class Cause(StrEnum):
    """Why a message is where it is, for programs: a code keeps its meaning, and new ones may come."""

    SCHEDULED = "Scheduled"
    """Its client wants it to be sent later; or hours put it off that its client no longer has."""
    BATCH_HOURS = "BatchHours"
    """It is Batch, and the hours open later in which its client's may be sent."""
    RETRY = "Retry"
    """An operator refused it for the moment, or it could not be handed over; it is tried again later."""
    UNCERTAIN = "Uncertain"
    """An operator may have it: it was handed over and not answered."""
    PAUSED = "Paused"
    """Its client paused its label."""
    CANCELLING = "Cancelling"
    """Its client cancels its label just now."""
    HELD = "Held"
    """Those who run the centre hold it back."""
    SUSPENDED = "Suspended"
    """Its client is suspended."""
    SET_ASIDE = "SetAside"
    """The database was restored, and it may have been sent."""
    EXPIRING = "Expiring"
    """Its time to be sent is over, and its state follows."""
    OPERATOR_OFF = "OperatorOff"
    """The operators that it may go to are switched off."""
    NO_CONNECTION = "NoConnection"
    """None of these is connected."""
    THROTTLED = "Throttled"
    """The one that it goes to takes less than it is sent."""
    QUEUED = "Queued"
    """It waits for its turn, and nothing else is in the way."""
    HANDING_OVER = "HandingOver"
    """It is being handed to an operator."""
    AWAITING_RECEIPT = "AwaitingReceipt"
    """An operator has it, and has not said what became of it."""
    MOVING = "Moving"
    """It was just taken from one place to the next."""
    DELIVERED = "Delivered"
    EXPIRED = "Expired"
    DELETED = "Deleted"
    UNDELIVERABLE = "Undeliverable"
    UNKNOWN = "Unknown"
    REJECTED = "Rejected"


_ENDS: Final = {state: Cause(state.label) for state in FINAL}


@dataclass(frozen=True, slots=True)
class QueueOperator:
    """An operator of the queue that a message waits in, in the order in which they are tried."""

    name: str
    enabled: bool
    """It and one of its links at least, and neither is drained."""
    bound: int
    """Its binds that are up."""
    slowed: bool = False
    """It throttles each of its links that is up."""


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
    reason: str | None = None
    """Why it failed, in words of payk.domain.failure."""
    queued: bool = False
    lane: Lane | None = None
    hold: Hold | None = None
    """That keeps it in the queue, or will once its time has come."""
    tries: int = 0
    """How often it was submitted already."""
    doubtful: bool = False
    """The last time it was submitted a part of it was not answered, and nothing was heard of that since."""
    claimed_by: int | None = None
    """The process (payk processes) that hands it over at this moment."""
    claimed_link: str | None = None
    held_until: datetime | None = None
    hours_open: bool = False
    """At held_until the hours open in which its client's Batch may leave."""
    hours_before: bool = False
    """Not so, but by hours that its client had since it was taken: whether these put it off or its client chose the
    same time is not kept."""
    pace: float | None = None
    """Messages of its client that leave a second at most; None = any number, or it is Otp."""
    set_aside_at: datetime | None = None


def cause_of(message: Whereabouts) -> Cause:
    """What became of it, or what it waits for: of several things that are in its way the first to be dealt with."""
    if message.state in FINAL:
        return _ENDS[message.state]
    if message.set_aside_at is not None:
        return Cause.SET_ASIDE
    if message.held_until is not None:
        return _of_held(message, message.held_until)
    if message.claimed_by is not None:
        return Cause.HANDING_OVER
    if message.queued:
        return _of_queued(message)
    if message.submitted_at is not None:
        return Cause.UNCERTAIN if message.doubtful else Cause.AWAITING_RECEIPT
    return Cause.MOVING


def _of_held(message: Whereabouts, due: datetime) -> Cause:
    if message.tries:
        return Cause.UNCERTAIN if message.doubtful else Cause.RETRY
    if message.scheduled_at is not None and message.scheduled_at >= due:
        return Cause.BATCH_HOURS if message.hours_open else Cause.SCHEDULED
    return Cause.RETRY


def _of_queued(message: Whereabouts) -> Cause:
    hold = message.hold
    if hold is None and message.expires_at is not None and message.expires_at <= message.at:
        return Cause.EXPIRING  # what is held does not expire
    if not message.client_enabled:
        return Cause.SUSPENDED
    if hold is not None:
        return _of_hold(message, hold)
    usable = [operator for operator in message.operators if operator.enabled]
    if not usable:
        return Cause.OPERATOR_OFF
    up = _up(message)
    if up is None:
        return Cause.NO_CONNECTION
    return Cause.THROTTLED if up.slowed else Cause.QUEUED


def _of_hold(message: Whereabouts, hold: Hold) -> Cause:
    if hold.author != client_author(message.client):
        return Cause.HELD
    return Cause.CANCELLING if hold.cancels else Cause.PAUSED


def _up(message: Whereabouts) -> QueueOperator | None:
    """The operator that takes what waits in its queue."""
    return next((operator for operator in message.operators if operator.enabled and operator.bound), None)


def until(message: Whereabouts) -> datetime | None:
    """When what it waits for ends by itself, at the latest; None where no time is set for that."""
    cause = cause_of(message)
    if cause in (Cause.AWAITING_RECEIPT, Cause.UNCERTAIN) and message.held_until is None:
        return message.receipt_due
    return message.held_until if cause in (Cause.SCHEDULED, Cause.BATCH_HOURS, Cause.RETRY, Cause.UNCERTAIN) else None


# ------------------------------------------------------------------------------------- for those who run the centre


def why(message: Whereabouts) -> str:
    """One sentence for those who run the centre, with names of links, processes and people."""
    cause = cause_of(message)
    match cause:
        case Cause.SET_ASIDE:
            return (
                f"It is set aside since {_told(message.set_aside_at)}: the database was restored and it may have been"
                " sent already; `payk recover` releases it or gives it up."
            )
        case Cause.SCHEDULED | Cause.BATCH_HOURS | Cause.RETRY:
            return f"It is held until {_told(message.held_until)}{_what_for(message, cause)}{_besides(message)}."
        case Cause.HANDING_OVER:
            return f"It is being handed over on link {message.claimed_link} by process {message.claimed_by}."
        case Cause.UNCERTAIN | Cause.AWAITING_RECEIPT:
            return _with_an_operator(message)
        case Cause.MOVING:
            return "It waits nowhere: it was just taken from one place to the next; look again."
        case Cause.EXPIRING:
            return f"It expired at {_told(message.expires_at)} in {_queue(message)}; its state follows at once."
        case _ if message.state in FINAL:
            handed = "it was never handed over" if message.submitted_at is None else _lower_first(_handed_over(message))
            return f"{_ended(message)}; {handed}."
        case _:
            return f"It waits in {_queue(message)}: {_reason(message, cause)}."


def _what_for(message: Whereabouts, cause: Cause) -> str:
    if cause is Cause.BATCH_HOURS:
        return ": the hours for its client's Batch open then"
    if cause is Cause.SCHEDULED and message.hours_before:
        return (
            ": when it was taken its client scheduled it for then, or the hours for its client's Batch opened then;"
            " they are others now, which changes nothing for what waits"
        )
    if cause is Cause.SCHEDULED:
        return ": its client scheduled it for then"
    return f" for try {message.tries + 1}; the tries before failed for now" if message.tries else ""


def _besides(message: Whereabouts) -> str:
    return "" if message.hold is None else f"; and {_held_back(message.hold)}"


def _held_back(hold: Hold) -> str:
    because = f" ({hold.reason})" if hold.reason else ""
    return f"it is held back since {_told(hold.placed_at)} by hold {hold.hold_id} of {hold.author}{because}"


def _queue(message: Whereabouts) -> str:
    names = ", ".join(operator.name for operator in message.operators) or "no operator"
    lane = "" if message.lane is None else f", lane {message.lane.name.replace('_', ' ').capitalize()}"
    return f"the queue of {names}{lane}"


def _reason(message: Whereabouts, cause: Cause) -> str:
    if cause is Cause.SUSPENDED:
        return f"client '{message.client}' is suspended"
    if message.hold is not None:
        return _held_back(message.hold)
    up = _up(message)
    if up is None:
        off = "these operators, or their links, are switched off or drained"
        return off if cause is Cause.OPERATOR_OFF else "no bind to any of these operators is up"
    again = f"for try {message.tries + 1}, " if message.tries else ""
    slowly = ", slowly, for it throttles" if cause is Cause.THROTTLED else ""
    return f"{again}{up.name} is up and takes what waits before it{slowly}"


# -------------------------------------------------------------------------------------------------- for its client


def why_for_client(message: Whereabouts) -> str:
    """One sentence or two for its client: no names but that of the operator which had it, and nothing of others."""
    cause, due = cause_of(message), _told(until(message))
    match cause:
        case Cause.SCHEDULED if message.hours_before:
            before = "you scheduled it so, or the hours for your Batch, which are others now, opened then"
            return f"It may be sent from {due} on: when it was taken {before}.{_besides_for_client(message)}"
        case Cause.SCHEDULED:
            return f"It is scheduled: it may be sent from {due} on.{_besides_for_client(message)}"
        case Cause.BATCH_HOURS:
            return f"The hours in which your Batch may be sent open at {due}.{_besides_for_client(message)}"
        case Cause.RETRY if message.tries:
            return f"It was refused for the moment; it is tried again from {due} on.{_besides_for_client(message)}"
        case Cause.RETRY:
            return f"It could not be handed over just now; it is tried again from {due} on."
        case Cause.UNCERTAIN | Cause.AWAITING_RECEIPT:
            return _with_an_operator(message)
        case Cause.PAUSED | Cause.CANCELLING | Cause.HELD:
            return _held_for_client(message, cause)
        case Cause.EXPIRING:
            return f"It was not sent by {_told(message.expires_at)}; it becomes Expired at once."
        case Cause.QUEUED if message.pace is not None:
            return f"{_FOR_CLIENT[cause]} Of your messages {message.pace:g} a second leave at most, Otp apart."
        case _ if message.state in FINAL:
            return f"{_ended(message)}."
        case _:
            return _FOR_CLIENT[cause]


_FOR_CLIENT: Final = {
    Cause.SUSPENDED: "Your client is suspended; ask those who run the centre.",
    Cause.SET_ASIDE: (
        "The centre's database was restored, and it may have been sent already; those who run the centre decide"
        " whether it is sent."
    ),
    Cause.OPERATOR_OFF: "It waits: the operators that it may go to are switched off at the centre for now.",
    Cause.NO_CONNECTION: "It waits: the centre has no connection to the operators that it may go to just now.",
    Cause.THROTTLED: "It waits for its turn, for longer than usual: its operator takes messages slowly just now.",
    Cause.QUEUED: "It waits for its turn: its operator is connected, and what waits before it goes first.",
    Cause.HANDING_OVER: "It is being handed to an operator at this moment.",
    Cause.MOVING: "It was just taken from one place to the next; ask again.",
}


def _held_for_client(message: Whereabouts, cause: Cause) -> str:
    assert message.hold is not None
    since = _told(message.hold.placed_at)
    match cause:
        case Cause.PAUSED:
            return f"You paused its label at {since}; it goes on when you resume that."
        case Cause.CANCELLING:
            return f"You cancelled its label at {since}; it is about to be deleted."
        case _:
            return f"Those who run the centre hold it back since {since}; ask them."


def _besides_for_client(message: Whereabouts) -> str:
    if message.hold is None:
        return ""
    return f" Besides: {_lower_first(_held_for_client(message, _of_hold(message, message.hold)))}"


# ---------------------------------------------------------------------------------------------------- for both


def _with_an_operator(message: Whereabouts) -> str:
    handed = _handed_over(message)
    if not message.doubtful:
        ends = "" if message.receipt_due is None else f", until {_told(message.receipt_due)}, then it ends as Unknown"
        return f"{handed}; its receipt is awaited{ends}."
    if message.held_until is not None:
        again = _told(message.held_until)
        return f"{handed} and not answered, so it may be there; unless that becomes known it is sent again at {again}."
    ends = "" if message.receipt_due is None else f" until {_told(message.receipt_due)}, then it ends as Unknown"
    return f"{handed} and not answered, so it may be there; it is not sent again, and a receipt is awaited{ends}."


def _ended(message: Whereabouts) -> str:
    by = (
        in_a_clause(message.reason or "")
        or {
            MessageState.DELIVERED: "the operator's receipt says so",
            MessageState.EXPIRED: "it was not handed over, or the operator did not deliver it, in time",
            MessageState.DELETED: "it was cancelled, or deleted by the operator",
            MessageState.UNDELIVERABLE: "the operator refused the number, did not deliver, or refused it for too long",
            MessageState.REJECTED: "the operator refused it",
            MessageState.UNKNOWN: "no final receipt came in time; a late one still corrects it",
        }[message.state]
    )
    when = "" if message.done_at is None else f" at {_told(message.done_at)}"
    return f"{message.state.label}{when}: {by}"


def _handed_over(message: Whereabouts) -> str:
    at = "" if message.submitted_at is None else f" at {_told(message.submitted_at)}"
    return f"It was handed to {message.operator or 'an operator'}{at}"


def _lower_first(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _told(at: datetime | None) -> str:
    return "some time" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
