"""Requests of ours and their completion; requests of the peer and their answers."""

from __future__ import annotations

import pytest

from payk.smpp import (
    AlertNotification,
    BindReceiver,
    BindTransmitter,
    CancelSm,
    CancelSmResp,
    Closed,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    Event,
    GenericNack,
    LateResponse,
    LocalError,
    PeerError,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    Request,
    RequestReceived,
    RequestUncertain,
    Response,
    ResponseReceived,
    SessionOptions,
    SmeAddress,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    SubmitSmResp,
    WindowFull,
)
from payk.smpp.pending import LAST_SEQUENCE_NUMBER, Pending
from tests.smpp.session_bench import Bench, bound_esme, bound_smsc

SUBMIT = SubmitSm(destination_addr="992900000001")


def answer(number: int, message_id: str | None = "77") -> SubmitSmResp:
    return SubmitSmResp(message_id, sequence_number=number)


def uncertain(events: list[Event]) -> list[object]:
    return [event.token for event in events if isinstance(event, RequestUncertain)]


class TestAnswered:
    def test_the_token_comes_back_with_answer_and_time(self) -> None:
        bench = bound_esme()
        number = bench.submit("one", at=1.0)
        assert bench.sent() == [SubmitSm(destination_addr="992900000001", sequence_number=number)]
        assert bench.receive(answer(number), at=3.5) == [ResponseReceived("one", SUBMIT, answer(number), 2.5)]
        assert bench.session.pending_count == 0

    def test_a_body_of_the_owner_is_sent_as_it_is(self) -> None:
        bench = bound_smsc()
        pdu, body = DeliverSm(), b"longer than allowed\0" + bytes(16)
        number = bench.session.send_request(pdu, 0.0, "one", body=body)
        octets = bench.session.data_to_send()
        assert octets == (16 + len(body)).to_bytes(4, "big") + bytes.fromhex("0000000500000000") + b"\0\0\0\1" + body
        answer_ = DeliverSmResp(sequence_number=number)
        assert bench.receive(answer_) == [ResponseReceived("one", pdu, answer_, 0.0)]

    def test_in_any_order(self) -> None:
        bench = bound_esme()
        first, second = bench.submit(1), bench.submit(2)
        events = bench.receive(answer(second), answer(first))
        assert [event.token for event in events if isinstance(event, ResponseReceived)] == [2, 1]

    def test_by_a_negative_status_or_without_an_id(self) -> None:
        bench = bound_esme()
        for response in (SubmitSmResp(None, command_status=0x58), SubmitSmResp(None), SubmitSmResp("")):
            number = bench.submit("t")
            (event,) = bench.receive(SubmitSmResp(response.message_id, (), response.command_status, number))
            assert isinstance(event, ResponseReceived)
            assert isinstance(event.response, SubmitSmResp)
            assert event.response.message_id == response.message_id

    def test_by_generic_nack(self) -> None:
        bench = bound_esme()
        nack = GenericNack(command_status=0x03, sequence_number=bench.submit("one"))
        assert bench.receive(nack) == [ResponseReceived("one", SUBMIT, nack, 0.0)]

    def test_once_only(self) -> None:
        bench = bound_esme()
        number = bench.submit("one")
        answered, stray = bench.receive(answer(number), answer(number))
        assert isinstance(answered, ResponseReceived)
        assert stray == PeerError("submit_sm_resp to no request")

    def test_the_pending_entry_is_there_before_the_octets_leave(self) -> None:
        bench = bound_esme()
        number = bench.submit("one")
        assert isinstance(bench.receive(answer(number))[0], ResponseReceived)  # data_to_send was not called yet

    def test_an_answer_of_another_kind_leaves_it_uncertain(self) -> None:
        bench = bound_esme()
        number = bench.submit("one")
        assert bench.receive(QuerySmResp("1", sequence_number=number)) == [
            RequestUncertain("one", SUBMIT, "answered by query_sm_resp"),
            PeerError("submit_sm answered by query_sm_resp"),
        ]
        assert bench.receive(answer(number)) == [LateResponse("one", SUBMIT, answer(number))]

    @pytest.mark.parametrize("stray", [SubmitSmResp("1", sequence_number=99), DataSmResp("1", sequence_number=0)])
    def test_answers_to_nothing_are_counted_and_never_nacked(self, stray: Response) -> None:
        bench = bound_esme()
        bench.submit("one")
        bench.sent()
        assert bench.receive(stray) == [PeerError(f"{stray.command_id.name.lower()} to no request")]
        assert bench.sent() == []
        assert bench.session.pending_count == 1

    @pytest.mark.parametrize(
        ("request_", "response"),
        [
            (DataSm(), DataSmResp("1")),
            (QuerySm("1"), QuerySmResp("1")),
            (CancelSm(message_id="1"), CancelSmResp()),
            (ReplaceSm("1"), ReplaceSmResp()),
            (SubmitMulti(dest_address=(SmeAddress(1, 1, "1"),)), SubmitMultiResp("1")),
        ],
    )
    def test_every_kind_of_request(self, request_: Request, response: Response) -> None:
        esme, smsc = bound_esme(), bound_smsc()
        esme.session.send_request(request_, 0.0, "t")
        (received,) = smsc.receive(*esme.sent())
        assert isinstance(received, RequestReceived)
        assert smsc.session.send_response(received.pdu, response, 0.0)
        (event,) = esme.receive(*smsc.sent())
        assert isinstance(event, ResponseReceived)
        assert (event.token, type(event.response)) == ("t", type(response))


