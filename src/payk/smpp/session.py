"""One SMPP session without I/O, for both roles (SMPP 3.4 section 2 and 7).

Octets go in with `Session.receive_data`, events come out; requests and responses go in with `Session.send_request` and
`Session.send_response`, octets come out of `Session.data_to_send`. Time is an argument (seconds of a monotonic clock):
whoever owns the session calls `Session.tick` when `Session.next_deadline` has come.

What the protocol alone can answer is answered here: enquire_link, unbind, requests that the state forbids, unknown and
unreadable ones. Every other request is an event. Each request of ours completes exactly once, as `ResponseReceived` or
`RequestUncertain`; a bind as `Bound` or `BindRefused`. `Closed` is the last event of every session; nothing is sent or
reported after it. A session that has ended (`Session.closed`) wants its last octets written and its connection closed.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Any, Final, cast

from payk.smpp.answering import answers, refusal_of
from payk.smpp.codec import decode, encode
from payk.smpp.command import RESPONSE_BIT, CommandId
from payk.smpp.errors import FramingError, LocalError, PduError, WindowFull, WrongState
from payk.smpp.event import (
    BindKind,
    BindRefused,
    BindRequested,
    Bound,
    Closed,
    Event,
    LateResponse,
    PeerError,
    RequestReceived,
    RequestUncertain,
    ResponseReceived,
    UnbindReceived,
)
from payk.smpp.faults import Faults
from payk.smpp.framing import BOUND_LIMIT, HEADER_SIZE, Framer
from payk.smpp.liveness import Liveness, Verdict
from payk.smpp.options import SessionOptions
from payk.smpp.pdu import (
    Bind,
    BindResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Pdu,
    Request,
    Response,
    Unbind,
    UnbindResp,
    UnknownPdu,
)
from payk.smpp.pending import Entry, Pending
from payk.smpp.recent import Recent
from payk.smpp.state import BINDS, BOUND_AS, MAY_RECEIVE, MAY_SEND, NO_RESPONSE, Role, State
from payk.smpp.status import CommandStatus, status_name

__all__ = ["Session"]

_COMMAND_IDS: Final = frozenset(map(int, CommandId))
_BOUND: Final = frozenset({State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX})
_BOUND_STATES: Final = _BOUND | {State.UNBINDING}
_NOTHING: Final[frozenset[CommandId]] = frozenset()

_FLOOD_SPAN: Final = 10.0
_TLS_RECORDS: Final = (b"\x16\x03", b"\x15\x03")  # a handshake, an alert


class Session:
    """See the module. Not for use from two threads."""

    def __init__(self, role: Role, options: SessionOptions, now: float) -> None:
        self._role = role
        self._options = options
        self._max_unanswered = options.max_unanswered
        self._now = now
        self._bound_as = State.OPEN
        self._enter(State.OPEN)
        self._framer = Framer()
        self._frames: deque[bytes] = deque()
        self._out: list[bytes] = []
        self._events: list[Event] = []
        self._pending = Pending(options.window, options.response_timeout)
        self._timeouts = 0
        self._unanswered = 0
        self._liveness: Liveness | None = None
        self._init_deadline = now + options.session_init_timeout
        self._pdu_since: float | None = None
        self._held_back = False
        self._enquiry = 0
        self._leave_deadline: float | None = None
        self._unbind_sent = False
        self._paused_until = 0.0
        self._faults = Faults(options.max_errors_per_minute)
        self._enquiries = Recent(options.enquire_flood, _FLOOD_SPAN)

    # What it is

    @property
    def role(self) -> Role:
        return self._role

    @property
    def state(self) -> State:
        return self._state

    @property
    def closed(self) -> bool:
        """It has ended: write what `data_to_send` still gives and close the connection."""
        return self._is_closed

    @property
    def free_window(self) -> int:
        """Requests that may be sent now without waiting for an answer."""
        return self._pending.free if self._is_bound else 0

    @property
    def pending_count(self) -> int:
        """Requests of ours that wait for their answer."""
        return len(self._pending)

    @property
    def wants_data(self) -> bool:
        """False while the connection should not be read, so that TCP holds the peer back."""
        return not (self._is_closed or self._is_held())

    @property
    def unread(self) -> bytes:
        """What has arrived of PDUs that are not complete, or not cut yet."""
        return self._framer.rest

    # What goes in from the connection

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Octets of the peer, cut anywhere."""
        self._now = now
        if not self._is_closed:
            if self._liveness:
                self._liveness.heard(now)
            self._framer.push(data)
            self._read(now)
        return self._take_events()

    def receive_eof(self, now: float) -> list[Event]:
        """The peer has closed, or half-closed, which SMPP does not know."""
        return self.connection_lost(now, "closed by the peer")

    def connection_lost(self, now: float, reason: str = "connection lost") -> list[Event]:
        self._now = now
        self._end(reason)
        return self._take_events()

    def tick(self, now: float) -> list[Event]:
        """Timers, and whatever waits to be read or reported."""
        self._now = now
        if self._held_back:
            self._read(now)
        checks = (self._check_init, self._check_pdu, self._check_pending, self._check_leave, self._check_liveness)
        for check in checks:
            if not self._is_closed:
                check(now)
        return self._take_events()

    def next_deadline(self) -> float | None:
        """When `tick` is due next; None once closed and everything is reported."""
        if self._events:
            return self._now
        if self._is_closed:
            return None
        held = self._is_held()
        if self._held_back and not held:
            return self._now
        deadlines = (
            self._init_deadline if self._awaits_bind() else None,
            None if self._pdu_since is None else self._pdu_since + self._options.pdu_read_timeout,
            self._leave_deadline,
            None if held else self._pending.next_deadline(),
            self._liveness.next_deadline() if self._liveness and self._state in _BOUND_STATES else None,
            self._paused_until if self._paused_until > self._now else None,
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # What goes in from the owner

    def send_request(self, pdu: Request, now: float, token: Any = None, *, body: bytes | None = None) -> int:
        """Send it and give its sequence number; ``token`` comes back with its completion.

        ``body`` is sent in place of a message's own octets, for what the codec would not write. Raises `WrongState`,
        `WindowFull`, or `LocalError` for what does not fit; then nothing was sent.
        """
        self._now = now
        command_id = pdu.command_id
        if command_id not in self._may_send:
            raise WrongState(f"{command_id.name.lower()} as {self._role.value} in the state {self._state.value}")
        if command_id in BINDS:
            number = self._send_control(pdu)
            self._enter(State.BINDING)
        elif command_id in NO_RESPONSE:
            number = self._pending.sequence_number()
            self._out.append(encode(pdu, number))
            if command_id == CommandId.OUTBIND:
                self._enter(State.OUTBOUND)
        else:
            if not self._pending.free:
                raise WindowFull(f"{len(self._pending)} requests wait for their answer")
            number = self._pending.sequence_number()
            octets = encode(pdu if body is None else UnknownPdu(command_id, body), number)
            self._pending.add(number, pdu, token, now)
            self._out.append(octets)
        return number

    def send_response(self, request: Request, response: Response, now: float) -> bool:
        """Answer a request of the peer, under its sequence number. False if the session has ended: nothing is sent.

        The answer to a bind binds the session if its status is 0, else it ends it. Raises `LocalError` if it is no
        answer to this request.
        """
        self._now = now
        if not answers(response, request):
            raise LocalError(f"{response.command_id.name} does not answer {request.command_id.name}")
        if self._is_closed:
            return False
        self._out.append(encode(response, request.sequence_number))
        if request.command_id not in BINDS:
            self._one_less_waits()
        elif self._state is State.BINDING:
            if response.command_status or isinstance(response, GenericNack):
                self._end(f"bind refused: {status_name(response.command_status)}")
            else:
                self._become_bound(request.command_id, now)
        return True

    def give_up(self, request: Request, now: float) -> None:
        """This request of the peer will never be answered: it no longer counts among those that wait for us."""
        self._now = now
        if request.command_id not in BINDS:
            self._one_less_waits()

    def unbind(self, now: float) -> None:
        """Leave in good order: wait for open answers, unbind, close. An unbound session closes at once."""
        self._now = now
        if self._is_bound:
            self._enter(State.UNBINDING)
            self._leave_deadline = now + self._options.unbind_timeout
            self._unbind_when_idle(now)
        elif self._state in (State.OPEN, State.OUTBOUND, State.BINDING):
            self._end("left before the bind")

    def close(self, reason: str) -> None:
        """End it now. The events come out of the next `tick` or `connection_lost`."""
        self._end(reason, farewell=True)

    def data_to_send(self) -> bytes:
        """Take the octets that wait to be written."""
        if not self._out:
            return b""
        octets = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return octets

    # Reading

    def _is_held(self) -> bool:
        """Reading stops while a bind waits for its answer, too many requests do, or enquire_link floods."""
        return self._unanswered >= self._max_unanswered or self._owes_bind or self._paused_until > self._now

    def _one_less_waits(self) -> None:
        """Of the requests that wait for us."""
        if self._unanswered:
            self._unanswered -= 1

    def _read(self, now: float) -> None:
        took = False
        while not (self._is_closed or self._is_held()):
            if not self._frames:
                try:
                    self._frames.extend(self._framer.take())
                except FramingError as exc:
                    self._lose_track(exc)
                    return
                if not self._frames:
                    break
                took = True
            self._receive(self._frames.popleft(), now)
        arrived = bool(self._frames) or self._framer.buffered > 0
        self._held_back = arrived and self._is_held()
        if self._held_back or not arrived:
            self._pdu_since = None
        elif took or self._pdu_since is None:
            self._pdu_since = now

    def _lose_track(self, exc: FramingError) -> None:
        # Many octets tell another protocol, on a wrong port; of SMPP they would tell passwords and texts.
        is_smpp = self._liveness is not None or exc.command_id in _COMMAND_IDS
        head = exc.head[:HEADER_SIZE] if is_smpp else exc.head
        self._events.append(PeerError(f"{exc}; it began with {head.hex()}"))
        # Even what claims to be a response: which PDU it is cannot be believed. But two must never nack each other.
        if exc.command_id != CommandId.GENERIC_NACK and not exc.head.startswith(_TLS_RECORDS):
            self._out.append(encode(GenericNack(CommandStatus.ESME_RINVCMDLEN, exc.sequence_number or 0)))
        self._end("the stream cannot be followed")

    def _receive(self, frame: bytes, now: float) -> None:
        oddities: list[str] = []
        try:
            pdu = decode(frame, oddities)
        except PduError as exc:
            self._refuse_unreadable(exc, now)
            return
        if oddities:
            self._tolerate(pdu, oddities)
        if isinstance(pdu, UnknownPdu):
            self._on_unknown(pdu, now)
        elif pdu.command_id & RESPONSE_BIT:
            self._on_response(cast(Response, pdu), now)
        else:
            self._on_request(cast(Request, pdu), frame, now)

    def _on_request(self, pdu: Request, octets: bytes, now: float) -> None:
        command_id = pdu.command_id
        if command_id in self._may_receive:
            if command_id in BINDS:
                self._enter(State.BINDING)
                self._events.append(BindRequested(cast(Bind, pdu)))
                return
            if command_id not in NO_RESPONSE:
                self._unanswered += 1
                if self._only_transmits:
                    self._tolerate(pdu, ["on a transmitter's session"])
            elif command_id == CommandId.OUTBIND:
                self._enter(State.OUTBOUND)
            self._events.append(RequestReceived(pdu, octets))
        elif command_id == CommandId.ENQUIRE_LINK:
            self._out.append(encode(EnquireLinkResp(), pdu.sequence_number))
            if self._enquiries.add(now):
                self._paused_until = self._enquiries.quiet_at()
        elif command_id == CommandId.UNBIND and self._state not in (State.OPEN, State.OUTBOUND):
            self._on_unbind(pdu, now)
        else:
            self._refuse(pdu, now)

    def _on_unbind(self, pdu: Request, now: float) -> None:
        self._out.append(encode(UnbindResp(), pdu.sequence_number))
        if self._state is not State.UNBOUND:
            self._enter(State.UNBOUND)
            self._leave_deadline = now + self._options.unbind_timeout
            self._abandon("the peer has unbound")
            self._events.append(UnbindReceived())

    def _on_response(self, pdu: Response, now: float) -> None:
        number = pdu.sequence_number
        if entry := self._pending.waiting(number):
            if answers(pdu, entry.request):
                self._complete(entry, pdu, now)
            else:
                self._pending.bury(number)
                reason = f"answered by {pdu.command_id.name.lower()}"
                self._events.append(RequestUncertain(entry.token, entry.request, reason))
                self._fault(f"{entry.request.command_id.name.lower()} {reason}", now)
            self._unbind_when_idle(now)
        elif control := self._pending.control(number):
            self._on_control_response(number, control, pdu, now)
        elif (buried := self._pending.tombstone(number)) and answers(pdu, buried.request):
            self._pending.settle_tombstone(number)
            self._events.append(LateResponse(buried.token, buried.request, pdu))
        else:
            self._fault(f"{pdu.command_id.name.lower()} to no request", now)
            if isinstance(pdu, GenericNack) and (enough := self._faults.count_stray_nack(now)):
                self._end(enough, farewell=True)

    def _complete(self, entry: Entry, pdu: Response, now: float) -> None:
        self._pending.settle(pdu.sequence_number)
        self._timeouts = 0
        self._events.append(ResponseReceived(entry.token, entry.request, pdu, now - entry.sent_at))

    def _on_control_response(self, number: int, request: Request, pdu: Response, now: float) -> None:
        if not answers(pdu, request):
            self._fault(f"{request.command_id.name.lower()} answered by {pdu.command_id.name.lower()}", now)
            return
        self._pending.settle_control(number)
        if isinstance(request, EnquireLink):
            if self._liveness:
                self._liveness.answered()
        elif isinstance(request, Unbind):
            self._end("unbound")
        elif self._state is State.BINDING:
            if pdu.command_status or not isinstance(pdu, BindResp):
                self._events.append(BindRefused(pdu.command_status))
                self._end(f"bind refused: {status_name(pdu.command_status)}")
            else:
                self._become_bound(request.command_id, now)
                self._events.append(Bound(BindKind(request.command_id), pdu))

    def _on_unknown(self, pdu: UnknownPdu, now: float) -> None:
        if pdu.command_id & RESPONSE_BIT:
            self._fault(f"unknown response 0x{pdu.command_id:08X}", now)
        else:
            self._out.append(encode(GenericNack(CommandStatus.ESME_RINVCMDID), pdu.sequence_number))
            self._fault(f"unknown request 0x{pdu.command_id:08X}", now)

    # Refusing

    def _refuse(self, pdu: Request, now: float) -> None:
        """The state does not allow this request."""
        status = CommandStatus.ESME_RINVBNDSTS
        if self._role is Role.SMSC and self._liveness and pdu.command_id in BINDS:
            status = CommandStatus.ESME_RALYBND
        self._answer(pdu.command_id, pdu.sequence_number, status)
        self._fault(f"{pdu.command_id.name.lower()} in the state {self._state.value}", now)

    def _refuse_unreadable(self, exc: PduError, now: float) -> None:
        self._answer(exc.command_id, exc.sequence_number, exc.command_status)
        self._fault(f"{CommandId(exc.command_id).name.lower()}: {exc}", now)
        if exc.command_id in BINDS and exc.command_id in self._may_receive:
            self._end(f"bind refused: {status_name(exc.command_status)}")

    def _answer(self, command_id: int, sequence_number: int, status: int) -> None:
        self._out.append(encode(refusal_of(command_id, status), sequence_number))

    def _fault(self, description: str, now: float) -> None:
        """Tell it and count it; too many end the session."""
        self._events.append(PeerError(description))
        if enough := self._faults.count(now, bound=self._liveness is not None):
            self._end(enough, farewell=True)

    def _tolerate(self, pdu: Pdu, oddities: list[str]) -> None:
        """Tell each kind of oddity once."""
        if not isinstance(pdu, UnknownPdu):
            for description in self._faults.news(pdu.command_id.name.lower(), oddities):
                self._events.append(PeerError(description, counted=False))

    # Sending

    def _send_control(self, pdu: Request) -> int:
        number = self._pending.sequence_number()
        octets = encode(pdu, number)
        self._pending.add_control(number, pdu)
        self._out.append(octets)
        return number

    def _unbind_when_idle(self, now: float) -> None:
        if self._is_unbinding and not self._unbind_sent and not self._pending:
            self._send_unbind(now)

    def _send_unbind(self, now: float) -> None:
        self._send_control(Unbind())
        self._unbind_sent = True
        self._leave_deadline = now + self._options.unbind_timeout

    # States

    def _enter(self, state: State) -> None:
        """What a state means is looked up once: reading a message asks for it many times."""
        self._state = state
        self._is_closed = state is State.CLOSED
        self._is_bound = state in _BOUND
        self._is_unbinding = state is State.UNBINDING
        self._owes_bind = state is State.BINDING and self._role is Role.SMSC  # the answer to one
        self._only_transmits = self._bound_as is State.BOUND_TX and self._role is Role.ESME
        self._may_send = MAY_SEND[self._role].get(state, _NOTHING)
        self._may_receive = MAY_RECEIVE[self._role].get(self._bound_as if state is State.UNBINDING else state, _NOTHING)

    def _become_bound(self, command_id: int, now: float) -> None:
        options = self._options
        self._bound_as = BOUND_AS[command_id]
        self._enter(self._bound_as)
        self._framer.limit = BOUND_LIMIT
        self._liveness = Liveness(
            interval=options.enquire_interval,
            always=options.enquire_always,
            timeout=options.enquire_timeout,
            misses=options.enquire_misses,
            inactivity=options.inactivity(self._role),
            now=now,
        )

    def _read_answers_left(self) -> None:
        """What was held back of the peer is dropped, but answers in between have arrived: they complete requests."""
        with suppress(FramingError):
            self._frames.extend(self._framer.take())
        for frame in self._frames:
            if int.from_bytes(frame[4:8], "big") & RESPONSE_BIT:
                response = cast(Response, decode(frame))  # or an unknown one, which answers nothing
                entry = self._pending.waiting(response.sequence_number)
                if entry and answers(response, entry.request):
                    self._complete(entry, response, self._now)

    def _abandon(self, reason: str) -> None:
        for entry in self._pending.abandon():
            self._events.append(RequestUncertain(entry.token, entry.request, reason))

    def _end(self, reason: str, *, farewell: bool = False) -> None:
        """``farewell``: an unbind goes ahead of the close, so that the peer does not keep a dead session."""
        if self._is_closed:
            return
        if farewell and self._state in _BOUND_STATES and not self._unbind_sent:
            self._send_control(Unbind())
        self._enter(State.CLOSED)
        self._read_answers_left()
        self._abandon(reason)
        self._events.append(Closed(reason))
        self._frames.clear()
        self._framer = Framer()

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    # Timers

    def _awaits_bind(self) -> bool:
        return self._liveness is None and not self._owes_bind

    def _check_init(self, now: float) -> None:
        if self._awaits_bind() and now >= self._init_deadline:
            self._end(f"not bound within {self._options.session_init_timeout:g} s")

    def _check_pdu(self, now: float) -> None:
        if self._pdu_since is not None and now >= self._pdu_since + self._options.pdu_read_timeout:
            self._events.append(PeerError("a PDU that was begun and not ended"))
            self._end(f"a PDU was not complete within {self._options.pdu_read_timeout:g} s", farewell=True)

    def _check_leave(self, now: float) -> None:
        if self._leave_deadline is None or now < self._leave_deadline:
            return
        if self._state is State.UNBINDING and not self._unbind_sent:
            self._send_unbind(now)
        elif self._state is State.UNBINDING:
            self._end("unbind was not answered")
        else:
            self._end("unbound by the peer")

    def _check_pending(self, now: float) -> None:
        if self._is_held():  # the answers may lie unread: the silence is ours
            return
        for entry in self._pending.expire(now):
            self._timeouts += 1
            reason = f"no answer within {self._options.response_timeout:g} s"
            self._events.append(RequestUncertain(entry.token, entry.request, reason))
        if self._timeouts >= min(self._options.max_timeouts, self._options.window):
            self._end(f"{self._timeouts} requests in a row without an answer", farewell=True)
        else:
            self._unbind_when_idle(now)

    def _check_liveness(self, now: float) -> None:
        if self._liveness is None or self._state not in _BOUND_STATES:
            return
        if self._is_held():
            self._liveness.heard(now)
        match self._liveness.verdict(now):
            case Verdict.ASK:
                self._pending.settle_control(self._enquiry)
                self._enquiry = self._send_control(EnquireLink())
                self._liveness.asked(now)
            case Verdict.DEAD:
                self._end("the peer is silent", farewell=True)
