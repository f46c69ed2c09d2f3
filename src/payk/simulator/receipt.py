"""Receipts as deliver_sm (SMPP 3.4 sections 4.6 and 5.2.12.1, appendix B)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from payk.simulator.options import ReceiptForm
from payk.simulator.rule import FAILURE_CODES, INTERMEDIATE_STATES, ReceiptPlan
from payk.smpp import (
    DeliverSm,
    EsmClass,
    MessageState,
    RegisteredDelivery,
    SubmitSm,
    Tag,
    Tlv,
    encode_receipt_text,
    find_tlv,
)

__all__ = ["PendingReceipt", "TakenMessage", "receipt_pdu", "wanted"]

_GSM: Final = 3  # the network of network_error_code, section 5.3.2.31


@dataclass(slots=True)
class TakenMessage:
    """What receipts repeat of a message; the message itself is not kept. Not frozen, for each message makes one."""

    message_id: str
    """As submit_sm_resp wrote it."""
    message_id_in_receipts: str
    submitted: datetime
    source_addr_ton: int
    source_addr_npi: int
    source_addr: str
    dest_addr_ton: int
    dest_addr_npi: int
    destination_addr: str
    reference: bytes | None
    """user_message_reference, as it came."""

    @classmethod
    def of(cls, pdu: SubmitSm, message_id: str, message_id_in_receipts: str, submitted: datetime) -> TakenMessage:
        return cls(
            message_id,
            message_id_in_receipts,
            submitted,
            pdu.source_addr_ton,
            pdu.source_addr_npi,
            pdu.source_addr,
            pdu.dest_addr_ton,
            pdu.dest_addr_npi,
            pdu.destination_addr,
            find_tlv(pdu.tlvs, Tag.USER_MESSAGE_REFERENCE),
        )


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


def receipt_pdu(receipt: PendingReceipt, form: ReceiptForm, *, tlvs_allowed: bool) -> DeliverSm:
    """The deliver_sm that tells a receipt, addresses swapped. ``receipt.done`` must be known.

    A peer of SMPP 3.3 knows no optional parameters and always gets the text.
    """
    message, plan = receipt.message, receipt.plan
    return DeliverSm(
        source_addr_ton=message.dest_addr_ton,
        source_addr_npi=message.dest_addr_npi,
        source_addr=message.destination_addr,
        dest_addr_ton=message.source_addr_ton,
        dest_addr_npi=message.source_addr_npi,
        destination_addr=message.source_addr,
        esm_class=(EsmClass.INTERMEDIATE_NOTIFICATION if plan.state in INTERMEDIATE_STATES else EsmClass.RECEIPT),
        short_message=b"" if form is ReceiptForm.TLV and tlvs_allowed else _text(receipt),
        tlvs=_tlvs(receipt, form) if tlvs_allowed else (),
    )


def _text(receipt: PendingReceipt) -> bytes:
    message, plan = receipt.message, receipt.plan
    return encode_receipt_text(
        message.message_id_in_receipts,
        plan.state,
        submit_date=f"{message.submitted:%y%m%d%H%M}",
        done_date=f"{receipt.done:%y%m%d%H%M}",
        err=f"{plan.error:03}",
        delivered=int(plan.state is MessageState.DELIVERED),
    )


def _tlvs(receipt: PendingReceipt, form: ReceiptForm) -> tuple[Tlv, ...]:
    message, plan = receipt.message, receipt.plan
    tlvs: list[Tlv] = []
    if message.reference is not None:
        tlvs.append(Tlv(Tag.USER_MESSAGE_REFERENCE, message.reference))
    if form is not ReceiptForm.TEXT:
        tlvs.append(Tlv(Tag.RECEIPTED_MESSAGE_ID, message.message_id_in_receipts.encode("ascii") + b"\0"))
        tlvs.append(Tlv(Tag.MESSAGE_STATE, bytes((plan.state,))))
        if plan.error:
            tlvs.append(Tlv(Tag.NETWORK_ERROR_CODE, bytes((_GSM,)) + plan.error.to_bytes(2, "big")))
    return tuple(tlvs)
