"""What can be asked of the operator besides submit_sm: data_sm, submit_multi, query_sm, cancel_sm, replace_sm.

What it does not offer: cancelling a group of messages (an empty message_id), distribution lists, and to query, cancel
or replace the messages of a submit_multi, which have their id in common. It keeps no texts: what replace_sm puts in
place of one is in the record.
"""

from __future__ import annotations

import asyncio
from dataclasses import fields
from typing import Any, Final

from payk.clock import Clock
from payk.simulator.message import DELETED, TakenMessage, as_submit_sm
from payk.simulator.receipt import PendingReceipt, wanted
from payk.simulator.record import Line
from payk.simulator.script import time_fault
from payk.simulator.smsc import Smsc, Submit, Submitter
from payk.smpp import (
    CancelSm,
    CancelSmResp,
    CommandStatus,
    DataSm,
    DataSmResp,
    GenericNack,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    Request,
    SmeAddress,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    UnsuccessSme,
    refusal,
    smpp_time,
)

__all__ = ["Operations"]

_OF_ALL: Final = tuple(
    field.name
    for field in fields(SubmitMulti)
    if field.name not in {"dest_address", "command_status", "sequence_number"}
)
"""The fields of a submit_multi that each of its messages has."""


class Operations:
    """Carries them out for all binds of the account."""

    def __init__(self, smsc: Smsc, clock: Clock) -> None:
        self._smsc = smsc
        self._clock = clock
        self._loop = asyncio.get_running_loop()

    def carry_out(self, peer: Submitter, pdu: Request) -> None:
        match pdu:
            case DataSm():
                self._data(peer, pdu)
            case SubmitMulti():
                self._multi(peer, pdu)
            case QuerySm():
                self._query(peer, pdu)
            case CancelSm():
                self._cancel(peer, pdu)
            case ReplaceSm():
                self._replace(peer, pdu)
            case _:
                peer.answer(pdu, GenericNack(command_status=CommandStatus.ESME_RINVCMDID))

    # Messages

    def _data(self, peer: Submitter, pdu: DataSm) -> None:
        def answer(submit: Submit) -> None:
            status = submit.fate.status
            if status is None:
                peer.give_up(pdu)
            elif not peer.answer(pdu, DataSmResp(message_id=submit.message_id, command_status=status)):
                status = None
            self._smsc.settle(submit, status)

        self._smsc.submit(peer, as_submit_sm(pdu), kind="data_sm", answer=answer)

    def _multi(self, peer: Submitter, pdu: SubmitMulti) -> None:
        if not all(isinstance(destination, SmeAddress) for destination in pdu.dest_address):
            peer.answer(pdu, refusal(pdu, CommandStatus.ESME_RINVDLNAME))
            return
        ids = self._smsc.next_id()
        of_all: dict[str, Any] = {name: getattr(pdu, name) for name in _OF_ALL}
        done: list[Submit] = []

        def answer(submit: Submit) -> None:
            done.append(submit)
            if len(done) == len(pdu.dest_address):
                self._answer_multi(peer, pdu, ids[0], done)

        for destination in pdu.dest_address:
            assert isinstance(destination, SmeAddress)
            message = SubmitSm(
                dest_addr_ton=destination.dest_addr_ton,
                dest_addr_npi=destination.dest_addr_npi,
                destination_addr=destination.destination_addr,
                **of_all,
            )
            self._smsc.submit(peer, message, kind="submit_multi", ids=ids, answer=answer)

    def _answer_multi(self, peer: Submitter, pdu: SubmitMulti, message_id: str, done: list[Submit]) -> None:
        """All of its messages are decided: one answer, unless one of them is lost."""
        refused = tuple(
            UnsuccessSme(
                submit.pdu.dest_addr_ton, submit.pdu.dest_addr_npi, submit.pdu.destination_addr, submit.fate.status
            )
            for submit in done
            if submit.fate.status
        )
        answered = False
        if any(submit.fate.status is None for submit in done):
            peer.give_up(pdu)
        elif len(refused) == len(done):
            failed = CommandStatus.ESME_RSUBMITFAIL
            answered = peer.answer(pdu, SubmitMultiResp(message_id="", unsuccess_sme=refused, command_status=failed))
        else:
            answered = peer.answer(pdu, SubmitMultiResp(message_id=message_id, unsuccess_sme=refused))
        for submit in done:
            self._smsc.settle(submit, submit.fate.status if answered else None)

    # What became of them

    def _query(self, peer: Submitter, pdu: QuerySm) -> None:
        message = self._smsc.ledger.find(pdu.message_id)
        if message is None or message.source_addr != pdu.source_addr:
            status = CommandStatus.ESME_RINVMSGID if message is None else CommandStatus.ESME_RQUERYFAIL
            peer.answer(pdu, refusal(pdu, status))
            return
        standing = message.standing(self._loop.time())
        response = QuerySmResp(
            message_id=pdu.message_id,
            final_date=smpp_time.format_absolute(standing.since) if standing.final else "",
            message_state=standing.state,
            error_code=min(standing.error, 0xFF),
        )
        peer.answer(pdu, response)

    def _cancel(self, peer: Submitter, pdu: CancelSm) -> None:
        message = self._smsc.ledger.find(pdu.message_id)
        now = self._loop.time()
        if message is None and pdu.message_id:
            peer.answer(pdu, refusal(pdu, CommandStatus.ESME_RINVMSGID))
            return
        if message is None or not _is_meant(message, pdu) or message.standing(now).final:
            peer.answer(pdu, refusal(pdu, CommandStatus.ESME_RCANCELFAIL))
            return
        message = message.taken_back(now)
        self._smsc.ledger.change(message)
        peer.answer(pdu, CancelSmResp())
        if wanted(message.registered_delivery, DELETED.state):
            self._smsc.mailbox.add(PendingReceipt(message, DELETED), 0)

    def _replace(self, peer: Submitter, pdu: ReplaceSm) -> None:
        message = self._smsc.ledger.find(pdu.message_id)
        now = self._loop.time()
        status: int
        if message is None:
            status = CommandStatus.ESME_RINVMSGID
        elif message.source_addr != pdu.source_addr or message.standing(now).final:
            status = CommandStatus.ESME_RREPLACEFAIL
        else:
            status = time_fault(pdu) or CommandStatus.ESME_ROK
        if message is None or status:
            peer.answer(pdu, refusal(pdu, status))
            return
        message = message.asking(pdu.registered_delivery)
        self._smsc.ledger.change(message)
        answered = peer.answer(pdu, ReplaceSmResp())
        for moment, plan in zip(message.moments, message.plans, strict=True):
            if moment > now and wanted(message.registered_delivery, plan.state):
                self._smsc.mailbox.add(PendingReceipt(message, plan), moment - now)
        self._note_replacement(peer, pdu, message, status if answered else None)

    def _note_replacement(self, peer: Submitter, pdu: ReplaceSm, message: TakenMessage, status: int | None) -> None:
        replaced = SubmitSm(
            source_addr_ton=message.source_addr_ton,
            source_addr_npi=message.source_addr_npi,
            source_addr=message.source_addr,
            dest_addr_ton=message.dest_addr_ton,
            dest_addr_npi=message.dest_addr_npi,
            destination_addr=message.destination_addr,
            validity_period=pdu.validity_period,
            registered_delivery=pdu.registered_delivery,
            short_message=pdu.short_message,
            tlvs=pdu.tlvs,
        )
        self._smsc.note(
            Line.of(
                replaced,
                "replace_sm",
                time=self._clock.now(),
                bind=peer.number,
                message_id=message.message_id,
                status=status,
            )
        )


def _is_meant(message: TakenMessage, pdu: CancelSm) -> bool:
    """Its sender asks, and for the recipient that it had, if for any."""
    return message.source_addr == pdu.source_addr and pdu.destination_addr in ("", message.destination_addr)
