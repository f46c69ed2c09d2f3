"""Who may send what in which state: the table of the specification told a second time, every request in every state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from payk.smpp import (
    BindReceiver,
    BindRequested,
    BindTransceiver,
    BindTransmitter,
    CommandStatus,
    Outbind,
    Request,
    RequestReceived,
    Role,
    SmeAddress,
    State,
    SubmitMulti,
    Unbind,
    WrongState,
)
from payk.smpp.command import RESPONSE_BIT
from payk.smpp.layout import LAYOUTS
from tests.smpp.session_bench import Bench, bound_esme, bound_smsc


def request_of(make: Any) -> Request:
    request: Request = make(dest_address=(SmeAddress(1, 1, "992900000001"),)) if make is SubmitMulti else make()
    return request


REQUESTS = {
    layout.pdu.__name__: request_of(layout.pdu) for layout in LAYOUTS if not layout.pdu.command_id & RESPONSE_BIT
}
BINDS = {"BindReceiver", "BindTransmitter", "BindTransceiver"}
SUBMITTING = {"SubmitSm", "SubmitMulti", "DataSm", "QuerySm", "CancelSm", "ReplaceSm"}
DELIVERING = {"DeliverSm", "DataSm", "AlertNotification"}


def unbinding(bench: Bench) -> Bench:
    bench.session.unbind(0.0)
    bench.sent()
    return bench


def unbound(bench: Bench) -> Bench:
    bench.receive(Unbind(sequence_number=1))
    bench.sent()
    return bench


def binding_esme() -> Bench:
    bench = Bench(Role.ESME)
    bench.session.send_request(BindTransceiver(), 0.0)
    bench.sent()
    return bench


def outbound_esme() -> Bench:
    bench = Bench(Role.ESME)
    bench.receive(Outbind())
    return bench


def outbound_smsc() -> Bench:
    bench = Bench(Role.SMSC)
    bench.session.send_request(Outbind(), 0.0)
    bench.sent()
    return bench


# How the state is reached, which requests of the peer are told to the owner, which of ours may leave.
STATES: list[tuple[str, Callable[[], Bench], set[str], set[str]]] = [
    ("esme open", lambda: Bench(Role.ESME), {"Outbind"}, BINDS),
    ("esme outbound", outbound_esme, set(), {"BindReceiver", "BindTransceiver"}),
    ("esme binding", binding_esme, set(), set()),
    # Receipts come on transmitters too: to refuse them would lose them.
    ("esme bound_tx", lambda: bound_esme(BindTransmitter), DELIVERING, SUBMITTING),
    ("esme bound_rx", lambda: bound_esme(BindReceiver), DELIVERING, set()),
    ("esme bound_trx", lambda: bound_esme(BindTransceiver), DELIVERING, SUBMITTING),
    ("esme unbinding", lambda: unbinding(bound_esme()), DELIVERING, set()),
    ("esme unbound", lambda: unbound(bound_esme()), set(), set()),
    ("smsc open", lambda: Bench(Role.SMSC), BINDS, {"Outbind"}),
    ("smsc outbound", outbound_smsc, {"BindReceiver", "BindTransceiver"}, set()),
    ("smsc bound_tx", lambda: bound_smsc(BindTransmitter), SUBMITTING, set()),
    ("smsc bound_rx", lambda: bound_smsc(BindReceiver), set(), DELIVERING),
    ("smsc bound_trx", lambda: bound_smsc(BindTransceiver), SUBMITTING, DELIVERING),
    ("smsc unbinding", lambda: unbinding(bound_smsc()), SUBMITTING, set()),
    ("smsc unbound", lambda: unbound(bound_smsc()), set(), set()),
]


def test_every_state_is_there() -> None:
    # While an SMSC has not answered a bind it reads nothing; a closed session neither.
    left = {(role.value, state.value) for role in Role for state in State if state is not State.CLOSED}
    assert left - {("smsc", "binding")} == {tuple(name.split()) for name, *_ in STATES}
    for name, reach, *_ in STATES:
        assert reach().session.state.value == name.split()[1]


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize(("state", "reach", "told", "_may_leave"), STATES, ids=[row[0] for row in STATES])
def test_what_the_peer_may_send(
    state: str, reach: Callable[[], Bench], told: set[str], _may_leave: set[str], name: str
) -> None:
    bench = reach()
    events = bench.receive(REQUESTS[name])
    replies = bench.sent()
    was_told = any(isinstance(event, RequestReceived | BindRequested) for event in events)
    assert was_told is (name in told)
    if was_told:
        assert replies == []
        return
    (reply,) = replies
    answers_at_once = {"EnquireLink"} if state.endswith((" open", " outbound")) else {"EnquireLink", "Unbind"}
    if name in answers_at_once:
        assert reply.command_status == CommandStatus.ESME_ROK
    elif name in BINDS and state.startswith(("smsc bound", "smsc unb")):
        assert reply.command_status == CommandStatus.ESME_RALYBND
    else:
        assert reply.command_status == CommandStatus.ESME_RINVBNDSTS


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize(("_state", "reach", "_told", "may_leave"), STATES, ids=[row[0] for row in STATES])
def test_what_we_may_send(
    _state: str, reach: Callable[[], Bench], _told: set[str], may_leave: set[str], name: str
) -> None:
    bench = reach()
    if name in may_leave:
        bench.session.send_request(REQUESTS[name], 0.0)
        assert len(bench.sent()) == 1
    else:
        with pytest.raises(WrongState):
            bench.session.send_request(REQUESTS[name], 0.0)
        assert bench.sent() == []
