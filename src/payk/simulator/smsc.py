"""What the operator does with a message: decide, answer, promise the receipts, note it in the record."""

from __future__ import annotations

import asyncio
import hmac
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final, Protocol

from payk.clock import Clock
from payk.simulator.agenda import Agenda
from payk.simulator.mailbox import Carrier, Mailbox
from payk.simulator.message import Ledger, TakenMessage, as_submit_sm
from payk.simulator.message_id import id_maker
from payk.simulator.options import CONGESTION_AUTO, ReceiptRoute, SimulatorOptions
from payk.simulator.receipt import PendingReceipt, ReceiptPdu, ReceiptWriter, wanted
from payk.simulator.record import Kind, Line, Record
from payk.simulator.rule import STATE_NAMES, Fate
from payk.simulator.script import Script
from payk.smpp import (
    Bind,
    CommandStatus,
    DataSm,
    Request,
    Response,
    SubmitSm,
    SubmitSmResp,
    Tag,
    Tally,
    Tlv,
)

__all__ = ["Smsc", "Submit", "Submitter"]

_FLUSH_EVERY: Final = 0.1
_QUEUE_FULL: Final = Fate(CommandStatus.ESME_RMSGQFUL)
_IDS_A_SECOND: Final = 1_000_000


class Submitter(Carrier, Protocol):
    """A peer as the operator sees it."""

    number: int
    unanswered: int
    """Submits whose answer is still to come."""
    tlvs_allowed: bool
    """Whether it knows optional parameters."""

    def answer(self, request: Request, response: Response) -> bool:
        """False if the peer is gone."""

    def give_up(self, request: Request) -> None:
        """It will never be answered."""

    def drop(self) -> None:
        """End the connection without a word."""


def _drop(peer: Submitter) -> None:
    peer.drop()


@dataclass(slots=True)
class Submit:
    """A message on its way to its answer."""

    peer: Submitter
    pdu: SubmitSm
    fate: Fate
    arrived: datetime
    message_id: str | None
    """None: not taken."""
    message_id_in_receipts: str
    kind: Kind
    answer: Callable[[Submit], None] | None
    """Answers it if it did not come as submit_sm, and calls `Smsc.settle`. One that is lost is told too."""


