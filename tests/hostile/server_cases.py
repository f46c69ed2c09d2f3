"""What a customer may send to a server of ours over a bound session, a row each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.hostile.case import Case
from tests.hostile.wire import (
    ALERT_NOTIFICATION,
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    DELIVER_SM,
    ENQUIRE_LINK,
    GENERIC_NACK,
    OUTBIND,
    QUERY_SM,
    RESPONSE,
    SUBMIT_SM,
    UNBIND,
    bind_body,
    message_body,
    pdu,
    tlv,
)

N = 0x0A342EE7
RINVMSGLEN, RINVCMDLEN, RINVCMDID, RINVBNDSTS, RALYBND = 0x01, 0x02, 0x03, 0x04, 0x05
RINVSRCADR, RINVDSTADR, RINVMSGID, RBINDFAIL, RINVSERTYP = 0x0A, 0x0B, 0x0C, 0x0D, 0x15
SUBMIT_SM_RESP, DELIVER_SM_RESP, QUERY_SM_RESP = SUBMIT_SM | RESPONSE, DELIVER_SM | RESPONSE, QUERY_SM | RESPONSE
ENQUIRE_LINK_RESP, UNBIND_RESP = ENQUIRE_LINK | RESPONSE, UNBIND | RESPONSE

BODY = message_body()
SOURCE_BEGINS = len(b"\0\5\0")
DESTINATION_BEGINS = len(b"\0\5\0AlifBank\0\1\1")
DESTINATION_ENDS = DESTINATION_BEGINS + len(b"992000000006\0")


def nack(status: int, number: int = N) -> bytes:
    return pdu(GENERIC_NACK, number, status=status)


def submit(**fields: Any) -> bytes:
    return pdu(SUBMIT_SM, N, message_body(**fields))


def refused(status: int, kind: int = SUBMIT_SM, number: int = N) -> bytes:
    """A response of a header alone."""
    return pdu(kind | RESPONSE, number, status=status)


def query(number: int) -> bytes:
    return pdu(QUERY_SM, number, b"1\0\0\0\0")


def on_a_bound_transceiver() -> Iterator[Case]:
    """What is not simply taken; that is in `TAKEN`."""
    for length in (0, 1, 4, 15, 70_001, 0x7FFFFFFF, 0xFFFFFFFF):
        octets = pdu(SUBMIT_SM, N, length=length)
        yield Case(1, f"length {length}", octets, (nack(RINVCMDLEN),), closes=True, counted=1)
    m6 = bytes.fromhex("f000001100000110000000000a342ee7")
    yield Case(1, "M6", m6, (nack(RINVCMDLEN),), closes=True, counted=1)
    m8 = bytes.fromhex("0000000f800000060000000000000001")  # claims to be a response
    yield Case(1, "M8", m8, (nack(RINVCMDLEN, 1),), closes=True, counted=1)
    for name, octets in (("a header cut short", b"\0\0\0\1\0\0"), ("zeros", bytes(16))):
        yield Case(1, name, octets, (nack(RINVCMDLEN, 0),), closes=True, counted=1)
    for octets in (b"HTTP/1.1 400", b"AMQP\0\0\x09\x01"):
        name = octets[:4].decode()
        yield Case(1, name, octets, (nack(RINVCMDLEN, 0),), closes=True, counted=1, told=octets.hex())

    for name, octets, status in (
        ("a source without end", pdu(SUBMIT_SM, N, BODY[: SOURCE_BEGINS + 3]), RINVSRCADR),
        ("a destination without end", pdu(SUBMIT_SM, N, BODY[: DESTINATION_BEGINS + 3]), RINVDSTADR),
        ("a service_type without end", pdu(SUBMIT_SM, N, b"WAP"), RINVSERTYP),
        ("no body", pdu(SUBMIT_SM, N), RINVSERTYP),
        ("nothing behind the addresses", pdu(SUBMIT_SM, N, BODY[:DESTINATION_ENDS]), RINVCMDLEN),
        ("a source too long", submit(source=b"A" * 21), RINVSRCADR),
        ("a destination too long", submit(destination=b"9" * 21), RINVDSTADR),
    ):
        yield Case(3, name, octets, (refused(status),), counted=1)
    m11 = bytes.fromhex("0000001e00000003000000000000000161776179001c1d416c69636572")
    yield Case(3, "M11", m11[:3] + b"\x1d" + m11[4:], (refused(RINVSRCADR, QUERY_SM, 1),), counted=1)
    long_id = pdu(QUERY_SM, N, b"1" * 65 + b"\0\0\0\0")
    yield Case(3, "an id too long", long_id, (refused(RINVMSGID, QUERY_SM),), counted=1)

    yield Case(4, "M2", submit(text=b"8 octets", sm_length=16), (refused(RINVMSGLEN),), counted=1)
    yield Case(4, "a length and no text", submit(text=b"", sm_length=255), (refused(RINVMSGLEN),), counted=1)

    yield Case(6, "M4", bytes.fromhex("0000001000000110000000000a342ee7"), (nack(RINVCMDID),), counted=1)
    yield Case(6, "M7", bytes.fromhex("0000001100000110000000000a342ee70f"), (nack(RINVCMDID),), counted=1)
    for kind in (0x111, 0x112, 0x113):
        yield Case(6, f"broadcast {kind:x}", pdu(kind, N, b"\0" * 9), (nack(RINVCMDID),), counted=1)
    yield Case(6, "M5", bytes.fromhex("1000000080000110000000000a342ee7".replace("10000000", "00000010")), counted=1)
    yield Case(6, "a nack to nothing", nack(RINVCMDLEN), counted=1)
    yield Case(6, "two nacks to nothing", nack(RINVCMDLEN, 0) * 2, counted=2)
    three = nack(RINVCMDLEN, 0) * 3
    yield Case(6, "three nacks to nothing", three, (pdu(UNBIND, 2),), closes=True, counted=3)

    deliver_refused = pdu(DELIVER_SM_RESP, N, b"\0", RINVBNDSTS)
    yield Case(7, "deliver_sm at a server", pdu(DELIVER_SM, N, BODY), (deliver_refused,), counted=1)
    yield Case(7, "outbind at a server", pdu(OUTBIND, N, b"payk\0payk\0"), (nack(RINVBNDSTS),), counted=1)
    alert = pdu(ALERT_NOTIFICATION, N, b"\1\1\0\1\1\0")
    yield Case(7, "an alert at a server", alert, (nack(RINVBNDSTS),), counted=1)
    for kind in (BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER):
        again = pdu(kind, N, bind_body())
        yield Case(7, f"bound twice, by {kind}", again, (refused(RALYBND, kind),), counted=1)
    yield Case(7, "bound twice, unreadable", pdu(BIND_RECEIVER, N, b"payk"), (refused(0x0F, BIND_RECEIVER),), counted=1)
    yield Case(7, "a bind response at a server", pdu(BIND_TRANSCEIVER | RESPONSE, N, b"smsc\0"), counted=1)

    yield Case(8, "an answer to nothing", pdu(DELIVER_SM_RESP, N, b"\0"), counted=1)
    yield Case(8, "an answer to what is to come", pdu(DELIVER_SM_RESP, 2, b"\0"), counted=1)
    yield Case(8, "a broken answer to nothing", pdu(DELIVER_SM_RESP, N, b"\xff" * 40), counted=1, told="has no end")

    for number in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        yield Case(9, f"enquire_link {number:#x}", pdu(ENQUIRE_LINK, number), (pdu(ENQUIRE_LINK_RESP, number),))
        yield Case(9, f"query_sm {number:#x}", query(number), (refused(RINVMSGID, QUERY_SM, number),))
    yield Case(9, "one number twice", pdu(ENQUIRE_LINK, N) * 2, (pdu(ENQUIRE_LINK_RESP, N),) * 2)
    yield Case(9, "a request with a status", pdu(ENQUIRE_LINK, N, status=2), (pdu(ENQUIRE_LINK_RESP, N),))

    hello = bytes.fromhex("160301020001000200030300") + bytes(64)
    yield Case(15, "a TLS hello on the plain port", hello, closes=True, counted=1)
    yield Case(15, "a TLS alert on the plain port", bytes.fromhex("15030300020228"), closes=True, counted=1)


CASES = list(on_a_bound_transceiver())


@dataclass(frozen=True)
class Taken:
    """A submit_sm that is taken as it is. ``told``: what the log says of it, if anything."""

    item: int
    name: str
    octets: bytes
    text: bytes = b"code 1234"
    """As it is recorded."""
    told: str | None = None

    def __str__(self) -> str:
        return f"{self.item:02} {self.name}"


def taken(item: int, name: str, *, told: str | None = None, text: bytes = b"code 1234", **fields: Any) -> Taken:
    return Taken(item, name, submit(text=text, **fields), text, told)


TAKEN = [
    taken(3, "vector 63, a service_type of seven", service_type=b"smscsim"),
    taken(3, "a service_type of two hundred", service_type=b"s" * 200),
    taken(4, "M14, a stray octet", behind=b"\0", told="octets behind the last field"),
    taken(4, "three stray octets", behind=b"\0\0\0", told="octets behind the last field"),
    taken(4, "255 octets", text=b"x" * 255),
    taken(4, "no octets", text=b""),
    taken(5, "a parameter cut off", behind=tlv(0x0204, b"\0", 2), told="is cut off"),
    taken(5, "a parameter longer than the PDU", behind=tlv(0x1403, b"", 0xFFFF), told="is cut off"),
    taken(5, "an empty parameter", behind=tlv(0x0204), told="of 0 octets"),
    taken(5, "a repeated parameter", behind=tlv(0x0204, b"\0\1") + tlv(0x0204, b"\0\2"), told="repeated"),
    taken(5, "an unknown parameter", behind=tlv(0x0ABC, b"?"), told="unknown parameter"),
    taken(5, "a vendor's parameter", behind=tlv(0x1403, b"?")),
    taken(5, "a parameter of a wrong size", behind=tlv(0x0204, b"\1\2\3"), told="of 3 octets"),
    *(
        taken(5, f"a parameter of {size} octets", behind=tlv(0x0204, b"\1" * size), told=f"of {size} octets")
        for size in (9, 3000, 60_000)
    ),
    taken(5, "two texts", behind=tlv(0x0424, b"another"), told="short_message and message_payload"),
    taken(5, "a header and sar", esm_class=0x40, text=b"\5\0\3\1\2\1hi", behind=tlv(0x020C, b"\0\1"), told="sar"),
    taken(11, "kinds of address out of the table", source_kind=b"\x1c\x1d", destination_kind=b"\xff\xfe"),
    taken(11, "flags out of the table", esm_class=0x3F, before_times=b"\xff\xff", registered_delivery=0xE0),
    taken(11, "data_coding out of the table", data_coding=0xFF),
    taken(12, "M13, a header longer than the message", esm_class=0x40, text=b"Test"),
    taken(12, "an element that overruns", esm_class=0x40, text=b"\5\0\x90\1\2\1hi"),
    taken(12, "total 0", esm_class=0x40, text=b"\5\0\3\1\0\1hi"),
    taken(12, "number 0", esm_class=0x40, text=b"\5\0\3\1\2\0hi"),
    taken(12, "a number above the total", esm_class=0x40, text=b"\5\0\3\1\2\3hi"),
    taken(12, "a header alone", esm_class=0x40, text=b"\5\0\3\1\2\1"),
    taken(12, "no header", esm_class=0x40, text=b""),
    taken(13, "half a letter", data_coding=8, text=b"\4\x1a\4"),
    taken(13, "half a pair", data_coding=8, text=b"\xd8\x3d\0A\xde\0"),
    taken(13, "a byte order mark", data_coding=8, text=b"\xfe\xff\4\x1a"),
    taken(13, "little endian", data_coding=8, text=b"\xff\xfe\x1a\4"),
    taken(13, "beyond the alphabet", text=b"\x80\xff\x9f"),
    taken(13, "an escape at the end", text=b"code\x1b"),
    taken(13, "zeros in the text", text=b"a\0b\0"),
]
