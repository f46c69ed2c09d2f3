"""command_status: names, and what each means for the message it answers (SMPP 3.4 section 5.1.3; 5.0 section 4.7.6).

The classes say what to do, not why; how often and how long is the retry rule's business. Codes of no table are real
(0x400 to 0x4FF are the vendors'): they keep their number and count as permanent unless the link's overrides say
otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, IntEnum
from typing import Final

from payk.smpp.command import CommandId
from payk.smpp.tlv import Tag, Tlv, tlv_int

__all__ = ["STATUS_CLASSES", "CommandStatus", "StatusClass", "classify", "status_name"]


class StatusClass(Enum):
    OK = "ok"
    PERMANENT = "permanent"
    """Not this message, whatever is tried."""
    PERMANENT_CONFIG = "permanent_config"
    """Permanent, and caused by our encoding or configuration: raise an alarm."""
    TEMPORARY = "temporary"
    """Retry with back-off."""
    TEMPORARY_TWICE = "temporary_twice"
    """Temporary twice, then permanent: nobody can say what it means."""
    THROTTLE = "throttle"
    """Slow the link down, put the message back at the head; no attempt is counted."""
    LINK = "link"
    """The session is at fault: keep the messages, mend the session."""
    BIND = "bind"
    """The bind is refused: long back-off and an alarm."""


class CommandStatus(IntEnum):
    ESME_ROK = 0x00
    ESME_RINVMSGLEN = 0x01
    ESME_RINVCMDLEN = 0x02
    ESME_RINVCMDID = 0x03
    ESME_RINVBNDSTS = 0x04
    ESME_RALYBND = 0x05
    ESME_RINVPRTFLG = 0x06
    ESME_RINVREGDLVFLG = 0x07
    ESME_RSYSERR = 0x08
    ESME_RINVSRCADR = 0x0A
    ESME_RINVDSTADR = 0x0B
    ESME_RINVMSGID = 0x0C
    ESME_RBINDFAIL = 0x0D
    ESME_RINVPASWD = 0x0E
    ESME_RINVSYSID = 0x0F
    ESME_RCANCELFAIL = 0x11
    ESME_RREPLACEFAIL = 0x13
    ESME_RMSGQFUL = 0x14
    ESME_RINVSERTYP = 0x15
    ESME_RINVNUMDESTS = 0x33
    ESME_RINVDLNAME = 0x34
    ESME_RINVDESTFLAG = 0x40
    ESME_RINVSUBREP = 0x42
    ESME_RINVESMCLASS = 0x43
    ESME_RCNTSUBDL = 0x44
    ESME_RSUBMITFAIL = 0x45
    ESME_RINVSRCTON = 0x48
    ESME_RINVSRCNPI = 0x49
    ESME_RINVDSTTON = 0x50
    ESME_RINVDSTNPI = 0x51
    ESME_RINVSYSTYP = 0x53
    ESME_RINVREPFLAG = 0x54
    ESME_RINVNUMMSGS = 0x55
    ESME_RTHROTTLED = 0x58
    ESME_RINVSCHED = 0x61
    ESME_RINVEXPIRY = 0x62
    ESME_RINVDFTMSGID = 0x63
    ESME_RX_T_APPN = 0x64
    ESME_RX_P_APPN = 0x65
    ESME_RX_R_APPN = 0x66
    ESME_RQUERYFAIL = 0x67
    ESME_RINVOPTPARSTREAM = 0xC0
    ESME_ROPTPARNOTALLWD = 0xC1
    ESME_RINVPARLEN = 0xC2
    ESME_RMISSINGOPTPARAM = 0xC3
    ESME_RINVOPTPARAMVAL = 0xC4
    ESME_RDELIVERYFAILURE = 0xFE
    ESME_RUNKNOWNERR = 0xFF
    # 5.0 only
    ESME_RSERTYPUNAUTH = 0x100
    ESME_RPROHIBITED = 0x101
    ESME_RSERTYPUNAVAIL = 0x102
    ESME_RSERTYPDENIED = 0x103
    ESME_RINVDCS = 0x104
    ESME_RINVSRCADDRSUBUNIT = 0x105
    ESME_RINVDSTADDRSUBUNIT = 0x106
    ESME_RINVBCASTFREQINT = 0x107
    ESME_RINVBCASTALIAS_NAME = 0x108
    ESME_RINVBCASTAREAFMT = 0x109
    ESME_RINVNUMBCAST_AREAS = 0x10A
    ESME_RINVBCASTCNTTYPE = 0x10B
    ESME_RINVBCASTMSGCLASS = 0x10C
    ESME_RBCASTFAIL = 0x10D
    ESME_RBCASTQUERYFAIL = 0x10E
    ESME_RBCASTCANCELFAIL = 0x10F
    ESME_RINVBCAST_REP = 0x110
    ESME_RINVBCASTSRVGRP = 0x111
    ESME_RINVBCASTCHANIND = 0x112


_P: Final = StatusClass.PERMANENT
_CONFIG: Final = StatusClass.PERMANENT_CONFIG

STATUS_CLASSES: Final[Mapping[int, StatusClass]] = {
    CommandStatus.ESME_ROK: StatusClass.OK,
    CommandStatus.ESME_RINVMSGLEN: _CONFIG,
    CommandStatus.ESME_RINVCMDLEN: StatusClass.LINK,  # PERMANENT_CONFIG in a submit_sm_resp: see classify
    CommandStatus.ESME_RINVCMDID: StatusClass.LINK,
    CommandStatus.ESME_RINVBNDSTS: StatusClass.LINK,
    CommandStatus.ESME_RALYBND: StatusClass.LINK,
    CommandStatus.ESME_RINVPRTFLG: _CONFIG,
    CommandStatus.ESME_RINVREGDLVFLG: _CONFIG,
    CommandStatus.ESME_RSYSERR: StatusClass.TEMPORARY,  # LINK in a bind response: see classify
    CommandStatus.ESME_RINVSRCADR: _P,
    CommandStatus.ESME_RINVDSTADR: _P,
    CommandStatus.ESME_RINVMSGID: _P,
    CommandStatus.ESME_RBINDFAIL: StatusClass.BIND,
    CommandStatus.ESME_RINVPASWD: StatusClass.BIND,
    CommandStatus.ESME_RINVSYSID: StatusClass.BIND,
    CommandStatus.ESME_RCANCELFAIL: _P,
    CommandStatus.ESME_RREPLACEFAIL: _P,
    CommandStatus.ESME_RMSGQFUL: StatusClass.THROTTLE,
    CommandStatus.ESME_RINVSERTYP: _CONFIG,
    CommandStatus.ESME_RINVNUMDESTS: _CONFIG,
    CommandStatus.ESME_RINVDLNAME: _CONFIG,
    CommandStatus.ESME_RINVDESTFLAG: _CONFIG,
    CommandStatus.ESME_RINVSUBREP: _CONFIG,
    CommandStatus.ESME_RINVESMCLASS: _CONFIG,
    CommandStatus.ESME_RCNTSUBDL: _CONFIG,
    CommandStatus.ESME_RSUBMITFAIL: _P,
    CommandStatus.ESME_RINVSRCTON: _CONFIG,
    CommandStatus.ESME_RINVSRCNPI: _CONFIG,
    CommandStatus.ESME_RINVDSTTON: _CONFIG,
    CommandStatus.ESME_RINVDSTNPI: _CONFIG,
    CommandStatus.ESME_RINVSYSTYP: StatusClass.BIND,
    CommandStatus.ESME_RINVREPFLAG: _CONFIG,
    CommandStatus.ESME_RINVNUMMSGS: _CONFIG,
    CommandStatus.ESME_RTHROTTLED: StatusClass.THROTTLE,
    CommandStatus.ESME_RINVSCHED: _CONFIG,
    CommandStatus.ESME_RINVEXPIRY: _CONFIG,
    CommandStatus.ESME_RINVDFTMSGID: _CONFIG,
    CommandStatus.ESME_RX_T_APPN: StatusClass.TEMPORARY,
    CommandStatus.ESME_RX_P_APPN: _P,
    CommandStatus.ESME_RX_R_APPN: _P,
    CommandStatus.ESME_RQUERYFAIL: _P,
    CommandStatus.ESME_RINVOPTPARSTREAM: _CONFIG,
    CommandStatus.ESME_ROPTPARNOTALLWD: _CONFIG,
    CommandStatus.ESME_RINVPARLEN: _CONFIG,
    CommandStatus.ESME_RMISSINGOPTPARAM: _CONFIG,
    CommandStatus.ESME_RINVOPTPARAMVAL: _CONFIG,
    CommandStatus.ESME_RDELIVERYFAILURE: _P,  # TEMPORARY if delivery_failure_reason is 3: see classify
    CommandStatus.ESME_RUNKNOWNERR: StatusClass.TEMPORARY_TWICE,
    CommandStatus.ESME_RSERTYPUNAUTH: _CONFIG,
    CommandStatus.ESME_RPROHIBITED: _CONFIG,
    CommandStatus.ESME_RSERTYPUNAVAIL: StatusClass.TEMPORARY,
    CommandStatus.ESME_RSERTYPDENIED: _P,
    CommandStatus.ESME_RINVDCS: _CONFIG,
    CommandStatus.ESME_RINVSRCADDRSUBUNIT: _CONFIG,
    CommandStatus.ESME_RINVDSTADDRSUBUNIT: _CONFIG,
    CommandStatus.ESME_RINVBCASTFREQINT: _CONFIG,
    CommandStatus.ESME_RINVBCASTALIAS_NAME: _CONFIG,
    CommandStatus.ESME_RINVBCASTAREAFMT: _CONFIG,
    CommandStatus.ESME_RINVNUMBCAST_AREAS: _CONFIG,
    CommandStatus.ESME_RINVBCASTCNTTYPE: _CONFIG,
    CommandStatus.ESME_RINVBCASTMSGCLASS: _CONFIG,
    CommandStatus.ESME_RBCASTFAIL: _P,
    CommandStatus.ESME_RBCASTQUERYFAIL: _P,
    CommandStatus.ESME_RBCASTCANCELFAIL: _P,
    CommandStatus.ESME_RINVBCAST_REP: _CONFIG,
    CommandStatus.ESME_RINVBCASTSRVGRP: _CONFIG,
    CommandStatus.ESME_RINVBCASTCHANIND: _CONFIG,
}

_NAMES: Final[Mapping[int, str]] = {status.value: status.name for status in CommandStatus}

_BIND_RESPONSES: Final = frozenset(
    {CommandId.BIND_RECEIVER_RESP, CommandId.BIND_TRANSMITTER_RESP, CommandId.BIND_TRANSCEIVER_RESP}
)

_TEMPORARY_NETWORK_ERROR: Final = 3  # delivery_failure_reason, section 5.3.2.33


def status_name(code: int) -> str:
    """``ESME_RTHROTTLED`` for 0x58; the number in hex, ``0x00000400``, for a code of no table."""
    return _NAMES.get(code) or f"0x{code:08X}"


def classify(
    code: int,
    tlvs: Iterable[Tlv] = (),
    overrides: Mapping[int, StatusClass] | None = None,
    *,
    answer: int = CommandId.SUBMIT_SM_RESP,
) -> StatusClass:
    """The class of a status. ``tlvs`` are the response's, ``answer`` is the command_id it came in.

    ``overrides`` is a link's own table and wins over everything but ROK.
    """
    if code == CommandStatus.ESME_ROK:
        return StatusClass.OK
    if overrides and code in overrides:
        return overrides[code]
    if code == CommandStatus.ESME_RINVCMDLEN and answer == CommandId.SUBMIT_SM_RESP:
        return StatusClass.PERMANENT_CONFIG
    if code == CommandStatus.ESME_RSYSERR and answer in _BIND_RESPONSES:
        return StatusClass.LINK
    if (
        code == CommandStatus.ESME_RDELIVERYFAILURE
        and tlv_int(tlvs, Tag.DELIVERY_FAILURE_REASON) == _TEMPORARY_NETWORK_ERROR
    ):
        return StatusClass.TEMPORARY
    return STATUS_CLASSES.get(code, StatusClass.PERMANENT)
