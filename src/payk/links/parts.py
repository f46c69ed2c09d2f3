"""A message as the submit_sm of its parts, written the way its link's operator wants them.

A resend makes the same references again, so that a phone joins it with the parts it has and the operator's receipts
name the same message.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from payk.domain.message import concatenation_reference, user_message_reference
from payk.domain.operator import Link, ValidityForm
from payk.domain.outcome import Submission
from payk.links.address import Address, recipient_ton_npi, sender_address
from payk.links.wire_text import TextEncoder, WireText
from payk.smpp import (
    CommandStatus,
    EsmClass,
    InterfaceVersion,
    RegisteredDelivery,
    SubmitSm,
    Tag,
    Tlv,
    concatenation_8bit,
    concatenation_16bit,
    smpp_time,
)
from payk.text import ConcatMethod, count_parts
from payk.value import value

__all__ = ["PartsEncoder", "UnsendableError", "WirePart", "without_hints"]

_MOST_PARTS: Final = 255  # concatenation counts no further
_SENDERS: Final = 1_000  # whose addresses a link remembers
_REFERENCE: Final = int(Tag.USER_MESSAGE_REFERENCE)
_MORE: Final = Tlv.of(Tag.MORE_MESSAGES_TO_SEND, 1)
_HINTS: Final = frozenset({Tag.USER_MESSAGE_REFERENCE, Tag.MORE_MESSAGES_TO_SEND})
_SECOND: Final = timedelta(seconds=1)
_absolute: Final = lru_cache(1_000)(smpp_time.format_absolute)
"""Of whole seconds, in which many messages end."""
_LONGEST_RELATIVE: Final = timedelta(days=99)


class UnsendableError(Exception):
    """This link cannot carry the message however often it is tried; `command_status` is what an operator would say."""

    def __init__(self, reason: str, command_status: CommandStatus) -> None:
        super().__init__(reason)
        self.command_status = command_status


@value
class WirePart:
    """One submit_sm and the parts it carries: one, or all of them where the operator does the cutting."""

    numbers: tuple[int, ...]
    pdu: SubmitSm


def without_hints(pdu: SubmitSm) -> SubmitSm:
    """The same without the parameters that a message can do without; itself if it has none.

    For operators that speak 3.3, or refuse what they do not know. Without a reference a receipt whose submit was never
    answered can only be told by its addresses.
    """
    tlvs = tuple([tlv for tlv in pdu.tlvs if tlv.tag not in _HINTS])
    return pdu if len(tlvs) == len(pdu.tlvs) else replace(pdu, tlvs=tlvs)


@value
class _Body:
    """Of one part: what lies in short_message, or beside it."""

    short_message: bytes
    esm_class: int = 0
    tlvs: tuple[Tlv, ...] = ()


class PartsEncoder:
    """Writes messages for one link."""

    def __init__(self, settings: Link) -> None:
        self._settings = settings
        self._texts = TextEncoder(settings.charset_map)
        self._method = ConcatMethod(settings.long_text.value)
        self._source = lru_cache(_SENDERS)(lambda sender: sender_address(sender, settings.ton_npi))
        self._dest_ton, self._dest_npi = recipient_ton_npi(settings.ton_npi)
        # 3.3 knows no TLVs; a link that wants SAR or message_payload gets these all the same.
        self._takes_tlvs = settings.interface_version >= InterfaceVersion.V3_4

    def encode(self, submission: Submission) -> list[WirePart]:
        """The parts that are to be sent, in order. A part asked for that the text does not have here is left out.

        `UnsendableError` if the sender or the text cannot go over this link.
        """
        source = self._source(submission.sender)
        if source is None:
            raise UnsendableError("sender", CommandStatus.ESME_RINVSRCADR)
        method, whole = self._method, None
        if method is ConcatMethod.PAYLOAD:
            whole = tuple(range(1, count_parts(submission.text)[1] + 1))
            if submission.parts_left is not None and set(submission.parts_left) != set(whole):
                method, whole = ConcatMethod.UDH8, None  # the others went over a link that cuts
        text = self._texts.encode(submission.text, method)
        if text is None:
            raise UnsendableError("no charset of the link holds the text", CommandStatus.ESME_RINVDCS)
        total = len(text.pieces)
        if total > _MOST_PARTS:
            raise UnsendableError(f"{total} parts", CommandStatus.ESME_RINVMSGLEN)
        if whole is not None:
            return [WirePart(whole, self._submit_sm(submission, source, text, _whole_body(text), 1, more=False))]
        reference = 0 if total == 1 else concatenation_reference(submission.message_id, submission.phone)
        wanted = range(1, total + 1) if submission.parts_left is None else submission.parts_left
        parts: list[WirePart] = []
        numbers = [number for number in wanted if number <= total]
        for number in numbers:
            body = _part_body(text, method, reference, number)
            pdu = self._submit_sm(submission, source, text, body, number, more=number != numbers[-1])
            parts.append(WirePart((number,), pdu))
        return parts

    def _submit_sm(
        self, submission: Submission, source: Address, text: WireText, body: _Body, number: int, *, more: bool
    ) -> SubmitSm:
        settings = self._settings
        tlvs = body.tlvs
        if self._takes_tlvs:
            reference = user_message_reference(submission.message_id, number).to_bytes(2, "big")
            tlvs = (Tlv(_REFERENCE, reference), *tlvs)
            if more:
                tlvs = (*tlvs, _MORE)
        return SubmitSm(  # in the order of its fields, which is half the price of their names
            settings.service_type,
            source.ton,
            source.npi,
            source.text,
            self._dest_ton,
            self._dest_npi,
            submission.phone,
            body.esm_class,
            0,  # protocol_id
            settings.priority_map.get(submission.sms_type, 0),
            "",  # schedule_delivery_time
            _validity(submission, settings),
            RegisteredDelivery.ALWAYS,
            0,  # replace_if_present_flag
            text.data_coding,
            0,  # sm_default_msg_id
            body.short_message,
            tlvs,
        )


def _whole_body(text: WireText) -> _Body:
    if text.fits_one:
        return _Body(text.pieces[0])
    return _Body(b"", tlvs=(Tlv.of(Tag.MESSAGE_PAYLOAD, text.pieces[0]),))


def _part_body(text: WireText, method: ConcatMethod, reference: int, number: int) -> _Body:
    piece, total = text.pieces[number - 1], len(text.pieces)
    if total == 1:
        return _Body(piece)
    if method is ConcatMethod.UDH8:
        return _Body(concatenation_8bit(reference & 0xFF, total, number) + piece, EsmClass.UDHI)
    if method is ConcatMethod.UDH16:
        return _Body(concatenation_16bit(reference, total, number) + piece, EsmClass.UDHI)
    sar = (
        Tlv.of(Tag.SAR_MSG_REF_NUM, reference),
        Tlv.of(Tag.SAR_TOTAL_SEGMENTS, total),
        Tlv.of(Tag.SAR_SEGMENT_SEQNUM, number),
    )
    return _Body(piece, tlvs=sar)


def _validity(submission: Submission, settings: Link) -> str:
    """Never less than the operator's shortest validity ahead; "" leaves it to the operator."""
    if submission.valid_until is None or settings.validity is ValidityForm.NONE:
        return ""
    shortest = submission.now + timedelta(seconds=settings.min_validity)
    moment = _up_to_second(max(submission.valid_until, shortest))
    if settings.validity is ValidityForm.RELATIVE:
        seconds = math.ceil((moment - submission.now).total_seconds())
        return smpp_time.format_relative(min(timedelta(seconds=seconds), _LONGEST_RELATIVE))
    return _absolute(moment)


def _up_to_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0) + _SECOND if moment.microsecond else moment
