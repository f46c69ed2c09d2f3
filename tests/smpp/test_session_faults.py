"""What the peer does wrong, and what it costs it."""

from __future__ import annotations

import pytest

from payk.smpp import (
    AlertNotification,
    BindTransceiver,
    BindTransceiverResp,
    Closed,
    CommandStatus,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    PeerError,
    Request,
    RequestReceived,
    RequestUncertain,
    Response,
    Role,
    SubmitSm,
    SubmitSmResp,
    Tlv,
    Unbind,
    UnknownPdu,
    encode,
    refusal,
)
from tests.smpp.session_bench import Bench, bound_esme, bound_smsc

NACK_LENGTH = CommandStatus.ESME_RINVCMDLEN


class TestTheStreamIsLost:
    @pytest.mark.parametrize(
        ("octets", "number"),
        [
            (bytes.fromhex("0000000f000000060000000000000001"), 1),
            (bytes.fromhex("f000001100000110000000000a342ee7"), 0x0A342EE7),
            (bytes.fromhex("00011171000000040000000000000007"), 7),  # 70,001
            (bytes(16), 0),
            (bytes(4), 0),
            (b"GET / HTTP/1.1\r\n\r\n", int.from_bytes(b".1\r\n", "big")),
            (b"HTTP", 0),
            (b"AMQP\0\0\x09\x01", 0),
        ],
    )
    def test_nacked_and_closed(self, octets: bytes, number: int) -> None:
        bench = bound_esme()
        bench.submit("one")
        bench.sent()
        error, uncertain, closed = bench.receive(octets)
        assert isinstance(error, PeerError)
        assert octets[:16].hex() in error.description
        assert isinstance(uncertain, RequestUncertain)
        assert isinstance(closed, Closed)
        (nack,) = bench.sent()
        assert isinstance(nack, GenericNack)
        assert (nack.command_status, nack.sequence_number) == (NACK_LENGTH, number)

    def test_at_most_64_octets_go_to_the_log(self) -> None:
        (error, _) = Bench(Role.SMSC).receive(b"HTTP" + b"x" * 1000)
        assert isinstance(error, PeerError)
        assert "78" * 60 in error.description
        assert "78" * 61 not in error.description

    @pytest.mark.parametrize("role", Role)
    def test_a_bind_leaves_no_password_in_the_log(self, role: Role) -> None:
        octets = encode(BindTransceiver("bank", "secret!", sequence_number=7))
        (error, _) = Bench(role).receive((5000).to_bytes(4, "big") + octets[4:])
        assert isinstance(error, PeerError)
        assert octets[4:16].hex() in error.description
        assert b"bank".hex() not in error.description

    def test_a_bound_session_leaves_no_text_in_the_log(self) -> None:
        (error, _) = bound_smsc().receive(b"\xff" * 16 + b"code 1234")
        assert isinstance(error, PeerError)
        assert b"code".hex() not in error.description

    @pytest.mark.parametrize(
        "octets",
        [
            bytes.fromhex("1603010200010001fc03030000000000"),  # a TLS ClientHello on the plain port
            bytes.fromhex("15030300020228"),  # a TLS server's alert, for our bind was none
            bytes.fromhex("0000000f800000000000000000000001"),  # a nack is never nacked
        ],
    )
    def test_closed_quietly(self, octets: bytes) -> None:
        bench = bound_smsc()
        assert isinstance(bench.receive(octets)[-1], Closed)
        assert bench.sent() == []

    def test_what_came_before_is_still_handled(self) -> None:
        bench = bound_smsc()
        submit = SubmitSm(sequence_number=2)
        assert bench.receive(submit, bytes(16))[0] == RequestReceived(submit)

    def test_nothing_is_read_after_it(self) -> None:
        bench = bound_smsc()
        bench.receive(bytes(16))
        bench.sent()
        assert bench.receive(EnquireLink(sequence_number=1)) == []
        assert bench.sent() == []

    def test_a_pdu_that_is_begun_and_not_ended(self) -> None:
        bench = bound_smsc(pdu_read_timeout=10.0)
        octets = encode(SubmitSm(sequence_number=2))
        bench.receive(EnquireLink(sequence_number=1), octets[:1], at=1.0)
        for second in range(2, 11):  # an octet each second is no excuse
            assert bench.receive(octets[second - 1 : second], at=float(second)) == []
        (at, error), (_, closed) = bench.run(20.0)
        assert at == 11.0
        assert isinstance(error, PeerError)
        assert closed == Closed("a PDU was not complete within 10 s")

    def test_the_time_of_a_pdu_begins_with_its_own_first_octet(self) -> None:
        bench = bound_smsc(pdu_read_timeout=10.0)
        octets = encode(SubmitSm(sequence_number=2))
        bench.receive(octets[:20], at=0.0)
        bench.receive(octets[20:], octets[:20], at=9.0)
        assert bench.run(18.9) == []
        bench.receive(octets[20:], at=18.9)
        assert bench.run(25.0) == []


