"""Submits on real sockets: what is written when, and exactly one result for each."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest
from structlog.testing import capture_logs

from payk.clock import Clock
from payk.domain.operator import BindMode, LongText
from payk.domain.outcome import Accepted, RefusalKind, Refused, SubmissionResult, Uncertain, Unsent
from payk.links import Link, PaceStatus, Timing
from payk.smpp import BindTransmitter, CommandStatus, SubmitSm, SubmitSmResp, Tag, Tlv, find_tlv, parse_udh
from payk.smpp_connection import SmppConnection
from tests.links.smsc import Smsc, answer_all, answer_none, link_to, message, operator, receipt, refuse

LONG = "0123456789" * 40  # 3 parts


async def test_a_message_is_accepted_with_the_operators_id() -> None:
    async with operator() as smsc, link_to(smsc) as bench:
        await bench.bound()
        before = Clock().monotonic()
        bench.link.submit(message())
        assert bench.results == []  # never from within submit
        await bench.until(lambda: bench.results)
        (result,) = bench.results
        assert (result.submission, result.link_id, result.outcomes) == (message(), 7, (Accepted(1, "1"),))
        assert result.written_at is not None
        assert before <= result.written_at <= Clock().monotonic()
        assert smsc.submits[0].destination_addr == "992900900001"


async def test_a_result_tells_when_each_part_was_written_and_over() -> None:
    """Its own write and its own answer; of what was never written nothing."""
    answered: list[float] = []

    def on_submit(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
        if len(smsc.submits) != 2:  # the second part is never answered
            answered.append(Clock().monotonic())
            answer_all(smsc, peer, pdu)

    async with operator(on_submit=on_submit) as smsc, link_to(smsc, response_timeout=0.2) as bench:
        await bench.bound()
        bench.link.submit(message(text=LONG))
        await bench.until(lambda: bench.results)
        (result,) = bench.results
        times = result.times
        assert [type(outcome) for outcome in result.outcomes] == [Accepted, Uncertain, Accepted]
        assert set(times) == {1, 2, 3} and max(begun for begun, _ in times.values()) == result.written_at
        assert times[1][0] <= answered[0] <= times[1][1] < times[2][1] >= times[2][0] + 0.15
        await bench.link.stop()
        bench.link.submit(message(2))
        await bench.until(lambda: len(bench.results) == 2)
        assert bench.results[1].times == {}


async def test_a_result_that_is_not_taken_keeps_back_no_other() -> None:
    async with operator() as smsc, link_to(smsc, window=500, binds=[]) as bench:
        loop, failures = asyncio.get_running_loop(), list[object]()
        loop.set_exception_handler(lambda loop, context: failures.append(context.get("exception")))
        bench.refused.add(message(2).message_id)
        for number in (1, 2, 3):
            bench.link.submit(message(number))
        await bench.until(lambda: len(bench.results) == 2)
        assert [result.submission for result in bench.results] == [message(1), message(3)]
        assert [type(failure) for failure in failures] == [ValueError]


async def test_a_pair_submits_on_its_transmitter() -> None:
    async with operator() as smsc, link_to(smsc, bind=BindMode.PAIR) as bench:
        await bench.bound()
        bench.link.submit(message())
        await bench.until(lambda: bench.results)
        assert isinstance(smsc.binds[0], BindTransmitter)
        assert smsc.submitted_by == [smsc.peers[0]]


async def test_what_is_submitted_in_one_turn_leaves_in_one_write() -> None:
    async with operator() as smsc, link_to(smsc, window=500) as bench:
        await bench.bound()
        reads: list[int] = []
        peer = smsc.peers[0]
        receive = peer.session.receive_data

        def receive_data(data: bytes, now: float) -> list:
            reads.append(len(data))
            return receive(data, now)

        peer.session.receive_data = receive_data  # type: ignore[method-assign]
        for number in range(500):
            bench.link.submit(message(number))
        await bench.until(lambda: len(bench.results) == 500)
        assert {type(result.outcomes[0]) for result in bench.results} == {Accepted}
        assert len(reads) <= 3


async def test_nothing_bound_is_unsent() -> None:
    async with operator() as smsc, link_to(smsc, binds=[]) as bench:
        assert bench.link.capacity() == 0
        assert bench.link.capacity_at() is None
        bench.link.submit(message(text=LONG))
        await bench.until(lambda: bench.results)
        assert bench.results[0].outcomes == (Unsent(1), Unsent(2), Unsent(3))
        assert bench.results[0].written_at is None


async def test_after_a_stop_everything_is_unsent() -> None:
    async with operator() as smsc, link_to(smsc) as bench:
        await bench.bound()
        await bench.link.stop()
        bench.link.submit(message())
        await bench.until(lambda: bench.results)
        assert bench.results[0].outcomes == (Unsent(1),)


class TestParts:
    async def test_all_parts_of_a_message_go_over_one_bind(self) -> None:
        async with operator() as smsc, link_to(smsc, binds=[1, 2, 3]) as bench:
            await bench.bound(3)
            for number in range(30):
                bench.link.submit(message(number, text=LONG))
            await bench.until(lambda: len(bench.results) == 30)
            assert len(smsc.submits) == 90
            ways: dict[str, set[int]] = {}
            for pdu, peer in zip(smsc.submits, smsc.submitted_by, strict=True):
                ways.setdefault(pdu.destination_addr, set()).add(id(peer))
            assert all(len(peers) == 1 for peers in ways.values())
            assert len(set.union(*ways.values())) == 3  # and the messages over all binds

    async def test_the_outcomes_come_together_in_order(self) -> None:
        def on_submit(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
            if len(smsc.submits) == 3:
                third, second, first = reversed(smsc.submits)
                peer.send_response(third, SubmitSmResp(message_id="c"))
                peer.send_response(second, SubmitSmResp(command_status=CommandStatus.ESME_RSYSERR))
                peer.send_response(first, SubmitSmResp(message_id="a"))

        async with operator(on_submit=on_submit) as smsc, link_to(smsc) as bench:
            await bench.bound()
            bench.link.submit(message(text=LONG))
            await bench.until(lambda: bench.results)
            assert bench.results[0].outcomes == (
                Accepted(1, "a"),
                Refused(2, CommandStatus.ESME_RSYSERR, RefusalKind.TEMPORARY),
                Accepted(3, "c"),
            )

    async def test_only_the_parts_left_are_sent(self) -> None:
        async with operator() as smsc, link_to(smsc) as bench:
            await bench.bound()
            bench.link.submit(message(text=LONG, parts_left=(2,)))
            await bench.until(lambda: bench.results)
            assert bench.results[0].outcomes == (Accepted(2, "1"),)
            header = parse_udh(smsc.submits[0].short_message)
            assert header is not None
            assert header.concatenation is not None
            assert header.concatenation.number == 2

    async def test_one_answer_settles_all_parts_of_a_payload(self) -> None:
        async with operator() as smsc, link_to(smsc, long_text=LongText.PAYLOAD) as bench:
            await bench.bound()
            bench.link.submit(message(text=LONG))
            await bench.until(lambda: bench.results)
            assert bench.results[0].outcomes == (Accepted(1, "1"), Accepted(2, "1"), Accepted(3, "1"))
            assert find_tlv(smsc.submits[0].tlvs, Tag.MESSAGE_PAYLOAD) == LONG.encode()

    async def test_parts_that_this_link_does_not_cut_are_refused(self) -> None:
        async with operator() as smsc, link_to(smsc) as bench:
            await bench.bound()
            bench.link.submit(message(text=LONG, parts_left=(3, 4)))
            await bench.until(lambda: bench.results)
            assert bench.results[0].outcomes == (
                Accepted(3, "1"),
                Refused(4, CommandStatus.ESME_RINVMSGLEN, RefusalKind.PERMANENT),
            )

    @pytest.mark.parametrize("binds", [[], [1]])
    @pytest.mark.parametrize("parts_left", [(), (2,)])
    async def test_one_result_if_there_is_nothing_to_send(self, parts_left: tuple[int, ...], binds: list[int]) -> None:
        async with operator() as smsc, link_to(smsc, binds=binds) as bench:
            await bench.bound(len(binds))
            bench.link.submit(message(1, parts_left=parts_left))
            bench.link.submit(message(2))
            await bench.until(lambda: len(bench.results) == 2)
            assert Counter(result.submission.message_id for result in bench.results).most_common(1)[0][1] == 1
            assert [outcome.part for outcome in bench.results[0].outcomes] == list(parts_left)

    async def test_what_cannot_be_written_is_refused_without_asking(self) -> None:
        async with operator() as smsc, link_to(smsc, charset_map={0: "gsm"}) as bench:
            await bench.bound()
            bench.link.submit(message(text="Ҷ" * 71))
            await bench.until(lambda: bench.results)
            refused = [Refused(part, CommandStatus.ESME_RINVDCS, RefusalKind.PERMANENT) for part in (1, 2)]
            assert bench.results[0].outcomes == tuple(refused)
            assert smsc.submits == []

    async def test_a_number_that_no_field_holds_is_refused_alone(self) -> None:
        long_number = message(1).__class__(**{**_fields(message(1)), "phone": "9" * 30})
        async with operator() as smsc, link_to(smsc) as bench:
            await bench.bound()
            bench.link.submit(long_number)
            bench.link.submit(message(2))
            await bench.until(lambda: len(bench.results) == 2)
            assert bench.by_message()[long_number.message_id].outcomes == (
                Refused(1, CommandStatus.ESME_RSUBMITFAIL, RefusalKind.PERMANENT),
            )
            assert bench.by_message()[message(2).message_id].outcomes == (Accepted(1, "1"),)


def _fields(what: object) -> dict[str, object]:
    return {name: getattr(what, name) for name in what.__slots__}  # type: ignore[attr-defined]


class TestWindow:
    async def test_the_window_is_the_capacity(self) -> None:
        async with operator(on_submit=answer_none) as smsc, link_to(smsc, window=3, binds=[1, 2]) as bench:
            await bench.bound(2)
            assert bench.link.capacity() == 6
            bench.link.submit(message(1))
            assert bench.link.capacity() == 5
            for number in range(2, 10):
                bench.link.submit(message(number))
            assert bench.link.capacity() == 0
            assert bench.link.capacity_at() is None
            await bench.until(lambda: len(smsc.submits) == 6)
            for pdu, peer in zip(smsc.submits[:6], smsc.submitted_by, strict=True):
                peer.send_response(pdu, SubmitSmResp(message_id="x"))
            await bench.until(lambda: len(bench.results) == 6)
            await bench.until(lambda: len(smsc.submits) == 9)  # those that waited inside

    async def test_never_more_in_flight_than_the_window(self) -> None:
        in_flight: list[int] = []

        def on_submit(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
            in_flight.append(len(smsc.submits) - len(bench.results))
            asyncio.get_running_loop().call_later(0.001, peer.send_response, pdu, SubmitSmResp(message_id="x"))

        async with operator(on_submit=on_submit) as smsc, link_to(smsc, window=5) as bench:
            await bench.bound()
            for number in range(100):
                bench.link.submit(message(number))
            await bench.until(lambda: len(bench.results) == 100)
            assert max(in_flight) <= 10  # 5 on their way here, 5 answers on their way back


class TestRate:
    async def test_messages_leave_evenly(self) -> None:
        async with operator() as smsc, link_to(smsc, rate=50) as bench:
            await bench.bound()
            for number in range(6):
                bench.link.submit(message(number))
            await bench.until(lambda: len(bench.results) == 6)
            gaps = [later - earlier for earlier, later in zip(smsc.submitted_at, smsc.submitted_at[1:], strict=False)]
            # The bucket holds 2.5 tokens: two leave at once, the third after half a gap.
            assert sum(gaps) >= 0.06
            assert all(gap >= 0.015 for gap in gaps[2:])

    async def test_capacity_says_when(self) -> None:
        """Some milliseconds before the token is there, so that who has to fetch a message first loses no rate."""
        async with operator() as smsc, link_to(smsc, rate=10) as bench:
            await bench.bound()
            assert bench.link.capacity() == 1
            for number in range(1, 5):
                bench.link.submit(message(number))
                assert bench.link.capacity() == 0
                at = bench.link.capacity_at()
                assert at is not None
                assert at - Clock().monotonic() > 0.05
                await asyncio.sleep(at - Clock().monotonic() + 0.01)
                assert bench.link.capacity() == 1
            await bench.until(lambda: len(bench.results) == 4)
            gaps = [later - earlier for earlier, later in zip(smsc.submitted_at, smsc.submitted_at[1:], strict=False)]
            assert all(0.095 <= gap <= 0.115 for gap in gaps)

    async def test_parts_that_wait_are_counted(self) -> None:
        async with operator() as smsc, link_to(smsc, rate=20) as bench:
            await bench.bound()
            bench.link.submit(message(text=LONG))
            assert bench.link.capacity() == 0
            at = bench.link.capacity_at()
            assert at is not None
            assert 0.08 < at - Clock().monotonic() <= 0.15
            await bench.until(lambda: bench.results)
            assert [type(outcome) for outcome in bench.results[0].outcomes] == [Accepted] * 3

    async def test_all_binds_share_one_rate(self) -> None:
        async with operator() as smsc, link_to(smsc, rate=40, binds=[1, 2]) as bench:
            await bench.bound(2)
            for number in range(10):
                bench.link.submit(message(number))
            await bench.until(lambda: len(bench.results) == 10)
            assert smsc.submitted_at[-1] - smsc.submitted_at[0] >= 0.19
            assert len({id(peer) for peer in smsc.submitted_by}) == 2

    async def test_a_share_of_the_rate(self) -> None:
        async with operator() as smsc, link_to(smsc, rate=100) as bench:
            await bench.bound()
            bench.link.set_rate_share(0.1)
            assert bench.link.capacity() == 1
            bench.link.submit(message(1))
            bench.link.submit(message(2))
            await bench.until(lambda: len(bench.results) == 2)
            assert smsc.submitted_at[1] - smsc.submitted_at[0] >= 0.09

    async def test_no_share_at_all(self) -> None:
        async with operator() as smsc, link_to(smsc, rate=10) as bench:
            await bench.bound()
            bench.link.submit(message(1))
            bench.link.submit(message(2))
            bench.link.set_rate_share(0)
            assert (bench.link.capacity(), bench.link.capacity_at()) == (0, None)
            await bench.until(lambda: len(bench.results) == 2)
            assert bench.by_message()[message(2).message_id].outcomes == (Unsent(1),)
            bench.link.submit(message(3))
            await bench.until(lambda: len(bench.results) == 3)
            assert bench.results[-1].outcomes == (Unsent(1),)
            bench.link.set_rate_share(1)
            assert bench.link.capacity_at() is not None


class TestThrottling:
    async def test_the_link_slows_down_and_goes_on(self) -> None:
        async with operator(on_submit=refuse(CommandStatus.ESME_RTHROTTLED, 1)) as smsc, link_to(smsc) as bench:
            await bench.bound()
            assert bench.link.pace == PaceStatus(None, None, None, 0, None)
            bench.link.submit(message(1))
            await bench.until(lambda: bench.results)
            throttled = Refused(1, CommandStatus.ESME_RTHROTTLED, RefusalKind.THROTTLED)
            assert bench.results[0].outcomes == (throttled,)
            pace = bench.link.pace
            assert pace.rate is not None
            assert 25 < pace.rate < 29
            assert (pace.contract, pace.throttled) == (None, 1)
            assert bench.link.capacity() == 0
            at = bench.link.capacity_at()
            assert at is not None
            assert 0.05 < at - Clock().monotonic() <= 0.17
            await asyncio.sleep(at - Clock().monotonic() + 0.002)
            assert bench.link.capacity() == 1
            bench.link.submit(message(2))
            await bench.until(lambda: len(bench.results) == 2)
            assert bench.results[1].outcomes == (Accepted(1, "2"),)

    async def test_an_operator_that_takes_nothing_is_left_alone(self) -> None:
        async with operator(on_submit=refuse(CommandStatus.ESME_RTHROTTLED)) as smsc, link_to(smsc) as bench:
            await bench.bound()
            async with asyncio.timeout(5):
                while bench.link.pace.paused_until is None:
                    at = bench.link.capacity_at()
                    assert at is not None
                    await asyncio.sleep(max(0, at - Clock().monotonic()) + 0.002)
                    bench.link.submit(message(len(bench.results)))
                    await bench.until(lambda: len(smsc.submits) == len(bench.results))
            assert 10 <= len(smsc.submits) <= 40  # over a second
            assert bench.link.capacity() == 0
            assert bench.link.capacity_at() == pytest.approx(bench.link.pace.paused_until, abs=0.2)
            refused = len(bench.results)
            bench.link.submit(message(2))  # it came too late to know
            await bench.until(lambda: len(bench.results) > refused)
            assert bench.results[-1].outcomes == (Unsent(1),)

    async def test_what_waits_inside_goes_back(self) -> None:
        settings = {"window": 1}
        async with operator(on_submit=refuse(CommandStatus.ESME_RMSGQFUL)) as smsc, link_to(smsc, **settings) as bench:
            await bench.bound()
            bench.link.submit(message(1, text=LONG))
            bench.link.submit(message(2))
            await bench.until(lambda: len(bench.results) == 2)
            full = Refused(1, CommandStatus.ESME_RMSGQFUL, RefusalKind.THROTTLED)
            assert bench.by_message()[message(1).message_id].outcomes == (full, Unsent(2), Unsent(3))
            assert bench.by_message()[message(2).message_id].outcomes == (Unsent(1),)
            at = bench.link.capacity_at()
            assert at is not None
            assert 4.5 < at - Clock().monotonic() <= 5.2  # and the time of one token

    async def test_a_window_full_of_refusals_is_one_cut(self) -> None:
        async with operator(on_submit=refuse(CommandStatus.ESME_RTHROTTLED)) as smsc, link_to(smsc) as bench:
            await bench.bound()
            for number in range(100):
                bench.link.submit(message(number))
            await bench.until(lambda: len(bench.results) == 100)
            pace = bench.link.pace
            assert pace.rate is not None
            assert pace.rate > 8
            assert (pace.paused_until, pace.throttled) == (None, 100)

    async def test_what_was_refused_comes_before_what_waited(self) -> None:
        """What waits inside goes back as well, so that both can be asked for again in their order."""
        third = refuse(CommandStatus.ESME_RTHROTTLED)

        def on_submit(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
            (third if len(smsc.submits) == 3 else answer_all)(smsc, peer, pdu)

        async with operator(on_submit=on_submit) as smsc, link_to(smsc, rate=20) as bench:
            await bench.bound()
            for number in range(1, 11):
                bench.link.submit(message(number))
            await bench.until(lambda: len(bench.results) == 10)
            kinds = {result.submission.message_id % 100: type(result.outcomes[0]) for result in bench.results}
            assert kinds == {1: Accepted, 2: Accepted, 3: Refused} | dict.fromkeys(range(4, 11), Unsent)
            assert len(smsc.submits) == 3

    async def test_what_was_asked_for_before_a_cut_does_not_queue_here(self) -> None:
        """A hundred messages that a slow link would keep for seconds are better off where priorities count."""
        async with operator(on_submit=refuse(CommandStatus.ESME_RTHROTTLED, 1)) as smsc, link_to(smsc) as bench:
            await bench.bound()
            bench.link.submit(message(0))
            await bench.until(lambda: bench.results)
            for number in range(1, 101):
                bench.link.submit(message(number))
            await bench.until(lambda: len(bench.results) == 101)
            kinds = Counter(type(result.outcomes[0]) for result in bench.results)
            assert 18 <= kinds[Accepted] <= 32
            assert kinds == {Refused: 1, Accepted: kinds[Accepted], Unsent: 100 - kinds[Accepted]}

    async def test_all_binds_slow_down_together(self) -> None:
        async with (
            operator(on_submit=refuse(CommandStatus.ESME_RMSGQFUL, 1)) as smsc,
            link_to(smsc, binds=[1, 2]) as bench,
        ):
            await bench.bound(2)
            bench.link.submit(message(1))
            await bench.until(lambda: bench.results)
            assert bench.link.capacity() == 0
            bench.link.submit(message(2))
            await bench.until(lambda: len(bench.results) == 2)
            assert bench.results[1].outcomes == (Unsent(1),)

    async def test_the_links_own_classes_count(self) -> None:
        settings = {"status_classes": {0x0400: "throttle", 0x58: "temporary"}}
        for status, throttled in ((0x0400, 1), (0x58, 0)):
            async with operator(on_submit=refuse(status, 1)) as smsc, link_to(smsc, **settings) as bench:
                await bench.bound()
                bench.link.submit(message(1))
                await bench.until(lambda: bench.results)
                assert bench.link.pace.throttled == throttled
                assert (bench.link.pace.rate is None) == (not throttled)

    @pytest.mark.parametrize(("state", "slower"), [(100, True), (90, True), (89, False), (0, False)])
    async def test_congestion_state_is_obeyed(self, state: int, slower: bool) -> None:
        def on_submit(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
            peer.send_response(pdu, SubmitSmResp(message_id="x", tlvs=(Tlv.of(Tag.CONGESTION_STATE, state),)))

        async with operator(on_submit=on_submit) as smsc, link_to(smsc, rate=100) as bench:
            await bench.bound()
            bench.link.submit(message(1))
            await bench.until(lambda: bench.results)
            assert bench.results[0].outcomes == (Accepted(1, "x"),)
            pace = bench.link.pace
            assert pace.rate is not None
            assert (pace.congestion_state, pace.rate < 100) == (state, slower)

    @pytest.mark.parametrize("late", [False, True])
    async def test_congestion_state_in_a_refusal_or_a_late_answer_counts_too(self, late: bool) -> None:
        tlvs = (Tlv.of(Tag.CONGESTION_STATE, 100),)
        response = SubmitSmResp(message_id="", command_status=CommandStatus.ESME_RSYSERR, tlvs=tlvs)

        def on_submit(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
            asyncio.get_running_loop().call_later(0.3 if late else 0.0, peer.send_response, pdu, response)

        async with operator(on_submit=on_submit) as smsc, link_to(smsc, response_timeout=0.2) as bench:
            await bench.bound()
            bench.link.submit(message(1))
            async with asyncio.timeout(5):
                while bench.link.pace.congestion_state is None:
                    await asyncio.sleep(0.01)
            assert bench.link.pace.rate is not None

    async def test_its_begin_and_its_end_are_told_once(self) -> None:
        with capture_logs() as lines:
            async with (
                operator(on_submit=refuse(CommandStatus.ESME_RTHROTTLED, 1)) as smsc,
                link_to(smsc, rate=10) as bench,
            ):
                await bench.bound()
                async with asyncio.timeout(5):
                    while not [line for line in lines if line["event"] == "throttling over"]:
                        bench.link.submit(message(1))
                        await bench.until(lambda: bench.results)
                        bench.results.clear()
                assert bench.link.pace.rate == 10
        told = [line for line in lines if "throttl" in line["event"]]
        assert [(line["event"], line["log_level"]) for line in told] == [
            ("throttled", "info"),
            ("throttling over", "info"),
        ]
        assert (told[0]["status"], told[0]["rate_before"], told[0]["rate"]) == ("ESME_RTHROTTLED", 10, 8.5)

    async def test_a_link_that_was_never_throttled_makes_nothing_wait(self) -> None:
        for rate in (0, 10, 1000):
            async with operator() as smsc, link_to(smsc, rate=rate) as bench:
                await bench.bound()
                began = Clock().monotonic()
                bench.link.submit(message(1))
                await bench.until(lambda: bench.results)
                written_at = bench.results[0].written_at
                assert written_at is not None
                assert written_at - began < 0.01


class TestRefusals:
    async def test_the_links_own_classes_are_used(self) -> None:
        async with operator(on_submit=refuse(0x45)) as smsc, link_to(smsc, status_classes={0x45: "temporary"}) as bench:
            await bench.bound()
            bench.link.submit(message())
            await bench.until(lambda: bench.results)
            assert bench.results[0].outcomes == (Refused(1, 0x45, RefusalKind.TEMPORARY),)

    async def test_a_session_that_may_not_submit_is_bound_anew(self) -> None:
        async with operator(on_submit=refuse(CommandStatus.ESME_RINVBNDSTS, 1)) as smsc, link_to(smsc) as bench:
            await bench.bound()
            bench.link.submit(message(1))
            await bench.until(lambda: bench.results)
            assert bench.results[0].outcomes == (Refused(1, CommandStatus.ESME_RINVBNDSTS, RefusalKind.LINK),)
            assert not bench.link.binds[0].bound
            await bench.bound()
            assert smsc.unbinds == 1
            assert bench.link.binds[0].last_error == "ESME_RINVBNDSTS"
            bench.link.submit(message(1))
            await bench.until(lambda: len(bench.results) == 2)
            assert bench.results[1].outcomes == (Accepted(1, "2"),)


class TestSilence:
    async def test_no_answer_in_time_is_uncertain(self) -> None:
        async with operator(on_submit=answer_none) as smsc, link_to(smsc, response_timeout=0.2) as bench:
            await bench.bound()
            bench.link.submit(message())
            await bench.until(lambda: bench.results)
            (outcome,) = bench.results[0].outcomes
            assert isinstance(outcome, Uncertain)
            assert outcome.part == 1
            assert bench.results[0].written_at is not None
            assert bench.link.binds[0].bound  # one is no reason to leave

    async def test_the_place_of_a_lost_answer_is_taken_by_what_waits(self) -> None:
        settings = {"window": 3, "response_timeout": 0.2}
        async with operator(on_submit=answer_none) as smsc, link_to(smsc, **settings) as bench:
            await bench.bound()
            bench.link.submit(message(1))
            await bench.until(lambda: smsc.submits)
            await asyncio.sleep(0.1)
            for number in (2, 3, 4):
                bench.link.submit(message(number))
            await bench.until(lambda: len(smsc.submits) == 4)
            assert [result.submission for result in bench.results] == [message(1)]
            assert bench.link.binds[0].bound

    async def test_an_answer_after_that_tells_the_id(self) -> None:
        async with operator(on_submit=answer_none) as smsc, link_to(smsc, response_timeout=0.2) as bench:
            await bench.bound()
            bench.link.submit(message(text=LONG))
            await bench.until(lambda: bench.results)
            smsc.peers[0].send_response(smsc.submits[1], SubmitSmResp(message_id="late"))
            smsc.peers[0].send_response(smsc.submits[2], SubmitSmResp(command_status=CommandStatus.ESME_RSYSERR))
            smsc.peers[0].send_response(smsc.submits[0], SubmitSmResp(message_id="later"))
            await bench.until(lambda: len(bench.late) == 2)
            assert bench.late == [(7, message(text=LONG), 2, "late"), (7, message(text=LONG), 1, "later")]
            assert len(bench.results) == 1

    @pytest.mark.parametrize(("window", "silent"), [(100, 5), (3, 3)])
    async def test_a_session_that_answers_nothing_is_dropped(self, window: int, silent: int) -> None:
        settings = {"window": window, "response_timeout": 0.2}
        async with operator(on_submit=answer_none) as smsc, link_to(smsc, **settings) as bench:
            await bench.bound()
            for number in range(silent):
                bench.link.submit(message(number))
            await bench.until(lambda: len(bench.results) == silent)
            await bench.bound(0)
            await bench.bound(1)
            assert len(smsc.binds) == 2

    async def test_an_answer_between_keeps_the_session(self) -> None:
        def on_submit(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
            if len(smsc.submits) == 5:
                peer.send_response(pdu, SubmitSmResp(message_id="x"))

        async with operator(on_submit=on_submit) as smsc, link_to(smsc, response_timeout=0.1) as bench:
            await bench.bound()
            for first, last in ((1, 4), (5, 5), (6, 9)):
                for number in range(first, last + 1):
                    bench.link.submit(message(number))
                await bench.until(lambda last=last: len(bench.results) == last)
            assert bench.link.binds[0].bound
            assert len(smsc.binds) == 1


class TestLoss:
    async def test_what_was_written_is_uncertain_and_the_rest_unsent(self) -> None:
        def on_submit(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
            if len(smsc.submits) == 2:
                peer.abort()

        async with operator(on_submit=on_submit) as smsc, link_to(smsc, window=2) as bench:
            await bench.bound()
            bench.link.submit(message(text=LONG))
            await bench.until(lambda: bench.results)
            assert [type(outcome) for outcome in bench.results[0].outcomes] == [Uncertain, Uncertain, Unsent]
            await bench.bound()

    async def test_other_binds_go_on(self) -> None:
        async with operator() as smsc, link_to(smsc, binds=[1, 2]) as bench:
            await bench.bound(2)
            smsc.peers[0].abort()
            await bench.bound(1)
            for number in range(10):
                bench.link.submit(message(number))
            await bench.until(lambda: len(bench.results) == 10)
            assert {type(result.outcomes[0]) for result in bench.results} == {Accepted}


class TestLease:
    async def test_nothing_is_written_without_it_and_the_sessions_stay(self) -> None:
        async with operator() as smsc, link_to(smsc, binds=[1, 2]) as bench:
            await bench.bound(2)
            bench.lease[0] = False
            assert (bench.link.capacity(), bench.link.capacity_at()) == (0, None)
            bench.link.submit(message(1, text=LONG))
            await bench.until(lambda: bench.results)
            assert bench.results[0].outcomes == (Unsent(1), Unsent(2), Unsent(3))
            smsc.deliver(smsc.peers[0], [receipt()])
            await bench.until(lambda: bench.deliveries)
            bench.deliveries[0].respond(CommandStatus.ESME_RX_T_APPN)
            await bench.until(lambda: smsc.answers)  # whoever has lost its database can say so
            bench.lease[0] = True
            bench.link.submit(message(2))
            await bench.until(lambda: len(bench.results) == 2)
            assert bench.results[1].outcomes == (Accepted(1, "1"),)
            assert (smsc.unbinds, smsc.connections) == (0, 2)

    async def test_it_is_asked_before_each_part(self) -> None:
        def on_submit(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
            bench.lease[0] = False
            peer.send_response(pdu, SubmitSmResp(message_id="x"))

        async with operator(on_submit=on_submit) as smsc, link_to(smsc, window=1) as bench:
            await bench.bound()
            bench.link.submit(message(text=LONG))
            await bench.until(lambda: bench.results)
            assert bench.results[0].outcomes == (Accepted(1, "x"), Unsent(2), Unsent(3))
            assert len(smsc.submits) == 1

    async def test_between_the_question_and_the_write_it_may_lapse_all_the_same(self) -> None:
        """The last one asks at the write itself: then the session ends, and the operator has seen nothing."""
        async with operator() as smsc, link_to(smsc) as bench:
            await bench.bound()
            bench.link.submit(message())
            bench.lease[0] = False
            await bench.until(lambda: bench.results)
            assert [type(outcome) for outcome in bench.results[0].outcomes] == [Uncertain]
            await bench.until(lambda: smsc.closed)
            assert (smsc.submits, smsc.unbinds) == ([], 0)


class TestLapse:
    """Whoever leased the binds finds that they may be another's by now."""

    async def test_every_session_ends_at_once_with_an_unbind(self) -> None:
        async with operator() as smsc, link_to(smsc, binds=[1, 2]) as bench:
            await bench.bound(2)
            bench.link.lapse()
            assert not any(status.bound for status in bench.link.binds)
            await bench.until(lambda: smsc.closed == 2 and bench.link.binds == [])
            assert (smsc.unbinds, smsc.connections) == (2, 2)
            bench.link.want_binds([1, 2])
            await bench.bound(2)

    async def test_nothing_is_waited_for(self) -> None:
        async with operator(on_submit=answer_none) as smsc, link_to(smsc, timing=Timing(stagger=0), window=1) as bench:
            await bench.bound()
            bench.link.submit(message(text=LONG))
            await bench.until(lambda: smsc.submits)
            async with asyncio.timeout(1):
                bench.link.lapse()
                await bench.until(lambda: bench.results)
                await bench.until(lambda: smsc.unbinds == 1 and bench.link.binds == [])
            assert [type(outcome) for outcome in bench.results[0].outcomes] == [Uncertain, Unsent, Unsent]

    async def test_a_submit_that_is_not_written_yet_is_not_written_for_an_unbind(self) -> None:
        async with operator() as smsc, link_to(smsc) as bench:
            await bench.bound()
            bench.link.submit(message())
            bench.link.lapse()
            await bench.until(lambda: bench.results and smsc.closed)
            assert (smsc.submits, smsc.unbinds) == ([], 0)

    async def test_a_bind_under_way_is_given_up(self) -> None:
        async with operator(on_bind=lambda smsc, pdu: None) as smsc, link_to(smsc, timing=Timing()) as bench:
            await bench.until(lambda: smsc.binds)
            async with asyncio.timeout(1):
                bench.link.lapse()
                await bench.until(lambda: bench.link.binds == [])
            assert len(smsc.binds) == 1


