"""Section 8 of our notes on SMPP, item by item, against a live server of ours.

The connection is closed, or a generic_nack goes back, or a negative response of the request's own kind, or it is
ignored. Whatever comes is counted, the sessions of others work, and what was on its way is told exactly once
(`operator_stage` looks).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from payk.clock import Clock
from payk.smpp import AdmissionOptions, SessionOptions, TooMany, pending, session
from tests.hostile.case import Case
from tests.hostile.operator_stage import ELSEWHERE, Victim, operator, until
from tests.hostile.server_cases import (
    BODY,
    CASES,
    DELIVER_SM_RESP,
    ENQUIRE_LINK_RESP,
    RALYBND,
    RBINDFAIL,
    RINVBNDSTS,
    RINVCMDID,
    RINVCMDLEN,
    SUBMIT_SM_RESP,
    TAKEN,
    UNBIND_RESP,
    N,
    Taken,
    nack,
    refused,
    submit,
)
from tests.hostile.wire import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    CANCEL_SM,
    DATA_SM,
    DELIVER_SM,
    ENQUIRE_LINK,
    QUERY_SM,
    REPLACE_SM,
    RESPONSE,
    SUBMIT_MULTI,
    SUBMIT_SM,
    UNBIND,
    Wire,
    bind_body,
    message_body,
    number_of,
    pdu,
    status_of,
    tlv,
)
from tests.smpp.test_vectors import FRAMES


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_of_a_bound_session(case: Case, tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        victim = await stage.victim()
        before = stage.simulator.peer_errors
        victim.wire.write(case.octets)
        replies = await (victim.wire.to_the_end() if case.closes else victim.wire.replies())
        assert replies == list(case.replies)
        assert stage.simulator.peer_errors - before == case.counted
        assert case.told is None or any(case.told in rule for rule in stage.broken_rules())
        if not case.closes:
            victim.acknowledge()
            assert await victim.wire.replies() == []
        stage.told_as[victim.message_id] = [None if case.closes else 0]


@pytest.mark.parametrize("case", TAKEN, ids=str)
async def test_of_a_message_that_is_taken(case: Taken, tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        victim = await stage.victim()
        victim.wire.write(case.octets)
        (answer,) = await victim.wire.replies()
        assert answer[4:16] == pdu(SUBMIT_SM_RESP, N)[4:]
        assert stage.simulator.peer_errors == 0
        rules = stage.broken_rules()
        assert (rules == []) if case.told is None else any(case.told in rule for rule in rules)
        victim.acknowledge()
        assert await victim.wire.replies() == []
        stage.told_as[victim.message_id] = [0]
    (line,) = [line for line in stage.lines("submit_sm") if line["id"] == answer[16:-1].decode()]
    assert line["octets"] == case.text.hex()


# 1: what comes before the bind


@pytest.mark.parametrize(
    ("octets", "replies"),
    [
        (pdu(BIND_TRANSCEIVER, N, length=1025), [nack(RINVCMDLEN)]),
        (b"GET / HTTP/1.1\r\n\r\n", [nack(RINVCMDLEN, int.from_bytes(b".1\r\n", "big"))]),
        (bytes.fromhex("160301020001000200030300"), []),
        (bytes(3000), [nack(RINVCMDLEN, 0)]),
    ],
    ids=["more than 1 KiB", "http", "tls", "zeros"],
)
async def test_01_an_unbound_session_that_cannot_be_followed(
    octets: bytes, replies: list[bytes], tmp_path: Path
) -> None:
    async with operator(tmp_path) as stage:
        wire = await stage.connect()
        wire.write(octets)
        assert await wire.to_the_end() == replies
        assert stage.simulator.peer_errors == 1


# 2: octets as they come


async def test_02_octet_by_octet(tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        wire = await stage.connect()
        for octet in pdu(BIND_TRANSCEIVER, 1, bind_body()) + submit() + pdu(0x110, 3) + pdu(ENQUIRE_LINK, 4):
            wire.write(bytes((octet,)))
            await asyncio.sleep(0)
        frames = [await wire.frame() for _ in range(4)]
        assert [frame[4:16] for frame in frames] == [
            pdu(BIND_TRANSCEIVER | RESPONSE, 1)[4:],
            pdu(SUBMIT_SM_RESP, N)[4:],
            nack(RINVCMDID, 3)[4:],
            pdu(ENQUIRE_LINK_RESP, 4)[4:],
        ]


async def test_02_everything_in_one_segment_behind_the_bind(tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        wire = await stage.connect()
        large = submit(text=b"", behind=tlv(0x0424, bytes(60_000)))
        wire.write(
            pdu(BIND_TRANSCEIVER, 1, bind_body()), large, *(pdu(ENQUIRE_LINK, n) for n in range(5)), submit()[:9]
        )
        frames = [await wire.frame() for _ in range(7)]
        assert [status_of(frame) for frame in frames] == [0] * 7
        assert sorted(number_of(frame) for frame in frames) == [0, 1, 1, 2, 3, 4, N]
        wire.write(submit()[9:])
        assert status_of(await wire.frame()) == 0


async def test_02_a_pdu_that_is_begun_and_not_ended(tmp_path: Path) -> None:
    async with operator(tmp_path, session=SessionOptions(pdu_read_timeout=0.3)) as stage:
        victim = await stage.victim()
        victim.wire.write(submit()[:20])
        await stage.others_work()
        assert await victim.wire.to_the_end() == [pdu(UNBIND, 2)]
        assert stage.simulator.peer_errors == 1
        stage.told_as[victim.message_id] = [None]


async def test_02_a_bind_that_is_begun_and_not_ended(tmp_path: Path) -> None:
    async with operator(tmp_path, session=SessionOptions(session_init_timeout=0.3)) as stage:
        wire = await stage.connect()
        wire.write(pdu(BIND_TRANSCEIVER, 1, bind_body())[:20])
        assert await wire.to_the_end() == []


async def test_02_connections_that_wait_are_so_many_and_no_more(tmp_path: Path) -> None:
    admission = AdmissionOptions(max_unbound_per_address=5, max_unbound=8)
    async with operator(tmp_path, admission=admission) as stage:
        for address, most, reason in (
            (ELSEWHERE, 5, TooMany.UNBOUND_OF_ADDRESS),
            ("127.0.0.3", 3, TooMany.UNBOUND),
        ):
            waiting = [await stage.connect(address) for _ in range(most)]
            await until(lambda so_many=stage.simulator.admission.unbound: stage.simulator.admission.unbound >= so_many)
            assert await (await stage.connect(address)).to_the_end() == []
            assert stage.simulator.admission.refused[reason] == 1
            assert [await wire.ask(pdu(ENQUIRE_LINK, 1)) for wire in waiting] == [pdu(ENQUIRE_LINK_RESP, 1)] * most
        waiting[0].close()
        await until(lambda: stage.simulator.admission.unbound == 7)


# 3: strings in a bind


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"payk", 0x0F),
        (b"p" * 65 + b"\0payk\0\0\x34\0\0\0", 0x0F),
        (b"payk\0payk", 0x0E),
        (b"payk\0" + b"p" * 65 + b"\0\0\x34\0\0\0", 0x0E),
        (b"payk\0payk\0" + b"t" * 13 + b"\0\x34\0\0\0", 0x53),
        (b"payk\0payk\0\0\x34\0", RINVCMDLEN),
        (b"", 0x0F),
        (bind_body(b"p" * 64, b"q" * 64), RBINDFAIL),
    ],
)
async def test_03_an_unreadable_bind_is_refused_by_its_field(body: bytes, status: int, tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        wire = await stage.connect()
        wire.write(pdu(BIND_TRANSMITTER, N, body))
        assert await wire.to_the_end() == [refused(status, BIND_TRANSMITTER)]


# 7: requests out of their time


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (SUBMIT_SM, BODY),
        (QUERY_SM, b"1\0\0\0\0"),
        (CANCEL_SM, b"\0" * 12),
        (REPLACE_SM, b"\0" * 12),
        (UNBIND, b""),
        (SUBMIT_MULTI, b"\0\0\0\0\1\1\0\0" + b"9\0" + b"\0" * 12),
        (DATA_SM, b"\0" * 10),
    ],
)
async def test_07_requests_before_the_bind(kind: int, body: bytes, tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        wire = await stage.connect()
        assert await wire.ask(pdu(kind, N, body)) == refused(RINVBNDSTS, kind)
        assert await wire.ask(pdu(kind, N, body)) == refused(RINVBNDSTS, kind)
        assert await wire.ask(pdu(ENQUIRE_LINK, N)) == pdu(ENQUIRE_LINK_RESP, N)
        wire.write(pdu(kind, N, body))
        assert await wire.to_the_end() == [refused(RINVBNDSTS, kind)]
        assert stage.simulator.peer_errors == 3


async def test_07_a_receiver_that_submits(tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        wire = await stage.bound(BIND_RECEIVER)
        for _ in range(5):
            assert await wire.ask(submit()) == refused(RINVBNDSTS)
        assert await wire.replies() == []
        assert stage.simulator.peer_errors == 5


async def test_07_errors_without_end(tmp_path: Path) -> None:
    async with operator(tmp_path, session=SessionOptions(max_errors_per_minute=10)) as stage:
        victim = await stage.victim()
        victim.wire.write(pdu(0x110, N) * 50)
        assert await victim.wire.to_the_end() == [nack(RINVCMDID)] * 10 + [pdu(UNBIND, 2)]
        assert stage.simulator.peer_errors == 10
        stage.told_as[victim.message_id] = [None]


# 8: answers


async def test_08_an_answer_twice(tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        victim = await stage.victim()
        victim.acknowledge()
        victim.acknowledge(0x64)
        assert await victim.wire.replies() == []
        assert stage.simulator.peer_errors == 1
        stage.told_as[victim.message_id] = [0]


async def test_08_an_answer_of_another_kind_and_then_the_right_one(tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        victim = await stage.victim()
        victim.wire.write(pdu(SUBMIT_SM_RESP, victim.receipt, b"1\0"))
        victim.acknowledge()
        assert await victim.wire.replies() == []
        assert stage.simulator.peer_errors == 1
        stage.told_as[victim.message_id] = [None]


async def test_08_an_answer_that_comes_too_late(tmp_path: Path) -> None:
    async with operator(tmp_path, receipt_timeout=0.2) as stage:
        victim = await stage.victim()
        again = await victim.wire.frame()  # after a second: not answered in time
        assert again[4:8] == pdu(DELIVER_SM)[4:8]
        victim.acknowledge()
        assert await victim.wire.replies() == []
        victim.wire.write(pdu(DELIVER_SM_RESP, number_of(again), b"\0"))
        assert await victim.wire.replies() == []
        assert stage.simulator.peer_errors == 0
        stage.told_as[victim.message_id] = [None, 0]


async def test_08_an_answer_before_the_request_is_written(tmp_path: Path) -> None:
    """Numbers are easily foretold; the request that gets this one is answered by its own answer alone."""
    async with operator(tmp_path) as stage:
        wire = await stage.bound()
        wire.write(pdu(DELIVER_SM_RESP, 1, b"\0"))
        answer = await wire.ask(pdu(SUBMIT_SM, 2, message_body(b"992000000000", registered_delivery=1)))
        receipt = await wire.frame()
        assert number_of(receipt) == 1
        victim = Victim(wire, answer[16:-1].decode(), 1)
        victim.acknowledge()
        assert await wire.replies() == []
        assert stage.simulator.peer_errors == 1
        stage.told_as[victim.message_id] = [0]


# 9: sequence numbers


@pytest.mark.parametrize("number", [0, 0x80000000, 0xFFFFFFFF])
async def test_09_one_number_for_two_that_wait(number: int, tmp_path: Path) -> None:
    async with operator(tmp_path, latency=50) as stage:
        victim = await stage.victim()
        victim.wire.write(pdu(SUBMIT_SM, number, BODY), pdu(SUBMIT_SM, number, BODY, status=0x58))
        first, second = await victim.wire.frame(), await victim.wire.frame()
        assert first[4:16] == second[4:16] == pdu(SUBMIT_SM_RESP, number)[4:]
        assert first[16:] != second[16:]
        victim.acknowledge()
        assert await victim.wire.replies() == []
        stage.told_as[victim.message_id] = [0]


# 10, 11: bodies and statuses of answers


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (0, b""),
        (0, b"\0"),
        (0, b"94258431594\0"),
        (0, b"no end"),
        (0, b"\0" + tlv(0x0425, b"\1") + tlv(0x0423, b"\3\0\1")),
        (0, b"\0" + tlv(0x0425, b"", 9)),
        (0x65, b""),
        (0x65, b"\0"),
        (0x65, b"\xff\xfe\xfd"),
        (0x66, b"1" * 1000),
        (0x65, b"\0" + tlv(0x001D, b"no such message\0")),
    ],
)
async def test_10_bodies_of_answers(status: int, body: bytes, tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        victim = await stage.victim()
        victim.acknowledge(status, body)
        assert await victim.wire.replies() == []
        assert stage.simulator.peer_errors == 0
        stage.told_as[victim.message_id] = [status]


@pytest.mark.parametrize("status", [0x22, 0x09, 0x0400, 0x04FF, 0x0601, 0xFFFFFFFF])
async def test_11_statuses_of_no_table(status: int, tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        victim = await stage.victim()
        victim.acknowledge(status)
        assert await victim.wire.replies() == []
        stage.told_as[victim.message_id] = [status]


async def test_10_a_nack_is_an_answer(tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        victim = await stage.victim()
        victim.wire.write(nack(RINVCMDID, victim.receipt))
        assert await victim.wire.replies() == []
        stage.told_as[victim.message_id] = [RINVCMDID]


# 14: ends of connections


@pytest.mark.parametrize("began", [b"", submit()[:30], pdu(ENQUIRE_LINK, 1)])
@pytest.mark.parametrize("how", ["half-closed", "closed", "reset"])
async def test_14_a_connection_that_ends_without_unbind(began: bytes, how: str, tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        victim = await stage.victim()
        victim.wire.write(began)
        if how == "half-closed":
            victim.wire.end_writing()
            await victim.wire.to_the_end()
        elif how == "closed":
            victim.wire.close()
        else:
            victim.wire.reset()
        await until(lambda: stage.simulator.admission.connections == 1)
        stage.told_as[victim.message_id] = [None]


@pytest.mark.parametrize("kind", [0, BIND_TRANSMITTER])
async def test_14_a_peer_that_falls_silent(kind: int, tmp_path: Path) -> None:
    timers = SessionOptions(enquire_interval=0.2, enquire_timeout=0.2, enquire_misses=2)
    async with operator(tmp_path, session=timers) as stage:
        if kind:
            wire = await stage.bound(kind)
        else:
            victim = await stage.victim()
            wire = victim.wire
            stage.told_as[victim.message_id] = [None]
        frames = await wire.to_the_end()
        assert [frame[4:8] for frame in frames] == [pdu(kind)[4:8] for kind in (ENQUIRE_LINK, ENQUIRE_LINK, UNBIND)]
        await stage.begin()  # the neighbour fell silent too


def large_request() -> bytes:
    """A submit_multi whose answer is as large as itself: each of its destinations is refused."""
    destinations = b"".join(b"\1\1\1" + b"nobody %11d" % number + b"\0" for number in range(255))
    return pdu(SUBMIT_MULTI, N, b"\0\5\0AlifBank\0\xff" + destinations + b"\0" * 9 + b"\0")


@pytest.mark.parametrize("how", ["cut off", "reset"])
async def test_14_a_peer_that_does_not_read(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "cut off":
        monkeypatch.setattr("payk.smpp_connection.connection.WRITE_TIMEOUT", 0.3)
    async with operator(tmp_path) as stage:
        victim = await stage.victim()
        assert (await victim.wire.ask(large_request()))[8:12] == b"\0\0\0\x45"
        victim.wire.stop_reading()
        for _ in range(2000):
            victim.wire.write(large_request())
        await stage.others_work()
        if how == "reset":
            victim.wire.reset()
        await until(lambda: stage.simulator.admission.connections <= 1)
        stage.told_as[victim.message_id] = [None]


# 15: floods


async def test_15_enquire_link_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_FLOOD_SPAN", 0.4)
    loop = asyncio.get_running_loop()
    async with operator(tmp_path) as stage:
        victim = await stage.victim()
        began = loop.time()
        victim.wire.write(*(pdu(ENQUIRE_LINK, number) for number in range(50)))
        answered: list[float] = []
        for number in range(50):
            assert await victim.wire.frame() == pdu(ENQUIRE_LINK_RESP, number)
            answered.append(loop.time() - began)
            if number == 20:
                await stage.others_work()
        assert answered[20] >= 0.35
        assert answered[49] >= 0.7
        victim.acknowledge()
        await asyncio.sleep(0)
        assert stage.simulator.peer_errors == 0
        stage.told_as[victim.message_id] = [0]
        await victim.wire.replies()


async def test_15_binds_with_a_wrong_password(tmp_path: Path) -> None:
    admission = AdmissionOptions(failures=3, address_pause=60.0, name_delay=0.2)
    async with operator(tmp_path, admission=admission) as stage:
        for _ in range(10):
            wire = await stage.connect(ELSEWHERE)
            wire.write(pdu(BIND_TRANSCEIVER, N, bind_body(password=b"guess")))
            assert await wire.to_the_end() == [refused(RBINDFAIL, BIND_TRANSCEIVER)]
        assert stage.simulator.admission.refused == {TooMany.FAILED_BINDS: 7}
        wire = await stage.connect(ELSEWHERE)  # the right one, from there: not even looked at
        wire.write(pdu(BIND_TRANSCEIVER, N, bind_body()))
        assert await wire.to_the_end() == [refused(RBINDFAIL, BIND_TRANSCEIVER)]
        loop = asyncio.get_running_loop()
        began = loop.time()
        await stage.others_work()  # from another address: a little later
        assert 0.15 <= loop.time() - began < 2
        told = [line for line in stage.logs if line["event"] == "smpp.not_let_in"]
        assert [line["reason"] for line in told] == ["too many failed binds from one address"]


async def test_15_thousands_of_connections(tmp_path: Path) -> None:
    admission = AdmissionOptions(max_unbound_per_address=50, max_unbound=100, max_connections=200)
    async with operator(tmp_path, admission=admission, session=SessionOptions(session_init_timeout=60.0)) as stage:
        wires = await asyncio.gather(*(stage.connect(ELSEWHERE) for _ in range(1000)))
        await until(lambda: sum(stage.simulator.admission.refused.values()) == 950)
        await stage.others_work()
        assert stage.simulator.admission.refused == {TooMany.UNBOUND_OF_ADDRESS: 950}
        for wire in wires:
            wire.close()
        await until(lambda: stage.simulator.admission.unbound == 0)
        told = [line["event"] for line in stage.logs if line["event"] != "bind answered"]
        assert len(told) <= 5  # and not a thousand


async def test_15_thousands_of_binds(tmp_path: Path) -> None:
    async with operator(tmp_path, max_binds=20) as stage:
        wires = [await stage.connect(ELSEWHERE) for _ in range(500)]
        for wire in wires:
            wire.write(pdu(BIND_RECEIVER, N, bind_body()))
        answers = [status_of(await wire.frame()) for wire in wires]
        assert (answers.count(0), answers.count(RALYBND)) == (19, 481)
        for wire in wires:
            wire.close()
        await until(lambda: stage.simulator.admission.connections == 1)


async def test_15_a_scanner_that_connects_and_waits(tmp_path: Path) -> None:
    async with operator(tmp_path, session=SessionOptions(session_init_timeout=0.2)) as stage:
        wire = await stage.connect()
        assert await wire.to_the_end() == []
        assert stage.simulator.peer_errors == 0


# 16: storms of replies


async def test_16_a_peer_that_has_left_and_talks_on(tmp_path: Path) -> None:
    async with operator(tmp_path, session=SessionOptions(unbind_timeout=0.4)) as stage:
        victim = await stage.victim()
        began = asyncio.get_running_loop().time()
        victim.wire.write(pdu(UNBIND, 3), pdu(UNBIND, 4), pdu(ENQUIRE_LINK, 5), submit(), pdu(UNBIND, 6))
        victim.acknowledge()
        assert await victim.wire.to_the_end() == [
            pdu(UNBIND_RESP, 3),
            pdu(UNBIND_RESP, 4),
            pdu(ENQUIRE_LINK_RESP, 5),
            refused(RINVBNDSTS),
            pdu(UNBIND_RESP, 6),
        ]
        assert asyncio.get_running_loop().time() - began < 2
        stage.told_as[victim.message_id] = [None]  # its answer came after the peer had left


async def test_16_a_peer_that_talks_on_while_we_leave(tmp_path: Path) -> None:
    async with operator(tmp_path, session=SessionOptions(unbind_timeout=1.0)) as stage:
        victim = await stage.victim()
        stopping = asyncio.create_task(stage.simulator.stop())
        victim.wire.write(submit(), pdu(ENQUIRE_LINK, 5))
        answers = {await victim.wire.frame(), await victim.wire.frame()}
        assert {answer[4:16] for answer in answers} == {pdu(SUBMIT_SM_RESP, N)[4:], pdu(ENQUIRE_LINK_RESP, 5)[4:]}
        victim.acknowledge()
        unbind = await victim.wire.frame()
        assert unbind[4:8] == pdu(UNBIND)[4:8]
        assert await victim.wire.ask(pdu(UNBIND, 6)) == pdu(UNBIND_RESP, 6)
        victim.wire.write(pdu(UNBIND_RESP, number_of(unbind)))
        assert await victim.wire.to_the_end() == []
        await asyncio.wait_for(stopping, 5)
        stage.told_as[victim.message_id] = [0]
        await stage.simulator.start()
        await stage.begin()


# 17: clocks, numbers, half-written octets


async def test_17_a_wall_clock_that_jumps(tmp_path: Path) -> None:
    class Jumping(Clock):
        jump = timedelta()

        def now(self) -> datetime:
            self.jump = -2 * self.jump or timedelta(days=1)  # forth and back, further each time
            return datetime(2026, 3, 1, tzinfo=UTC) + min(max(self.jump, timedelta(-9000)), timedelta(9000))

    async with operator(tmp_path, clock=Jumping(), session=SessionOptions(enquire_interval=0.5)) as stage:
        victim = await stage.victim()
        asked = await victim.wire.frame()
        assert asked[4:8] == pdu(ENQUIRE_LINK)[4:8]
        victim.wire.write(pdu(ENQUIRE_LINK_RESP, number_of(asked)))
        victim.acknowledge()
        assert await victim.wire.replies() == []
        stage.told_as[victim.message_id] = [0]
        await stage.begin()  # the neighbour was asked too, and would mistake that for its answer


async def test_17_numbers_begin_anew_past_one_that_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "LAST_SEQUENCE_NUMBER", 4)
    async with operator(tmp_path) as stage:
        victim = await stage.victim()  # number 1, and it waits
        numbers = []
        for _ in range(7):
            answer = await victim.wire.ask(pdu(SUBMIT_SM, N, message_body(b"992000000000", registered_delivery=1)))
            other = Victim(victim.wire, answer[16:-1].decode(), number_of(await victim.wire.frame()))
            numbers.append(other.receipt)
            other.acknowledge()
            stage.told_as[other.message_id] = [0]
        assert numbers == [2, 3, 4, 2, 3, 4, 2]
        victim.acknowledge()
        assert await victim.wire.replies() == []
        stage.told_as[victim.message_id] = [0]


async def test_17_receipts_half_written_come_with_the_next_bind(tmp_path: Path) -> None:
    async with operator(tmp_path) as stage:
        wire = await stage.bound()
        wire.write(*(pdu(SUBMIT_SM, n, message_body(b"992000000000", registered_delivery=1)) for n in range(300)))
        ids = {answer[16:-1] for answer in [await wire.frame() for _ in range(600)] if answer[4] == 0x80}
        wire.reset()
        assert len(ids) == 300
        await until(lambda: stage.simulator.admission.connections == 1)
        again: Wire = await stage.bound()
        told = set()
        for _ in range(300):  # a second later
            receipt = await again.frame()
            again.write(pdu(DELIVER_SM_RESP, number_of(receipt), b"\0"))
            told.add(receipt.partition(b"id:")[2].partition(b" ")[0])
        assert told == ids
        assert await again.replies() == []


# And whatever else comes


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_octets_come(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    async with operator(tmp_path) as stage:
        for _ in range(20):
            wire = await stage.bound()
            for _ in range(10):
                octets = bytearray(random.choice(list(FRAMES.values())))
                for _ in range(random.randrange(4)):
                    octets[random.randrange(4, len(octets))] = random.randrange(256)
                wire.write(bytes(octets))
            wire.end_writing()
            await wire.to_the_end()
        await stage.others_work()
