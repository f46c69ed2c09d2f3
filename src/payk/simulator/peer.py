"""One connection to the operator: its bind, what it submits, the receipts it carries."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Final

from payk.logs import get_logger
from payk.simulator.options import ReceiptForm, SimulatorOptions
from payk.simulator.receipt import PendingReceipt, receipt_pdu
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
    CommandStatus,
    DeliverSm,
    Event,
    GenericNack,
    InterfaceVersion,
    PeerError,
    Request,
    RequestReceived,
    RequestUncertain,
    ResponseReceived,
    Role,
    Session,
    SessionOptions,
    SubmitSm,
    SubmitSmResp,
    Tag,
    Tlv,
    UnbindReceived,
    status_name,
)
from payk.smpp_connection import SmppConnection

__all__ = ["Peer"]

_SYSTEM_ID: Final = "simulator"
_RESPONSES: Final[dict[type[Bind], type[BindResp]]] = {
    BindTransmitter: BindTransmitterResp,
    BindReceiver: BindReceiverResp,
    BindTransceiver: BindTransceiverResp,
}
_UNBIND_TIMEOUT: Final = 1.0

_log = get_logger("simulator")


class Peer:
    """``number`` counts the binds of this run from 1; 0 before the bind."""

    def __init__(self, smsc: Smsc, options: SimulatorOptions, now: float, *, on_closed: Callable[[Peer], None]) -> None:
        self._smsc = smsc
        self._on_closed = on_closed
        self._receipts: ReceiptForm = options.receipts
        session_options = SessionOptions(
            window=options.receipt_window,
            response_timeout=options.receipt_timeout,
            unbind_timeout=_UNBIND_TIMEOUT,
            max_unanswered=sys.maxsize,  # a lost submit is never answered, and reading must go on
        )
        self._tlvs_allowed = True
        self._dropped = False
        self.number = 0
        self.unanswered = 0
        self.connection = SmppConnection(Session(Role.SMSC, session_options, now), self._on_event)

    @property
    def has_room(self) -> bool:
        """Whether it can carry one more receipt."""
        return self.connection.session.free_window > 0

    def carry(self, receipt: PendingReceipt) -> None:
        """Send a receipt; the operator is told how that went."""
        pdu = receipt_pdu(receipt, self._receipts, tlvs_allowed=self._tlvs_allowed)
        self.connection.send_request(pdu, receipt)

    def answer(self, pdu: SubmitSm, response: SubmitSmResp) -> bool:
        return self.connection.send_response(pdu, response)

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
            case ResponseReceived(token, DeliverSm() as request, response, _):
                self._smsc.told(self, request, token, response.command_status)
            case RequestUncertain(token, DeliverSm() as request, _):
                self._smsc.told(self, request, token, None)
            case BindRequested(pdu):
                self._on_bind(pdu)
            case UnbindReceived():
                self._smsc.dismiss(self)
            case Closed(reason):
                self._smsc.dismiss(self)
                self._on_closed(self)
                _log.info("connection closed", bind=self.number, peer=connection.peername, reason=reason)
            case PeerError(description):
                _log.warning("peer broke a rule", bind=self.number, peer=connection.peername, reason=description)

    def _on_bind(self, pdu: Bind) -> None:
        status = self._smsc.admit(self, pdu)
        self._tlvs_allowed = pdu.interface_version >= InterfaceVersion.V3_4
        make = _RESPONSES[type(pdu)]
        if status:
            response = make(command_status=status)
        else:
            version = Tlv.of(Tag.SC_INTERFACE_VERSION, InterfaceVersion.V3_4)
            response = make(system_id=_SYSTEM_ID, tlvs=(version,) if self._tlvs_allowed else ())
        self.connection.send_response(pdu, response)
        _log.info("bind answered", bind=self.number, peer=self.connection.peername, status=status_name(status))
        if not status and not isinstance(pdu, BindTransmitter):
            self._smsc.mailbox.join(self)

    def _on_request(self, pdu: Request) -> None:
        if self._dropped:
            return  # it lay behind the submit that ended the connection: never read
        if isinstance(pdu, SubmitSm):
            self._smsc.submit(self, pdu)
        else:
            self.connection.send_response(pdu, GenericNack(command_status=CommandStatus.ESME_RINVCMDID))
