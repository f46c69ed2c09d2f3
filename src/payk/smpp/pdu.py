"""The PDUs as values (SMPP 3.4 section 4): what each carries, with its defaults.

How they lie on the wire is in `layout` and `codec`. Text-like fields are `str`, one character per octet (latin-1, so
nothing is lost); message bodies are `bytes`; integers are raw. ``command_status`` means something in responses only.
``sequence_number`` 0 means "not yet given": the session gives one. ``message_id`` and ``system_id`` of a response are
None when its body was absent.

Construct them with keyword arguments. What must not get into a log, passwords and texts, is not in their `repr`.
"""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from payk.smpp.command import CommandId
from payk.smpp.tlv import Tlv
from payk.value import value

__all__ = [
    "AlertNotification",
    "Bind",
    "BindReceiver",
    "BindReceiverResp",
    "BindResp",
    "BindTransceiver",
    "BindTransceiverResp",
    "BindTransmitter",
    "BindTransmitterResp",
    "CancelSm",
    "CancelSmResp",
    "DataSm",
    "DataSmResp",
    "DeliverSm",
    "DeliverSmResp",
    "DistributionList",
    "EnquireLink",
    "EnquireLinkResp",
    "GenericNack",
    "Outbind",
    "Pdu",
    "QuerySm",
    "QuerySmResp",
    "ReplaceSm",
    "ReplaceSmResp",
    "Request",
    "Response",
    "SmeAddress",
    "SubmitMulti",
    "SubmitMultiResp",
    "SubmitSm",
    "SubmitSmResp",
    "Unbind",
    "UnbindResp",
    "UnknownPdu",
    "UnsuccessSme",
]


@value
class BindReceiver:
    """Section 4.1.3."""

    command_id: ClassVar = CommandId.BIND_RECEIVER
    system_id: str = ""
    password: str = field(default="", repr=False)
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""
    command_status: int = 0
    sequence_number: int = 0


@value
class BindTransmitter:
    """Section 4.1.1."""

    command_id: ClassVar = CommandId.BIND_TRANSMITTER
    system_id: str = ""
    password: str = field(default="", repr=False)
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""
    command_status: int = 0
    sequence_number: int = 0


@value
class BindTransceiver:
    """Section 4.1.5."""

    command_id: ClassVar = CommandId.BIND_TRANSCEIVER
    system_id: str = ""
    password: str = field(default="", repr=False)
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""
    command_status: int = 0
    sequence_number: int = 0


@value
class BindReceiverResp:
    """Section 4.1.4."""

    command_id: ClassVar = CommandId.BIND_RECEIVER_RESP
    system_id: str | None = None
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = 0
    sequence_number: int = 0


@value
class BindTransmitterResp:
    """Section 4.1.2."""

    command_id: ClassVar = CommandId.BIND_TRANSMITTER_RESP
    system_id: str | None = None
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = 0
    sequence_number: int = 0


@value
class BindTransceiverResp:
    """Section 4.1.6."""

    command_id: ClassVar = CommandId.BIND_TRANSCEIVER_RESP
    system_id: str | None = None
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = 0
    sequence_number: int = 0


@value
class Outbind:
    """Section 4.1.7; the SMSC asks an ESME to bind. No response."""

    command_id: ClassVar = CommandId.OUTBIND
    system_id: str = ""
    password: str = field(default="", repr=False)
    command_status: int = 0
    sequence_number: int = 0


@value
class Unbind:
    """Section 4.2.1."""

    command_id: ClassVar = CommandId.UNBIND
    command_status: int = 0
    sequence_number: int = 0


@value
class UnbindResp:
    """Section 4.2.2."""

    command_id: ClassVar = CommandId.UNBIND_RESP
    command_status: int = 0
    sequence_number: int = 0


@value
class GenericNack:
    """Section 4.3.1."""

    command_id: ClassVar = CommandId.GENERIC_NACK
    command_status: int = 0
    sequence_number: int = 0


@value
class EnquireLink:
    """Section 4.11.1."""

    command_id: ClassVar = CommandId.ENQUIRE_LINK
    command_status: int = 0
    sequence_number: int = 0


@value
class EnquireLinkResp:
    """Section 4.11.2."""

    command_id: ClassVar = CommandId.ENQUIRE_LINK_RESP
    command_status: int = 0
    sequence_number: int = 0


@value
class SubmitSm:
    """Section 4.4.1. ``sm_length`` is the length of ``short_message`` and is not a field of its own."""

    command_id: ClassVar = CommandId.SUBMIT_SM
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = field(default=b"", repr=False)
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = 0
    sequence_number: int = 0


