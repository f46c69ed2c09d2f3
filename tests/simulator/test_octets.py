"""A peer that writes and reads octets itself: frames written out from the specification, no codec of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from payk.simulator import Simulator
from tests.simulator.conftest import Start

# bind_transceiver "payk"/"payk", version 3.4, sequence_number 1
BIND = bytes.fromhex("0000001f0000000900000000000000017061796b007061796b000034000000")
ENQUIRE_LINK = bytes.fromhex("0000001000000015000000000a342ee7")
UNBIND = bytes.fromhex("00000010000000060000000000000009")
# submit_sm 40404 -> 44951361920, registered_delivery 1, "@$#!%&/:", sequence_number 4fe8
SUBMIT = bytes.fromhex(
    "00000039000000040000000000004fe80001013430343034000101343439353133363139323000000000000001000000084024232125262f3a"
)


class Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def write(self, octets: bytes) -> None:
        self._writer.write(octets)

    async def frame(self) -> bytes:
        """The next PDU; b"" at the end of the connection."""
        async with asyncio.timeout(5):
            try:
                length = await self._reader.readexactly(4)
                return length + await self._reader.readexactly(int.from_bytes(length, "big") - 4)
            except asyncio.IncompleteReadError:
                return b""


@asynccontextmanager
async def wire(simulator: Simulator) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


async def bound(to: Wire) -> None:
    to.write(BIND)
    answer = await to.frame()
    assert answer[4:16] == bytes.fromhex("800000090000000000000001")
    assert answer.endswith(bytes.fromhex("0210000134"))


async def test_a_submit_its_answer_and_its_receipt(start: Start) -> None:
    simulator = await start('[[rule]]\ndestination = "44*"\nreceipt_after = 0')
    async with wire(simulator) as to:
        await bound(to)
        to.write(SUBMIT)
        answer, receipt = await to.frame(), await to.frame()
        assert answer[4:16] == bytes.fromhex("800000040000000000004fe8")
        assert answer[-1] == 0
        message_id = answer[16:-1]
        assert message_id.isdigit()
        assert receipt[4:16] == bytes.fromhex("000000050000000000000001")
        assert receipt[16:].startswith(b"\0\x01\x0144951361920\0\x01\x0140404\0\x04")
        assert b"id:" + message_id + b" sub:001 dlvrd:001 submit date:" in receipt
        assert b" stat:DELIVRD err:000 text:" in receipt
        assert b"\x00\x1e" + (len(message_id) + 1).to_bytes(2, "big") + message_id + b"\0" in receipt
        assert b"\x04\x27\x00\x01\x02" in receipt
        to.write(bytes.fromhex("0000001180000005000000000000000100"))
        to.write(UNBIND)
        assert await to.frame() == bytes.fromhex("00000010800000060000000000000009")


async def test_requests_behind_the_bind_in_one_segment_are_answered(simulator: Simulator) -> None:
    async with wire(simulator) as to:
        to.write(BIND + ENQUIRE_LINK + SUBMIT)
        ids = [(await to.frame())[4:8].hex() for _ in range(3)]
        assert ids == ["80000009", "80000015", "80000004"]


async def test_octets_one_by_one_make_the_same_frames(simulator: Simulator) -> None:
    async with wire(simulator) as to:
        for octet in BIND + SUBMIT:
            to.write(bytes([octet]))
            await asyncio.sleep(0)
        assert (await to.frame())[4:8].hex() == "80000009"
        assert (await to.frame())[4:8].hex() == "80000004"


async def test_enquire_link_is_answered_before_the_bind(simulator: Simulator) -> None:
    async with wire(simulator) as to:
        to.write(ENQUIRE_LINK)
        assert await to.frame() == bytes.fromhex("0000001080000015000000000a342ee7")


async def test_a_wrong_password_is_answered_and_the_connection_closed(simulator: Simulator) -> None:
    async with wire(simulator) as to:
        to.write(BIND.replace(b"\0payk\0\0\x34", b"\0pork\0\0\x34"))
        assert await to.frame() == bytes.fromhex("00000010800000090000000d00000001")
        assert await to.frame() == b""


async def test_a_refused_submit_is_answered_by_a_header_alone(start: Start) -> None:
    simulator = await start('[[rule]]\ndestination = "44*"\nanswer = "RINVDSTADR"')
    async with wire(simulator) as to:
        await bound(to)
        to.write(SUBMIT)
        assert await to.frame() == bytes.fromhex("00000010800000040000000b00004fe8")


async def test_a_receiver_that_submits_is_told_its_state(simulator: Simulator) -> None:
    async with wire(simulator) as to:
        to.write(BIND[:7] + b"\x01" + BIND[8:])
        assert (await to.frame())[4:12].hex() == "8000000100000000"
        to.write(SUBMIT)
        assert (await to.frame())[4:16] == bytes.fromhex("800000040000000400004fe8")


async def test_a_submit_before_the_bind_is_told_its_state(simulator: Simulator) -> None:
    async with wire(simulator) as to:
        to.write(SUBMIT)
        assert (await to.frame())[8:16] == bytes.fromhex("0000000400004fe8")


async def test_octets_of_another_protocol_end_their_own_connection_only(simulator: Simulator) -> None:
    async with wire(simulator) as good:
        await bound(good)
        async with wire(simulator) as bad:
            bad.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while await bad.frame():
                pass
        good.write(SUBMIT)
        assert (await good.frame())[4:12].hex() == "8000000400000000"
