"""Our client is refused a bind in the octets of foreign codecs; smpp34's server itself takes any password."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import aiosmpplib
import pytest
import smpplib.client
import smpplib.smpp

from payk.smpp import BindTransceiver, CommandStatus, decode, status_name
from tests.links.raw_smsc import raw_operator, read_pdu
from tests.links.smsc import link_to

STATUSES = [CommandStatus.ESME_RBINDFAIL, CommandStatus.ESME_RINVPASWD, CommandStatus.ESME_RINVSYSID]
Maker = Callable[[int, int], bytes]


def of_aiosmpplib(number: int, status: int) -> bytes:
    refusal = aiosmpplib.BindTransceiverResp(number, aiosmpplib.SmppCommandStatus(status), system_id="foreign")
    return refusal.pdu()


def of_smpplib(number: int, status: int) -> bytes:
    numbers = smpplib.client.SimpleSequenceGenerator()
    refusal = smpplib.smpp.make_pdu("bind_transceiver_resp", client=numbers, status=status)
    refusal.sequence = number
    octets: bytes = refusal.generate()
    return octets


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("maker", [of_aiosmpplib, of_smpplib])
async def test_a_refused_bind_is_known_as_such(maker: Maker, status: int) -> None:
    async with (
        raw_operator(partial(refuse, maker, status)) as port,
        link_to(port, password="wrong") as bench,
    ):
        await bench.until(lambda: bench.link.binds and bench.link.binds[0].last_error)
        bind = bench.link.binds[0]
    assert status_name(status) in str(bind.last_error)
    assert (bind.bound, bind.waiting_for) == (False, "operator to accept the account")


async def refuse(maker: Maker, status: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    bind = decode(await read_pdu(reader))
    assert isinstance(bind, BindTransceiver)
    assert bind.password == "wrong"
    writer.write(maker(bind.sequence_number, status))
    await reader.read()
