"""smpplib (a blocking client) speaks to our server: binds, texts in its own cutting and alphabets, receipts."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
import smpplib.exceptions
import smpplib.smpp

from payk.simulator import Simulator
from payk.smpp import CommandStatus, SessionOptions, Tag, Tlv, find_tlv, tlv_int
from tests.links.smsc import operator
from tests.witness.blocking_client import BlockingClient, bound
from tests.witness.received import Received
from tests.witness.texts import TEXTS

DELIVERED = "992000000000"
STATES = {
    DELIVERED: ("DELIVRD", 2),
    "992000000002": ("UNDELIV", 5),
    "992000000003": ("EXPIRED", 3),
    "992000000004": ("REJECTD", 8),
    "992000000012": ("UNKNOWN", 7),
    "992000000013": ("DELETED", 4),
}
"""Scripted number -> what its receipt says: Appendix B's word and message_state."""


def receipt(pdu: Any) -> tuple[str, str, int]:
    """Id, word and state of a receipt as smpplib has taken it apart; text and parameters agree."""
    text = pdu.short_message.decode("ascii")
    found = re.fullmatch(
        r"id:(\d+) sub:001 dlvrd:00[01] submit date:\d{10} done date:\d{10} stat:(\w+) err:\d{3} text:", text
    )
    assert found, text
    assert pdu.receipted_message_id.decode("ascii") == found[1]
    assert pdu.esm_class == 4
    return found[1], found[2], pdu.message_state


@pytest.mark.parametrize("kind", ["transmitter", "receiver", "transceiver"])
async def test_binds_asks_and_leaves(simulator: Simulator, kind: str) -> None:
    def talk() -> None:
        with bound(simulator.port, kind) as client:
            client.send_pdu(smpplib.smpp.make_pdu("enquire_link", client=client))
            client.read_until(lambda: client.heard[-1] == "enquire_link_resp")
        assert client.heard == [f"bind_{kind}_resp", "enquire_link_resp", "unbind_resp"]

    await asyncio.to_thread(talk)


async def test_is_told_who_answers_and_which_version(simulator: Simulator) -> None:
    def talk() -> Any:
        client = BlockingClient(simulator.port)
        client.connect()
        answer = client.bind_transceiver(system_id="payk", password="payk")
        client.unbind()
        client.disconnect()
        return answer

    answer = await asyncio.to_thread(talk)
    assert (answer.system_id, answer.sc_interface_version) == (b"simulator", 0x34)


@pytest.mark.parametrize(("system_id", "password"), [("payk", "wrong"), ("nobody", "payk"), ("payk", "")])
async def test_a_wrong_account_is_refused(simulator: Simulator, system_id: str, password: str) -> None:
    def talk() -> int:
        client = BlockingClient(simulator.port)
        client.connect()
        try:
            with pytest.raises(smpplib.exceptions.PDUError) as refused:
                client.bind_transceiver(system_id=system_id, password=password)
        finally:
            client.disconnect()
        return int(refused.value.args[1])

    assert await asyncio.to_thread(talk) == CommandStatus.ESME_RBINDFAIL


@pytest.mark.parametrize("name", TEXTS)
async def test_texts_arrive_and_are_delivered(simulator: Simulator, received: Received, name: str) -> None:
    text, parts = TEXTS[name]

    def talk() -> BlockingClient:
        with bound(simulator.port) as client:
            numbers = client.submit(text, DELIVERED)
            client.read_until(lambda: len(client.deliveries) == parts)
            assert sorted(client.ids) == numbers
            return client

    client = await asyncio.to_thread(talk)
    told = [receipt(pdu) for pdu in client.deliveries]
    assert sorted(told) == sorted((message_id, "DELIVRD", 2) for message_id in client.ids.values())
    assert await received.text(parts) == text
    lines = await received.submits(parts)
    assert {line["id"] for line in lines} == set(client.ids.values())
    assert {(line["source"], line["source_ton"], line["destination"]) for line in lines} == {("AlifBank", 5, DELIVERED)}


