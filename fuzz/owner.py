"""The owner of a session under test: feeds it, answers for it, holds its clock, and counts what it promises.

What must hold is checked at every step. It looks inside the session at one place, `_held_octets`, for nothing outside
tells how much memory a session holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, cast

from fuzz.broken import hold
from fuzz.script import SECONDS, Act, Setting, Step
from payk.smpp import (
    AlertNotification,
    BindRefused,
    BindRequested,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    Bound,
    Closed,
    CommandStatus,
    DataSm,
    DeliverSm,
    EnquireLink,
    Event,
    Framer,
    GenericNack,
    LateResponse,
    LocalError,
    Outbind,
    Pdu,
    PeerError,
    QuerySm,
    Request,
    RequestReceived,
    RequestUncertain,
    Response,
    ResponseReceived,
    Role,
    Session,
    State,
    SubmitSm,
    SubmitSmResp,
    WindowFull,
    WrongState,
    decode,
    encode,
)
from payk.smpp.command import RESPONSE_BIT
from payk.smpp.framing import BOUND_LIMIT
from payk.smpp.layout import LAYOUTS
from payk.smpp.state import BINDS, NO_RESPONSE

__all__ = ["Owner"]

_REQUESTS: Final[dict[Role, tuple[Request, ...]]] = {
    Role.ESME: (
        SubmitSm(),
        SubmitSm(),
        SubmitSm(),
        DataSm(),
        QuerySm(),
        BindTransceiver(),
        BindTransmitter(),
        EnquireLink(),
    ),
    Role.SMSC: (
        DeliverSm(),
        DeliverSm(),
        DataSm(),
        AlertNotification(),
        Outbind(),
        SubmitSm(),
        DeliverSm(short_message=b"x" * 300),
    ),
}
_RESPONSE_OF: Final = {int(layout.pdu.command_id): layout.response for layout in LAYOUTS if layout.response}
_REPLIED: Final = 12
"""So far back a peer remembers what it was sent."""
_RINGS: Final = 12
"""Ticks in a row after which a session must have come to rest."""
_CONTROLS: Final = 3
"""bind, enquire_link and unbind: one each, at most, waits for its answer."""


class Owner:
    """``slices`` cuts what one step of the peer brings into what single reads of the socket do."""

    def __init__(self, setting: Setting, slices: int | None) -> None:
        self.now = 1000.0
        self.events: list[tuple[float, Event]] = []
        """With the times at which they came out."""
        self.sent: list[Pdu] = []
        self._slices = slices
        self._setting = setting
        self.session = Session(setting.role, setting.options, self.now)
        self._tokens = 0
        self._waiting: set[int] = set()
        self._completed: Counter[int] = Counter()
        self._binds = 0
        self._open: list[Request] = []
        self._closed = False
        self._fed = 0
        self._own = 0
        self._peer = bytearray()
        self._wire = Framer(BOUND_LIMIT)
        if setting.bound:
            self._bind()

    def play(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self._do(step)
            self._check()
        self._end()

    def _bind(self) -> None:
        if self._setting.role is Role.ESME:
            self._request(BindTransceiver(system_id="payk"))
            number = self._take()[0].sequence_number
            self._feed(encode(BindTransceiverResp(system_id="smsc"), number))
        else:
            self._feed(encode(BindTransceiver(system_id="bank"), 1))
            self._answer(0, 0)
        hold(self.session.state is State.BOUND_TRX, "a bind that is accepted binds")
        self._check()

    def _do(self, step: Step) -> None:
        match step.act:
            case Act.FRAME | Act.OCTETS:
                self._feed(step.octets)
            case Act.REQUEST:
                self._request(_REQUESTS[self._setting.role][step.one % len(_REQUESTS[self._setting.role])])
            case Act.ANSWER:
                self._answer(step.one, step.two)
            case Act.REPLY:
                self._reply(step.one, step.two)
            case Act.PASS:
                self.now += SECONDS[step.one % len(SECONDS)]
                self._note(self.session.tick(self.now))
            case Act.DUE:
                self._ring()
            case Act.TAKE:
                self._take()
            case Act.UNBIND:
                self.session.unbind(self.now)
            case Act.CLOSE:
                self.session.close("closed by us")
            case Act.LOSE:
                self._note(self.session.connection_lost(self.now))

    def _feed(self, octets: bytes) -> None:
        self._peer += octets
        step = self._slices or max(1, len(octets))
        for start in range(0, len(octets), step):
            piece = octets[start : start + step]
            held, before = not self.session.wants_data, _held_octets(self.session)
            self._fed += len(piece)
            self._note(self.session.receive_data(piece, self.now))
            if held:
                hold(
                    _held_octets(self.session) <= before + len(piece), "held back, it keeps what it was fed and no more"
                )
            elif self.session.wants_data:
                hold(_held_octets(self.session) < BOUND_LIMIT, "reading, it keeps less than one PDU")

    def _request(self, pdu: Request) -> None:
        token = self._tokens
        state, free, closed = self.session.state, self.session.free_window, self.session.closed
        try:
            number = self.session.send_request(pdu, self.now, token)
        except WindowFull:
            hold(not free, "a window with room is not full")
            return
        except WrongState:
            hold(self.session.state is state, "what was refused has changed nothing")
            return
        except LocalError:
            return
        hold(not closed, "a closed session sends nothing")
        hold(1 <= number <= 0x7FFFFFFF, "a sequence number is one of section 3.2's")
        self._own += len(encode(pdu))
        if pdu.command_id in BINDS:
            self._binds += 1
        elif pdu.command_id not in NO_RESPONSE:
            self._tokens += 1
            self._waiting.add(token)

    def _answer(self, which: int, how: int) -> None:
        if not self._open:
            return
        request = self._open.pop(which % len(self._open))
        right = _RESPONSE_OF.get(request.command_id, GenericNack)
        status = CommandStatus.ESME_RSYSERR if how % 5 == 1 else CommandStatus.ESME_ROK
        response: Response = right(command_status=status) if how % 5 < 2 else GenericNack(command_status=8)
        if how % 5 == 4:
            self.session.give_up(request, self.now)
            return
        if how % 5 == 3:
            self._answer_wrongly(request)
        closed = self.session.closed
        hold(self.session.send_response(request, response, self.now) is not closed, "an answer is sent unless closed")

    def _reply(self, which: int, how: int) -> None:
        """The peer's answer to one of the last requests that it was sent, answered before or not."""
        self._take()
        asked = [pdu for pdu in self.sent[-_REPLIED:] if not pdu.command_id & RESPONSE_BIT]
        if not asked:
            return
        request = asked[-1 - which % len(asked)]
        right = _RESPONSE_OF.get(request.command_id, GenericNack)
        replies: tuple[Pdu, ...] = (right(), right(command_status=0x58), GenericNack(), SubmitSmResp(message_id="1"))
        self._feed(encode(replies[how % len(replies)], request.sequence_number))

    def _answer_wrongly(self, request: Request) -> None:
        wrong = EnquireLink() if request.command_id != EnquireLink.command_id else SubmitSm()
        try:
            self.session.send_response(request, cast(Response, wrong), self.now)
        except LocalError:
            return
        hold(False, "an answer of another kind is refused")

    def _ring(self) -> None:
        """As a loop does: sleep until the deadline, tick, and again if it is due at once."""
        deadline = self.session.next_deadline()
        if deadline is None:
            return
        self.now = max(self.now, deadline)
        for _ in range(_RINGS):
            self._note(self.session.tick(self.now))
            deadline = self.session.next_deadline()
            if deadline is None or deadline > self.now:
                return
        hold(False, "a session that is ticked when it is due comes to rest")

    def _take(self) -> list[Pdu]:
        octets = self.session.data_to_send()
        taken: list[Pdu] = []
        for frame in self._wire.feed(octets):
            oddities: list[str] = []
            taken.append(decode(frame, oddities))
            hold(not oddities, "what is sent is not odd")
        hold(not self._wire.buffered, "what is sent is whole PDUs")
        self.sent += taken
        return taken

    def _note(self, events: list[Event]) -> None:
        for event in events:
            hold(not self._closed, "nothing comes after Closed")
            self.events.append((self.now, event))
            match event:
                case ResponseReceived(token=token) | RequestUncertain(token=token):
                    self._complete(token)
                case LateResponse(token=token):
                    hold(self._completed[token] == 1, "a late response follows its request's end")
                    self._completed[token] += 1
                case Bound() | BindRefused():
                    self._binds -= 1
                    hold(self._binds >= 0, "a bind ends once")
                case BindRequested(pdu) | RequestReceived(pdu):
                    if pdu.command_id not in NO_RESPONSE:
                        self._open.append(pdu)
                case Closed():
                    self._closed = True
                case PeerError(description=description):
                    hold(description, "a fault has words")

    def _complete(self, token: Any) -> None:
        hold(token in self._waiting, "a request completes once")
        self._waiting.remove(token)
        self._completed[token] += 1

    def _check(self) -> None:
        session = self.session
        waiting = 0 if session.closed else len(self._waiting)
        hold(session.pending_count == waiting, "as many requests wait as were sent and not completed")
        bound = session.state in (State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX)
        free = max(0, self._setting.options.window - waiting) if bound else 0
        hold(session.free_window == free, "the window has the room that is left")
        hold(session.closed == (session.state is State.CLOSED), "closed is a state")
        hold(not (session.closed and session.wants_data), "a closed session wants no data")
        owner_decides = session.state is State.BINDING and session.role is Role.SMSC
        deadline = session.next_deadline()
        hold(deadline is not None or session.closed or owner_decides, "an open session has a deadline")
        hold(_controls(session) <= _CONTROLS, "few control requests wait")

    def _end(self) -> None:
        """The connection goes; everything is settled then."""
        session = self.session
        self._note(session.connection_lost(self.now))
        hold(self._closed, "every session ends with Closed")
        hold(not self._waiting, "every request completes")
        hold(isinstance(self.events[-1][1], Closed), "Closed comes last")
        self._take()
        hold(session.data_to_send() == b"", "what is taken is gone")
        hold(session.connection_lost(self.now) == session.tick(self.now + 1) == [], "nothing comes after the end")
        hold(session.receive_data(encode(EnquireLink(), 7), self.now) == [], "nothing is read after the end")
        hold(session.next_deadline() is None, "nothing is due after the end")
        hold(session.data_to_send() == b"", "nothing is sent after the end")
        hold(_held_octets(session) == 0, "nothing is kept after the end")
        self._check_amount()

    def _check_amount(self) -> None:
        """No peer makes us say more than it has said: its requests are answered once, its responses never."""
        answers = sum(bool(pdu.command_id & RESPONSE_BIT) for pdu in self.sent)
        hold(answers <= _requests(self._peer) + 1, "responses are not answered, requests once")
        sent = sum(len(encode(pdu)) for pdu in self.sent)
        controls = sum(isinstance(pdu, EnquireLink) or pdu.command_id == 6 for pdu in self.sent) * 16
        hold(
            sent <= self._fed + self._own + controls + 16 + 4 * len(self.sent), "answers are no longer than what asked"
        )


def _requests(stream: bytes | bytearray) -> int:
    """Frames of the stream that are no responses, by the lengths they say."""
    start = requests = 0
    while len(stream) - start >= 16:
        length = int.from_bytes(stream[start : start + 4], "big")
        if not 16 <= length <= BOUND_LIMIT:
            break
        requests += not stream[start + 4] & 0x80
        start += length
    return requests


def _held_octets(session: Session) -> int:
    inside: Any = session
    return int(inside._framer.buffered) + sum(map(len, inside._frames))


def _controls(session: Session) -> int:
    inside: Any = session
    return len(inside._pending._control)