class TestStrayNacks:
    def test_three_within_a_minute_end_the_session(self) -> None:
        bench = bound_esme()
        stray = GenericNack(command_status=2)
        bench.submit("one")
        assert bench.receive(stray, stray, at=1.0) == [PeerError("generic_nack to no request")] * 2
        events = bench.receive(stray, at=60.0)
        assert uncertain(events) == ["one"]
        assert events[-1] == Closed("too many generic_nack to no request")

    def test_fewer_do_not(self) -> None:
        bench = bound_esme()
        for minute in range(6):
            bench.receive(GenericNack(command_status=2), at=minute * 31.0)
        assert not bench.session.closed


class TestWindow:
    def test_holds_requests_back_until_answers_come(self) -> None:
        bench = bound_esme(window=2)
        first = bench.submit()
        bench.submit()
        assert bench.session.free_window == 0
        bench.sent()
        with pytest.raises(WindowFull):
            bench.submit()
        assert bench.sent() == []
        bench.receive(answer(first))
        assert bench.session.free_window == 1
        bench.submit()

    def test_is_not_taken_by_alert_notification(self) -> None:
        bench = bound_smsc(window=1)
        for _ in range(3):
            bench.session.send_request(AlertNotification(), 0.0)
        assert bench.session.free_window == 1

    def test_is_not_taken_by_enquire_link(self) -> None:
        bench = bound_esme(window=1)
        bench.session.tick(30.0)
        assert isinstance(bench.sent()[0], EnquireLink)
        assert bench.session.free_window == 1

    def test_a_time_out_gives_the_slot_back(self) -> None:
        bench = bound_esme(window=3)
        bench.submit()
        bench.session.tick(30.0)
        assert bench.session.free_window == 3

    def test_what_does_not_fit_takes_no_slot(self) -> None:
        bench = bound_esme(window=1)
        with pytest.raises(LocalError):
            bench.session.send_request(SubmitSm(source_addr="x" * 30), 0.0)
        assert bench.session.free_window == 1
        assert bench.sent() == []
        assert bench.session.connection_lost(0.0) == [Closed("connection lost")]


@pytest.mark.parametrize(
    "name", ["window", "enquire_misses", "max_timeouts", "max_errors_per_minute", "max_unanswered"]
)
def test_counts_begin_at_one(name: str) -> None:
    with pytest.raises(LocalError, match=name):
        SessionOptions(**{name: 0})


