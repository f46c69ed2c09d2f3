"""How PDUs lie on the wire (SMPP 3.4 sections 4 and 5.2): one table, read by the encoder and the decoder.

A PDU is its header, these fields in this order, then its optional parameters. A field's name is the attribute of the
PDU's class; ``Kind.MESSAGE`` stands for sm_length and short_message together, the lists for their count and entries.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from payk.smpp import pdu
from payk.smpp.status import CommandStatus

__all__ = [
    "DISTRIBUTION_LIST",
    "LAYOUTS",
    "SME_ADDRESS",
    "SM_LENGTH_SENT",
    "UNSUCCESS_SME",
    "Field",
    "Kind",
    "Layout",
]

SM_LENGTH_SENT: Final = 254
"""Octets of the longest short_message that we send (section 5.2.21); 255 are accepted, as real peers send them."""


class Kind(Enum):
    OCTET = "unsigned integer of one octet"
    TEXT = "C-octet string"
    TIME = "C-octet string, empty or of 16 characters"
    MESSAGE = "sm_length and short_message"
    DESTINATIONS = "number_of_dests and dest_address"
    UNSUCCESS = "no_unsuccess and unsuccess_sme"


class Field(NamedTuple):
    name: str
    kind: Kind
    sent: int = 1
    """Octets of the longest string that we send, its NUL included."""
    accepted: int = 1
    """Octets of the longest string that we accept in a request; a response's may have any length."""
    fault: CommandStatus = CommandStatus.ESME_RINVCMDLEN
    """What answers a request in which this string is too long or has no NUL."""


class Layout(NamedTuple):
    pdu: type[pdu.Request | pdu.Response]
    fields: tuple[Field, ...] = ()
    takes_tlvs: bool = False
    response: type[pdu.Response] | None = None
    """What answers a request of this kind."""


_ANY: Final = 70_000


def _octet(name: str) -> Field:
    return Field(name, Kind.OCTET)


def _text(
    name: str, sent: int, fault: CommandStatus = CommandStatus.ESME_RINVCMDLEN, accepted: int | None = None
) -> Field:
    return Field(name, Kind.TEXT, sent, accepted or sent, fault)


def _time(name: str, fault: CommandStatus = CommandStatus.ESME_RINVCMDLEN) -> Field:
    return Field(name, Kind.TIME, 17, 17, fault)


def _address(prefix: str, name: str, sent: int, fault: CommandStatus) -> tuple[Field, ...]:
    return (_octet(f"{prefix}_addr_ton"), _octet(f"{prefix}_addr_npi"), _text(name, sent, fault))  # 5.2.5 to 5.2.9


def _source(sent: int = 21) -> tuple[Field, ...]:
    return _address("source", "source_addr", sent, CommandStatus.ESME_RINVSRCADR)


def _destination(sent: int = 21) -> tuple[Field, ...]:
    return _address("dest", "destination_addr", sent, CommandStatus.ESME_RINVDSTADR)


# Live credentials are longer than the specification's 16 and 9 octets; a service_type of 7 characters is seen too.
_SYSTEM_ID: Final = _text("system_id", 16, CommandStatus.ESME_RINVSYSID, accepted=65)  # 5.2.1
_PASSWORD: Final = Field("password", Kind.TEXT, 65, 65, CommandStatus.ESME_RINVPASWD)  # 5.2.2
_SERVICE_TYPE: Final = _text("service_type", 6, CommandStatus.ESME_RINVSERTYP, accepted=_ANY)  # 5.2.11
_MESSAGE_ID: Final = _text("message_id", 65, CommandStatus.ESME_RINVMSGID)  # 5.2.23
_SCHEDULE: Final = _time("schedule_delivery_time", CommandStatus.ESME_RINVSCHED)  # 5.2.15
_VALIDITY: Final = _time("validity_period", CommandStatus.ESME_RINVEXPIRY)  # 5.2.16

SME_ADDRESS: Final = _destination()  # 4.5.1.1
DISTRIBUTION_LIST: Final = (_text("dl_name", 21, CommandStatus.ESME_RINVDLNAME),)  # 4.5.1.2
UNSUCCESS_SME: Final = _destination()  # 4.5.2.1, and error_status_code of four octets behind it

