"""Getting bound, or not."""

from __future__ import annotations

import pytest

from payk.smpp import (
    Bind,
    BindKind,
    BindReceiver,
    BindRefused,
    BindRequested,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    Bound,
    Closed,
    CommandStatus,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    Event,
    GenericNack,
    LocalError,
    Outbind,
    PeerError,
    QuerySm,
    QuerySmResp,
    RequestReceived,
    Role,
    State,
    SubmitSm,
    SubmitSmResp,
    Tag,
    Tlv,
    Unbind,
    UnbindResp,
    WrongState,
    encode,
)
from tests.smpp.session_bench import BIND_RESPONSES, Bench, bound_esme, bound_smsc

KINDS = [
    (BindTransmitter, BindKind.TRANSMITTER, State.BOUND_TX),
    (BindReceiver, BindKind.RECEIVER, State.BOUND_RX),
    (BindTransceiver, BindKind.TRANSCEIVER, State.BOUND_TRX),
]

REFUSED = CommandStatus.ESME_RINVBNDSTS


def last(events: list[Event]) -> Event:
    return events[-1]


class TestEsme:
    @pytest.mark.parametrize(("bind", "kind", "state"), KINDS)
    def test_is_bound_by_the_answer(self, bind: type[Bind], kind: BindKind, state: State) -> None:
        bench = Bench(Role.ESME)
        number = bench.session.send_request(bind(system_id="payk"), 0.0)
        assert bench.sent() == [bind(system_id="payk", sequence_number=1)]
        assert bench.session.state is State.BINDING
        response = BIND_RESPONSES[bind](system_id="smsc", sequence_number=number)
        assert bench.receive(response, at=1.0) == [Bound(kind, response)]
        assert bench.session.state is state

    def test_sees_what_comes_in_the_same_segment(self) -> None:
        bench = Bench(Role.ESME)
        bench.session.send_request(BindTransceiver(), 0.0)
        response, delivery = BindTransceiverResp("smsc", sequence_number=1), DeliverSm(sequence_number=9)
        large = DeliverSm(tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, bytes(5000)),), sequence_number=10)
        assert bench.receive(response, delivery, large) == [
            Bound(BindKind.TRANSCEIVER, response),
            RequestReceived(delivery),
            RequestReceived(large),
        ]

    @pytest.mark.parametrize(
        "answer",
        [
            BindTransceiverResp(None, command_status=0x0D, sequence_number=1),
            BindTransceiverResp("smsc", command_status=0x0E, sequence_number=1),
            BindTransceiverResp("", command_status=0x05, sequence_number=1),
            GenericNack(command_status=0x03, sequence_number=1),
        ],
    )
    def test_is_refused(self, answer: BindTransceiverResp | GenericNack) -> None:
        bench = Bench(Role.ESME)
        bench.session.send_request(BindTransceiver(), 0.0)
        refused, closed = bench.receive(answer)
        assert refused == BindRefused(answer.command_status)
        assert isinstance(closed, Closed)
        assert bench.session.closed

    def test_waits_no_longer_than_session_init(self) -> None:
        bench = Bench(Role.ESME, session_init_timeout=10.0)
        bench.session.send_request(BindTransceiver(), 3.0)
        assert bench.session.tick(9.9) == []
        assert bench.run(60.0) == [(10.0, Closed("not bound within 10 s"))]

    def test_is_not_bound_by_the_answer_to_another_bind(self) -> None:
        bench = Bench(Role.ESME)
        bench.session.send_request(BindTransceiver(), 0.0)
        (fault,) = bench.receive(BindTransmitterResp("smsc", sequence_number=1))
        assert fault == PeerError("bind_transceiver answered by bind_transmitter_resp")
        assert isinstance(bench.receive(BindTransceiverResp("smsc", sequence_number=1))[0], Bound)

    def test_refuses_requests_before_it_is_bound(self) -> None:
        bench = Bench(Role.ESME)
        bench.session.send_request(BindTransceiver(), 0.0)
        bench.sent()
        assert bench.receive(DeliverSm(sequence_number=5)) == [PeerError("deliver_sm in the state binding")]
        assert bench.sent() == [DeliverSmResp("", command_status=REFUSED, sequence_number=5)]

    def test_may_be_asked_to_bind(self) -> None:
        bench = Bench(Role.ESME)
        outbind = Outbind("smsc", "secret", sequence_number=1)
        assert bench.receive(outbind) == [RequestReceived(outbind)]
        assert bench.session.state is State.OUTBOUND
        with pytest.raises(WrongState):
            bench.session.send_request(BindTransmitter(), 0.0)
        bench.session.send_request(BindReceiver(), 0.0)
        assert bench.session.state is State.BINDING

    def test_refuses_to_be_bound_to(self) -> None:
        bench = bound_esme()
        assert bench.receive(BindTransceiver("u", sequence_number=3)) == [
            PeerError("bind_transceiver in the state bound_trx")
        ]
        assert bench.sent() == [BindTransceiverResp(None, command_status=REFUSED, sequence_number=3)]
        assert bench.session.state is State.BOUND_TRX

    def test_without_a_bind_is_closed(self) -> None:
        assert Bench(Role.ESME).run(60.0) == [(10.0, Closed("not bound within 10 s"))]


