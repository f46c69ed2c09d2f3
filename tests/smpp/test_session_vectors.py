"""The golden frames in a session: what is told of each and what goes back, whole and octet by octet."""

from __future__ import annotations

import pytest

from payk.smpp import (
    BindReceiver,
    BindRefused,
    BindRequested,
    BindTransceiver,
    BindTransmitter,
    Bound,
    Closed,
    DeliverSm,
    DeliverSmResp,
    Event,
    PeerError,
    QuerySm,
    Request,
    RequestReceived,
    ResponseReceived,
    Role,
    SmeAddress,
    SubmitMulti,
    SubmitSm,
    UnbindReceived,
    refusal,
)
from tests.smpp.session_bench import Bench, bound_esme, bound_smsc
from tests.smpp.test_vectors import EXPECTED, FRAMES


def told(bench: Bench, octets: bytes, *, one_by_one: bool) -> list[Event]:
    if not one_by_one:
        return bench.receive(octets)
    return [event for octet in octets for event in bench.receive(bytes((octet,)))]


def numbered(number: int, frame: bytes) -> bytes:
    """The frame with another sequence number: that of a request of ours."""
    return frame[:12] + number.to_bytes(4, "big") + frame[16:]


def without_oddities(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, PeerError) or event.counted]


whole_and_octet_by_octet = pytest.mark.parametrize("one_by_one", [False, True], ids=["whole", "octet by octet"])


@whole_and_octet_by_octet
@pytest.mark.parametrize("number", [1, 2, 58])
def test_binds(number: int, one_by_one: bool) -> None:
    bench = Bench(Role.SMSC)
    (event,) = told(bench, FRAMES[number], one_by_one=one_by_one)
    assert isinstance(event, BindRequested)
    assert event.pdu == EXPECTED[number]


@whole_and_octet_by_octet
@pytest.mark.parametrize(
    ("number", "kind", "status"),
    [
        (3, BindTransceiver, 0),
        (4, BindTransceiver, 0),
        (5, BindTransceiver, 0x0E),
        (6, BindTransceiver, 0),
        (7, BindTransceiver, 0x53),
        (59, BindTransmitter, 0x0F),
    ],
)
def test_answers_to_binds(
    number: int, kind: type[BindTransceiver | BindTransmitter], status: int, one_by_one: bool
) -> None:
    bench = Bench(Role.ESME)
    ours = bench.session.send_request(kind(), 0.0)
    first, *rest = without_oddities(told(bench, numbered(ours, FRAMES[number]), one_by_one=one_by_one))
    if status:
        assert first == BindRefused(status)
        assert [type(event) for event in rest] == [Closed]
    else:
        assert isinstance(first, Bound)
        assert rest == []


@whole_and_octet_by_octet
@pytest.mark.parametrize("number", [*range(22, 29), 33, *range(36, 45), 55, 56, 57, 63])
def test_what_an_operator_sends_is_told_as_it_came(number: int, one_by_one: bool) -> None:
    bench = bound_esme()
    (event,) = without_oddities(told(bench, FRAMES[number], one_by_one=one_by_one))
    assert event == RequestReceived(EXPECTED[number])  # type: ignore[arg-type]
    assert isinstance(event, RequestReceived)
    assert event.octets == FRAMES[number]
    assert bench.sent() == []


def test_26_is_answered_under_its_own_number() -> None:
    bench = bound_esme()
    bench.receive(FRAMES[26])
    bench.session.send_response(DeliverSm(sequence_number=0x806A179B), DeliverSmResp(), 0.0)
    assert bench.session.data_to_send().hex() == "000000118000000500000000806a179b00"


def test_34_asks_us_to_bind() -> None:
    assert Bench(Role.ESME).receive(FRAMES[34]) == [RequestReceived(EXPECTED[34])]  # type: ignore[arg-type]


@whole_and_octet_by_octet
@pytest.mark.parametrize("number", [12, 13, 14, 28, 29, 31, 32, 61, 62, 64])
def test_what_a_customer_sends_is_told_as_it_came(number: int, one_by_one: bool) -> None:
    bench = bound_smsc()
    (event,) = without_oddities(told(bench, FRAMES[number], one_by_one=one_by_one))
    assert event == RequestReceived(EXPECTED[number])  # type: ignore[arg-type]