_BIND: Final = (
    _SYSTEM_ID,
    _PASSWORD,
    _text("system_type", 13, CommandStatus.ESME_RINVSYSTYP),  # 5.2.3
    _octet("interface_version"),  # 5.2.4
    _octet("addr_ton"),  # 5.2.5
    _octet("addr_npi"),  # 5.2.6
    _text("address_range", 41),  # 5.2.7
)
_ESM_TO_MESSAGE: Final = (
    _octet("esm_class"),  # 5.2.12
    _octet("protocol_id"),  # 5.2.13
    _octet("priority_flag"),  # 5.2.14
    _SCHEDULE,
    _VALIDITY,
    _octet("registered_delivery"),  # 5.2.17
    _octet("replace_if_present_flag"),  # 5.2.18
    _octet("data_coding"),  # 5.2.19
    _octet("sm_default_msg_id"),  # 5.2.20
    Field("short_message", Kind.MESSAGE),  # 5.2.21, 5.2.22
)
_SUBMIT: Final = (_SERVICE_TYPE, *_source(), *_destination(), *_ESM_TO_MESSAGE)

LAYOUTS: Final = (
    Layout(pdu.BindTransmitter, _BIND, response=pdu.BindTransmitterResp),  # 4.1.1
    Layout(pdu.BindTransmitterResp, (_SYSTEM_ID,), takes_tlvs=True),  # 4.1.2
    Layout(pdu.BindReceiver, _BIND, response=pdu.BindReceiverResp),  # 4.1.3
    Layout(pdu.BindReceiverResp, (_SYSTEM_ID,), takes_tlvs=True),  # 4.1.4
    Layout(pdu.BindTransceiver, _BIND, response=pdu.BindTransceiverResp),  # 4.1.5
    Layout(pdu.BindTransceiverResp, (_SYSTEM_ID,), takes_tlvs=True),  # 4.1.6
    Layout(pdu.Outbind, (_SYSTEM_ID, _PASSWORD)),  # 4.1.7
    Layout(pdu.Unbind, response=pdu.UnbindResp),  # 4.2.1
    Layout(pdu.UnbindResp),  # 4.2.2
    Layout(pdu.GenericNack),  # 4.3.1
    Layout(pdu.SubmitSm, _SUBMIT, takes_tlvs=True, response=pdu.SubmitSmResp),  # 4.4.1
    Layout(pdu.SubmitSmResp, (_MESSAGE_ID,), takes_tlvs=True),  # 4.4.2; TLVs are 5.0's
    Layout(  # 4.5.1
        pdu.SubmitMulti,
        (_SERVICE_TYPE, *_source(), Field("dest_address", Kind.DESTINATIONS), *_ESM_TO_MESSAGE),
        takes_tlvs=True,
        response=pdu.SubmitMultiResp,
    ),
    Layout(pdu.SubmitMultiResp, (_MESSAGE_ID, Field("unsuccess_sme", Kind.UNSUCCESS)), takes_tlvs=True),  # 4.5.2
    Layout(pdu.DeliverSm, _SUBMIT, takes_tlvs=True, response=pdu.DeliverSmResp),  # 4.6.1
    Layout(pdu.DeliverSmResp, (_MESSAGE_ID,), takes_tlvs=True),  # 4.6.2; TLVs are 5.0's
    Layout(  # 4.7.1; 5.0 cuts the addresses to 21 octets
        pdu.DataSm,
        (
            _SERVICE_TYPE,
            *_source(65),
            *_destination(65),
            _octet("esm_class"),
            _octet("registered_delivery"),
            _octet("data_coding"),
        ),
        takes_tlvs=True,
        response=pdu.DataSmResp,
    ),
    Layout(pdu.DataSmResp, (_MESSAGE_ID,), takes_tlvs=True),  # 4.7.2
    Layout(pdu.QuerySm, (_MESSAGE_ID, *_source()), response=pdu.QuerySmResp),  # 4.8.1
    Layout(pdu.QuerySmResp, (_MESSAGE_ID, _time("final_date"), _octet("message_state"), _octet("error_code"))),  # 4.8.2
    Layout(pdu.CancelSm, (_SERVICE_TYPE, _MESSAGE_ID, *_source(), *_destination()), response=pdu.CancelSmResp),  # 4.9.1
    Layout(pdu.CancelSmResp),  # 4.9.2
    Layout(  # 4.10.1; TLVs are 5.0's
        pdu.ReplaceSm,
        (
            _MESSAGE_ID,
            *_source(),
            _SCHEDULE,
            _VALIDITY,
            _octet("registered_delivery"),
            _octet("sm_default_msg_id"),
            Field("short_message", Kind.MESSAGE),
        ),
        takes_tlvs=True,
        response=pdu.ReplaceSmResp,
    ),
    Layout(pdu.ReplaceSmResp),  # 4.10.2
    Layout(pdu.EnquireLink, response=pdu.EnquireLinkResp),  # 4.11.1
    Layout(pdu.EnquireLinkResp),  # 4.11.2
    Layout(  # 4.12.1
        pdu.AlertNotification,
        (*_source(65), *_address("esme", "esme_addr", 65, CommandStatus.ESME_RINVCMDLEN)),
        takes_tlvs=True,
    ),
)
