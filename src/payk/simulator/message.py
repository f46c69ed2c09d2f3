"""The messages that the operator has taken: what it still knows of them, and what became of them.

The texts are not kept. Moments are those of the event loop, but for ``submitted``, which receipts tell.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from payk.simulator.rule import FAILURE_CODES, ReceiptPlan
from payk.smpp import DataSm, MessageState, SubmitSm, Tag, find_tlv

__all__ = ["DELETED", "Ledger", "Standing", "TakenMessage", "as_submit_sm"]

_FINAL: Final = frozenset(
    {
        MessageState.DELIVERED,
        MessageState.EXPIRED,
        MessageState.DELETED,
        MessageState.UNDELIVERABLE,
        MessageState.REJECTED,
    }
)
_ON_ITS_WAY: Final = ReceiptPlan(MessageState.ENROUTE)
DELETED: Final = ReceiptPlan(MessageState.DELETED, error=FAILURE_CODES[MessageState.DELETED])
"""What a message comes to that its sender has taken back."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a message stands."""

    state: MessageState
    error: int
    since: datetime

    @property
    def final(self) -> bool:
        return self.state in _FINAL


@dataclass(slots=True)
class TakenMessage:
    """Not frozen, for each message makes one. What changes a message makes another and leaves this one ``void``."""

    message_id: str
    """As submit_sm_resp wrote it."""
    message_id_in_receipts: str
    submitted: datetime
    bind: int
    """Number of the session that it came over."""
    registered_delivery: int
    source_addr_ton: int
    source_addr_npi: int
    source_addr: str
    dest_addr_ton: int
    dest_addr_npi: int
    destination_addr: str
    reference: bytes | None
    """user_message_reference, as it came."""
    taken_at: float = 0.0
    plans: tuple[ReceiptPlan, ...] = ()
    """The states that it comes into, whether anybody asked to be told or not."""
    moments: tuple[float, ...] = ()
    """When, one for each."""
    void: bool = False
    """Its receipts that are still to come are not sent."""

    @classmethod
    def of(
        cls, pdu: SubmitSm, message_id: str, message_id_in_receipts: str, submitted: datetime, bind: int = 0
    ) -> TakenMessage:
        return cls(
            message_id,
            message_id_in_receipts,
            submitted,
            bind,
            pdu.registered_delivery,
            pdu.source_addr_ton,
            pdu.source_addr_npi,
            pdu.source_addr,
            pdu.dest_addr_ton,
            pdu.dest_addr_npi,
            pdu.destination_addr,
            find_tlv(pdu.tlvs, Tag.USER_MESSAGE_REFERENCE) if pdu.tlvs else None,
        )

    def standing(self, now: float) -> Standing:
        moment, plan = self.taken_at, _ON_ITS_WAY
        for at, step in zip(self.moments, self.plans, strict=True):
            if moment <= at <= now:
                moment, plan = at, step
        return Standing(plan.state, plan.error, self.submitted + timedelta(seconds=moment - self.taken_at))

    def taken_back(self, now: float) -> TakenMessage:
        """The same, deleted by its sender."""
        self.void = True
        return replace(self, plans=(DELETED,), moments=(now,), void=False)

    def asking(self, registered_delivery: int) -> TakenMessage:
        """The same, with another wish for receipts."""
        self.void = True
        return replace(self, registered_delivery=registered_delivery, void=False)


def as_submit_sm(pdu: DataSm) -> SubmitSm:
    """The same message; its text stays in message_payload."""
    return SubmitSm(
        service_type=pdu.service_type,
        source_addr_ton=pdu.source_addr_ton,
        source_addr_npi=pdu.source_addr_npi,
        source_addr=pdu.source_addr,
        dest_addr_ton=pdu.dest_addr_ton,
        dest_addr_npi=pdu.dest_addr_npi,
        destination_addr=pdu.destination_addr,
        esm_class=pdu.esm_class,
        registered_delivery=pdu.registered_delivery,
        data_coding=pdu.data_coding,
        tlvs=pdu.tlvs,
    )


class Ledger:
    """The last so many messages by their id. One that several messages share, as submit_multi gives it, is of none."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._messages: OrderedDict[str, TakenMessage | None] = OrderedDict()
        self._unsorted: deque[TakenMessage] = deque(maxlen=most)  # thousands are taken for one that is asked for

    def add(self, message: TakenMessage) -> None:
        self._unsorted.append(message)

    def change(self, message: TakenMessage) -> None:
        """In place of the one of the same id."""
        self._messages[message.message_id] = message

    def find(self, message_id: str) -> TakenMessage | None:
        """None: the id is not known, or not any more."""
        messages = self._messages
        for message in self._unsorted:
            messages[message.message_id] = None if message.message_id in messages else message
        self._unsorted.clear()
        while len(messages) > self._most:
            messages.popitem(last=False)
        return messages.get(message_id)
