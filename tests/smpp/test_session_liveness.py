"""enquire_link and the inactivity timer."""

from __future__ import annotations

from payk.smpp import (
    BindTransceiver,
    Closed,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    encode,
)
from tests.smpp.session_bench import Bench, bound_esme, bound_smsc


def sent_at(bench: Bench, until: float) -> list[float]:
    """When enquire_link leaves if the peer answers each at once."""
    times: list[float] = []
    while (deadline := bench.session.next_deadline()) is not None and deadline <= until:
        bench.session.tick(deadline)
        for pdu in bench.sent():
            assert isinstance(pdu, EnquireLink)
            times.append(deadline)
            bench.receive(EnquireLinkResp(sequence_number=pdu.sequence_number), at=deadline)
    return times


def test_asked_after_each_interval_of_silence() -> None:
    assert sent_at(bound_esme(enquire_interval=30.0), 100.0) == [30.0, 60.0, 90.0]


def test_traffic_puts_it_off() -> None:
    bench = bound_esme(enquire_interval=30.0)
    bench.receive(SubmitSmResp("late", sequence_number=9), at=20.0)
    assert sent_at(bench, 60.0) == [50.0]


def test_traffic_does_not_put_it_off_where_the_link_asks_for_it() -> None:
    bench = bound_esme(enquire_interval=30.0, enquire_always=True)
    number = bench.submit(at=20.0)
    bench.receive(SubmitSmResp("1", sequence_number=number), at=29.0)
    bench.sent()
    assert sent_at(bench, 65.0) == [30.0, 60.0]


def test_never_asked_where_the_link_wants_none() -> None:
    bench = bound_esme(enquire_interval=0.0)
    assert [event for _, event in bench.run(149.0)] == []
    assert bench.sent() == []


def test_two_misses_in_a_row_end_the_session() -> None:
    bench = bound_esme(enquire_interval=30.0, enquire_timeout=15.0, enquire_misses=2)
    assert bench.run(300.0) == [(60.0, Closed("the peer is silent"))]
    # Asked at 30 and 45, missed at 45 and 60; then farewell, for the peer may hear though it does not speak.
    assert [type(pdu) for pdu in bench.sent()] == [EnquireLink, EnquireLink, Unbind]


def test_anything_heard_is_life() -> None:
    bench = bound_esme(enquire_interval=30.0, enquire_timeout=15.0, enquire_misses=2)
    bench.session.tick(30.0)
    bench.session.tick(45.0)
    bench.receive(b"\0", at=50.0)  # not even a whole PDU
    bench.session.tick(55.0)
    bench.receive(encode(EnquireLink(sequence_number=1))[1:], at=56.0)
    assert bench.run(85.0) == []


def test_a_miss_is_forgotten_when_the_peer_is_heard_again() -> None:
    bench = bound_esme(enquire_interval=30.0, enquire_timeout=15.0, enquire_misses=2)
    bench.session.tick(30.0)
    bench.session.tick(45.0)  # first miss; asked again
    *_, second = bench.sent()
    bench.receive(EnquireLinkResp(sequence_number=second.sequence_number), at=46.0)
    assert bench.run(105.0) == []  # asked at 76, missed at 91: the first of a new row
    assert bench.run(300.0) == [(106.0, Closed("the peer is silent"))]


def test_a_nack_to_it_is_an_answer() -> None:
    bench = bound_esme(enquire_interval=30.0)
    bench.session.tick(30.0)
    (enquiry,) = bench.sent()
    assert bench.receive(GenericNack(command_status=3, sequence_number=enquiry.sequence_number), at=31.0) == []
    assert bench.session.next_deadline() == 61.0


def test_inactivity_of_a_server() -> None:
    bench = bound_smsc(enquire_interval=0.0)
    bench.receive(EnquireLink(sequence_number=2), at=10.0)
    assert bench.run(300.0) == [(160.0, Closed("the peer is silent"))]


def test_inactivity_of_a_client_is_three_intervals() -> None:
    bench = bound_esme(enquire_interval=30.0, enquire_timeout=100.0)
    assert bench.run(300.0) == [(90.0, Closed("the peer is silent"))]


def test_inactivity_may_be_set() -> None:
    bench = bound_smsc(BindTransceiver, enquire_interval=0.0, inactivity_timeout=5.0)
    assert bench.run(300.0) == [(5.0, Closed("the peer is silent"))]


def test_the_silence_while_we_do_not_read_is_ours() -> None:
    bench = bound_smsc(enquire_interval=30.0, enquire_misses=1, inactivity_timeout=40.0, max_unanswered=1)
    request = SubmitSm(sequence_number=2)
    bench.receive(request)
    assert bench.run(39.0) == []
    for second in range(40, 400, 10):
        assert bench.session.tick(float(second)) == []
    bench.session.send_response(request, SubmitSmResp("1"), 400.0)
    assert not bench.session.closed