class Smsc:
    """The one account of the operator, with all its binds."""

    def __init__(
        self, options: SimulatorOptions, script: Script, record: Record | None, *, clock: Clock, random: Random
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._random = random
        self._script = script
        self._record = record
        self._latency = options.latency / 1000
        self._max_binds = options.max_binds
        self._says_congestion = options.congestion is not None
        self._congestion = None if options.congestion == CONGESTION_AUTO else options.congestion
        self._credentials = (options.system_id.encode(), options.password.encode())
        self._bound: set[Submitter] = set()
        self._binds_seen = 0
        self._agenda = Agenda(self._loop)
        # Ids of a later run must not repeat those of an earlier one.
        first_id = int(clock.now().timestamp()) * _IDS_A_SECOND
        self.next_id = id_maker(options.ids, first_id, random)
        """The next message id: as answers write it, and as receipts do."""
        self.mailbox = Mailbox(
            self._agenda, clock, options.receipts_kept, on_other=options.receipts_on is ReceiptRoute.OTHER
        )
        self.ledger = Ledger(options.messages_kept)
        self.receipt_writer = ReceiptWriter(options, random)
        self.peer_errors = 0
        """How often peers broke the protocol."""
        self.strangers: defaultdict[str, Tally] = defaultdict(Tally)
        """By event, what there is to tell of connections that are not bound."""

    # Binds

    def admit(self, peer: Submitter, pdu: Bind) -> int:
        """The command_status that answers a bind; 0 binds the peer and gives it its number."""
        system_id, password = self._credentials
        known = hmac.compare_digest(pdu.system_id.encode(), system_id)
        if not (hmac.compare_digest(pdu.password.encode(), password) and known):
            return CommandStatus.ESME_RBINDFAIL
        if self._max_binds and len(self._bound) >= self._max_binds:
            return CommandStatus.ESME_RALYBND
        self._binds_seen += 1
        peer.number = self._binds_seen
        self._bound.add(peer)
        return CommandStatus.ESME_ROK

    def dismiss(self, peer: Submitter) -> None:
        """The peer is bound no more; repeating it is fine."""
        self._bound.discard(peer)
        self.mailbox.leave(peer)

    # Messages

    def submit(
        self,
        peer: Submitter,
        pdu: SubmitSm,
        *,
        kind: Kind = "submit_sm",
        ids: tuple[str, str] | None = None,
        answer: Callable[[Submit], None] | None = None,
    ) -> None:
        """A message has arrived. ``ids`` are its own if it shares them with others; ``kind`` and ``answer`` as `Submit`
        has them."""
        fate = self._script.fate(pdu, peer.unanswered, self._loop.time())
        if fate.receipts and self.mailbox.full and any(wanted(pdu.registered_delivery, p.state) for p in fate.receipts):
            fate = _QUEUE_FULL
        message_id, in_receipts = (ids or self.next_id()) if fate.taken else (None, "")
        submit = Submit(peer, pdu, fate, self._clock.now(), message_id, in_receipts, kind, answer)
        if fate.status is None:
            self._lose(submit)
            return
        if fate.receipt_first:
            self._promise_receipts(submit)
        peer.unanswered += 1
        delay = self._latency if fate.answer_after is None else fate.answer_after
        if delay > 0:
            self._agenda.add(delay, self._answer, submit)
        else:
            self._answer(submit)

    def settle(self, submit: Submit, status: int | None) -> None:
        """It is answered, or (None) never will be."""
        self._note_submit(submit, status)
        if not submit.fate.receipt_first:
            self._promise_receipts(submit)

    def told(self, peer: Submitter, pdu: ReceiptPdu, receipt: PendingReceipt, status: int | None) -> None:
        """A receipt that was sent is answered, or (None) will not be."""
        if self._record is not None and receipt.sent is not None:
            line = Line.of(
                as_submit_sm(pdu) if isinstance(pdu, DataSm) else pdu,
                "receipt",
                time=receipt.sent,
                bind=peer.number,
                message_id=receipt.message.message_id,
                status=status,
                state=STATE_NAMES[receipt.plan.state],
                attempt=receipt.attempts,
            )
            self.note(line)
        if status is None:
            self.mailbox.unanswered(receipt)
        else:
            self.mailbox.answered(receipt, status)

    def close(self) -> None:
        """Answers that are still to come are noted as never given."""
        for _, argument in self._agenda.clear():
            if isinstance(argument, Submit):
                self._note_submit(argument, None)

    def _lose(self, submit: Submit) -> None:
        fate, peer = submit.fate, submit.peer
        if fate.drop and fate.answer_after:
            self._agenda.add(fate.answer_after, _drop, peer)
        elif fate.drop:
            peer.drop()
        if submit.answer is not None:
            submit.answer(submit)
        else:
            peer.give_up(submit.pdu)
            self.settle(submit, None)

    def _answer(self, submit: Submit) -> None:
        submit.peer.unanswered -= 1
        if submit.answer is not None:
            submit.answer(submit)
            return
        status = submit.fate.status or CommandStatus.ESME_ROK
        message_id = "" if submit.fate.no_id else submit.message_id
        if not (self._says_congestion and submit.peer.tlvs_allowed):
            response = SubmitSmResp(message_id=message_id, command_status=status)
        else:
            response = SubmitSmResp(
                message_id=message_id or "", tlvs=(self._congestion_state(),), command_status=status
            )
        answered = submit.peer.answer(submit.pdu, response)
        self.settle(submit, status if answered else None)

    def _congestion_state(self) -> Tlv:
        state = self._script.rate_in_use(self._loop.time()) if self._congestion is None else self._congestion
        return Tlv.of(Tag.CONGESTION_STATE, state)

    def _promise_receipts(self, submit: Submit) -> None:
        """The message takes its course, and those receipts are promised that were asked for."""
        if submit.message_id is None:
            return
        pdu, fate = submit.pdu, submit.fate
        now = self._loop.time()
        message = TakenMessage.of(
            pdu, submit.message_id, submit.message_id_in_receipts, submit.arrived, submit.peer.number
        )
        message.taken_at = now
        message.plans = fate.receipts
        self.ledger.add(message)
        moments = []
        for plan in fate.receipts:
            spread = plan.latest - plan.earliest
            delay = plan.earliest + spread * self._random.random() if spread else plan.earliest
            moments.append(now + delay)
            if wanted(pdu.registered_delivery, plan.state):
                self.mailbox.add(PendingReceipt(message, plan), delay)
                if fate.duplicate:
                    self.mailbox.add(PendingReceipt(message, plan), delay)
        message.moments = tuple(moments)

    # The record

    def _note_submit(self, submit: Submit, status: int | None) -> None:
        if self._record is not None:
            line = Line.of(
                submit.pdu,
                submit.kind,
                time=submit.arrived,
                bind=submit.peer.number,
                message_id=submit.message_id,
                status=status,
            )
            self.note(line)

    def note(self, line: Line) -> None:
        if self._record is not None and self._record.add(line):
            self._loop.call_later(_FLUSH_EVERY, self._record.flush)
