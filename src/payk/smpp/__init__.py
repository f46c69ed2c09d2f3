"""SMPP 3.4 (5.0-tolerant), sans-IO: PDUs, codec, session, receipts. No sockets, no clock, no logging.

`Session` is the door for both roles; `encode` and `decode` for single PDUs; `parse_receipt` for what operators report.

Where a rule lives::

    which PDUs there are, their fields, how long each may be         pdu, layout; parameters and tlv for the values
    which status answers an unreadable field                         layout
    octets to PDUs and back                                          codec: generated, else careful and wire
    how long a PDU may be, where it ends                             framing
    what a command_status means for a message                        status
    who may send what in which state                                 state
    which response answers which request                             answering
    sequence numbers, window, time-outs, late answers                pending
    enquire_link, silence                                            liveness
    how many errors of the peer are too many                         faults
    the timers and limits, with their defaults                       options
    what a session does with all these                               session
    who is let in at a server's door, passwords being guessed        admission
    receipts: which they are, what they say, their dates             receipt, receipt_date, network_error
    times, user data headers                                         smpp_time, udh
"""

from payk.smpp import receipt, smpp_time
from payk.smpp.admission import Admission, AdmissionOptions, TooMany, Visitor
from payk.smpp.answering import refusal
from payk.smpp.codec import decode, encode
from payk.smpp.command import CommandId
from payk.smpp.errors import (
    FramingError,
    LocalError,
    PduError,
    RemoteError,
    SmppError,
    UnrecoverableError,
    WindowFull,
    WrongState,
)
from payk.smpp.event import (
    BindKind,
    BindRefused,
    BindRequested,
    Bound,
    Closed,
    Event,
    LateResponse,
    PeerError,
    RequestReceived,
    RequestUncertain,
    ResponseReceived,
    UnbindReceived,
)
from payk.smpp.framing import Framer
from payk.smpp.network_error import NetworkError, parse_network_error
from payk.smpp.options import SessionOptions
from payk.smpp.parameters import (
    DataCoding,
    EsmClass,
    InterfaceVersion,
    MessageState,
    Npi,
    RegisteredDelivery,
    Ton,
)
from payk.smpp.pdu import (
    AlertNotification,
    Bind,
    BindReceiver,
    BindReceiverResp,
    BindResp,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    CancelSm,
    CancelSmResp,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    DistributionList,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    Request,
    Response,
    SmeAddress,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
    UnknownPdu,
    UnsuccessSme,
)
from payk.smpp.receipt import Receipt, encode_receipt_text, parse_receipt
from payk.smpp.receipt_date import parse_receipt_date
from payk.smpp.recent import Tally
from payk.smpp.session import Session
from payk.smpp.state import Role, State
from payk.smpp.status import STATUS_CLASSES, CommandStatus, StatusClass, classify, status_name
from payk.smpp.tlv import Tag, Tlv, find_tlv, tlv_int, tlv_text
from payk.smpp.udh import Concatenation, UserData, concatenation_8bit, concatenation_16bit, parse_udh

__all__ = [
    "STATUS_CLASSES",
    "Admission",
    "AdmissionOptions",
    "AlertNotification",
    "Bind",
    "BindKind",
    "BindReceiver",
    "BindReceiverResp",
    "BindRefused",
    "BindRequested",
    "BindResp",
    "BindTransceiver",
    "BindTransceiverResp",
    "BindTransmitter",
    "BindTransmitterResp",
    "Bound",
    "CancelSm",
    "CancelSmResp",
    "Closed",
    "CommandId",
    "CommandStatus",
    "Concatenation",
    "DataCoding",
    "DataSm",
    "DataSmResp",
    "DeliverSm",
    "DeliverSmResp",
    "DistributionList",
    "EnquireLink",
    "EnquireLinkResp",
    "EsmClass",
    "Event",
    "Framer",
    "FramingError",
    "GenericNack",
    "InterfaceVersion",
    "LateResponse",
    "LocalError",
    "MessageState",
    "NetworkError",
    "Npi",
    "Outbind",
    "Pdu",
    "PduError",
    "PeerError",
    "QuerySm",
    "QuerySmResp",
    "Receipt",
    "RegisteredDelivery",
    "RemoteError",
    "ReplaceSm",
    "ReplaceSmResp",
    "Request",
    "RequestReceived",
    "RequestUncertain",
    "Response",
    "ResponseReceived",
    "Role",
    "Session",
    "SessionOptions",
    "SmeAddress",
    "SmppError",
    "State",
    "StatusClass",
    "SubmitMulti",
    "SubmitMultiResp",
    "SubmitSm",
    "SubmitSmResp",
    "Tag",
    "Tally",
    "Tlv",
    "Ton",
    "TooMany",
    "Unbind",
    "UnbindReceived",
    "UnbindResp",
    "UnknownPdu",
    "UnrecoverableError",
    "UnsuccessSme",
    "UserData",
    "Visitor",
    "WindowFull",
    "WrongState",
    "classify",
    "concatenation_8bit",
    "concatenation_16bit",
    "decode",
    "encode",
    "encode_receipt_text",
    "find_tlv",
    "parse_network_error",
    "parse_receipt",
    "parse_receipt_date",
    "parse_udh",
    "receipt",
    "refusal",
    "smpp_time",
    "status_name",
    "tlv_int",
    "tlv_text",
]