class TestOnePduIsBad:
    def test_an_unknown_request_is_nacked_under_its_number(self) -> None:
        bench = bound_smsc()
        unknown = bytes.fromhex("0000001100000110000000000a342ee70f")
        enquiry = bytes.fromhex("0000001000000015000000000a342ee7")
        assert bench.receive(unknown + enquiry) == [PeerError("unknown request 0x00000110")]
        assert bench.sent() == [
            GenericNack(command_status=CommandStatus.ESME_RINVCMDID, sequence_number=0x0A342EE7),
            EnquireLinkResp(sequence_number=0x0A342EE7),
        ]

    @pytest.mark.parametrize("command_id", [0x111, 0x112, 0x113])
    def test_cell_broadcast_is_not_offered(self, command_id: int) -> None:
        bench = bound_smsc()
        bench.receive(UnknownPdu(command_id, sequence_number=4))
        assert bench.sent() == [GenericNack(command_status=CommandStatus.ESME_RINVCMDID, sequence_number=4)]

    def test_an_unknown_response_is_ignored(self) -> None:
        bench = bound_smsc()
        assert bench.receive(UnknownPdu(0x80000110, sequence_number=4)) == [PeerError("unknown response 0x80000110")]
        assert bench.sent() == []

    def test_an_unreadable_request_is_refused_in_its_own_kind(self) -> None:
        bench = bound_esme()
        octets = bytes.fromhex(
            "00000039000000050000000000000001000101393939393931393134353933000000363436340000000000000000080010c1e1e9edf3faf1fc"
        )
        assert bench.receive(octets) == [PeerError("deliver_sm: sm_length beyond the end of the PDU")]
        assert bench.sent() == [DeliverSmResp("", command_status=CommandStatus.ESME_RINVMSGLEN, sequence_number=1)]
        assert not bench.session.closed

    def test_an_unreadable_request_without_a_response_is_nacked(self) -> None:
        bench = bound_esme()
        bench.receive(bytes.fromhex("0000001100000102000000000000000301"))
        assert bench.sent() == [GenericNack(command_status=NACK_LENGTH, sequence_number=3)]

    def test_a_broken_answer_completes_its_request(self) -> None:
        bench = bound_esme()
        number = bench.submit("one")
        oddity, answered = bench.receive(bytes.fromhex("000000118000000400000000") + number.to_bytes(4, "big") + b"9")
        assert oddity == PeerError("submit_sm_resp: message_id has no end", counted=False)
        assert getattr(answered, "response", None) == SubmitSmResp(None, sequence_number=number)


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (SubmitSm(sequence_number=4), SubmitSmResp(None, command_status=8)),
        (DeliverSm(), DeliverSmResp(command_status=8)),
        (BindTransceiver(), BindTransceiverResp(None, command_status=8)),
        (AlertNotification(), GenericNack(command_status=8)),
    ],
)
def test_a_refusal_is_of_the_requests_own_kind(request_: Request, response: Response) -> None:
    assert refusal(request_, 8) == response


class TestTooMuch:
    def test_so_many_errors_within_a_minute_end_the_session(self) -> None:
        bench = bound_smsc(max_errors_per_minute=5)
        for second in range(4):
            bench.receive(UnknownPdu(0x110), at=float(second))
        events = bench.receive(UnknownPdu(0x110), at=59.0)
        assert events[-1] == Closed("too many errors")
        assert isinstance(bench.sent()[-1], Unbind)

    def test_spread_out_they_do_not(self) -> None:
        bench = bound_smsc(max_errors_per_minute=5, enquire_interval=0.0)
        for index in range(30):
            bench.receive(UnknownPdu(0x110), at=index * 15.0)
        assert not bench.session.closed

    def test_errors_before_the_bind_of_every_kind_count_to_three(self) -> None:
        bench = Bench(Role.SMSC)
        bench.receive(UnknownPdu(0x110), SubmitSmResp("1", sequence_number=1))
        assert not bench.session.closed
        assert bench.receive(DeliverSm(sequence_number=2))[-1] == Closed("too many errors before the bind")

    def test_the_other_sessions_and_the_pending_requests_are_not_touched(self) -> None:
        bench, other = bound_esme(), bound_esme()
        number = bench.submit("one")
        bench.receive(UnknownPdu(0x110), UnknownPdu(0x80000110), SubmitSm(sequence_number=1))
        assert bench.session.pending_count == 1
        assert bench.receive(SubmitSmResp("1", sequence_number=number)) != []
        assert not other.session.closed


class TestOddities:
    def test_are_told_once_each_and_cost_nothing(self) -> None:
        bench = bound_smsc(max_errors_per_minute=1)
        odd = SubmitSm(tlvs=(Tlv(0x9999, b""),), sequence_number=1)
        events = [event for _ in range(50) for event in bench.receive(odd)]
        assert events[0] == PeerError("submit_sm: unknown parameter 0x9999", counted=False)
        assert events[1:] == [RequestReceived(odd)] * 50

    def test_no_more_than_a_hundred_kinds_are_told(self) -> None:
        bench = bound_smsc()
        tlvs = tuple(Tlv(0x9000 + tag, b"") for tag in range(1000))
        told = [event for event in bench.receive(SubmitSm(tlvs=tlvs)) if isinstance(event, PeerError)]
        assert len(told) == 100


def test_a_bound_session_survives_another_bind_that_cannot_be_read() -> None:
    bench = bound_smsc()
    octets = encode(BindTransceiver("bank", sequence_number=7))
    bench.receive(len(octets[:20]).to_bytes(4, "big") + octets[4:20])
    assert not bench.session.closed
