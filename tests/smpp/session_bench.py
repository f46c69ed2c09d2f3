"""A session on the bench: PDUs go in and come out, the test is its peer and its clock."""

from __future__ import annotations

from payk.smpp import (
    Bind,
    BindReceiver,
    BindReceiverResp,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    Event,
    Framer,
    Pdu,
    Role,
    Session,
    SessionOptions,
    SubmitSm,
    decode,
    encode,
)
from payk.smpp.framing import BOUND_LIMIT

__all__ = ["BIND_RESPONSES", "Bench", "bound_esme", "bound_smsc"]

BIND_RESPONSES: dict[type[Bind], type[BindTransmitterResp | BindReceiverResp | BindTransceiverResp]] = {
    BindTransmitter: BindTransmitterResp,
    BindReceiver: BindReceiverResp,
    BindTransceiver: BindTransceiverResp,
}


class Bench:
    """``session`` begins at second 0."""

    def __init__(self, role: Role, **options: float) -> None:
        self.session = Session(role, SessionOptions(**options), 0.0)  # type: ignore[arg-type]
        self._framer = Framer(BOUND_LIMIT)

    def receive(self, *pdus: Pdu | bytes, at: float = 0.0) -> list[Event]:
        """All in one segment."""
        octets = b"".join(pdu if isinstance(pdu, bytes) else encode(pdu) for pdu in pdus)
        return self.session.receive_data(octets, at)

    def sent(self) -> list[Pdu]:
        """What has left since the last call."""
        return [decode(frame) for frame in self._framer.feed(self.session.data_to_send())]

    def submit(self, token: object = None, *, at: float = 0.0) -> int:
        return self.session.send_request(SubmitSm(destination_addr="992900000001"), at, token)

    def run(self, until: float) -> list[tuple[float, Event]]:
        """Tick at each deadline, as a loop would; the events with their times."""
        events: list[tuple[float, Event]] = []
        while (deadline := self.session.next_deadline()) is not None and deadline <= until:
            events += [(deadline, event) for event in self.session.tick(deadline)]
        return events


def bound_esme(kind: type[Bind] = BindTransceiver, **options: float) -> Bench:
    bench = Bench(Role.ESME, **options)
    number = bench.session.send_request(kind(system_id="payk"), 0.0)
    bench.receive(BIND_RESPONSES[kind](system_id="smsc", sequence_number=number))
    bench.sent()
    return bench


def bound_smsc(kind: type[Bind] = BindTransceiver, **options: float) -> Bench:
    bench = Bench(Role.SMSC, **options)
    request = kind(system_id="bank", sequence_number=1)
    bench.receive(request)
    bench.session.send_response(request, BIND_RESPONSES[kind](system_id="payk"), 0.0)
    bench.sent()
    return bench
