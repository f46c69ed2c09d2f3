"""Section 8 of our notes on SMPP, item by item, against a live client of ours: a link.

The connection is closed, or a generic_nack goes back, or a negative response of the request's own kind, or it is
ignored. Whatever comes is told in the log, other links work, and each message that was submitted has exactly one
result (`link_stage` looks).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from random import Random

import pytest

from payk.clock import Clock
from payk.domain.operator import TlsSettings
from payk.domain.outcome import Accepted, RefusalKind, Refused, Uncertain
from payk.links import Timing, leg
from payk.smpp import SessionOptions, pending, session
from tests.hostile.case import Case
from tests.hostile.client_cases import (
    CASES,
    DATA_SM_RESP,
    ENQUIRE_LINK_RESP,
    RINVBNDSTS,
    RINVCMDID,
    RINVCMDLEN,
    SUBMIT_SM_RESP,
    TOLD,
    UNBIND_RESP,
    N,
    Told,
    deliver,
    nack,
    refused,
)
from tests.hostile.link_stage import Pending, link
from tests.hostile.wire import (
    BIND_TRANSCEIVER,
    ENQUIRE_LINK,
    GENERIC_NACK,
    RESPONSE,
    UNBIND,
    number_of,
    pdu,
    tlv,
)
from tests.links.smsc import QUICK, link_to, operator
from tests.links.test_tls import make_certificate, server_context
from tests.smpp.test_vectors import FRAMES


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_of_a_bound_session(case: Case) -> None:
    async with link() as stage:
        waits = await stage.pending()
        waits.wire.write(case.octets)
        replies = await (waits.wire.to_the_end() if case.closes else waits.wire.replies())
        assert replies == list(case.replies)
        if case.closes:
            assert isinstance((await stage.outcomes())[0], Uncertain)
            await stage.bench.bound(0)
        else:
            waits.accept()
            assert await stage.outcomes() == [Accepted(1, "17")]
        rules = stage.broken_rules()
        assert len(rules) == case.counted or case.told is not None
        assert case.told is None or any(case.told in rule for rule in rules)
        assert stage.bench.deliveries == []


@pytest.mark.parametrize("case", TOLD, ids=str)
async def test_of_a_delivery_that_is_handed_on(case: Told) -> None:
    async with link() as stage:
        waits = await stage.pending()
        waits.wire.write(case.octets)
        await stage.bench.until(lambda: stage.bench.deliveries)
        (delivery,) = stage.bench.deliveries
        assert delivery.octets == case.octets
        delivery.respond(0)
        kind = int.from_bytes(case.octets[4:8], "big") | RESPONSE
        (answer,) = await waits.wire.replies()
        assert answer[4:16] == pdu(kind, number_of(case.octets))[4:]
        rules = stage.broken_rules()
        assert (rules == []) if case.said is None else any(case.said in rule for rule in rules)
        waits.accept()
        assert await stage.outcomes() == [Accepted(1, "17")]


# 1, 15: a port that speaks something else


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
async def test_01_a_port_that_speaks_something_else(greeting: bytes) -> None:
    async with link() as stage:
        wire = await stage.arrival()
        wire.write(greeting)
        await stage.bench.until(lambda: stage.bench.changes)
        (status,) = stage.bench.link.binds
        assert (status.bound, status.waiting_for) == (False, "operator to be reachable")
        assert status.last_error
        assert stage.bench.link.capacity() == 0
        assert len(stage.broken_rules()) == 1


# 2: octets as they come


async def test_02_octet_by_octet() -> None:
    async with link() as stage:
        wire = await stage.arrival()
        for octet in pdu(BIND_TRANSCEIVER | RESPONSE, number_of(await wire.frame()), b"smsc\0"):
            wire.write(bytes((octet,)))
            await asyncio.sleep(0)
        await stage.bench.bound()
        stage.submit()
        for octet in deliver() + pdu(SUBMIT_SM_RESP, number_of(await wire.frame()), b"17\0"):
            wire.write(bytes((octet,)))
            await asyncio.sleep(0)
        assert await stage.outcomes() == [Accepted(1, "17")]
        assert [delivery.octets for delivery in stage.bench.deliveries] == [deliver()]


async def test_02_everything_in_one_segment_behind_the_bind_response() -> None:
    async with link() as stage:
        wire = await stage.arrival()
        bind_resp = pdu(BIND_TRANSCEIVER | RESPONSE, number_of(await wire.frame()), b"smsc\0")
        large = deliver(text=b"", behind=tlv(0x0424, bytes(60_000)))
        wire.write(bind_resp, deliver(), large, *(pdu(ENQUIRE_LINK, number) for number in range(5)))
        assert [await wire.frame() for _ in range(5)] == [pdu(ENQUIRE_LINK_RESP, number) for number in range(5)]
        await stage.bench.until(lambda: len(stage.bench.deliveries) == 2)
        assert [delivery.octets for delivery in stage.bench.deliveries] == [deliver(), large]


async def test_02_a_pdu_that_is_begun_and_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leg, "SessionOptions", partial(SessionOptions, pdu_read_timeout=0.2))
    async with link() as stage:
        waits = await stage.pending()
        waits.wire.write(deliver()[:20])
        assert await waits.wire.to_the_end() == [pdu(UNBIND, 3)]
        assert isinstance((await stage.outcomes())[0], Uncertain)
        assert stage.broken_rules() == ["a PDU that was begun and not ended"]


async def test_02_a_bind_that_is_never_answered() -> None:
    async with link() as stage:
        wire = await stage.arrival()
        assert (await wire.frame())[4:8] == pdu(BIND_TRANSCEIVER)[4:8]
        wire.write(pdu(BIND_TRANSCEIVER | RESPONSE, 1, b"smsc\0")[:9])
        assert await wire.to_the_end() == []
        await stage.bench.until(lambda: stage.bench.changes)
        assert stage.bench.link.binds[0].waiting_for == "operator to be reachable"


# 3, 10, 11: answers as they really come


@pytest.mark.parametrize(
    ("kind", "status", "body", "outcome"),
    [
        pytest.param(SUBMIT_SM_RESP, 0x00, b"4.1", Accepted(1, ""), id="03 an id without end"),
        pytest.param(SUBMIT_SM_RESP, 0x00, b"7" * 200 + b"\0", Accepted(1, "7" * 200), id="03 an id too long"),
        pytest.param(SUBMIT_SM_RESP, 0x00, b"7" * 300 + b"\0", Accepted(1, ""), id="03 an id far too long"),
        pytest.param(SUBMIT_SM_RESP, 0x00, b"7a3F\0", Accepted(1, "7a3F"), id="10 an id"),
        pytest.param(SUBMIT_SM_RESP, 0x00, b"", Accepted(1, ""), id="10 no body"),
        pytest.param(SUBMIT_SM_RESP, 0x00, b"\0", Accepted(1, ""), id="10 an empty id"),
        pytest.param(SUBMIT_SM_RESP, 0x00, b"17\0" + tlv(0x0425, b"", 9), Accepted(1, "17"), id="10 half a parameter"),
        pytest.param(
            SUBMIT_SM_RESP, 0x0A, b"00000000\0", Refused(1, 0x0A, RefusalKind.PERMANENT), id="10 a refusal with an id"
        ),
        pytest.param(
            SUBMIT_SM_RESP, 0x0A, b"\xff\xff\xff", Refused(1, 0x0A, RefusalKind.PERMANENT), id="10 a refusal and noise"
        ),
        pytest.param(
            SUBMIT_SM_RESP,
            0x45,
            b"\0" + tlv(0x001D, b"no such number\0") + tlv(0x0425, b"\1") + tlv(0x0423, b"\3\0\1"),
            Refused(1, 0x45, RefusalKind.PERMANENT),
            id="10 a refusal with parameters",
        ),
        pytest.param(
            SUBMIT_SM_RESP, 0x58, b"\xff\xff\xff", Refused(1, 0x58, RefusalKind.THROTTLED), id="10 throttled, and noise"
        ),
        pytest.param(GENERIC_NACK, 0x08, b"", Refused(1, 0x08, RefusalKind.TEMPORARY), id="10 a nack"),
        pytest.param(GENERIC_NACK, 0x08, b"?", Refused(1, 0x08, RefusalKind.TEMPORARY), id="10 a nack with a body"),
        pytest.param(SUBMIT_SM_RESP, 0x22, b"", Refused(1, 0x22, RefusalKind.PERMANENT), id="11 a reserved status"),
        pytest.param(SUBMIT_SM_RESP, 0x4FF, b"", Refused(1, 0x4FF, RefusalKind.PERMANENT), id="11 a vendor's status"),
        pytest.param(
            SUBMIT_SM_RESP, 0xFFFFFFFF, b"", Refused(1, 0xFFFFFFFF, RefusalKind.PERMANENT), id="11 the largest status"
        ),
    ],
)
async def test_10_answers_as_they_really_come(kind: int, status: int, body: bytes, outcome: Accepted | Refused) -> None:
    async with link() as stage:
        waits = await stage.pending()
        waits.wire.write(pdu(kind, waits.number, body, status))
        assert await stage.outcomes() == [outcome]


@pytest.mark.parametrize("body", [b"", b"\0", b"smsc\0" + tlv(0x1002, b"\x34"), b"no end", b"smsc\0" + tlv(0x0210)])
async def test_10_bind_responses_as_they_really_come(body: bytes) -> None:
    async with link() as stage:
        wire = await stage.arrival()
        wire.write(pdu(BIND_TRANSCEIVER | RESPONSE, number_of(await wire.frame()), body))
        await stage.bench.bound()


@pytest.mark.parametrize(
    ("kind", "status", "body", "error"),
    [
        (BIND_TRANSCEIVER | RESPONSE, 0x0D, b"", "ESME_RBINDFAIL"),
        (BIND_TRANSCEIVER | RESPONSE, 0x0E, b"M4SMSC\0", "ESME_RINVPASWD"),
        (BIND_TRANSCEIVER | RESPONSE, 0x53, b"\0", "ESME_RINVSYSTYP"),
        (BIND_TRANSCEIVER | RESPONSE, 0x05, b"\xff", "ESME_RALYBND"),
        (BIND_TRANSCEIVER | RESPONSE, 0x4321, b"", "0x00004321"),
        (GENERIC_NACK, 0x03, b"", "ESME_RINVCMDID"),
    ],
)
async def test_10_a_refused_bind(kind: int, status: int, body: bytes, error: str) -> None:
    async with link() as stage:
        wire = await stage.arrival()
        wire.write(pdu(kind, number_of(await wire.frame()), body, status))
        await stage.bench.until(lambda: stage.bench.changes)
        assert stage.bench.link.binds[0].last_error == error
        assert await wire.to_the_end() == []


# 7: requests out of their time


async def test_07_requests_before_the_bind_is_answered() -> None:
    async with link() as stage:
        wire = await stage.arrival()
        bind = await wire.frame()
        wire.write(deliver())
        assert await wire.frame() == refused(RINVBNDSTS)
        assert await wire.ask(pdu(ENQUIRE_LINK, 5)) == pdu(ENQUIRE_LINK_RESP, 5)
        wire.write(pdu(BIND_TRANSCEIVER | RESPONSE, number_of(bind), b"smsc\0"))
        await stage.bench.bound()
        assert stage.broken_rules() == ["deliver_sm in the state binding"]


async def test_07_an_operator_that_only_makes_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leg, "SessionOptions", partial(SessionOptions, max_errors_per_minute=10))
    async with link() as stage:
        waits = await stage.pending()
        waits.wire.write(pdu(0x110, N) * 50)
        assert await waits.wire.to_the_end() == [nack(RINVCMDID)] * 10 + [pdu(UNBIND, 3)]
        assert isinstance((await stage.outcomes())[0], Uncertain)
        assert len(stage.broken_rules()) == 10


async def test_07_receipts_on_a_transmitter_are_taken() -> None:
    """Some operators send them there; refused, they would be lost."""
    async with link(bind="transmitter+receiver") as stage:
        transmitter = await stage.arrival()
        transmitter.write(pdu(2 | RESPONSE, number_of(await transmitter.frame()), b"smsc\0"))
        receiver = await stage.arrival()
        receiver.write(pdu(1 | RESPONSE, number_of(await receiver.frame()), b"smsc\0"))
        await stage.bench.bound()
        transmitter.write(deliver(esm_class=4))
        await stage.bench.until(lambda: stage.bench.deliveries)
        stage.bench.deliveries[0].respond(0)
        assert await transmitter.frame() == refused(0)
        assert stage.broken_rules() == ["deliver_sm: on a transmitter's session"]


# 8: answers


async def test_08_an_answer_twice() -> None:
    async with link() as stage:
        waits = await stage.pending()
        waits.accept(b"17")
        waits.accept(b"18")
        assert await stage.outcomes() == [Accepted(1, "17")]
        assert await waits.wire.replies() == []
        assert stage.broken_rules() == ["submit_sm_resp to no request"]


async def test_08_an_answer_of_another_kind_leaves_it_open() -> None:
    async with link() as stage:
        waits = await stage.pending()
        waits.wire.write(pdu(DATA_SM_RESP, waits.number, b"17\0"))
        assert isinstance((await stage.outcomes())[0], Uncertain)
        waits.accept(b"18")  # and the right one, later, is still told
        await stage.bench.until(lambda: stage.bench.late)
        assert stage.bench.late[0][3] == "18"
        assert stage.broken_rules() == ["submit_sm answered by data_sm_resp"]


async def test_08_an_answer_that_comes_too_late() -> None:
    async with link(response_timeout=0.2) as stage:
        waits = await stage.pending()
        assert isinstance((await stage.outcomes())[0], Uncertain)
        waits.accept()
        await stage.bench.until(lambda: stage.bench.late)
        waits.accept()  # once is enough
        assert await waits.wire.replies() == []
        assert len(stage.bench.late) == 1
        assert stage.broken_rules() == ["submit_sm_resp to no request"]


async def test_08_an_answer_before_the_request_is_written() -> None:
    async with link() as stage:
        wire = await stage.bound()
        wire.write(pdu(SUBMIT_SM_RESP, 2, b"forged\0"))
        assert await wire.replies() == []
        stage.submit()
        waits = Pending(wire, await wire.frame())
        assert waits.number == 2
        waits.accept()
        assert await stage.outcomes() == [Accepted(1, "17")]
        assert stage.broken_rules() == ["submit_sm_resp to no request"]


# 14: ends of connections


@pytest.mark.parametrize("began", [b"", deliver()[:30], pdu(SUBMIT_SM_RESP, 2, b"17\0")[:-2], pdu(ENQUIRE_LINK, 1)])
@pytest.mark.parametrize("how", ["half-closed", "closed", "reset"])
async def test_14_a_connection_that_ends_without_unbind(began: bytes, how: str) -> None:
    async with link() as stage:
        waits = await stage.pending()
        waits.wire.write(began)
        if how == "half-closed":
            waits.wire.end_writing()
            await waits.wire.to_the_end()
        elif how == "closed":
            waits.wire.close()
        else:
            waits.wire.reset()
        assert isinstance((await stage.outcomes())[0], Uncertain)
        await stage.bench.bound(0)


async def test_14_an_operator_that_falls_silent() -> None:
    async with link(enquire_interval=0.15) as stage:
        waits = await stage.pending()
        frames = await waits.wire.to_the_end()
        assert [frame[4:8] for frame in frames] == [pdu(kind)[4:8] for kind in (ENQUIRE_LINK, UNBIND)]
        assert isinstance((await stage.outcomes())[0], Uncertain)


async def test_14_an_operator_that_reads_nothing_after_the_bind() -> None:
    """Its window fills and then the socket; the link holds still, and a stop is not held up."""
    timing = Timing(answers=0.2, leave=0.4, close=0.2)
    async with link(timing, window=100_000) as stage:
        wire = await stage.bound()
        wire.stop_reading()
        number = 0
        while stage.bench.link.capacity() and number < 100_000:
            for _ in range(min(1000, stage.bench.link.capacity())):
                number += 1
                stage.submit()
            await asyncio.sleep(0)
        assert number < 100_000
        assert stage.bench.link.capacity() == 0
        await stage.bench.link.stop()
        assert len(stage.bench.results) == number


@pytest.mark.parametrize("how", ["cut off", "reset"])
async def test_14_octets_half_written(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payk.smpp_connection.connection.WRITE_TIMEOUT", 0.3)
    async with link(window=100_000, response_timeout=0.3 if how == "cut off" else 30.0) as stage:
        wire = await stage.bound()
        wire.stop_reading()
        while stage.bench.link.capacity():
            for _ in range(min(1000, stage.bench.link.capacity())):
                stage.submit()
            await asyncio.sleep(0)
        if how == "reset":
            wire.reset()
        assert all(isinstance(outcome, Uncertain) for outcome in await stage.outcomes())


# 15: floods, and operators that are none


async def test_15_enquire_link_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_FLOOD_SPAN", 0.4)
    loop = asyncio.get_running_loop()
    async with link() as stage:
        waits = await stage.pending()
        began = loop.time()
        waits.wire.write(*(pdu(ENQUIRE_LINK, number) for number in range(50)))
        waits.accept()
        answered: list[float] = []
        for number in range(50):
            assert await waits.wire.frame() == pdu(ENQUIRE_LINK_RESP, number)
            answered.append(loop.time() - began)
            if number == 20:
                await stage.others_work()
        assert answered[20] >= 0.35
        assert answered[49] >= 0.7
        assert await stage.outcomes() == [Accepted(1, "17")]  # its answer lay behind the flood: the silence was ours


async def test_15_an_operator_that_closes_every_connection_at_once() -> None:
    loop = asyncio.get_running_loop()
    async with link() as stage:
        arrived = []
        for _ in range(3):
            wire = await stage.arrival()
            arrived.append(loop.time())
            wire.close()
        assert arrived[1] - arrived[0] >= 0.4
        assert arrived[2] - arrived[1] >= 0.9


async def test_15_an_operator_that_refuses_every_bind() -> None:
    async with link() as stage:
        wire = await stage.arrival()
        wire.write(pdu(BIND_TRANSCEIVER | RESPONSE, number_of(await wire.frame()), status=0x0D))
        await stage.bench.until(lambda: stage.bench.changes)
        assert stage.bench.link.binds[0].waiting_for == "operator to accept the account"
        waits = [line["retry_in"] for line in stage.logs if line["event"] == "bind down"]
        assert waits[0] >= 30


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", nack(RINVCMDLEN, 0), b"\0", b""])
async def test_15_plain_octets_where_tls_was_agreed(reply: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with link(Timing(connect=0.3), tls=TlsSettings(verify=False)) as stage:
        wire = await stage.arrival()
        wire.write(reply)
        await stage.bench.until(lambda: stage.bench.changes)
        (status,) = stage.bench.link.binds
        assert (status.bound, status.waiting_for) == (False, "operator to be reachable")
        assert status.last_error
    assert not [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"]


async def test_15_tls_where_plain_octets_were_agreed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificate = make_certificate(tmp_path, "operator")
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    async with operator(tls=server_context(certificate)) as smsc, link_to(smsc) as bench:
        await bench.until(lambda: bench.changes)
        (status,) = bench.link.binds
        assert (status.bound, status.waiting_for) == (False, "operator to be reachable")
        assert smsc.binds == []
    assert failures == []
    assert not [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"]


# 16: storms of replies


async def test_16_an_operator_that_has_left_and_talks_on() -> None:
    async with link() as stage:
        waits = await stage.pending()
        waits.wire.write(pdu(UNBIND, 3), pdu(UNBIND, 4), pdu(ENQUIRE_LINK, 5), deliver(), pdu(UNBIND, 6))
        frames = await waits.wire.to_the_end()
        assert frames == [
            pdu(UNBIND_RESP, 3),
            pdu(UNBIND_RESP, 4),
            pdu(ENQUIRE_LINK_RESP, 5),
            refused(RINVBNDSTS),
            pdu(UNBIND_RESP, 6),
        ]
        assert isinstance((await stage.outcomes())[0], Uncertain)
        await stage.bench.until(lambda: stage.bench.link.binds[0].waiting_for == "operator to take binds again")


async def test_16_an_operator_that_talks_on_while_we_leave() -> None:
    async with link() as stage:
        waits = await stage.pending()
        stopping = asyncio.create_task(stage.bench.link.stop())
        waits.wire.write(deliver(), pdu(ENQUIRE_LINK, 5))
        assert await waits.wire.frame() == pdu(ENQUIRE_LINK_RESP, 5)
        await stage.bench.until(lambda: stage.bench.deliveries)
        stage.bench.deliveries[0].respond(0)
        assert await waits.wire.frame() == refused(0)
        waits.accept()
        unbind = await waits.wire.frame()
        assert unbind[4:8] == pdu(UNBIND)[4:8]
        assert await waits.wire.ask(pdu(UNBIND, 6)) == pdu(UNBIND_RESP, 6)
        waits.wire.write(pdu(UNBIND_RESP, number_of(unbind)))
        assert await waits.wire.to_the_end() == []
        await asyncio.wait_for(stopping, 5)
        assert await stage.outcomes() == [Accepted(1, "17")]


async def test_16_an_operator_that_never_answers_unbind() -> None:
    async with link() as stage:
        wire = await stage.bound()
        async with asyncio.timeout(QUICK.leave + QUICK.close + 1):
            await stage.bench.link.stop()
        assert (await wire.frame())[4:8] == pdu(UNBIND)[4:8]
        assert stage.bench.link.binds == []


# 17: clocks, numbers


async def test_17_a_wall_clock_that_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = count()
    start = datetime(2026, 3, 1, tzinfo=UTC)
    monkeypatch.setattr(Clock, "now", lambda _: start + timedelta(days=400 * (-1) ** next(jumps)))
    async with link(response_timeout=0.3) as stage:
        waits = await stage.pending()
        waits.accept()
        assert await stage.outcomes() == [Accepted(1, "17")]
        stage.submit()
        await waits.wire.frame()
        assert isinstance((await stage.outcomes())[1], Uncertain)  # by its own time, not by that clock


async def test_17_numbers_begin_anew_past_one_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "LAST_SEQUENCE_NUMBER", 5)
    async with link() as stage:
        waits = await stage.pending()  # number 2: the bind had the first
        assert waits.number == 2
        numbers = []
        for _ in range(7):
            stage.submit()
            other = Pending(waits.wire, await waits.wire.frame())
            numbers.append(other.number)
            other.accept()
        assert numbers == [3, 4, 5, 1, 3, 4, 5]
        waits.accept(b"slow")
        assert [outcome for outcome in await stage.outcomes() if outcome == Accepted(1, "slow")] == [
            Accepted(1, "slow")
        ]


# And whatever else comes


@pytest.mark.parametrize("seed", range(10))
async def test_whatever_octets_come(seed: int) -> None:
    random = Random(seed)
    async with link(window=50) as stage:
        waits = await stage.pending()
        for _ in range(20):
            stage.submit()
        for _ in range(100):
            octets = bytearray(random.choice([frame for frame in FRAMES.values() if len(frame) > 16]))
            for _ in range(random.randrange(4)):
                octets[random.randrange(16, len(octets))] = random.randrange(256)
            octets[:4] = len(octets).to_bytes(4, "big")
            octets[12:16] = random.randrange(30).to_bytes(4, "big")  # so that some meet what waits
            waits.wire.write(bytes(octets))
        await stage.others_work()
        waits.wire.end_writing()
        await waits.wire.to_the_end()
        await stage.outcomes()
