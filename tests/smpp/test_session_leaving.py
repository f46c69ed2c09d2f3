"""Leaving in good order, being left, and the crossing of both."""

from __future__ import annotations

import pytest

from payk.smpp import (
    BindTransceiver,
    Closed,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    LateResponse,
    RequestReceived,
    RequestUncertain,
    ResponseReceived,
    Role,
    State,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindReceived,
    UnbindResp,
    WrongState,
)
from tests.smpp.session_bench import Bench, bound_esme, bound_smsc


class TestWeLeave:
    def test_at_once_if_nothing_is_open(self) -> None:
        bench = bound_esme()
        bench.session.unbind(1.0)
        (unbind,) = bench.sent()
        assert isinstance(unbind, Unbind)
        assert bench.session.state is State.UNBINDING
        assert bench.receive(UnbindResp(sequence_number=unbind.sequence_number), at=1.5) == [Closed("unbound")]

    def test_after_the_open_answers(self) -> None:
        bench = bound_esme()
        number = bench.submit("one")
        bench.sent()
        bench.session.unbind(1.0)
        assert bench.sent() == []
        assert bench.session.free_window == 0
        (answered,) = bench.receive(SubmitSmResp("1", sequence_number=number), at=2.0)
        assert isinstance(answered, ResponseReceived)
        assert isinstance(bench.sent()[0], Unbind)

    def test_sends_nothing_new(self) -> None:
        bench = bound_esme()
        bench.session.unbind(1.0)
        with pytest.raises(WrongState):
            bench.submit()

    def test_without_the_answers_when_they_take_too_long(self) -> None:
        bench = bound_esme(unbind_timeout=5.0)
        bench.submit("one")
        bench.sent()
        bench.session.unbind(1.0)
        assert bench.run(6.0) == []
        assert [type(pdu) for pdu in bench.sent()] == [Unbind]
        assert bench.run(60.0) == [
            (11.0, RequestUncertain("one", SubmitSm(destination_addr="992900000001"), "unbind was not answered")),
            (11.0, Closed("unbind was not answered")),
        ]

    def test_and_a_nack_to_unbind_is_as_good(self) -> None:
        bench = bound_esme()
        bench.session.unbind(1.0)
        (unbind,) = bench.sent()
        nack = GenericNack(command_status=3, sequence_number=unbind.sequence_number)
        assert bench.receive(nack, at=1.5) == [Closed("unbound")]

    def test_and_answer_what_still_comes(self) -> None:
        bench = bound_esme()
        bench.session.unbind(1.0)
        bench.sent()
        delivery = DeliverSm(sequence_number=4)
        assert bench.receive(delivery, EnquireLink(sequence_number=5), at=2.0) == [RequestReceived(delivery)]
        assert bench.session.send_response(delivery, DeliverSmResp(), 2.0)
        assert bench.sent() == [EnquireLinkResp(sequence_number=5), DeliverSmResp(sequence_number=4)]

    def test_before_the_bind_it_is_just_closed(self) -> None:
        bench = Bench(Role.ESME)
        bench.session.send_request(BindTransceiver(), 0.0)
        bench.session.unbind(1.0)
        assert bench.session.tick(1.0) == [Closed("left before the bind")]

    def test_twice_is_once(self) -> None:
        bench = bound_esme()
        bench.session.unbind(1.0)
        bench.session.unbind(2.0)
        assert len(bench.sent()) == 1


class TestThePeerLeaves:
    def test_it_is_answered_and_open_requests_are_uncertain(self) -> None:
        bench = bound_esme()
        number = bench.submit("one")
        bench.sent()
        uncertain, unbound = bench.receive(Unbind(sequence_number=9), at=1.0)
        assert isinstance(uncertain, RequestUncertain)
        assert unbound == UnbindReceived()
        assert bench.sent() == [UnbindResp(sequence_number=9)]
        assert bench.session.state is State.UNBOUND
        (late,) = bench.receive(SubmitSmResp("1", sequence_number=number), at=1.5)
        assert isinstance(late, LateResponse)

    def test_it_has_five_seconds_to_close(self) -> None:
        bench = bound_esme()
        bench.receive(Unbind(sequence_number=9), at=1.0)
        assert bench.run(60.0) == [(6.0, Closed("unbound by the peer"))]

    def test_it_closes(self) -> None:
        bench = bound_smsc()
        bench.receive(Unbind(sequence_number=9), at=1.0)
        assert bench.session.receive_eof(1.1) == [Closed("closed by the peer")]

    def test_and_keeps_talking(self) -> None:
        bench = bound_smsc()
        bench.receive(Unbind(sequence_number=9), at=1.0)
        bench.sent()
        bench.receive(Unbind(sequence_number=10), EnquireLink(sequence_number=11), SubmitSm(sequence_number=12), at=2.0)
        assert bench.sent() == [
            UnbindResp(sequence_number=10),
            EnquireLinkResp(sequence_number=11),
            SubmitSmResp(None, command_status=0x04, sequence_number=12),
        ]
        assert bench.run(60.0) == [(6.0, Closed("unbound by the peer"))]

    def test_nothing_more_is_sent_to_it(self) -> None:
        bench = bound_esme()
        bench.receive(Unbind(sequence_number=9))
        assert bench.session.free_window == 0
        with pytest.raises(WrongState):
            bench.submit()

    def test_while_we_leave_too(self) -> None:
        bench = bound_esme()
        bench.session.unbind(1.0)
        (unbind,) = bench.sent()
        assert bench.receive(Unbind(sequence_number=9), at=1.1) == [UnbindReceived()]
        assert bench.sent() == [UnbindResp(sequence_number=9)]
        assert bench.receive(UnbindResp(sequence_number=unbind.sequence_number), at=1.2) == [Closed("unbound")]

    def test_answers_to_it_may_still_be_written(self) -> None:
        bench = bound_smsc()
        request = SubmitSm(sequence_number=4)
        bench.receive(request, Unbind(sequence_number=5))
        assert bench.session.send_response(request, SubmitSmResp("1"), 0.0)


class TestTheEnd:
    def test_of_the_connection(self) -> None:
        bench = bound_esme()
        bench.submit("one")
        uncertain, closed = bench.session.receive_eof(1.0)
        assert isinstance(uncertain, RequestUncertain)
        assert closed == Closed("closed by the peer")
        assert bench.session.closed
        assert bench.session.next_deadline() is None

    def test_by_our_own_decision_goes_with_a_farewell(self) -> None:
        bench = bound_esme()
        bench.submit("one")
        bench.sent()
        bench.session.close("enough")
        assert bench.session.closed
        assert bench.session.next_deadline() == 0.0
        uncertain, closed = bench.session.tick(0.0)
        assert isinstance(uncertain, RequestUncertain)
        assert closed == Closed("enough")
        assert isinstance(bench.sent()[0], Unbind)
        assert bench.session.next_deadline() is None

    def test_comes_once(self) -> None:
        bench = bound_esme()
        bench.session.close("enough")
        bench.session.close("more than enough")
        assert bench.session.connection_lost(1.0) == [Closed("enough")]
        assert bench.session.receive_eof(2.0) == []

    def test_of_an_unbound_session_needs_no_farewell(self) -> None:
        bench = Bench(Role.SMSC)
        bench.session.close("enough")
        assert bench.sent() == []
