"""The operator of the benchmark answers, sends the receipts that were asked for, and counts what it did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest

from bench.operator import Operator as Answering
from bench.operator import Session
from bench.rig import Operator
from payk.smpp import codec
from payk.smpp.framing import BOUND_LIMIT, Framer
from payk.smpp.parameters import MessageState
from payk.smpp.pdu import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    Pdu,
    QuerySm,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
)
from payk.smpp.receipt import parse_receipt
from payk.smpp.tlv import Tag, tlv_int

PATIENCE = 10.0
UNANSWERED = 1_000


def message(number: str, *, registered_delivery: int = 1, **others: Any) -> SubmitSm:
    return SubmitSm(
        source_addr_ton=5, source_addr="AlifBank", dest_addr_ton=1, dest_addr_npi=1, destination_addr=number,
        registered_delivery=registered_delivery, short_message=b"48213", **others,
    )  # fmt: skip


@dataclass
class Esme:
    """Speaks SMPP octet by octet as it is told to."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sequence: int = 0

    def send(self, *pdus: Pdu) -> None:
        """In one write; requests are numbered."""
        octets = b""
        for pdu in pdus:
            self.sequence += not pdu.sequence_number
            octets += codec.encode(pdu, pdu.sequence_number or self.sequence)
        self.writer.write(octets)

    async def receive(self) -> Any:
        head = await self.reader.readexactly(16)
        return codec.decode(head + await self.reader.readexactly(int.from_bytes(head[:4], "big") - 16))


@asynccontextmanager
async def bound(operator: Operator, bind: Pdu) -> AsyncIterator[Esme]:
    esme = Esme(*await asyncio.open_connection("127.0.0.1", operator.port))
    esme.send(bind)
    answer = await esme.receive()
    assert answer.command_id == bind.command_id | 0x80000000 and answer.command_status == 0
    yield esme
    esme.writer.close()


@pytest.fixture
async def operator() -> AsyncIterator[Operator]:
    running = await Operator.start(receipt_after=0.05)
    async with asyncio.timeout(PATIENCE):
        yield running
    await running.end()


@pytest.mark.parametrize("bind", [BindTransmitter, BindReceiver, BindTransceiver])
async def test_it_lets_everybody_in(operator: Operator, bind: type[BindTransceiver]) -> None:
    esme = Esme(*await asyncio.open_connection("127.0.0.1", operator.port))
    esme.send(bind(system_id="anybody", password="wrong"))
    answer = await esme.receive()
    assert answer.command_status == 0
    assert tlv_int(answer.tlvs, Tag.SC_INTERFACE_VERSION) == 0x34
    assert (await operator.ask("counts"))["binds"] == 1
    esme.writer.close()


async def test_it_answers_what_is_no_message_and_ends_after_unbind(operator: Operator) -> None:
    async with bound(operator, BindTransceiver(system_id="payk")) as esme:
        esme.send(EnquireLink(), QuerySm(message_id="1"))
        assert await esme.receive() == EnquireLinkResp(sequence_number=2)
        assert int.from_bytes((await esme.reader.readexactly(16))[4:8], "big") == 0x80000003
        esme.send(Unbind())
        assert await esme.receive() == UnbindResp(sequence_number=4)
        assert await esme.reader.read() == b""


@pytest.mark.parametrize("length", [0, 15, 100_000])
async def test_it_ends_what_has_no_length(operator: Operator, length: int) -> None:
    async with bound(operator, BindTransceiver(system_id="payk")) as esme:
        esme.writer.write(length.to_bytes(4, "big") + bytes(12))
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await esme.receive()


async def test_every_message_has_an_id_of_its_own(operator: Operator) -> None:
    async with bound(operator, BindTransmitter(system_id="payk")) as esme:
        esme.send(*[message(f"99290{number:07}") for number in range(50)])
        answers = [await esme.receive() for _ in range(50)]
    assert [answer.sequence_number for answer in answers] == list(range(2, 52))
    first = int(answers[0].message_id)
    assert [int(answer.message_id) for answer in answers] == list(range(first, first + 50))


