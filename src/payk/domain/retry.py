"""What follows from the outcomes of a submission: hand it over, send some parts again, or give up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto

from payk.domain.account import Client, UncertainPolicy
from payk.domain.message import MessageState, SmsType
from payk.domain.operator import Link
from payk.domain.outcome import Accepted, PartOutcome, RefusalKind, Refused, Uncertain, Unsent
from payk.value import value

__all__ = ["Again", "Attempt", "Decision", "RetryRules", "decide", "retry_delay", "uncertain_policy"]

FIRST_DELAY = 2.0
"""Seconds before a part that was refused for the moment is tried again."""
LONGEST_DELAY = 900.0
SESSION_DELAY = 1.0
"""The same for a part whose session was not fit to take it."""
_TWICE = 2
_BY_DEFAULT = {
    SmsType.OTP: UncertainPolicy.RESEND,
    SmsType.COMMON: UncertainPolicy.RESEND,
    SmsType.BATCH: UncertainPolicy.HOLD,
}


@dataclass(frozen=True, slots=True)
class RetryRules:
    """The settings that retries obey, in seconds."""

    retry_for: float = 86_400.0
    uncertain_hold: float = 60.0


@value
class Attempt:
    """Where a message stands when its outcomes arrive."""

    attempt: int
    """Temporary refusals so far."""
    uncertain_count: int
    """Times it was submitted without an answer so far."""
    retrying_since: float | None
    """Seconds since the first temporary refusal, None before it."""


class Again(Enum):
    """How parts that must be sent again wait."""

    IN_PLACE = auto()
    """In the queue, where they were: the link slows down, the message loses nothing."""
    LATER = auto()
    """Staged for Decision.delay seconds."""


@value
class Decision:
    """What becomes of a message after a submission."""

    part_states: dict[int, MessageState] = field(default_factory=dict)
    """Parts whose state is known better now."""
    left: tuple[int, ...] = ()
    """Parts to be sent again."""
    again: Again = Again.IN_PLACE
    delay: float = 0.0
    attempt: int = 0
    uncertain_count: int = 0
    counted: bool = False
    """Whether this was a temporary refusal, from which PAYK_RETRY_FOR counts."""


def uncertain_policy(sms_type: SmsType, client: Client | None, link: Link | None) -> UncertainPolicy:
    """The policy for a message: by type, then client and link; where those differ, hold wins.

    Default: Otp and Common are sent once more, Batch is not.
    """
    of_client = client.uncertain.get(sms_type) if client else None
    of_link = link.uncertain.get(sms_type) if link else None
    if of_client is None and of_link is None:
        return _BY_DEFAULT[sms_type]
    return UncertainPolicy.HOLD if UncertainPolicy.HOLD in (of_client, of_link) else UncertainPolicy.RESEND


def retry_delay(attempt: int, jitter: float, first: float = FIRST_DELAY) -> float:
    """Seconds before try `attempt` + 1 (attempt counts from 1): doubling from `first` to 15 min; `jitter` in 0..1 takes
    up to a quarter off, so that messages refused together do not come back together."""
    return min(LONGEST_DELAY, first * 2.0 ** min(attempt - 1, 20)) * (1.0 - 0.25 * jitter)


def _judged(outcome: PartOutcome, attempt: Attempt) -> PartOutcome:
    """A refusal that is temporary but twice, as the one or the other."""
    if isinstance(outcome, Refused) and outcome.kind is RefusalKind.TEMPORARY_TWICE:
        kind = RefusalKind.TEMPORARY if attempt.attempt < _TWICE else RefusalKind.PERMANENT
        return replace(outcome, kind=kind)
    return outcome


def decide(
    outcomes: tuple[PartOutcome, ...], attempt: Attempt, policy: UncertainPolicy, rules: RetryRules, jitter: float
) -> Decision:
    """Settle, retry or give up. `outcomes` holds one outcome per part that was to be sent."""
    if len(outcomes) == 1 and isinstance(taken := outcomes[0], Accepted):  # nearly all
        return Decision(
            {taken.part: MessageState.ENROUTE}, attempt=attempt.attempt, uncertain_count=attempt.uncertain_count
        )
    states: dict[int, MessageState] = {}
    left: list[int] = []
    delay = 0.0
    again = Again.IN_PLACE
    uncertain_count = attempt.uncertain_count
    tries = attempt.attempt
    counted = False

    resend = policy is UncertainPolicy.RESEND and attempt.uncertain_count == 0
    for outcome in outcomes:
        match _judged(outcome, attempt):
            case Accepted(part=part):
                states[part] = MessageState.ENROUTE
            case Uncertain(part=part):
                states[part] = MessageState.ENROUTE
                uncertain_count = attempt.uncertain_count + 1
                if resend:
                    left.append(part)
                    again, delay = Again.LATER, max(delay, rules.uncertain_hold)
            case Refused(part=part, kind=RefusalKind.PERMANENT | RefusalKind.NUMBER) if attempt.uncertain_count:
                # The try before was never answered: it may have been taken, so a refusal of the repeat proves nothing.
                states[part] = MessageState.ENROUTE
            case Refused(part=part, kind=RefusalKind.PERMANENT):
                states[part] = MessageState.REJECTED
            case Refused(part=part, kind=RefusalKind.NUMBER):
                states[part] = MessageState.UNDELIVERABLE
            case Refused(part=part, kind=RefusalKind.TEMPORARY | RefusalKind.LINK as kind):
                # An unfit session is soon another one; a message that ruins every session is given up in the end.
                tries, counted = attempt.attempt + 1, True
                if attempt.retrying_since is not None and attempt.retrying_since >= rules.retry_for:
                    states[part] = MessageState.ENROUTE if attempt.uncertain_count else MessageState.UNDELIVERABLE
                else:
                    left.append(part)
                    remaining = rules.retry_for - (attempt.retrying_since or 0.0)
                    first = SESSION_DELAY if kind is RefusalKind.LINK else FIRST_DELAY
                    again, delay = Again.LATER, max(delay, min(retry_delay(tries, jitter, first), remaining))
            case Unsent(part=part, pause=pause) if pause:
                left.append(part)
                again, delay = Again.LATER, max(delay, pause)
            case Refused(part=part) | Unsent(part=part):
                left.append(part)

    lost = [state for state in states.values() if state in (MessageState.REJECTED, MessageState.UNDELIVERABLE)]
    if lost:
        # A message that can no longer arrive whole is not worth its other parts.
        states |= {part: lost[0] for part in left if part not in states}
        left = []
    return Decision(states, tuple(sorted(left)), again, delay, tries, uncertain_count, counted)
