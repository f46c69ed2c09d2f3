"""Octets that pass the protocol room and broke what lies behind it."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from payk.domain.outcome import Accepted
from payk.simulator import Simulator, SimulatorOptions
from payk.smpp import SubmitSm, SubmitSmResp, Tag, Tlv
from payk.smpp_connection import SmppConnection
from tests.links.smsc import Smsc, link_to, message, operator
from tests.simulator.client import bound


@pytest.mark.parametrize("octets", [b"\1" * 9, b"\1" * 3000], ids=len)
async def test_a_reference_wider_than_any_integer_is_recorded_as_none(tmp_path: Path, octets: bytes) -> None:
    """No JSON holds nine octets as a number, no Python writes down thousands: the submit ended its session."""
    path = tmp_path / "record.jsonl"
    simulator = Simulator(SimulatorOptions(port=0, record=path), random=Random(7))
    await simulator.start()
    async with bound(simulator) as customer:
        answer = await customer.submit("992000000006", tlvs=(Tlv(Tag.USER_MESSAGE_REFERENCE, octets),))
        assert answer.command_status == 0
        assert not customer.closed.is_set()
        assert (await customer.submit("992000000006")).command_status == 0
    await simulator.stop()
    assert [json.loads(line)["reference"] for line in path.read_text().splitlines()] == [None, None]


async def test_a_congestion_state_wider_than_any_integer_costs_no_result() -> None:
    """The log of the slow-down raised, the session was closed, and the message never had its result."""

    def answer(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
        wide = Tlv(Tag.CONGESTION_STATE, b"\1" * 3000)
        peer.send_response(pdu, SubmitSmResp(message_id="1", tlvs=(wide,)))

    async with operator(on_submit=answer) as smsc, link_to(smsc, rate=10.0) as bench:
        await bench.bound()
        bench.link.submit(message())
        await bench.until(lambda: bench.results, timeout=2.0)
        assert bench.outcomes == [(Accepted(1, "1"),)]