async def test_a_receipt_names_its_message(operator: Operator) -> None:
    async with bound(operator, BindTransceiver(system_id="payk")) as esme:
        esme.send(message("992900000001", service_type="CMT", validity_period="000000010000000R"))
        answer, delivery = await esme.receive(), await esme.receive()
        esme.send(DeliverSmResp(sequence_number=delivery.sequence_number))
    receipt = parse_receipt(delivery)
    assert receipt is not None and not receipt.by_text_alone and not receipt.intermediate
    assert receipt.message_ids == (answer.message_id,)
    assert (receipt.state, receipt.message_state, receipt.err) == ("DELIVRD", MessageState.DELIVERED, "000")
    assert (receipt.source_addr, receipt.destination_addr) == ("992900000001", "AlifBank")
    assert (delivery.source_addr_ton, delivery.source_addr_npi, delivery.dest_addr_ton) == (1, 1, 5)
    assert receipt.submit_date is not None and receipt.done_date is not None
    assert len(receipt.submit_date) == 10 and receipt.submit_date <= receipt.done_date


async def test_only_who_asks_gets_a_receipt_of_what_was_delivered(operator: Operator) -> None:
    async with bound(operator, BindTransceiver(system_id="payk")) as esme:
        asking = {0: False, 1: True, 2: False, 0x10: False, 0x11: True}
        esme.send(*[message(f"{asks}", registered_delivery=asks) for asks in asking])
        for _ in asking:
            assert isinstance(await esme.receive(), SubmitSmResp)
        wanted = [str(asks) for asks, gets in asking.items() if gets]
        assert [(await esme.receive()).source_addr for _ in wanted] == wanted
        counts = await operator.ask("counts")
        assert (counts["submits"], counts["receipts"]) == (5, 2)


async def test_receipts_go_to_who_receives_under_the_same_name(operator: Operator) -> None:
    async with (
        bound(operator, BindReceiver(system_id="other")) as other,
        bound(operator, BindTransmitter(system_id="payk")) as transmitter,
        bound(operator, BindReceiver(system_id="payk")) as receiver,
    ):
        transmitter.send(message("992900000001"))
        assert isinstance(await transmitter.receive(), SubmitSmResp)
        assert (await receiver.receive()).source_addr == "992900000001"
        for esme in (other, transmitter):
            esme.send(EnquireLink())
            assert isinstance(await esme.receive(), EnquireLinkResp), "a receipt came first"


async def test_it_counts_what_was_confirmed(operator: Operator) -> None:
    began = monotonic()
    async with bound(operator, BindTransceiver(system_id="payk")) as esme:
        esme.send(*[message("992900000001")] * 3)
        numbers = [pdu.sequence_number for pdu in [await esme.receive() for _ in range(6)][3:]]
        statuses = (0, 0, 0x64)
        answers = [
            DeliverSmResp(command_status=status, sequence_number=number)
            for status, number in zip(statuses, numbers, strict=True)
        ]
        esme.send(*answers, EnquireLink())
        await esme.receive()
        counts = await operator.ask("counts")
    assert (counts["submits"], counts["receipts"], counts["confirmed"], counts["unconfirmed"]) == (3, 3, 2, 1)
    assert began < counts["first_submit_at"] <= counts["last_submit_at"] < counts["last_confirmed_at"] < monotonic()
    assert 0 < counts["cpu_s"] < PATIENCE


async def test_it_remembers_the_numbers_that_it_watches(operator: Operator) -> None:
    async with bound(operator, BindTransceiver(system_id="payk")) as esme:

        async def submit(number: str) -> None:
            esme.send(message(number, registered_delivery=0))
            await esme.receive()

        await submit("99277001")
        assert await operator.ask("watch 99277") == {}
        before = monotonic()
        await submit("99277002")
        between = monotonic()
        await submit("99277002")
        await submit("99288003")
        seen = await operator.ask("seen 99277")
    assert seen.keys() == {"99277002"}
    assert before < seen["99277002"] < between


