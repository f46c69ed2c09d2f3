"""Operators that refuse optional parameters: messages go without them, and none is lost or refused for it."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from payk.domain.operator import LongText
from payk.domain.outcome import Accepted, RefusalKind, Refused, Unsent
from payk.smpp import CommandStatus, SubmitSm, SubmitSmResp
from payk.smpp_connection import SmppConnection
from tests.links.smsc import Smsc, link_to, message, operator

NOT_ALLOWED = CommandStatus.ESME_ROPTPARNOTALLWD
LONG = "0123456789" * 40  # 3 parts


def strict(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
    """An operator that takes no parameter at all."""
    if pdu.tlvs:
        peer.send_response(pdu, SubmitSmResp(command_status=NOT_ALLOWED))
    else:
        peer.send_response(pdu, SubmitSmResp(message_id=str(len(smsc.submits))))


@pytest.mark.parametrize("text", ["Kod: 1234", LONG], ids=["one part", "three parts"])
async def test_a_part_goes_again_without_them_and_the_next_ones_from_the_start(text: str) -> None:
    with capture_logs() as lines:
        async with operator(on_submit=strict) as smsc, link_to(smsc) as bench:
            await bench.bound()
            bench.link.submit(message(1, text=text))
            await bench.until(lambda: bench.results)
            refused = sum(bool(pdu.tlvs) for pdu in smsc.submits)
            bench.link.submit(message(2, text=text))
            await bench.until(lambda: len(bench.results) == 2)
    assert all(isinstance(outcome, Accepted) for outcomes in bench.outcomes for outcome in outcomes)
    assert refused == sum(bool(pdu.tlvs) for pdu in smsc.submits) >= 1
    assert [line["event"] for line in lines if "optional" in line["event"]] == ["operator takes no optional parameters"]


async def test_what_a_part_cannot_do_without_is_refused_for_good() -> None:
    async with operator(on_submit=strict) as smsc, link_to(smsc, long_text=LongText.SAR) as bench:
        await bench.bound()
        bench.link.submit(message(text=LONG))
        await bench.until(lambda: bench.results)
        assert bench.outcomes == [tuple(Refused(part, NOT_ALLOWED, RefusalKind.PERMANENT) for part in (1, 2, 3))]
        assert len(smsc.submits) == 6


async def test_the_links_own_class_for_the_status_wins() -> None:
    async with operator(on_submit=strict) as smsc, link_to(smsc, status_classes={0xC1: "permanent"}) as bench:
        await bench.bound()
        bench.link.submit(message())
        await bench.until(lambda: bench.results)
        assert bench.outcomes == [(Refused(1, NOT_ALLOWED, RefusalKind.PERMANENT),)]
        assert len(smsc.submits) == 1


async def test_on_a_bind_that_is_leaving_the_part_goes_back_to_its_place() -> None:
    async with operator(on_submit=lambda smsc, peer, pdu: None) as smsc, link_to(smsc) as bench:
        await bench.bound()
        bench.link.submit(message())
        await bench.until(lambda: smsc.submits)
        bench.link.want_binds(())
        await bench.until(lambda: not any(bind.bound for bind in bench.link.binds))
        smsc.peers[0].send_response(smsc.submits[0], SubmitSmResp(command_status=NOT_ALLOWED))
        await bench.until(lambda: bench.results)
        assert bench.outcomes == [(Unsent(1),)]
