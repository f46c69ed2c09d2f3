"""Whatever the peer does, and whenever: a session raises only what it documents, and every request completes once."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from payk.smpp import (
    BindRequested,
    BindTransceiver,
    BindTransceiverResp,
    Closed,
    DeliverSm,
    EnquireLink,
    EnquireLinkResp,
    Event,
    GenericNack,
    LateResponse,
    LocalError,
    Pdu,
    RequestReceived,
    RequestUncertain,
    ResponseReceived,
    Role,
    Session,
    SessionOptions,
    State,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
    UnknownPdu,
    encode,
)
from payk.smpp.layout import LAYOUTS

_RESPONSE_OF = {layout.pdu: layout.response for layout in LAYOUTS}
_NUMBERS = st.integers(0, 12) | st.integers(0, 0xFFFFFFFF)
_PEER_PDUS: st.SearchStrategy[Pdu] = st.one_of(
    st.builds(BindTransceiver, sequence_number=_NUMBERS),
    st.builds(BindTransceiverResp, st.just("x"), command_status=st.sampled_from([0, 0, 13]), sequence_number=_NUMBERS),
    st.builds(SubmitSm, sequence_number=_NUMBERS),
    st.builds(DeliverSm, sequence_number=_NUMBERS),
    st.builds(SubmitSmResp, st.just("1"), command_status=st.sampled_from([0, 0x58]), sequence_number=_NUMBERS),
    st.builds(GenericNack, sequence_number=_NUMBERS),
    st.builds(EnquireLink, sequence_number=_NUMBERS),
    st.builds(EnquireLinkResp, sequence_number=_NUMBERS),
    st.builds(Unbind, sequence_number=_NUMBERS),
    st.builds(UnbindResp, sequence_number=_NUMBERS),
    st.builds(UnknownPdu, st.sampled_from([0x110, 0x80000110]), sequence_number=_NUMBERS),
)


class Peer(RuleBasedStateMachine):
    """A session in either role, an application that answers now or never, and a peer that may do anything."""

    @initialize(role=st.sampled_from(Role), window=st.integers(1, 4), unanswered=st.integers(1, 4), bound=st.booleans())
    def begin(self, role: Role, window: int, unanswered: int, bound: bool) -> None:
        self.now = 0.0
        self.role = role
        self.session = Session(role, SessionOptions(window=window, max_unanswered=unanswered, enquire_flood=3), 0.0)
        self.sent: set[int] = set()
        self.completed: Counter[int] = Counter()
        self.late: Counter[int] = Counter()
        self.open: list[RequestReceived | BindRequested] = []
        self.closed = 0
        if role is Role.ESME:
            self.session.send_request(BindTransceiver(), 0.0)
            if bound:
                self._take(self.session.receive_data(encode(BindTransceiverResp("x", sequence_number=1)), 0.0))
        elif bound:
            self._take(self.session.receive_data(encode(BindTransceiver(sequence_number=1)), 0.0))
            self.answer(0)

    @rule(pdus=st.lists(_PEER_PDUS, max_size=4), cut=st.integers(0, 40))
    def peer_sends(self, pdus: list[Pdu], cut: int) -> None:
        octets = b"".join(map(encode, pdus))
        for part in (octets[:cut], octets[cut:]):
            self._take(self.session.receive_data(part, self.now))

    @rule(octets=st.binary(max_size=40))
    def peer_sends_anything(self, octets: bytes) -> None:
        self._take(self.session.receive_data(octets, self.now))

    @rule()
    def we_send(self) -> None:
        token = len(self.sent)
        try:
            self.session.send_request(SubmitSm() if self.role is Role.ESME else DeliverSm(), self.now, token)
        except LocalError:
            return
        self.sent.add(token)

    @precondition(lambda self: self.open)
    @rule(status=st.sampled_from([0, 8]))
    def answer(self, status: int) -> None:
        request = self.open.pop(0).pdu
        response = _RESPONSE_OF[type(request)]
        if response is not None:
            self.session.send_response(request, response(command_status=status), self.now)

    @precondition(lambda self: self.open)
    @rule()
    def give_up(self) -> None:
        self.session.give_up(self.open.pop(0).pdu, self.now)

    @rule(seconds=st.sampled_from([0.0, 1.0, 5.0, 15.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self._take(self.session.tick(self.now))

    @rule()
    def loop_ticks_when_due(self) -> None:
        """The timer of a real loop: it must come to rest."""
        for _ in range(1000):
            deadline = self.session.next_deadline()
            if deadline is None or deadline > self.now:
                return
            self._take(self.session.tick(self.now))
        raise AssertionError("ticks for ever")

    @rule()
    def we_leave(self) -> None:
        self.session.unbind(self.now)

    @rule()
    def octets_are_taken(self) -> None:
        self.session.data_to_send()

    @invariant()
    def each_request_completes_at_most_once(self) -> None:
        if hasattr(self, "session"):
            assert all(count == 1 for count in self.completed.values())
            assert all(count == 1 and token in self.completed for token, count in self.late.items())
            assert self.session.pending_count <= len(self.sent) - len(self.completed)
            assert self.session.closed == (self.session.state is State.CLOSED)

    def teardown(self) -> None:
        if hasattr(self, "session"):
            self._take(self.session.connection_lost(self.now))
            assert self.completed.keys() == self.sent
            assert self.closed == 1
            assert self.session.connection_lost(self.now) == []
            assert self.session.next_deadline() is None

    def _take(self, events: list[Event]) -> None:
        for event in events:
            assert not self.closed, "nothing comes after Closed"
            match event:
                case ResponseReceived(token=token) | RequestUncertain(token=token):
                    self.completed[token] += 1
                case LateResponse(token=token):
                    self.late[token] += 1
                case RequestReceived() | BindRequested():
                    self.open.append(event)
                case Closed():
                    self.closed += 1


TestPeer = Peer.TestCase
TestPeer.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
