"""What an operator may send to a link of ours over a bound session, a row each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.hostile.case import Case
from tests.hostile.wire import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    DATA_SM,
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
from tests.smpp.test_vectors import FRAMES

N = 0x0A342EE7
RINVMSGLEN, RINVCMDLEN, RINVCMDID, RINVBNDSTS = 0x01, 0x02, 0x03, 0x04
RINVSRCADR, RINVDSTADR, RINVSERTYP = 0x0A, 0x0B, 0x15
SUBMIT_SM_RESP, DELIVER_SM_RESP, DATA_SM_RESP = SUBMIT_SM | RESPONSE, DELIVER_SM | RESPONSE, DATA_SM | RESPONSE
ENQUIRE_LINK_RESP, UNBIND_RESP = ENQUIRE_LINK | RESPONSE, UNBIND | RESPONSE

SUBSCRIBER = {
    "destination": b"AlifBank",
    "source": b"992900900900",
    "source_kind": b"\1\1",
    "destination_kind": b"\5\0",
}
BODY = message_body(**SUBSCRIBER)  # type: ignore[arg-type]
SOURCE_BEGINS = len(b"\0\1\1")
DESTINATION_BEGINS = len(b"\0\1\1992900900900\0\5\0")
DESTINATION_ENDS = DESTINATION_BEGINS + len(b"AlifBank\0")


def nack(status: int, number: int = N) -> bytes:
    return pdu(GENERIC_NACK, number, status=status)


def deliver(**fields: Any) -> bytes:
    return pdu(DELIVER_SM, N, message_body(**{**SUBSCRIBER, **fields}))


def refused(status: int, number: int = N) -> bytes:
    return pdu(DELIVER_SM_RESP, number, b"\0", status)


def on_a_bound_transceiver() -> Iterator[Case]:
    """What is not simply told; that is in `TOLD`."""
    for length in (0, 1, 4, 15, 70_001, 0x7FFFFFFF, 0xFFFFFFFF):
        octets = pdu(DELIVER_SM, N, length=length)
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
    noise = Random(1).randbytes(4096)
    number = int.from_bytes(noise[12:16], "big")
    yield Case(1, "noise", noise, () if noise[4] & 0x80 else (nack(RINVCMDLEN, number),), closes=True, counted=1)

    for name, octets, status in (
        ("a source without end", pdu(DELIVER_SM, N, BODY[: SOURCE_BEGINS + 3]), RINVSRCADR),
        ("a destination without end", pdu(DELIVER_SM, N, BODY[: DESTINATION_BEGINS + 3]), RINVDSTADR),
        ("a service_type without end", pdu(DELIVER_SM, N, b"WAP"), RINVSERTYP),
        ("no body", pdu(DELIVER_SM, N), RINVSERTYP),
        ("nothing behind the addresses", pdu(DELIVER_SM, N, BODY[:DESTINATION_ENDS]), RINVCMDLEN),
        ("a source too long", deliver(source=b"A" * 21), RINVSRCADR),
        ("a destination too long", deliver(destination=b"9" * 21), RINVDSTADR),
    ):
        yield Case(3, name, octets, (refused(status),), counted=1)
    unending = pdu(DATA_SM, N, b"\0\1\1992900900900")
    yield Case(3, "data_sm without end", unending, (pdu(DATA_SM_RESP, N, status=RINVSRCADR),), counted=1)

    m2 = bytes.fromhex(
        "00000039000000050000000000000001000101393939393139393134353933000000363436340000000000000000080010c1e1e9edf3faf1fc"
    )
    yield Case(4, "M2", m2, (refused(RINVMSGLEN, 1),), counted=1)

    yield Case(6, "M4", bytes.fromhex("0000001000000110000000000a342ee7"), (nack(RINVCMDID),), counted=1)
    m7 = bytes.fromhex("0000001100000110000000000a342ee70f0000001000000015000000000a342ee7")
    yield Case(6, "M7", m7, (nack(RINVCMDID), pdu(ENQUIRE_LINK_RESP, N)), counted=1)
    yield Case(6, "M5", bytes.fromhex("0000001080000110000000000a342ee7"), counted=1)
    yield Case(6, "a nack to nothing", nack(RINVCMDLEN), counted=1)
    yield Case(6, "two nacks to number 0", nack(RINVCMDLEN, 0) * 2, counted=2)
    three = nack(RINVCMDLEN, 0) * 3
    yield Case(6, "three nacks to number 0", three, (pdu(UNBIND, 3),), closes=True, counted=3)

    for kind in (SUBMIT_SM, QUERY_SM, BIND_TRANSCEIVER, BIND_RECEIVER):
        body = {SUBMIT_SM: BODY, QUERY_SM: b"1\0\0\0\0"}.get(kind, bind_body())
        yield Case(
            7, f"request {kind} at a client", pdu(kind, N, body), (pdu(kind | RESPONSE, N, status=4),), counted=1
        )
    yield Case(7, "outbind in a session", pdu(OUTBIND, N, b"smsc\0pw\0"), (nack(RINVBNDSTS),), counted=1)
    yield Case(7, "bound twice", pdu(BIND_TRANSCEIVER | RESPONSE, 1, b"smsc\0"), counted=1)

    yield Case(8, "an answer to nothing", pdu(SUBMIT_SM_RESP, N, b"17\0"), counted=1)
    yield Case(8, "a refusal of nothing", pdu(SUBMIT_SM_RESP, N, status=0x58), counted=1)
    yield Case(8, "a broken answer to nothing", pdu(SUBMIT_SM_RESP, N, b"\xff" * 40), counted=1, told="has no end")
    yield Case(8, "an answer to what is to come", pdu(SUBMIT_SM_RESP, 3, b"17\0"), counted=1)

    for number in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        yield Case(9, f"enquire_link {number:#x}", pdu(ENQUIRE_LINK, number), (pdu(ENQUIRE_LINK_RESP, number),))
    yield Case(9, "one number twice", pdu(ENQUIRE_LINK, N) * 2, (pdu(ENQUIRE_LINK_RESP, N),) * 2)
    alert = bytes.fromhex("00000025000001020000000200004fe8010135353532373130303030000101343034303400")
    yield Case(9, "vector 33, an alert with a status", alert)

    hello = bytes.fromhex("160301020001000200030300") + bytes(64)
    yield Case(15, "a TLS hello on the plain port", hello, closes=True, counted=1)
    yield Case(15, "a TLS alert on the plain port", bytes.fromhex("15030300020228"), closes=True, counted=1)


CASES = list(on_a_bound_transceiver())


@dataclass(frozen=True)
class Told:
    """A deliver_sm or data_sm that is handed on as it came. ``said``: what the log says of it, if anything."""

    item: int
    name: str
    octets: bytes
    said: str | None = None

    def __str__(self) -> str:
        return f"{self.item:02} {self.name}"


def told(item: int, name: str, *, said: str | None = None, **fields: Any) -> Told:
    return Told(item, name, deliver(**fields), said)


M1 = FRAMES[44]
M14 = pdu(DELIVER_SM, N, BODY + b"\0")

TOLD = [
    told(3, "vector 63, a service_type of seven", service_type=b"smscsim"),
    told(3, "a service_type of two hundred", service_type=b"s" * 200),
    Told(4, "M14, a stray octet", M14, "octets behind the last field"),
    told(4, "three stray octets", behind=b"\0\0\0", said="octets behind the last field"),
    told(4, "255 octets", text=b"x" * 255),
    told(4, "no octets", text=b""),
    Told(5, "M1, a receipt cut off", M1, "is cut off"),
    told(5, "a parameter longer than the PDU", behind=tlv(0x1403, b"", 0xFFFF), said="is cut off"),
    told(5, "an empty parameter", behind=tlv(0x0427), said="of 0 octets"),
    told(5, "a repeated parameter", behind=tlv(0x0204, b"\0\1") + tlv(0x0204, b"\0\2"), said="repeated"),
    told(5, "an unknown parameter", behind=tlv(0x0ABC, b"?"), said="unknown parameter"),
    told(5, "a vendor's parameter", behind=tlv(0x1403, b"?")),
    *(
        told(5, f"a parameter of {size} octets", behind=tlv(0x0427, b"\1" * size), said=f"of {size} octets")
        for size in (9, 3000, 60_000)
    ),
    told(5, "two texts", behind=tlv(0x0424, b"another"), said="short_message and message_payload"),
    told(5, "a header and sar", esm_class=0x40, text=b"\5\0\3\1\2\1hi", behind=tlv(0x020C, b"\0\1"), said="sar"),
    Told(9, "number 0", pdu(DELIVER_SM, 0, BODY)),
    Told(9, "number 0x80000000", pdu(DELIVER_SM, 0x80000000, BODY)),
    Told(9, "number 0xFFFFFFFF", pdu(DELIVER_SM, 0xFFFFFFFF, BODY)),
    Told(9, "a request with a status", pdu(DELIVER_SM, N, BODY, status=0x58)),
    told(11, "kinds of address out of the table", source_kind=b"\x1c\x1d", destination_kind=b"\xff\xfe"),
    told(11, "flags out of the table", esm_class=0x3F, before_times=b"\xff\xff", registered_delivery=0xE0),
    told(11, "data_coding out of the table", data_coding=0xFF),
    told(11, "an empty destination", destination=b""),
    told(12, "M13, a header longer than the message", esm_class=0x40, text=b"Test"),
    told(12, "an element that overruns", esm_class=0x40, text=b"\5\0\x90\1\2\1hi"),
    told(12, "total 0", esm_class=0x40, text=b"\5\0\3\1\0\1hi"),
    told(12, "number 0 of a total", esm_class=0x40, text=b"\5\0\3\1\2\0hi"),
    told(12, "a number above the total", esm_class=0x40, text=b"\5\0\3\1\2\3hi"),
    told(12, "a receipt with half a header", esm_class=0x44, text=b"\x30id:1 stat:DELIVRD"),
    told(13, "half a letter", data_coding=8, text=b"\4\x1a\4"),
    told(13, "half a pair", data_coding=8, text=b"\xd8\x3d\0A\xde\0"),
    told(13, "a byte order mark", data_coding=8, text=b"\xfe\xff\4\x1a"),
    told(13, "beyond the alphabet", text=b"\x80\xff\x9f"),
    told(13, "an escape at the end", text=b"code\x1b"),
    told(13, "zeros in the text", text=b"a\0b\0"),
    Told(
        13, "data_sm with everything", pdu(DATA_SM, N, b"\0\1\x019\0\5\0A\0\4\0\xff" + tlv(0x0424, bytes(range(256))))
    ),
]