@whole_and_octet_by_octet
@pytest.mark.parametrize(
    ("number", "request_"),
    [
        *((number, SubmitSm()) for number in (11, 15, 16, 17, 18, 19, 20, 46, 60)),
        (30, QuerySm("12345")),
        (35, SubmitMulti(dest_address=(SmeAddress(1, 1, "1"),))),
    ],
)
def test_answers_complete_their_request(number: int, request_: Request, one_by_one: bool) -> None:
    bench = bound_esme()
    ours = bench.session.send_request(request_, 0.0, "token")
    (event,) = without_oddities(told(bench, numbered(ours, FRAMES[number]), one_by_one=one_by_one))
    assert isinstance(event, ResponseReceived)
    assert (event.token, event.response.command_status) == ("token", EXPECTED[number].command_status)
    assert getattr(event.response, "message_id", None) == getattr(EXPECTED[number], "message_id", None)


def test_21_an_answer_to_a_delivery_may_have_an_id() -> None:
    bench = bound_smsc(BindReceiver)
    ours = bench.session.send_request(DeliverSm(), 0.0, "token")
    (event,) = bench.receive(numbered(ours, FRAMES[21]))
    assert isinstance(event, ResponseReceived)
    assert event.response == DeliverSmResp("94258431594", sequence_number=ours)


@whole_and_octet_by_octet
@pytest.mark.parametrize(
    ("number", "reply"),
    [
        (8, "0000001080000015000000000a342ee7"),
        (52, "00000010800000150000000080000000"),
        (53, "00000010800000150000000000000000"),
    ],
)
def test_enquire_link_is_answered(number: int, reply: str, one_by_one: bool) -> None:
    for bench in (bound_esme(), bound_smsc()):
        assert told(bench, FRAMES[number], one_by_one=one_by_one) == []
        assert bench.session.data_to_send().hex() == reply


def test_9_an_answer_to_no_enquire_link() -> None:
    assert bound_esme().receive(FRAMES[9]) == [PeerError("enquire_link_resp to no request")]


def test_10_unbind_is_answered() -> None:
    for bench in (bound_esme(), bound_smsc()):
        assert bench.receive(FRAMES[10]) == [UnbindReceived()]
        assert bench.session.data_to_send().hex() == "00000010800000060000000000000001"


# What is malformed on purpose; M1 (44), M3 (46), M13 (63) and M14 (64) are told above, M9 and M10 (52, 53) answered.


@whole_and_octet_by_octet
@pytest.mark.parametrize(
    ("number", "reply", "fault"),
    [
        (45, "0000001180000005000000010000000100", "deliver_sm: sm_length beyond the end of the PDU"),
        (47, "0000001080000000000000030a342ee7", "unknown request 0x00000110"),
        (48, "", "unknown response 0x80000110"),
        (50, "0000001080000000000000030a342ee70000001080000015000000000a342ee7", "unknown request 0x00000110"),
    ],
)
def test_one_bad_pdu_costs_no_session(number: int, reply: str, fault: str, one_by_one: bool) -> None:
    bench = bound_esme()
    assert told(bench, FRAMES[number], one_by_one=one_by_one) == [PeerError(fault)]
    assert bench.session.data_to_send().hex() == reply
    assert not bench.session.closed


@pytest.mark.parametrize(("vector", "number"), [(49, "0a342ee7"), (51, "00000001")])
def test_49_and_51_cannot_be_followed(vector: int, number: str) -> None:
    bench = bound_esme()
    error, closed = bench.receive(FRAMES[vector])
    assert isinstance(error, PeerError)
    assert isinstance(closed, Closed)
    assert bench.session.data_to_send().hex() == f"000000108000000000000002{number}"


def test_54_is_refused_by_its_field() -> None:
    bench = bound_smsc()
    bench.receive(len(FRAMES[54]).to_bytes(4, "big") + FRAMES[54][4:])
    request = QuerySm(sequence_number=1)
    assert bench.sent() == [type(refusal(request, 0))(command_status=0x0A, sequence_number=1)]


def test_m12_completes_its_request_and_then_the_stream_is_lost() -> None:
    """60 with a length one too short: its id loses the NUL, and the octet left over shifts what follows."""
    bench = bound_esme()
    bench.submit("token")
    open_too = bench.submit("open too")
    short = (len(FRAMES[60]) - 1).to_bytes(4, "big") + FRAMES[60][4:]
    (answered,) = bench.receive(short)
    assert isinstance(answered, ResponseReceived)
    assert (answered.token, answered.response.command_status) == ("token", 0x0B)
    assert not bench.session.closed
    *_, uncertain, closed = bench.receive(numbered(open_too, FRAMES[15]))
    assert getattr(uncertain, "token", None) == "open too"
    assert isinstance(closed, Closed)
