"""Operators that are none, or break the protocol: the link tries again and loses no message."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from payk.domain.outcome import Accepted, RefusalKind, Refused, Uncertain
from payk.links import Timing
from tests.links.raw_smsc import answer_to, raw_operator, read_pdu
from tests.links.smsc import QUICK, link_to, message

SUBMIT_SM_RESP, DATA_SM_RESP, GENERIC_NACK = 0x80000004, 0x80000103, 0x80000000


async def accept_bind(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(answer_to(await read_pdu(reader)))


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"AMQP\x00\x00\x09\x01",
        bytes.fromhex("160301020001000200030300"),
        bytes.fromhex("0000000f800000060000000000000001"),
        bytes.fromhex("f000001100000110000000000a342ee7"),
        Random(1).randbytes(4096),
        b"\0" * 16,
    ],
    ids=["http", "amqp", "tls", "length 15", "length 4026531857", "noise", "zeros"],
)
async def test_a_port_that_speaks_something_else(greeting: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()

    async with raw_operator(talk) as port, link_to(port) as bench:
        await bench.until(lambda: bench.changes)
        (status,) = bench.link.binds
        assert (status.bound, status.waiting_for) == (False, "operator to be reachable")
        assert status.last_error
        assert bench.link.capacity() == 0


async def test_a_bind_response_that_comes_octet_by_octet() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for octet in answer_to(await read_pdu(reader)):
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    async with raw_operator(talk) as port, link_to(port) as bench:
        await bench.bound()


async def test_a_bind_refused_by_generic_nack() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer_to(await read_pdu(reader), GENERIC_NACK, 3, b""))
        await reader.read()

    async with raw_operator(talk) as port, link_to(port) as bench:
        await bench.until(lambda: bench.changes)
        assert bench.link.binds[0].last_error == "ESME_RINVCMDID"


async def test_noise_after_the_bind_leaves_what_was_written_uncertain() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept_bind(reader, writer)
        await read_pdu(reader)
        writer.write(b"\xff" * 64)
        await reader.read()

    async with raw_operator(talk) as port, link_to(port) as bench:
        await bench.bound()
        bench.link.submit(message())
        await bench.until(lambda: bench.results)
        assert isinstance(bench.results[0].outcomes[0], Uncertain)
        await bench.bound(0)


async def test_an_operator_that_closes_in_the_middle_of_an_answer() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept_bind(reader, writer)
        writer.write(answer_to(await read_pdu(reader), body=b"17\0")[:-2])

    async with raw_operator(talk) as port, link_to(port) as bench:
        await bench.bound()
        bench.link.submit(message())
        await bench.until(lambda: bench.results)
        assert isinstance(bench.results[0].outcomes[0], Uncertain)


@pytest.mark.parametrize(
    ("command_id", "status", "body", "outcome"),
    [
        (SUBMIT_SM_RESP, 0x00, b"7a3F\0", Accepted(1, "7a3F")),
        (SUBMIT_SM_RESP, 0x00, b"", Accepted(1, "")),
        (SUBMIT_SM_RESP, 0x00, b"\0", Accepted(1, "")),
        (SUBMIT_SM_RESP, 0x0A, b"00000000\0", Refused(1, 0x0A, RefusalKind.PERMANENT)),
        (SUBMIT_SM_RESP, 0x22, b"", Refused(1, 0x22, RefusalKind.PERMANENT)),
        (SUBMIT_SM_RESP, 0x58, b"\xff\xff\xff", Refused(1, 0x58, RefusalKind.THROTTLED)),
        (GENERIC_NACK, 0x08, b"", Refused(1, 0x08, RefusalKind.TEMPORARY)),
    ],
)
async def test_answers_as_they_really_come(
    command_id: int, status: int, body: bytes, outcome: Accepted | Refused
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept_bind(reader, writer)
        writer.write(answer_to(await read_pdu(reader), command_id, status, body))
        await reader.read()

    async with raw_operator(talk) as port, link_to(port) as bench:
        await bench.bound()
        bench.link.submit(message())
        await bench.until(lambda: bench.results)
        assert bench.results[0].outcomes == (outcome,)


async def test_an_answer_of_another_kind_leaves_it_open() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept_bind(reader, writer)
        writer.write(answer_to(await read_pdu(reader), DATA_SM_RESP, body=b"17\0"))
        await reader.read()

    async with raw_operator(talk) as port, link_to(port) as bench:
        await bench.bound()
        bench.link.submit(message())
        await bench.until(lambda: bench.results)
        assert isinstance(bench.results[0].outcomes[0], Uncertain)


async def test_an_operator_that_never_answers_unbind() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept_bind(reader, writer)
        heard.append(await read_pdu(reader))
        await reader.read()

    heard: list[bytes] = []
    async with raw_operator(talk) as port, link_to(port) as bench:
        await bench.bound()
        async with asyncio.timeout(QUICK.leave + QUICK.close + 1):
            await bench.link.stop()
        assert heard[0][4:8] == bytes.fromhex("00000006")
        assert bench.link.binds == []


async def test_an_operator_that_reads_nothing_after_the_bind() -> None:
    """Its window fills and then the socket; the link holds still, and a stop is not held up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept_bind(reader, writer)
        await gone.wait()

    gone = asyncio.Event()
    timing = Timing(answers=0.2, leave=0.4, close=0.2)
    async with raw_operator(talk) as port, link_to(port, window=100_000, timing=timing) as bench:
        await bench.bound()
        number = 0
        while bench.link.capacity() and number < 100_000:
            for _ in range(min(1000, bench.link.capacity())):
                number += 1
                bench.link.submit(message(number, text="x" * 160))
            await asyncio.sleep(0)
        assert number < 100_000
        assert bench.link.capacity() == 0
        await bench.link.stop()
        assert len(bench.results) == number
        gone.set()
