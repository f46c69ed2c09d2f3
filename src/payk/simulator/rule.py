"""What a rule says: for which numbers, and what becomes of a submit_sm to them.

The scripted numbers and the rules of a scenario file are the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from payk.smpp import CommandStatus, MessageState

__all__ = [
    "AT_ONCE",
    "DELIVERED_SOON",
    "FAILURE_CODES",
    "INTERMEDIATE_STATES",
    "RECEIPT_STATES",
    "STATE_NAMES",
    "Fate",
    "ReceiptPlan",
    "Rule",
]

RECEIPT_STATES: Final[Mapping[str, MessageState]] = {
    "DELIVRD": MessageState.DELIVERED,
    "EXPIRED": MessageState.EXPIRED,
    "DELETED": MessageState.DELETED,
    "UNDELIV": MessageState.UNDELIVERABLE,
    "ACCEPTD": MessageState.ACCEPTED,
    "UNKNOWN": MessageState.UNKNOWN,
    "REJECTD": MessageState.REJECTED,
    "ENROUTE": MessageState.ENROUTE,
}
"""The names of SMPP 3.4 appendix B."""

STATE_NAMES: Final[Mapping[MessageState, str]] = {state: name for name, state in RECEIPT_STATES.items()}

INTERMEDIATE_STATES: Final = frozenset({MessageState.ENROUTE})
"""Told as intermediate notifications, to those who asked for them. ACCEPTD is an ordinary receipt."""

FAILURE_CODES: Final[Mapping[MessageState, int]] = {
    MessageState.EXPIRED: 27,  # absent subscriber
    MessageState.DELETED: 255,
    MessageState.UNDELIVERABLE: 1,  # unknown subscriber
    MessageState.UNKNOWN: 255,
    MessageState.REJECTED: 13,  # call barred
}
"""The states that are failures and the error code each is told with, as GSM MAP counts where it has a code."""


@dataclass(frozen=True, slots=True)
class ReceiptPlan:
    """One receipt to come, ``earliest`` to ``latest`` seconds after the answer (or, without one, after the submit)."""

    state: MessageState
    earliest: float = 0.0
    latest: float = 0.0
    error: int = 0
    """0 to 999: ``err:`` of the text, and network_error_code if it is not 0."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one submit_sm."""

    status: int | None = CommandStatus.ESME_ROK
    """The command_status of the answer; None: never answered."""
    receipts: tuple[ReceiptPlan, ...] = ()
    answer_after: float | None = None
    """Seconds from the submit to its answer (None: as the latency says), or to the end of the connection."""
    receipt_first: bool = False
    """The receipts' time runs from the submit and does not wait for the answer."""
    drop: bool = False
    """The connection ends, at once or ``answer_after`` seconds later."""
    no_id: bool = False
    """It is answered with an empty message_id; its receipts have one."""
    duplicate: bool = False
    """Its receipts are sent twice."""

    @property
    def taken(self) -> bool:
        """Whether the operator has the message afterwards, with an id of its own."""
        return self.status == CommandStatus.ESME_ROK or bool(self.receipts)


@dataclass(frozen=True, slots=True)
class Rule:
    """``destination`` is a number, or a prefix followed by ``*``.

    ``fate`` meets every submit, or with ``times`` the first so many submits of each message and ``afterwards`` the one
    that follows.
    """

    destination: str
    fate: Fate
    times: int | None = None
    afterwards: Fate = Fate()


AT_ONCE: Final = Fate(receipts=(ReceiptPlan(MessageState.DELIVERED),))
DELIVERED_SOON: Final = Fate(receipts=(ReceiptPlan(MessageState.DELIVERED, 0.1, 1.0),))
"""What becomes of a submit to a number that no rule speaks of."""