async def test_every_state_is_told_under_the_id_of_its_message(simulator: Simulator) -> None:
    def talk() -> dict[str, tuple[str, int]]:
        with bound(simulator.port) as client:
            numbers = {client.submit("Kod: 1234", destination)[0]: destination for destination in STATES}
            client.read_until(lambda: len(client.deliveries) == len(STATES))
            destinations = {client.ids[number]: destination for number, destination in numbers.items()}
        told = {}
        for pdu in client.deliveries:
            message_id, word, state = receipt(pdu)
            assert pdu.source_addr.decode("ascii") == destinations[message_id]
            assert pdu.destination_addr == b"AlifBank"
            told[destinations[message_id]] = (word, state)
        return told

    assert await asyncio.to_thread(talk) == STATES


async def test_receipts_come_to_the_receiver_of_the_account(simulator: Simulator) -> None:
    def talk() -> tuple[dict[int, str], list[Any]]:
        with bound(simulator.port, "receiver") as receiver, bound(simulator.port, "transmitter") as transmitter:
            transmitter.submit("Kod: 1234", DELIVERED)
            transmitter.read_until(lambda: bool(transmitter.ids))
            receiver.read_until(lambda: bool(receiver.deliveries))
            return transmitter.ids, receiver.deliveries

    ids, deliveries = await asyncio.to_thread(talk)
    assert [receipt(pdu)[0] for pdu in deliveries] == list(ids.values())


async def test_refused_submits_are_told_their_status(simulator: Simulator) -> None:
    refused = {"992000000007": CommandStatus.ESME_RINVDSTADR, "992000000015": CommandStatus.ESME_RINVSRCADR}

    def talk() -> dict[str, int]:
        with bound(simulator.port) as client:
            numbers = {client.submit("Kod: 1234", destination)[0]: destination for destination in refused}
            client.read_until(lambda: len(client.refusals) == len(refused))
            assert not client.ids
        return {numbers[number]: status for number, status in client.refusals.items()}

    assert await asyncio.to_thread(talk) == refused


async def test_its_optional_parameters_are_read() -> None:
    text = TEXTS["tajik in parts"][0]

    def talk(port: int) -> None:
        with bound(port) as client:
            client.submit(text, DELIVERED, udh=False, user_message_reference=9, source_port=1234)
            client.send_message(
                source_addr="AlifBank", destination_addr=DELIVERED, message_payload=b"x" * 300, more_messages_to_send=1
            )
            client.read_until(lambda: len(client.ids) == 4)

    async with operator() as smsc:
        await asyncio.to_thread(talk, smsc.port)
        *parts, long = smsc.submits
    assert [tlv_int(part.tlvs, Tag.SAR_SEGMENT_SEQNUM) for part in parts] == [1, 2, 3]
    assert {tlv_int(part.tlvs, Tag.SAR_MSG_REF_NUM) for part in parts} == {517}
    assert {tlv_int(part.tlvs, Tag.SAR_TOTAL_SEGMENTS) for part in parts} == {3}
    assert {tlv_int(part.tlvs, Tag.USER_MESSAGE_REFERENCE) for part in parts} == {9}
    assert {tlv_int(part.tlvs, Tag.SOURCE_PORT) for part in parts} == {1234}
    assert b"".join(part.short_message for part in parts).decode("utf-16-be") == text
    assert find_tlv(long.tlvs, Tag.MESSAGE_PAYLOAD) == b"x" * 300
    assert Tlv(Tag.MORE_MESSAGES_TO_SEND, b"\1") in long.tlvs


async def test_answers_our_enquire_link() -> None:
    def talk(port: int) -> None:
        with bound(port) as client:
            # One miss ends the session, so a second question says that the first was answered.
            client.read_until(lambda: client.heard.count("enquire_link") == 2)

    options = SessionOptions(enquire_interval=0.1, enquire_timeout=1.0, enquire_misses=1)
    async with operator(options=options) as smsc:
        await asyncio.to_thread(talk, smsc.port)
        await smsc.watch.until(lambda: smsc.closed == 1)
        assert smsc.unbinds == 1
