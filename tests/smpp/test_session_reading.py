"""Holding the peer back: too many open requests, enquire_link floods."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from payk.smpp import (
    Closed,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    Event,
    QuerySmResp,
    RequestReceived,
    RequestUncertain,
    ResponseReceived,
    Session,
    SubmitSm,
    SubmitSmResp,
    UnknownPdu,
    encode,
)
from tests.smpp.session_bench import bound_esme, bound_smsc


def submits(first: int, last: int) -> list[SubmitSm]:
    return [SubmitSm(sequence_number=number) for number in range(first, last + 1)]


def test_reading_pauses_while_too_many_requests_wait_for_us() -> None:
    bench = bound_smsc(max_unanswered=2)
    requests = submits(1, 5)
    assert bench.receive(*requests) == [RequestReceived(pdu) for pdu in requests[:2]]
    assert not bench.session.wants_data
    assert bench.receive(*submits(6, 6), at=1.0) == []  # was on its way
    bench.session.send_response(requests[0], SubmitSmResp("1"), 2.0)
    assert bench.session.next_deadline() == 2.0
    assert bench.session.tick(2.0) == [RequestReceived(requests[2])]
    assert not bench.session.wants_data
    for number in range(1, 5):
        bench.session.send_response(requests[number], SubmitSmResp("1"), 3.0)
        bench.session.tick(3.0)
    bench.session.send_response(SubmitSm(sequence_number=6), SubmitSmResp("1"), 3.0)
    assert bench.session.wants_data
    assert len(bench.sent()) == 6


def test_one_that_will_never_be_answered_holds_nobody_back() -> None:
    bench = bound_smsc(max_unanswered=1)
    first, second = submits(1, 2)
    assert bench.receive(first, second) == [RequestReceived(first)]
    bench.session.give_up(first, 1.0)
    assert bench.session.wants_data
    assert bench.session.next_deadline() == 1.0
    assert bench.session.tick(1.0) == [RequestReceived(second)]
    assert bench.sent() == []


def test_a_held_pdu_is_not_a_slow_one() -> None:
    bench = bound_smsc(max_unanswered=1, pdu_read_timeout=10.0, enquire_interval=0.0)
    (request,) = submits(1, 1)
    bench.receive(request, b"\0\0\0")
    assert bench.run(29.0) == []
    bench.session.send_response(request, SubmitSmResp("1"), 29.0)
    assert bench.run(38.0) == []
    assert len(bench.run(60.0)) == 2  # from here on its time counts


def test_answers_that_may_lie_unread_are_waited_for() -> None:
    bench = bound_smsc(max_unanswered=1, response_timeout=30.0, enquire_interval=0.0)
    (request,) = submits(1, 1)
    number = bench.session.send_request(DeliverSm(), 0.0, "receipt")
    bench.receive(request, DeliverSmResp(sequence_number=number))
    assert bench.session.tick(40.0) == []
    bench.session.send_response(request, SubmitSmResp("1"), 41.0)
    (event,) = bench.session.tick(41.0)
    assert isinstance(event, ResponseReceived)


ENDS: dict[str, Callable[[Session], list[Event]]] = {
    "half-closed": lambda session: session.receive_eof(1.0),
    "lost": lambda session: session.connection_lost(1.0),
    "by us": lambda session: session.close("enough") or session.tick(1.0),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_answers_that_lie_unread_when_the_session_ends_still_count(end: Callable[[Session], list[Event]]) -> None:
    """What is held back is requests of the peer; the answers behind them have arrived."""
    bench = bound_esme(max_unanswered=1)
    numbers = [bench.submit(token) for token in ("first", "second", "third", "fourth")]
    first, second, third, fourth = (SubmitSmResp("77", sequence_number=number) for number in numbers)
    held_back = DeliverSm(sequence_number=1)
    assert bench.receive(held_back, held_back, first, first) == [RequestReceived(held_back)]
    other = QuerySmResp("77", sequence_number=third.sequence_number)  # no answer to it
    assert bench.receive(UnknownPdu(0x80000110, sequence_number=2), second, other, encode(fourth)[:-1], at=0.5) == []
    *completed, closed = end(bench.session)
    assert [(event.token, event.response) for event in completed if isinstance(event, ResponseReceived)] == [
        ("first", first),
        ("second", second),
    ]
    assert [event.token for event in completed if isinstance(event, RequestUncertain)] == ["third", "fourth"]
    assert len(completed) == 4
    assert isinstance(closed, Closed)


def test_an_enquire_link_flood_is_answered_then_slowed_down() -> None:
    bench = bound_smsc(enquire_flood=5)
    bench.receive(*(EnquireLink(sequence_number=number) for number in range(1, 9)), at=1.0)
    assert len(bench.sent()) == 5
    assert not bench.session.wants_data
    assert bench.session.next_deadline() == 11.0
    bench.session.tick(10.9)
    assert bench.sent() == []
    bench.session.tick(11.0)
    assert bench.sent() == [EnquireLinkResp(sequence_number=number) for number in (6, 7, 8)]
    assert bench.session.wants_data


def test_enquire_link_at_the_usual_pace_is_never_slowed_down() -> None:
    bench = bound_esme()
    for number in range(1, 100):
        bench.receive(EnquireLink(sequence_number=number), at=float(number))
        assert bench.session.wants_data
    assert len(bench.sent()) == 99