class TestSmsc:
    @pytest.mark.parametrize(("bind", "_kind", "state"), KINDS)
    def test_is_bound_by_its_answer(self, bind: type[Bind], _kind: BindKind, state: State) -> None:
        bench = Bench(Role.SMSC)
        request = bind(system_id="bank", password="pw", sequence_number=7)
        assert bench.receive(request) == [BindRequested(request)]
        assert bench.session.send_response(request, BIND_RESPONSES[bind]("payk"), 0.0)
        assert bench.sent() == [BIND_RESPONSES[bind]("payk", sequence_number=7)]
        assert bench.session.state is state

    @pytest.mark.parametrize("number", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
    def test_echoes_any_sequence_number(self, number: int) -> None:
        bench = Bench(Role.SMSC)
        request = BindTransceiver(sequence_number=number)
        bench.receive(request)
        bench.session.send_response(request, BindTransceiverResp("payk"), 0.0)
        assert bench.sent() == [BindTransceiverResp("payk", sequence_number=number)]

    def test_holds_what_comes_behind_the_bind_until_it_is_answered(self) -> None:
        bench = Bench(Role.SMSC)
        request = BindTransceiver(sequence_number=1)
        submit = SubmitSm(short_message=b"hi", sequence_number=2)
        large = SubmitSm(tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, bytes(60_000)),), sequence_number=3)
        assert bench.receive(request, submit, encode(large)[:1000]) == [BindRequested(request)]
        assert not bench.session.wants_data
        assert bench.receive(encode(large)[1000:], at=1.0) == []
        bench.session.send_response(request, BindTransceiverResp("payk"), 2.0)
        assert bench.session.wants_data
        assert bench.session.next_deadline() == 2.0
        assert bench.session.tick(2.0) == [RequestReceived(submit), RequestReceived(large)]

    def test_gives_the_application_its_time_to_answer(self) -> None:
        bench = Bench(Role.SMSC)
        request = BindTransceiver(sequence_number=1)
        bench.receive(request, at=9.0)
        assert bench.run(60.0) == []
        bench.session.send_response(request, BindTransceiverResp("payk"), 60.0)
        assert bench.session.state is State.BOUND_TRX

    @pytest.mark.parametrize(
        "answer", [BindTransceiverResp(None, command_status=0x0D), GenericNack(command_status=0x08)]
    )
    def test_refuses_flushes_and_closes(self, answer: BindTransceiverResp | GenericNack) -> None:
        bench = Bench(Role.SMSC)
        request = BindTransceiver(sequence_number=7)
        bench.receive(request, SubmitSm(sequence_number=8))
        bench.session.send_response(request, answer, 1.0)
        assert bench.session.closed
        assert [pdu.command_status for pdu in bench.sent()] == [answer.command_status]
        (closed,) = bench.session.tick(1.0)
        assert isinstance(closed, Closed)

    def test_refuses_an_unreadable_bind_and_closes(self) -> None:
        bench = Bench(Role.SMSC)
        octets = encode(BindTransceiver("bank", sequence_number=7))
        unending = len(octets[:20]).to_bytes(4, "big") + octets[4:20]
        events = bench.receive(unending)
        assert bench.sent() == [BindTransceiverResp(None, command_status=0x0F, sequence_number=7)]
        assert last(events) == Closed("bind refused: ESME_RINVSYSID")

    @pytest.mark.parametrize("state", ["bound_tx", "bound_rx", "bound_trx"])
    def test_refuses_a_second_bind_and_stays(self, state: str) -> None:
        kind = next(kind for kind, _, bound in KINDS if bound.value == state)
        bench = bound_smsc(kind)
        bench.receive(BindTransmitter("bank", sequence_number=2))
        assert bench.sent() == [BindTransmitterResp(None, command_status=CommandStatus.ESME_RALYBND, sequence_number=2)]
        assert bench.session.state.value == state

    def test_closes_without_a_bind(self) -> None:
        assert Bench(Role.SMSC).run(60.0) == [(10.0, Closed("not bound within 10 s"))]

    def test_answers_enquire_link_before_the_bind_but_takes_it_for_no_life(self) -> None:
        bench = Bench(Role.SMSC)
        assert bench.receive(EnquireLink(sequence_number=1), at=9.0) == []
        assert bench.sent() == [EnquireLinkResp(sequence_number=1)]
        assert bench.run(60.0) == [(10.0, Closed("not bound within 10 s"))]

    def test_refuses_requests_before_the_bind_and_closes_at_the_third(self) -> None:
        bench = Bench(Role.SMSC)
        bench.receive(SubmitSm(sequence_number=1), QuerySm(sequence_number=2))
        assert bench.sent() == [
            SubmitSmResp(None, command_status=REFUSED, sequence_number=1),
            QuerySmResp(None, command_status=REFUSED, sequence_number=2),
        ]
        assert not bench.session.closed
        events = bench.receive(Unbind(sequence_number=3))
        assert bench.sent() == [UnbindResp(command_status=REFUSED, sequence_number=3)]
        assert last(events) == Closed("too many errors before the bind")

    def test_takes_no_large_pdu_before_the_bind(self) -> None:
        bench = Bench(Role.SMSC)
        bench.receive((1025).to_bytes(4, "big") + encode(BindTransceiver(sequence_number=7))[4:])
        assert bench.sent() == [GenericNack(command_status=CommandStatus.ESME_RINVCMDLEN, sequence_number=7)]
        assert bench.session.closed

    def test_ignores_a_bind_response(self) -> None:
        bench = Bench(Role.SMSC)
        assert bench.receive(BindTransceiverResp("x", sequence_number=1)) == [
            PeerError("bind_transceiver_resp to no request")
        ]
        assert bench.sent() == []

    def test_may_ask_the_esme_to_bind(self) -> None:
        bench = Bench(Role.SMSC)
        bench.session.send_request(Outbind("payk", "secret"), 0.0)
        assert bench.sent() == [Outbind("payk", "secret", sequence_number=1)]
        assert bench.session.state is State.OUTBOUND
        bench.receive(BindTransmitter(sequence_number=1))
        assert bench.sent() == [BindTransmitterResp(None, command_status=REFUSED, sequence_number=1)]
        request = BindReceiver(sequence_number=2)
        assert bench.receive(request) == [BindRequested(request)]


