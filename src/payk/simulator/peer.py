"""One connection to the operator: its bind, what it submits, the receipts it carries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from payk.logs import get_logger
from payk.simulator.operations import Operations
from payk.simulator.options import SimulatorOptions
from payk.simulator.receipt import PendingReceipt
from payk.simulator.smsc import Smsc
from payk.smpp import (
    Bind,
    BindReceiver,
    BindReceiverResp,
    BindRequested,
    BindResp,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    Closed,
    DataSm,
    DeliverSm,
    Event,
    InterfaceVersion,
    PeerError,
    Request,
    RequestReceived,
    RequestUncertain,
    Response,
    ResponseReceived,
    Session,
    SessionOptions,
    SubmitSm,
    Tag,
    Tlv,
    UnbindReceived,
    status_name,
)
from payk.smpp_connection import SmppConnection

__all__ = ["Peer", "session_options"]

_SYSTEM_ID: Final = "simulator"
_RESPONSES: Final[dict[type[Bind], type[BindResp]]] = {
    BindTransmitter: BindTransmitterResp,
    BindReceiver: BindReceiverResp,
    BindTransceiver: BindTransceiverResp,
}

_log = get_logger("simulator")


def session_options(options: SimulatorOptions) -> SessionOptions:
    """What every session of the operator is run with."""
    return replace(options.session, window=options.receipt_window, response_timeout=options.receipt_timeout)


class Peer:
    """``number`` counts the binds of this run from 1; 0 before the bind."""

    def __init__(
        self,
        smsc: Smsc,
        operations: Operations,
        options: SimulatorOptions,
        session: Session,
        *,
        on_closed: Callable[[Peer], None],
    ) -> None:
        self._smsc = smsc
        self._operations = operations
        self._on_closed = on_closed
        self._version = options.interface_version
        self._writer = smsc.receipt_writer
        self._dropped = False
        self.tlvs_allowed = True
        self.number = 0
        self.unanswered = 0
        self.connection = SmppConnection(session, self._on_event)

    @property
    def has_room(self) -> bool:
        """Whether it can carry one more receipt."""
        return self.connection.session.free_window > 0

    def carry(self, receipt: PendingReceipt) -> None:
        """Send a receipt; the operator is told how that went."""
        pdu = self._writer.pdu(receipt, tlvs_allowed=self.tlvs_allowed)
        body = self._writer.body(pdu) if self._writer.is_overlong else None
        self.connection.send_request(pdu, receipt, body=body)

    def answer(self, request: Request, response: Response) -> bool:
        return self.connection.send_response(request, response)

    def give_up(self, request: Request) -> None:
        self.connection.give_up(request)

    def drop(self) -> None:
        """End the connection as a crash or a broken line would."""
        self._dropped = True
        self._smsc.dismiss(self)
        # Once what was answered before has left; these answers count as given.
        asyncio.get_running_loop().call_soon(self.connection.abort)

    def _on_event(self, connection: SmppConnection, event: Event) -> None:
        match event:
            case RequestReceived(pdu):
                self._on_request(pdu)
            case ResponseReceived(receipt, DeliverSm() | DataSm() as request, response, _):
                self._smsc.told(self, request, receipt, response.command_status)
            case RequestUncertain(receipt, DeliverSm() | DataSm() as request, _):
                self._smsc.told(self, request, receipt, None)
            case BindRequested(pdu):
                self._on_bind(pdu)
            case UnbindReceived():
                self._smsc.dismiss(self)
            case Closed(reason):
                self._smsc.dismiss(self)
                self._on_closed(self)
                self._tell(logging.INFO, "connection closed", reason=reason)
            case PeerError(description, counted):
                self._smsc.peer_errors += counted
                self._tell(logging.WARNING, "peer broke a rule", reason=description)

    def _on_bind(self, pdu: Bind) -> None:
        status = self._smsc.admit(self, pdu)
        self.tlvs_allowed = min(pdu.interface_version, self._version) >= InterfaceVersion.V3_4
        make = _RESPONSES[type(pdu)]
        if status:
            response = make(command_status=status)
        else:
            version = Tlv.of(Tag.SC_INTERFACE_VERSION, self._version)
            response = make(system_id=_SYSTEM_ID, tlvs=(version,) if self.tlvs_allowed else ())
        self.connection.send_response(pdu, response)
        self._tell(logging.INFO, "bind answered", status=status_name(status))
        if not status and not isinstance(pdu, BindTransmitter):
            self._smsc.mailbox.join(self)

    def _on_request(self, pdu: Request) -> None:
        if self._dropped:
            return  # it lay behind the submit that ended the connection: never read
        if isinstance(pdu, SubmitSm):
            self._smsc.submit(self, pdu)
        else:
            self._operations.carry_out(self, pdu)

    def _tell(self, level: int, event: str, **fields: str) -> None:
        """The lines of strangers are many: one stands for those of ten seconds."""
        times = 1 if self.number else self._smsc.strangers[event].add(asyncio.get_running_loop().time())
        if times:
            of_many = {"times": times} if times > 1 else {}
            _log.log(level, event, bind=self.number, peer=self.connection.peername, **fields, **of_many)
