"""smpp34's client against our server. Its Python binding has no cutting and no receipt parser: the wire alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import smpp34

from payk.simulator import Simulator
from payk.smpp import BindTransceiverResp, CommandStatus, Unbind, UnbindResp, encode
from tests.links.smsc import Watch
from tests.witness.received import Received
from tests.witness.tap import tapped


async def connected(port: int, kind: str = "TRX", password: str = "payk", timeout: float = 5.0) -> Any:
    client = smpp34.Client("127.0.0.1", port, "payk", password, bind_type=kind, connect_timeout_ms=int(1000 * timeout))
    return await client.connect()


@pytest.mark.parametrize("kind", ["TX", "RX", "TRX"])
async def test_binds_and_leaves(simulator: Simulator, kind: str) -> None:
    async with tapped(simulator.port, Watch()) as tap:
        session = await connected(tap.port, kind)
        assert session.system_id == "payk"
        await session.unbind()
        assert isinstance(await session.next(), smpp34.Disconnected)
        await tap.watch.until(lambda: tap.seen(UnbindResp, tap.from_server))
        assert len(tap.seen(Unbind, tap.from_client)) == 1
        assert [encode(pdu) for pdu in tap.pdus(tap.from_client)] == tap.from_client


async def test_a_wrong_password_is_refused(simulator: Simulator) -> None:
    async with tapped(simulator.port, Watch()) as tap:
        # It does not tell a refused bind from silence, and lets its own time pass.
        with pytest.raises(smpp34.SmppError):
            await connected(tap.port, password="wrong", timeout=0.5)
        assert [pdu.command_status for pdu in tap.seen(BindTransceiverResp, tap.from_server)] == [
            CommandStatus.ESME_RBINDFAIL
        ]


async def test_messages_and_receipts(simulator: Simulator, received: Received) -> None:
    text = "Салом, Ҷаҳон! Қӯрғонтеппа"
    session = await connected(simulator.port)
    answers = await asyncio.gather(
        *(
            session.submit_sm(
                destination,
                text.encode("utf-16-be"),
                source_addr="AlifBank",
                source_addr_ton=5,
                data_coding=8,
                registered_delivery=1,
            )
            for destination in ("992000000000", "992000000002")
        )
    )
    assert all(answer.is_success for answer in answers)
    told = {}
    for _ in answers:
        receipt = await asyncio.wait_for(session.next(), 5)
        tlvs = {tlv.tag: tlv for tlv in receipt.tlvs}
        message_id = tlvs[smpp34.TLV_RECEIPTED_MESSAGE_ID].as_string()
        assert receipt.short_message.startswith(f"id:{message_id} ".encode())
        assert receipt.esm_class == 4
        told[message_id] = tlvs[smpp34.TLV_MESSAGE_STATE].as_int()
    assert [told[answer.message_id] for answer in answers] == [2, 5]
    await session.unbind()
    assert await received.text(1, after=1) == text


async def test_refused_submits_are_told_their_status(simulator: Simulator) -> None:
    session = await connected(simulator.port)
    answer = await session.submit_sm("992000000007", b"Kod: 1234", source_addr="7777")
    assert (answer.command_status, answer.message_id) == (CommandStatus.ESME_RINVDSTADR, None)
    await session.unbind()


async def test_a_flood_is_answered_one_by_one(simulator: Simulator) -> None:
    session = await connected(simulator.port)
    answers = await asyncio.gather(
        *(session.submit_sm("992900900900", b"%d" % number, source_addr="7777") for number in range(500))
    )
    assert len({answer.message_id for answer in answers}) == 500
    await session.unbind()