class TestWhatMayBeSent:
    @pytest.mark.parametrize(
        ("bench", "pdu"),
        [
            (Bench(Role.ESME), SubmitSm()),
            (Bench(Role.ESME), Outbind()),
            (bound_esme(BindReceiver), SubmitSm()),
            (bound_esme(BindTransceiver), DeliverSm()),
            (bound_esme(BindTransceiver), BindTransceiver()),
            (bound_esme(BindTransceiver), EnquireLink()),
            (bound_esme(BindTransceiver), Unbind()),
            (Bench(Role.SMSC), DeliverSm()),
            (Bench(Role.SMSC), BindTransceiver()),
            (bound_smsc(BindTransmitter), DeliverSm()),
            (bound_smsc(BindTransceiver), SubmitSm()),
        ],
    )
    def test_the_state_forbids(self, bench: Bench, pdu: SubmitSm) -> None:
        with pytest.raises(WrongState):
            bench.session.send_request(pdu, 0.0)
        assert bench.sent() == []

    def test_an_answer_must_fit_its_request(self) -> None:
        bench = bound_smsc()
        with pytest.raises(LocalError):
            bench.session.send_response(SubmitSm(sequence_number=5), DeliverSmResp(), 0.0)
        assert bench.sent() == []

    def test_there_is_no_window_before_the_bind(self) -> None:
        assert Bench(Role.ESME).session.free_window == 0
        assert bound_esme(window=7).session.free_window == 7
