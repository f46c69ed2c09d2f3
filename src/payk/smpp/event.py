"""What a `Session` reports to its owner, in the order in which it happened."""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import Any

from payk.smpp.command import CommandId
from payk.smpp.pdu import Bind, BindResp, Request, Response
from payk.value import value

__all__ = [
    "BindKind",
    "BindRefused",
    "BindRequested",
    "Bound",
    "Closed",
    "Event",
    "LateResponse",
    "PeerError",
    "RequestReceived",
    "RequestUncertain",
    "ResponseReceived",
    "UnbindReceived",
]


class BindKind(Enum):
    """The value is the request's command_id."""

    TRANSMITTER = CommandId.BIND_TRANSMITTER
    RECEIVER = CommandId.BIND_RECEIVER
    TRANSCEIVER = CommandId.BIND_TRANSCEIVER


@value
class Bound:
    """ESME: our bind was accepted."""

    kind: BindKind
    response: BindResp


@value
class BindRefused:
    """ESME: our bind was refused, by its response or by generic_nack; `Closed` follows."""

    command_status: int


@value
class BindRequested:
    """SMSC: answer with `Session.send_response`; nothing else is read from this peer until then."""

    pdu: Bind


@value
class RequestReceived:
    """Answer with `Session.send_response`, except outbind and alert_notification, which have no response.

    ``octets`` is the PDU as it came, for whoever must keep it: it may hold what we accept and would not send.
    """

    pdu: Request
    octets: bytes = field(default=b"", repr=False, compare=False)


@value
class ResponseReceived:
    """The answer (perhaps a generic_nack) to a request of ours, ``elapsed`` seconds after it."""

    token: Any
    request: Request
    response: Response
    elapsed: float


@value
class RequestUncertain:
    """A request of ours was written and will not be answered in time: the peer may have carried it out."""

    token: Any
    request: Request
    reason: str


@value
class LateResponse:
    """The answer to a request that was already reported as `RequestUncertain`."""

    token: Any
    request: Request
    response: Response


@value
class UnbindReceived:
    """The peer leaves. Its unbind is answered already; `Closed` follows."""


@value
class Closed:
    """The last event of every session."""

    reason: str


@value
class PeerError:
    """The peer broke a rule. Counted ones close the session if there are too many; the others are tolerated oddities,
    told once each per session."""

    description: str
    counted: bool = True


Event = (
    Bound
    | BindRefused
    | BindRequested
    | RequestReceived
    | ResponseReceived
    | RequestUncertain
    | LateResponse
    | UnbindReceived
    | Closed
    | PeerError
)
