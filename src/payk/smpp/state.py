"""The states of a session and who may send what in them (SMPP 3.4 section 2.2, 2.3).

::

              outbind                  bind                 accepted
    OPEN ----------------> OUTBOUND ---------> BINDING -----------------> BOUND_TX | BOUND_RX | BOUND_TRX
     |                                  ^         |                          |                 |
     +----------------------------------+         | refused                  | we unbind       | the peer unbinds
                                                  v                          v                 v
                                               CLOSED <------------------ UNBINDING        UNBOUND ----> CLOSED

Every state may also go to CLOSED directly: the peer closes, a timer ends, too many errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from payk.smpp.command import CommandId

__all__ = ["BINDS", "BOUND_AS", "MAY_RECEIVE", "MAY_SEND", "NO_RESPONSE", "Role", "State"]


class Role(Enum):
    """ESME: we are the client of an operator. SMSC: we are the message centre."""

    ESME = "esme"
    SMSC = "smsc"


class State(Enum):
    OPEN = "open"
    """Connected; the session_init timer runs until the bind is accepted."""
    OUTBOUND = "outbound"
    """The SMSC has asked the ESME to bind."""
    BINDING = "binding"
    """A bind waits for its answer."""
    BOUND_TX = "bound_tx"
    BOUND_RX = "bound_rx"
    BOUND_TRX = "bound_trx"
    UNBINDING = "unbinding"
    """We are leaving: no new requests of ours, answers are awaited, then unbind."""
    UNBOUND = "unbound"
    """The peer has left: it is answered until it closes."""
    CLOSED = "closed"


BINDS: Final = frozenset({CommandId.BIND_RECEIVER, CommandId.BIND_TRANSMITTER, CommandId.BIND_TRANSCEIVER})
NO_RESPONSE: Final = frozenset({CommandId.OUTBIND, CommandId.ALERT_NOTIFICATION})

BOUND_AS: Final[Mapping[int, State]] = {
    CommandId.BIND_TRANSMITTER: State.BOUND_TX,
    CommandId.BIND_RECEIVER: State.BOUND_RX,
    CommandId.BIND_TRANSCEIVER: State.BOUND_TRX,
}

_SUBMITTING: Final = frozenset(
    {
        CommandId.SUBMIT_SM,
        CommandId.SUBMIT_MULTI,
        CommandId.DATA_SM,
        CommandId.QUERY_SM,
        CommandId.CANCEL_SM,
        CommandId.REPLACE_SM,
    }
)
_DELIVERING: Final = frozenset({CommandId.DELIVER_SM, CommandId.DATA_SM, CommandId.ALERT_NOTIFICATION})
_NOTHING: Final[frozenset[CommandId]] = frozenset()

# Besides these: enquire_link and generic_nack in every state, unbind once bound, responses to what was asked.
MAY_SEND: Final[Mapping[Role, Mapping[State, frozenset[CommandId]]]] = {
    Role.ESME: {
        State.OPEN: BINDS,
        State.OUTBOUND: frozenset({CommandId.BIND_RECEIVER, CommandId.BIND_TRANSCEIVER}),
        State.BOUND_TX: _SUBMITTING,
        State.BOUND_TRX: _SUBMITTING,
    },
    Role.SMSC: {
        State.OPEN: frozenset({CommandId.OUTBIND}),
        State.BOUND_RX: _DELIVERING,
        State.BOUND_TRX: _DELIVERING,
    },
}

# Operators are seen to deliver receipts on a transmitter's session; to refuse them would lose them.
MAY_RECEIVE: Final[Mapping[Role, Mapping[State, frozenset[CommandId]]]] = {
    Role.ESME: {State.OPEN: frozenset({CommandId.OUTBIND}), **dict.fromkeys(BOUND_AS.values(), _DELIVERING)},
    Role.SMSC: MAY_SEND[Role.ESME],
}