@value
class SubmitSmResp:
    """Section 4.4.2. ``message_id`` None: no body."""

    command_id: ClassVar = CommandId.SUBMIT_SM_RESP
    message_id: str | None = None
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = 0
    sequence_number: int = 0


@value
class DeliverSm:
    """Section 4.6.1; the layout of submit_sm."""

    command_id: ClassVar = CommandId.DELIVER_SM
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = field(default=b"", repr=False)
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = 0
    sequence_number: int = 0


@value
class DeliverSmResp:
    """Section 4.6.2. ``message_id`` is unused and sent as a single NUL."""

    command_id: ClassVar = CommandId.DELIVER_SM_RESP
    message_id: str | None = ""
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = 0
    sequence_number: int = 0


@value
class DataSm:
    """Section 4.7.1; the text lies in the message_payload TLV."""

    command_id: ClassVar = CommandId.DATA_SM
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = 0
    sequence_number: int = 0


@value
class DataSmResp:
    """Section 4.7.2."""

    command_id: ClassVar = CommandId.DATA_SM_RESP
    message_id: str | None = None
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = 0
    sequence_number: int = 0


@value
class QuerySm:
    """Section 4.8.1."""

    command_id: ClassVar = CommandId.QUERY_SM
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    command_status: int = 0
    sequence_number: int = 0


@value
class QuerySmResp:
    """Section 4.8.2."""

    command_id: ClassVar = CommandId.QUERY_SM_RESP
    message_id: str | None = None
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0
    command_status: int = 0
    sequence_number: int = 0


@value
class CancelSm:
    """Section 4.9.1. An empty ``message_id`` cancels a group."""

    command_id: ClassVar = CommandId.CANCEL_SM
    service_type: str = ""
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    command_status: int = 0
    sequence_number: int = 0


@value
class CancelSmResp:
    """Section 4.9.2."""

    command_id: ClassVar = CommandId.CANCEL_SM_RESP
    command_status: int = 0
    sequence_number: int = 0


@value
class ReplaceSm:
    """Section 4.10.1."""

    command_id: ClassVar = CommandId.REPLACE_SM
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = field(default=b"", repr=False)
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = 0
    sequence_number: int = 0


@value
class ReplaceSmResp:
    """Section 4.10.2."""

    command_id: ClassVar = CommandId.REPLACE_SM_RESP
    command_status: int = 0
    sequence_number: int = 0


@value
class SmeAddress:
    """One destination of submit_multi with dest_flag 1, section 4.5.1.1."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


@value
class DistributionList:
    """One destination of submit_multi with dest_flag 2, section 4.5.1.2."""

    dl_name: str = ""


@value
class UnsuccessSme:
    """One refused destination of submit_multi_resp, section 4.5.2.1."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    error_status_code: int = 0


@value
class SubmitMulti:
    """Section 4.5.1. ``number_of_dests`` is the length of ``dest_address``."""

    command_id: ClassVar = CommandId.SUBMIT_MULTI
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_address: tuple[SmeAddress | DistributionList, ...] = ()
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = field(default=b"", repr=False)
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = 0
    sequence_number: int = 0


@value
class SubmitMultiResp:
    """Section 4.5.2. ``no_unsuccess`` is the length of ``unsuccess_sme``."""

    command_id: ClassVar = CommandId.SUBMIT_MULTI_RESP
    message_id: str | None = None
    unsuccess_sme: tuple[UnsuccessSme, ...] = ()
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = 0
    sequence_number: int = 0


@value
class AlertNotification:
    """Section 4.12.1. No response."""

    command_id: ClassVar = CommandId.ALERT_NOTIFICATION
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = 0
    sequence_number: int = 0


@value
class UnknownPdu:
    """A PDU whose command_id is in no table; the body is kept as it came."""

    command_id: int
    body: bytes = b""
    command_status: int = 0
    sequence_number: int = 0


Bind = BindReceiver | BindTransmitter | BindTransceiver
BindResp = BindReceiverResp | BindTransmitterResp | BindTransceiverResp
Request = (
    Bind
    | Outbind
    | Unbind
    | EnquireLink
    | SubmitSm
    | DeliverSm
    | DataSm
    | QuerySm
    | CancelSm
    | ReplaceSm
    | SubmitMulti
    | AlertNotification
)
Response = (
    BindResp
    | UnbindResp
    | EnquireLinkResp
    | GenericNack
    | SubmitSmResp
    | DeliverSmResp
    | DataSmResp
    | QuerySmResp
    | CancelSmResp
    | ReplaceSmResp
    | SubmitMultiResp
)
Pdu = Request | Response | UnknownPdu
