"""What an operator sends by itself: receipts and messages from subscribers."""

from __future__ import annotations

from collections.abc import Callable

from payk.smpp import DataSm, DeliverSm
from payk.value import value

__all__ = ["Delivery"]


@value
class Delivery:
    """A deliver_sm or data_sm as it came, on bind number `bind` of a link.

    `respond(command_status)` sends the answer; call it once what the PDU says is stored. Only the first call counts,
    and one after the end of the session does nothing: the operator will send the PDU again.
    """

    link_id: int
    bind: int
    pdu: DeliverSm | DataSm
    octets: bytes
    """The PDU as it came: it may hold what we accept and would not send."""
    respond: Callable[[int], None]
