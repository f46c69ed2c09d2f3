"""aiosmpplib (asyncio) speaks to our server: its cutting, its alphabets, its receipt parser, its correlation."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiosmpplib import (
    BindMode,
    EnquireLink,
    EnquireLinkResp,
    SmppCommandStatus,
    SmppError,
    SmppMessage,
    SmppSessionState,
    Unbind,
    UnbindResp,
)

from payk.simulator import Simulator
from payk.smpp import CommandStatus, DeliverSm, EsmClass, SessionOptions, State, concatenation_8bit
from tests.links.smsc import Smsc, operator
from tests.witness.async_client import AsyncClient, client_of, connected
from tests.witness.received import Received
from tests.witness.texts import TEXTS

DELIVERED = "992000000000"
STATES = {DELIVERED: "DELIVRD", "992000000002": "UNDELIV", "992000000003": "EXPIRED", "992000000004": "REJECTD"}
"""Scripted number -> the word of its receipt. aiosmpplib reads network_error_code as ASCII and nacks a receipt with an
octet above 0x7F in it, so those of UNKNOWN and DELETED (codes above 127) are left to smpplib."""


async def one_peer(smsc: Smsc) -> State:
    await smsc.watch.until(lambda: smsc.peers)
    return smsc.peers[0].session.state


@pytest.mark.parametrize(
    ("mode", "state"),
    [
        (BindMode.TRANSMITTER, State.BOUND_TX),
        (BindMode.RECEIVER, State.BOUND_RX),
        (BindMode.TRANSCEIVER, State.BOUND_TRX),
    ],
)
async def test_binds_and_leaves(mode: BindMode, state: State) -> None:
    async with operator() as smsc:
        async with connected(smsc.port, mode):
            assert await one_peer(smsc) is state
        await smsc.watch.until(lambda: smsc.closed == 1)
        assert smsc.unbinds == 1


@pytest.mark.parametrize("password", ["wrong", ""])
async def test_a_wrong_password_is_refused(simulator: Simulator, password: str) -> None:
    client = client_of(simulator.port, password=password)
    # It takes no bind_resp without a body, which is how we (like many) refuse: its error is one of reading.
    with pytest.raises((SmppError, ValueError)):
        await client.esme.connect()
    assert [SmppMessage.parse_header(frame).command_status for frame in client.hook.frames] == [
        SmppCommandStatus.ESME_RBINDFAIL
    ]
    assert client.esme.session_state is SmppSessionState.OPEN


async def test_texts_arrive_and_are_delivered(simulator: Simulator, received: Received) -> None:
    sent = 0
    async with connected(simulator.port) as client:
        for count, (name, (text, parts)) in enumerate(TEXTS.items(), start=1):
            await client.submit(text, DELIVERED, log_id=name)
            # Of several parts it shows the last answer and the last receipt, under the log_id of the whole.
            await client.until(lambda count=count: len(client.answers) == len(client.deliveries) == count)
            assert await received.text(parts, after=sent) == text
            ids = {line["id"] for line in (await received.submits(sent + parts))[sent:]}
            assert (client.answers[-1].log_id, client.answers[-1].message_id in ids) == (name, True)
            assert client.deliveries[-1].log_id == name
            receipt = client.deliveries[-1].parse_receipt()
            assert receipt["id"] in ids
            assert (receipt["stat"], receipt["err"], receipt["dlvrd"]) == ("DELIVRD", 0, 1)
            sent += parts


async def test_a_long_text_as_message_payload(simulator: Simulator, received: Received) -> None:
    text = TEXTS["gsm in parts"][0]
    async with connected(simulator.port) as client:
        await client.submit(text, DELIVERED, udh=False)
        await client.until(lambda: client.deliveries)
    assert await received.text(1) == text


async def test_every_state_is_told_under_the_id_of_its_message(simulator: Simulator) -> None:
    async with connected(simulator.port) as client:
        for destination in STATES:
            await client.submit("Kod: 1234", destination, log_id=destination)
        await client.until(lambda: len(client.deliveries) == len(STATES))
        ids = {answer.log_id: answer.message_id for answer in client.answers}
        told = {}
        for delivery in client.deliveries:
            receipt = delivery.parse_receipt()
            assert delivery.is_receipt()
            assert receipt["id"] == ids[delivery.log_id]
            assert delivery.source.number == delivery.log_id
            assert (receipt["err"] == 0) == (receipt["stat"] == "DELIVRD")
            told[delivery.log_id] = receipt["stat"]
    assert told == STATES


async def test_refused_submits_are_told_their_status(simulator: Simulator) -> None:
    async with connected(simulator.port) as client:
        await client.submit("Kod: 1234", "992000000007")
        await client.until(lambda: client.answers)
    assert client.answers[0].command_status == CommandStatus.ESME_RINVDSTADR


async def test_validity_periods_arrive() -> None:
    async with operator() as smsc:
        async with connected(smsc.port) as client:
            await client.submit("a", DELIVERED, udh=False, validity_period=timedelta(days=2, hours=1))
            await client.submit(
                "b", DELIVERED, udh=False, validity_period=datetime(2026, 11, 24, 10, 15, 59, tzinfo=UTC)
            )
            await client.until(lambda: len(client.answers) == 2)
        assert [pdu.validity_period for pdu in smsc.submits] == ["000002010000000R", "261124101559000+"]


async def test_it_asks_us_and_we_ask_it() -> None:
    options = SessionOptions(enquire_interval=0.1, enquire_always=True, enquire_timeout=1.0, enquire_misses=1)

    def heard(client: AsyncClient, kind: type) -> int:
        return sum(isinstance(message, kind) for message in client.hook.heard)

    async with operator(options=options) as smsc, connected(smsc.port, enquire_link_interval=0.05) as client:
        await client.until(lambda: heard(client, EnquireLinkResp) >= 2)
        await client.until(lambda: heard(client, EnquireLink) >= 2)  # one miss would have ended the session
        assert smsc.closed == 0


async def test_it_joins_the_parts_that_we_deliver() -> None:
    text = "Ҷавоб: Қӯрғонтеппа " * 5
    octets = text.encode("utf-16-be")
    pieces = [octets[start : start + 134] for start in range(0, len(octets), 134)]
    parts = [
        DeliverSm(
            source_addr="992900900900",
            destination_addr="AlifBank",
            esm_class=EsmClass.UDHI,
            data_coding=8,
            short_message=concatenation_8bit(7, len(pieces), number) + piece,
        )
        for number, piece in enumerate(pieces, start=1)
    ]
    async with operator() as smsc, connected(smsc.port) as client:
        await smsc.watch.until(smsc.receivers)
        smsc.deliver(smsc.peers[0], parts)
        await client.until(lambda: client.deliveries)
        await smsc.watch.until(lambda: len(smsc.answers) == len(parts))
        assert client.deliveries[0].short_message == text
        assert [answer.command_status for answer in smsc.answers] == [0] * len(parts)


async def test_when_we_leave_it_answers() -> None:
    async with operator() as smsc, connected(smsc.port) as client:
        await smsc.watch.until(smsc.receivers)
        smsc.peers[0].unbind()
        await smsc.watch.until(lambda: smsc.closed == 1)
        await client.until(lambda: any(isinstance(message, Unbind) for message in client.hook.heard))
        assert any(isinstance(message, UnbindResp) for message in client.hook.sent)
        await asyncio.wait_for(client.esme.stop(), 5)
