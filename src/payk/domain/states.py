"""The state machine of a message: one transition table, and how the states of parts fold into one.

The SQL guards and the CHECK constraints of the store, and the diagram in the docs, follow from this table.
Source: the documented API (MessageState); docs/en/api.md, "Status".
"""

from __future__ import annotations

from collections.abc import Iterable

from payk.domain.message import MessageState

__all__ = ["CORRECTABLE", "FINAL", "TRANSITIONS", "advance", "fold", "is_final"]

_S = MessageState

FINAL = frozenset({_S.DELIVERED, _S.EXPIRED, _S.DELETED, _S.UNDELIVERABLE, _S.UNKNOWN, _S.REJECTED})
"""States that carry a DateDone."""

CORRECTABLE = frozenset({_S.UNKNOWN})
"""Final states that a late receipt still corrects."""

_BY_RECEIPT = frozenset({_S.DELIVERED, _S.EXPIRED, _S.DELETED, _S.UNDELIVERABLE, _S.REJECTED})

TRANSITIONS: dict[MessageState, frozenset[MessageState]] = {
    _S.NONE: frozenset({_S.ENROUTE, _S.ACCEPTED, _S.UNKNOWN}) | _BY_RECEIPT,
    # Back to None only where no part can have reached an operator: the store never writes Enroute before that.
    _S.ENROUTE: frozenset({_S.ACCEPTED, _S.UNKNOWN}) | _BY_RECEIPT,
    _S.ACCEPTED: frozenset({_S.UNKNOWN}) | _BY_RECEIPT,
    _S.UNKNOWN: _BY_RECEIPT,
    _S.DELIVERED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.DELETED: frozenset(),
    _S.UNDELIVERABLE: frozenset(),
    _S.REJECTED: frozenset(),
}

_WORST_FIRST = (_S.REJECTED, _S.UNDELIVERABLE, _S.EXPIRED, _S.DELETED, _S.UNKNOWN, _S.DELIVERED)


def is_final(state: MessageState) -> bool:
    """Whether nothing but the correction of Unknown can follow."""
    return state in FINAL


def advance(current: MessageState, new: MessageState) -> MessageState:
    """The state after a report of `new`: `new` where the table allows it, else `current` (first final wins)."""
    return new if new in TRANSITIONS[current] else current


def fold(parts: Iterable[MessageState]) -> MessageState:
    """The state of a message from the states of its parts (at least one).

    Final when all parts are, and then the worst wins; while one is open the message is Accepted if every open part
    is, None if no part was handed over, else Enroute.
    """
    states = list(parts)
    if all(state in FINAL for state in states):
        return next(state for state in _WORST_FIRST if state in states)
    opened = {state for state in states if state not in FINAL}
    if opened == {_S.ACCEPTED}:
        return _S.ACCEPTED
    if opened == {_S.NONE} and len(set(states)) == 1:
        return _S.NONE
    return _S.ENROUTE