async def test_it_counts_by_source_and_second(operator: Operator) -> None:
    async with bound(operator, BindTransceiver(system_id="payk")) as esme:
        assert await operator.ask("order on") == {}
        began = monotonic()
        esme.send(*[message("992900000001", registered_delivery=0)] * 3)
        for _ in range(3):
            await esme.receive()
        order = await operator.ask("order")
    assert sum(order["counts"]["AlifBank"].values()) == 3
    assert all(int(began) <= int(second) <= monotonic() for second in order["counts"]["AlifBank"])
    assert began < order["first"]["AlifBank"] < monotonic()


async def test_it_says_what_it_does_not_understand(operator: Operator) -> None:
    assert await operator.ask("sing") == {"error": "not understood: sing"}


@pytest.mark.parametrize("last", [b"quit\n", b""])
async def test_it_ends_when_it_is_told_to_or_left_alone(operator: Operator, last: bytes) -> None:
    assert operator.process.stdin is not None
    operator.process.stdin.write(last)
    operator.process.stdin.close()
    assert await operator.process.wait() == 0


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.framer = Framer(BOUND_LIMIT)

    def write(self, octets: bytes) -> None:
        self.framer.push(octets)

    def taken(self) -> list[Pdu]:
        """What was written since."""
        return [codec.decode(frame) for frame in self.framer.take()]

    def deliveries(self) -> list[int]:
        """Sequence numbers of the receipts that were written since."""
        return [pdu.sequence_number for pdu in self.taken() if isinstance(pdu, DeliverSm)]


def session(operator: Answering) -> tuple[Session, Wire]:
    wire = Wire()
    opened = Session(operator)
    opened.connection_made(wire)  # type: ignore[arg-type]
    opened.data_received(codec.encode(BindTransceiver(system_id="payk"), 1))
    return opened, wire


def test_a_message_may_come_an_octet_at_a_time() -> None:
    operator = Answering(receipt_after=0.0)
    esme, wire = session(operator)
    for octet in codec.encode(message("992900000001"), 2) + codec.encode(message("992900000002"), 3):
        esme.data_received(bytes([octet]))
    operator.tick()
    _, *answers, one, other = wire.taken()
    assert [(type(answer), answer.sequence_number) for answer in answers] == [(SubmitSmResp, 2), (SubmitSmResp, 3)]
    assert [receipt.source_addr for receipt in (one, other)] == ["992900000001", "992900000002"]


def test_receipts_wait_while_too_many_are_unanswered() -> None:
    operator = Answering(receipt_after=0.0)
    esme, wire = session(operator)
    esme.data_received(b"".join(codec.encode(message("992900000001"), 2 + n) for n in range(UNANSWERED + 200)))
    operator.tick()
    operator.tick()
    numbers = wire.deliveries()
    assert len(numbers) == UNANSWERED
    esme.data_received(b"".join(codec.encode(DeliverSmResp(), number) for number in numbers[:50]))
    operator.tick()
    assert len(wire.deliveries()) == 50
    esme.data_received(b"".join(codec.encode(DeliverSmResp(), number) for number in numbers[50:]))
    operator.tick()
    assert len(wire.deliveries()) == 150
    assert (operator.receipts, operator.confirmed) == (UNANSWERED + 200, UNANSWERED)


def test_receipts_are_sent_when_they_are_due_and_not_before() -> None:
    operator = Answering(receipt_after=3600.0)
    esme, wire = session(operator)
    esme.data_received(codec.encode(message("992900000001"), 2))
    operator.tick()
    assert wire.deliveries() == [] and operator.receipts == 0


def test_sessions_of_one_name_share_the_receipts_until_one_leaves() -> None:
    operator = Answering(receipt_after=0.0)
    (one, first), (other, second) = session(operator), session(operator)
    one.data_received(b"".join(codec.encode(message("992900000001"), 2 + n) for n in range(101)))
    operator.tick()
    assert sorted([len(first.deliveries()), len(second.deliveries())]) == [50, 51]
    one.connection_lost(None)
    other.data_received(b"".join(codec.encode(message("992900000001"), 2 + n) for n in range(101)))
    operator.tick()
    assert (len(first.deliveries()), len(second.deliveries())) == (0, 101)