class TestSequenceNumbers:
    def test_begin_at_one_and_count_every_request(self) -> None:
        bench = bound_esme()
        assert [bench.submit() for _ in range(3)] == [2, 3, 4]  # the bind was 1

    def test_wrap_and_skip_what_is_pending(self) -> None:
        pending = Pending(window=10, timeout=30.0)
        assert pending.sequence_number() == 1
        pending.add(1, SUBMIT, None, 0.0)
        pending.add(2, SUBMIT, None, 0.0)
        pending.add_control(3, EnquireLink())
        pending.bury(2)
        pending._last = LAST_SEQUENCE_NUMBER - 1
        assert pending.sequence_number() == LAST_SEQUENCE_NUMBER == 0x7FFFFFFF
        assert pending.sequence_number() == 4

    @pytest.mark.parametrize("number", [0, 1, 0x80000000, 0xFFFFFFFF])
    def test_of_the_peer_are_echoed(self, number: int) -> None:
        bench = bound_esme()
        delivery = DeliverSm(sequence_number=number)
        assert bench.receive(delivery) == [RequestReceived(delivery)]
        bench.session.send_response(delivery, DeliverSmResp(), 0.0)
        assert bench.sent() == [DeliverSmResp(sequence_number=number)]

    def test_repeated_by_the_peer_are_answered_each(self) -> None:
        bench = bound_smsc()
        events = bench.receive(SubmitSm(sequence_number=5), SubmitSm(sequence_number=5))
        for event in events:
            assert isinstance(event, RequestReceived)
            bench.session.send_response(event.pdu, SubmitSmResp("1"), 0.0)
        assert bench.sent() == [SubmitSmResp("1", sequence_number=5)] * 2


class TestUnanswered:
    def test_a_request_is_uncertain_after_its_time(self) -> None:
        bench = bound_esme(response_timeout=30.0, enquire_interval=0)
        bench.submit("one", at=1.0)
        bench.submit("two", at=2.0)
        assert bench.session.tick(30.9) == []
        assert bench.run(31.5) == [(31.0, RequestUncertain("one", SUBMIT, "no answer within 30 s"))]
        assert bench.session.next_deadline() == 32.0

    def test_its_late_answer_is_told_once(self) -> None:
        bench = bound_esme()
        number = bench.submit("one")
        bench.session.tick(30.0)
        late, stray = bench.receive(answer(number), answer(number), at=40.0)
        assert late == LateResponse("one", SUBMIT, answer(number))
        assert stray == PeerError("submit_sm_resp to no request")

    def test_a_late_nack_is_a_late_answer(self) -> None:
        bench = bound_esme()
        number = bench.submit("one")
        bench.session.tick(30.0)
        nack = GenericNack(command_status=3, sequence_number=number)
        assert bench.receive(nack, at=40.0) == [LateResponse("one", SUBMIT, nack)]

    def test_a_late_answer_of_another_kind_is_none(self) -> None:
        bench = bound_esme()
        number = bench.submit("one")
        bench.session.tick(30.0)
        assert bench.receive(QuerySmResp("1", sequence_number=number), at=40.0) == [
            PeerError("query_sm_resp to no request")
        ]

    def test_several_in_a_row_end_the_session(self) -> None:
        bench = bound_esme(max_timeouts=3, enquire_interval=0)
        for token in range(4):
            bench.submit(token, at=float(token))
        events = [event for _, event in bench.run(100.0)]
        assert uncertain(events) == [0, 1, 2, 3]
        assert events[-1] == Closed("3 requests in a row without an answer")
        assert [pdu.command_id.name for pdu in bench.sent()][-1] == "UNBIND"

    def test_an_answer_between_them_begins_the_row_anew(self) -> None:
        bench = bound_esme(max_timeouts=2, enquire_interval=0)
        bench.submit(at=0.0)
        answered = bench.submit(at=1.0)
        bench.submit(at=30.0)
        bench.session.tick(30.0)
        bench.receive(answer(answered), at=30.5)
        bench.session.tick(60.0)
        assert not bench.session.closed

    def test_a_whole_window_of_them_ends_the_session(self) -> None:
        bench = bound_esme(window=2, max_timeouts=5, enquire_interval=0)
        bench.submit(1)
        bench.submit(2)
        bench.session.tick(30.0)
        assert bench.session.closed

    def test_the_end_of_the_session_hands_all_of_them_back(self) -> None:
        bench = bound_esme()
        timed_out = bench.submit("timed out", at=0.0)
        bench.session.tick(30.0)
        answered = bench.submit("answered", at=31.0)
        bench.submit("open", at=31.0)
        bench.receive(answer(answered), answer(timed_out), at=32.0)
        events = bench.session.connection_lost(33.0, "reset by the peer")
        assert events == [RequestUncertain("open", SUBMIT, "reset by the peer"), Closed("reset by the peer")]
        assert bench.session.connection_lost(34.0) == bench.session.tick(34.0) == []

    def test_old_tombstones_go_when_there_are_too_many(self) -> None:
        pending = Pending(window=1, timeout=30.0)
        for number in range(1, 10_002):
            pending.add(number, SUBMIT, None, 0.0)
            pending.bury(number)
        assert pending.tombstone(1) is None
        assert pending.tombstone(2) is not None


