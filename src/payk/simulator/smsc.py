"""What the operator does with a submit_sm: decide, answer, promise the receipts, note it in the record."""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final, Protocol

from payk.clock import Clock
from payk.simulator.agenda import Agenda
from payk.simulator.mailbox import Carrier, Mailbox
from payk.simulator.message_id import id_maker
from payk.simulator.options import SimulatorOptions
from payk.simulator.receipt import PendingReceipt, TakenMessage, wanted
from payk.simulator.record import Line, Record
from payk.simulator.rule import STATE_NAMES, Fate, ReceiptPlan
from payk.simulator.script import Script
from payk.smpp import Bind, CommandStatus, DeliverSm, SubmitSm, SubmitSmResp

__all__ = ["Smsc", "Submitter"]

_FLUSH_EVERY: Final = 0.1
_QUEUE_FULL: Final = Fate(CommandStatus.ESME_RMSGQFUL)
_IDS_A_SECOND: Final = 1_000_000


class Submitter(Carrier, Protocol):
    """A peer as the operator sees it."""

    number: int
    unanswered: int
    """Submits whose answer is still to come."""

    def answer(self, pdu: SubmitSm, response: SubmitSmResp) -> bool:
        """False if the peer is gone."""

    def drop(self) -> None:
        """End the connection without a word."""


def _drop(peer: Submitter) -> None:
    peer.drop()


@dataclass(slots=True)
class _Submit:
    """A submit_sm on its way to its answer."""

    peer: Submitter
    pdu: SubmitSm
    fate: Fate
    plans: list[ReceiptPlan]
    """Those receipts of the fate that were asked for."""
    arrived: datetime
    message_id: str | None
    message_id_in_receipts: str


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
        self._credentials = (options.system_id.encode(), options.password.encode())
        self._bound: set[Submitter] = set()
        self._binds_seen = 0
        self._agenda = Agenda(self._loop)
        # Ids of a later run must not repeat those of an earlier one.
        first_id = int(clock.now().timestamp()) * _IDS_A_SECOND
        self._next_id = id_maker(options.ids, first_id, random)
        self.mailbox = Mailbox(self._agenda, clock, options.receipts_kept)

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

    def submit(self, peer: Submitter, pdu: SubmitSm) -> None:
        """A submit_sm has arrived."""
        fate = self._script.fate(pdu, peer.unanswered, self._loop.time())
        plans = [plan for plan in fate.receipts if wanted(pdu.registered_delivery, plan.state)]
        if plans and self.mailbox.full:
            fate, plans = _QUEUE_FULL, []
        message_id, in_receipts = self._next_id() if fate.taken else (None, "")
        submit = _Submit(peer, pdu, fate, plans, self._clock.now(), message_id, in_receipts)
        if fate.status is None:
            self._note_submit(submit, None)
            if fate.drop and fate.answer_after:
                self._agenda.add(fate.answer_after, _drop, peer)
            elif fate.drop:
                peer.drop()
            self._promise_receipts(submit)
            return
        if fate.receipt_first:
            self._promise_receipts(submit)
        peer.unanswered += 1
        delay = self._latency if fate.answer_after is None else fate.answer_after
        if delay > 0:
            self._agenda.add(delay, self._answer, submit)
        else:
            self._answer(submit)

    def told(self, peer: Submitter, pdu: DeliverSm, receipt: PendingReceipt, status: int | None) -> None:
        """A receipt that was sent is answered, or (None) will not be."""
        if self._record is not None and receipt.sent is not None:
            line = Line.of(
                pdu,
                time=receipt.sent,
                bind=peer.number,
                message_id=receipt.message.message_id,
                status=status,
                state=STATE_NAMES[receipt.plan.state],
                attempt=receipt.attempts,
            )
            self._note(line)
        if status is None:
            self.mailbox.unanswered(receipt)
        else:
            self.mailbox.answered(receipt, status)

    def close(self) -> None:
        """Answers that are still to come are noted as never given."""
        for _, argument in self._agenda.clear():
            if isinstance(argument, _Submit):
                self._note_submit(argument, None)

    def _answer(self, submit: _Submit) -> None:
        submit.peer.unanswered -= 1
        status = submit.fate.status or CommandStatus.ESME_ROK
        response = SubmitSmResp(message_id=submit.message_id, command_status=status)
        answered = submit.peer.answer(submit.pdu, response)
        self._note_submit(submit, status if answered else None)
        if not submit.fate.receipt_first:
            self._promise_receipts(submit)

    def _promise_receipts(self, submit: _Submit) -> None:
        if not submit.plans or submit.message_id is None:
            return
        message = TakenMessage.of(submit.pdu, submit.message_id, submit.message_id_in_receipts, submit.arrived)
        for plan in submit.plans:
            spread = plan.latest - plan.earliest
            delay = plan.earliest + spread * self._random.random() if spread else plan.earliest
            self.mailbox.add(PendingReceipt(message, plan), delay)

    # The record

    def _note_submit(self, submit: _Submit, status: int | None) -> None:
        if self._record is not None:
            line = Line.of(
                submit.pdu, time=submit.arrived, bind=submit.peer.number, message_id=submit.message_id, status=status
            )
            self._note(line)

    def _note(self, line: Line) -> None:
        if self._record is not None and self._record.add(line):
            self._loop.call_later(_FLUSH_EVERY, self._record.flush)
