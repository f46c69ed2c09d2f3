"""Receipts as deliver_sm or data_sm (SMPP 3.4 sections 4.6, 4.7 and 5.2.12.1, appendix B)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from payk.simulator.message import TakenMessage
from payk.simulator.options import ReceiptFields, ReceiptForm, SimulatorOptions
from payk.simulator.rule import FAILURE_CODES, INTERMEDIATE_STATES, ReceiptPlan
from payk.smpp import (
    DataSm,
    DeliverSm,
    EsmClass,
    MessageState,
    RegisteredDelivery,
    Tag,
    Tlv,
    encode,
    encode_receipt_text,
)

__all__ = ["PendingReceipt", "ReceiptPdu", "ReceiptWriter", "wanted"]

_GSM: Final = 3  # the network of network_error_code, section 5.3.2.31
_HEADER: Final = 16
_SERVICE_TYPE: Final = 5  # characters that the specification allows
_FIELD: Final = re.compile(rb"((?:submit |done )?[a-z]+:)(\S*)")
_OFTEN_MISSING: Final = (b"sub:", b"dlvrd:")
_MISSING: Final = 0.3
"""Share of shuffled receipts that leave these out."""

ReceiptPdu = DeliverSm | DataSm


@dataclass(slots=True)
class PendingReceipt:
    """A receipt until it is acknowledged."""

    message: TakenMessage
    plan: ReceiptPlan
    done: datetime | None = None
    """When the message came into this state."""
    attempts: int = 0
    """How often it was sent."""
    sent: datetime | None = None
    """When it was last sent."""


def wanted(registered_delivery: int, state: MessageState) -> bool:
    """Whether the sender of a message asked to be told this state (section 5.2.17; 3 is 5.0's)."""
    if state in INTERMEDIATE_STATES:
        return bool(registered_delivery & RegisteredDelivery.INTERMEDIATE)
    asked = registered_delivery & RegisteredDelivery.RECEIPT_MASK
    if asked == RegisteredDelivery.ON_FAILURE:
        return state in FAILURE_CODES
    if asked == RegisteredDelivery.ON_SUCCESS:
        return state not in FAILURE_CODES
    return asked == RegisteredDelivery.ALWAYS


class ReceiptWriter:
    """Writes receipts as the options say."""

    def __init__(self, options: SimulatorOptions, random: Random) -> None:
        self._form = options.receipts
        self._shuffled = options.receipt_fields is ReceiptFields.SHUFFLED
        self.is_overlong = len(options.service_type) > _SERVICE_TYPE
        """Whether the service_type is one that no codec of ours writes: `body` does."""
        self._service_type = options.service_type
        self._field = "" if self.is_overlong else options.service_type
        self._zone = None if options.timezone == "UTC" else ZoneInfo(options.timezone)
        self._random = random

    def pdu(self, receipt: PendingReceipt, *, tlvs_allowed: bool) -> ReceiptPdu:
        """What tells a receipt, addresses swapped. ``receipt.done`` must be known.

        A peer of SMPP 3.3 knows no optional parameters and always gets the text, in a deliver_sm.
        """
        message, plan = receipt.message, receipt.plan
        tlvs = self._tlvs(receipt) if tlvs_allowed else ()
        esm_class = EsmClass.INTERMEDIATE_NOTIFICATION if plan.state in INTERMEDIATE_STATES else EsmClass.RECEIPT
        if self._form is ReceiptForm.DATA_SM and tlvs_allowed:
            return DataSm(
                service_type=self._field,
                source_addr_ton=message.dest_addr_ton,
                source_addr_npi=message.dest_addr_npi,
                source_addr=message.destination_addr,
                dest_addr_ton=message.source_addr_ton,
                dest_addr_npi=message.source_addr_npi,
                destination_addr=message.source_addr,
                esm_class=esm_class,
                tlvs=(*tlvs, Tlv(Tag.MESSAGE_PAYLOAD, self._text(receipt))),
            )
        return DeliverSm(
            service_type=self._field,
            source_addr_ton=message.dest_addr_ton,
            source_addr_npi=message.dest_addr_npi,
            source_addr=message.destination_addr,
            dest_addr_ton=message.source_addr_ton,
            dest_addr_npi=message.source_addr_npi,
            destination_addr=message.source_addr,
            esm_class=esm_class,
            short_message=b"" if self._form is ReceiptForm.TLV and tlvs_allowed else self._text(receipt),
            tlvs=tlvs,
        )

    def body(self, pdu: ReceiptPdu) -> bytes:
        """The octets behind the header, with the overlong service_type: it is the first field, empty so far."""
        return self._service_type.encode("ascii") + encode(pdu)[_HEADER:]

    def _text(self, receipt: PendingReceipt) -> bytes:
        message, plan, done = receipt.message, receipt.plan, receipt.done
        assert done is not None
        submitted = message.submitted
        if self._zone is not None:
            submitted, done = submitted.astimezone(self._zone), done.astimezone(self._zone)
        text = encode_receipt_text(
            message.message_id_in_receipts,
            plan.state,
            submit_date=f"{submitted:%y%m%d%H%M}",
            done_date=f"{done:%y%m%d%H%M}",
            err=f"{plan.error:03}",
            delivered=int(plan.state is MessageState.DELIVERED),
        )
        return self._shuffle(text) if self._shuffled else text

    def _shuffle(self, text: bytes) -> bytes:
        """The same labels in another order; an empty ``text:`` hides none that follows."""
        fields: list[tuple[bytes, bytes]] = _FIELD.findall(text)
        if self._random.random() < _MISSING:
            fields = [field for field in fields if field[0] not in _OFTEN_MISSING]
        self._random.shuffle(fields)
        return b" ".join(label + value for label, value in fields)

    def _tlvs(self, receipt: PendingReceipt) -> tuple[Tlv, ...]:
        message, plan = receipt.message, receipt.plan
        tlvs: list[Tlv] = []
        if message.reference is not None:
            tlvs.append(Tlv(Tag.USER_MESSAGE_REFERENCE, message.reference))
        if self._form is not ReceiptForm.TEXT:
            tlvs.append(Tlv(Tag.RECEIPTED_MESSAGE_ID, message.message_id_in_receipts.encode("ascii") + b"\0"))
            tlvs.append(Tlv(Tag.MESSAGE_STATE, bytes((plan.state,))))
            if plan.error:
                tlvs.append(Tlv(Tag.NETWORK_ERROR_CODE, bytes((_GSM,)) + plan.error.to_bytes(2, "big")))
        return tuple(tlvs)