class TestStop:
    async def test_it_waits_for_answers(self) -> None:
        def on_submit(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
            asyncio.get_running_loop().call_later(0.1, peer.send_response, pdu, SubmitSmResp(message_id="x"))

        async with operator(on_submit=on_submit) as smsc, link_to(smsc, window=2) as bench:
            await bench.bound()
            bench.link.submit(message(text=LONG))
            await bench.link.stop()
            assert bench.outcomes == [(Accepted(1, "x"), Accepted(2, "x"), Unsent(3))]
            assert smsc.unbinds == 1

    async def test_what_is_not_answered_in_time_is_uncertain(self) -> None:
        async with operator(on_submit=answer_none) as smsc, link_to(smsc) as bench:
            await bench.bound()
            bench.link.submit(message())
            await bench.link.stop()
            assert [type(outcome) for outcome in bench.results[0].outcomes] == [Uncertain]
            assert smsc.unbinds == 1

    async def test_it_takes_under_ten_seconds(self) -> None:
        timing = Timing()
        assert timing.leave + timing.close < 10


async def test_exactly_one_result_whatever_happens() -> None:
    """An operator that answers, refuses, throttles, is silent, cuts the line and unbinds at random."""
    random = Random(20260301)

    def on_submit(smsc: Smsc, peer: SmppConnection, pdu: SubmitSm) -> None:
        draw = random.random()
        if draw < 0.9:
            peer.send_response(pdu, SubmitSmResp(message_id="x"))
        elif draw < 0.96:
            peer.send_response(pdu, SubmitSmResp(command_status=random.choice([0x08, 0x0B, 0x22])))
        elif draw < 0.962:
            peer.send_response(pdu, SubmitSmResp(command_status=random.choice([0x58, 0x04])))
        elif draw < 0.992:
            pass
        elif draw < 0.998:
            peer.abort()
        else:
            peer.unbind()

    def feed(link: Link) -> None:
        nonlocal number
        for _ in range(min(20, link.capacity())):
            number += 1
            bench.link.submit(message(number, text=random.choice(["x", LONG, "Ҷ" * 100])))

    number = 0
    settings = {"window": 20, "rate": 2000.0, "response_timeout": 0.15}
    async with operator(on_submit=on_submit) as smsc, link_to(smsc, binds=[1, 2, 3], **settings) as bench:
        while number < 200:
            feed(bench.link)
            if random.random() < 0.02:
                bench.link.want_binds(random.sample([1, 2, 3], 2))
            if random.random() < 0.02:
                bench.lease[0] = not bench.lease[0]
            if random.random() < 0.01:
                bench.link.lapse()
            await asyncio.sleep(0.005)
        await bench.link.stop()

        counts = Counter(result.submission.message_id for result in bench.results)
        assert set(counts) == {message(n).message_id for n in range(1, number + 1)}
        assert set(counts.values()) == {1}
        assert all(_is_complete(result) for result in bench.results)


def _is_complete(result: SubmissionResult) -> bool:
    parts = {"x": 1, LONG: 3}.get(result.submission.text, 2)
    return [outcome.part for outcome in result.outcomes] == list(range(1, parts + 1))