class TestOfThePeer:
    @pytest.mark.parametrize("kind", [BindTransmitter, BindReceiver])
    def test_receipts_are_taken_on_a_transmitters_session_too(self, kind: type[BindTransmitter | BindReceiver]) -> None:
        bench = bound_esme(kind)
        delivery = DeliverSm(sequence_number=3)
        events = bench.receive(delivery, delivery)
        assert [event for event in events if isinstance(event, RequestReceived)] == [RequestReceived(delivery)] * 2
        told = [event for event in events if isinstance(event, PeerError)]
        expected = [PeerError("deliver_sm: on a transmitter's session", counted=False)]
        assert told == (expected if kind is BindTransmitter else [])

    def test_alert_notification_needs_no_answer(self) -> None:
        bench = bound_esme(max_unanswered=1)
        alert = AlertNotification(command_status=2, sequence_number=1)
        assert bench.receive(alert, alert) == [RequestReceived(alert)] * 2
        assert bench.session.wants_data
        assert bench.sent() == []

    @pytest.mark.parametrize(
        ("bench", "pdu"),
        [
            (bound_smsc(BindReceiver), SubmitSm(sequence_number=4)),
            (bound_smsc(BindReceiver), DataSm(sequence_number=4)),
            (bound_smsc(), DeliverSm(sequence_number=4)),
            (bound_esme(), SubmitSm(sequence_number=4)),
            (bound_esme(), CancelSm(sequence_number=4)),
        ],
    )
    def test_what_the_state_forbids_is_refused_and_the_session_stays(self, bench: Bench, pdu: Request) -> None:
        state = bench.session.state
        (fault,) = bench.receive(pdu)
        assert fault == PeerError(f"{pdu.command_id.name.lower()} in the state {state.value}")
        (response,) = bench.sent()
        assert response.command_id == pdu.command_id | 0x80000000
        assert (response.command_status, response.sequence_number) == (0x04, 4)
        assert bench.session.state is state

    def test_an_answer_after_the_end_goes_nowhere(self) -> None:
        bench = bound_smsc()
        request = SubmitSm(sequence_number=4)
        bench.receive(request)
        bench.session.connection_lost(1.0)
        assert not bench.session.send_response(request, SubmitSmResp("1"), 2.0)
        assert bench.session.data_to_send() == b""

    def test_generic_nack_may_answer(self) -> None:
        bench = bound_smsc()
        request = SubmitSm(sequence_number=4)
        bench.receive(request)
        assert bench.session.send_response(request, GenericNack(command_status=3), 0.0)
        assert bench.sent() == [GenericNack(command_status=3, sequence_number=4)]

    def test_the_octets_come_along_as_they_were(self) -> None:
        bench = bound_smsc()
        octets = bytes.fromhex("00000028000000040000000000000004") + b"sevens!\0" + bytes(16)
        (event,) = bench.receive(octets)
        assert isinstance(event, RequestReceived)
        assert event.octets == octets
