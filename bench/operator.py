"""A simulated operator that costs as little as it can: `python -m bench.operator`.

It takes apart no more of a PDU than a receipt needs and does everything a read at a time. What it does not do (refuse,
throttle, lose, tell strange ids) is the business of `payk simulate`.

The first line that it writes is `port N`. Then it answers each line that it reads with a line of JSON, until `quit` or
the end of its input:

counts          what it did so far; times are those of the clock that all processes of a machine share (CLOCK_MONOTONIC)
watch PREFIX    remember when the first submit_sm to each number that begins so came
seen PREFIX     when it came, by number
order on        count submits by source address and second
order           those counts, and when the first of each source came
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any, Final

import uvloop

__all__ = ["Operator", "Session", "main"]

_HEADER: Final = Struct(">IIII")
_ANSWER: Final = Struct(">IIII11s")
"""A submit_sm_resp whose id has ten digits; the NUL behind them is what fills the eleventh octet."""

_BIND_RECEIVER, _BIND_TRANSMITTER, _BIND_TRANSCEIVER = 0x01, 0x02, 0x09
_SUBMIT_SM, _DELIVER_SM, _UNBIND = 0x04, 0x05, 0x06
_RESPONSE: Final = 0x80000000
_SUBMIT_SM_RESP: Final = _SUBMIT_SM | _RESPONSE
_DELIVER_SM_RESP: Final = _DELIVER_SM | _RESPONSE
_RECEIVES: Final = frozenset({_BIND_RECEIVER, _BIND_TRANSCEIVER})
_BINDS: Final = _RECEIVES | {_BIND_TRANSMITTER}
_NAMED_AND_3_4: Final = b"bench\0\x02\x10\x00\x01\x34"
"""The body of a bind's answer: system_id, and the sc_interface_version that some peers ask for."""

_LONGEST: Final = 70_000
"""Octets of a PDU; a length beyond it is no length."""
_UNANSWERED: Final = 1_000
"""Receipts that one session may have unanswered."""
_TICK: Final = 0.02

_Sent = tuple[bytes, bytes, int]
"""What a receipt says of its message: source and destination (type, plan, digits, NUL) and the operator's id."""


class Operator:
    """`receipt_after` seconds after a submit_sm its receipt goes out, if it asked for one."""

    def __init__(self, receipt_after: float) -> None:
        self._receipt_after = receipt_after
        self._later: deque[tuple[float, bytes, list[_Sent]]] = deque()
        """When the receipts of one read are due, to whom they go, and which they are."""
        self._due: dict[bytes, deque[_Sent]] = defaultdict(deque)
        self._receivers: dict[bytes, list[Session]] = defaultdict(list)
        self.last_id = 1_000_000_000
        self.binds = self.submits = self.receipts = self.confirmed = 0
        self.first_submit_at = self.last_submit_at = self.last_confirmed_at = 0.0
        self._watched: tuple[bytes, ...] = ()
        self._seen: dict[bytes, float] = {}
        self._counting = False
        self._counts: dict[bytes, Counter[int]] = defaultdict(Counter)
        self._first: dict[bytes, float] = {}

    def bound(self, session: Session) -> None:
        """A session may receive."""
        self._receivers[session.system_id].append(session)

    def left(self, session: Session) -> None:
        """A session is gone."""
        if session in self._receivers[session.system_id]:
            self._receivers[session.system_id].remove(session)

    def submitted(self, system_id: bytes, taken: list[_Sent], asking: list[_Sent]) -> None:
        """Messages that came in one read, and those of them that ask for a receipt."""
        now = time.monotonic()
        if not self.submits:
            self.first_submit_at = now
        self.last_submit_at = now
        self.submits += len(taken)
        if asking:
            self._later.append((now + self._receipt_after, system_id, asking))
        if self._watched:
            for _, destination, _ in taken:
                number = destination[2:-1]
                if number.startswith(self._watched):
                    self._seen.setdefault(number, now)
        if self._counting:
            second = int(now)
            for source, _, _ in taken:
                name = source[2:-1]
                self._counts[name][second] += 1
                self._first.setdefault(name, now)

    def confirm(self, receipts: int) -> None:
        """So many were answered by status 0."""
        self.confirmed += receipts
        self.last_confirmed_at = time.monotonic()

    def tick(self) -> None:
        """Send the receipts that are due; the sessions of a system_id share them."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            _, system_id, asking = self._later.popleft()
            self._due[system_id].extend(asking)
        for system_id, due in self._due.items():
            receivers = self._receivers[system_id]
            for others, session in zip(reversed(range(len(receivers))), receivers, strict=True):
                count = min(session.room, -(-len(due) // (others + 1)))
                if count > 0:
                    session.deliver([due.popleft() for _ in range(count)], self._receipt_after)
                    self.receipts += count

    def answer(self, line: str) -> dict[str, Any]:
        """What a line asks for."""
        match line.split():
            case ["counts"]:
                return {
                    "binds": self.binds,
                    "submits": self.submits,
                    "receipts": self.receipts,
                    "confirmed": self.confirmed,
                    "unconfirmed": self.receipts - self.confirmed,
                    "cpu_s": time.process_time(),
                    "first_submit_at": self.first_submit_at,
                    "last_submit_at": self.last_submit_at,
                    "last_confirmed_at": self.last_confirmed_at,
                }
            case ["watch", prefix]:
                self._watched = tuple({*self._watched, prefix.encode()})
                return {}
            case ["seen", prefix]:
                return {number.decode(): at for number, at in self._seen.items() if number.startswith(prefix.encode())}
            case ["order", "on"]:
                self._counting = True
                return {}
            case ["order"]:
                return {
                    "counts": {name.decode(): dict(counts) for name, counts in self._counts.items()},
                    "first": {name.decode(): at for name, at in self._first.items()},
                }
            case _:
                return {"error": f"not understood: {line}"}


class Session(asyncio.Protocol):
    """One connection of an ESME; it is let in whatever it says."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._rest = b""
        self._sequence = 0
        self._unanswered = 0
        self.system_id = b""

    @property
    def room(self) -> int:
        """Receipts that may be sent before an answer comes."""
        return _UNANSWERED - self._unanswered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._operator.left(self)

    def data_received(self, data: bytes) -> None:
        """Answer every whole PDU, all in one write."""
        data = self._rest + data
        position, end = 0, len(data)
        header, answer, answer_size = _HEADER.unpack_from, _ANSWER.pack, _ANSWER.size
        find = data.index
        last_id = self._operator.last_id
        out: list[bytes] = []
        taken: list[_Sent] = []
        asking: list[_Sent] = []
        answered = confirmed = 0
        while end - position >= 16:
            length, command, status, sequence = header(data, position)
            if not 16 <= length <= _LONGEST:
                self._transport.abort()
                return
            following = position + length
            if following > end:
                break
            if command == _SUBMIT_SM:
                last_id += 1
                out.append(answer(answer_size, _SUBMIT_SM_RESP, 0, sequence, b"%d" % last_id))
                source = find(0, position + 16) + 1  # behind service_type
                destination = find(0, source + 2) + 1
                flags = find(0, destination + 2) + 1  # esm_class, protocol_id, priority_flag, two dates
                sent = (data[source:destination], data[destination:flags], last_id)
                taken.append(sent)
                if data[find(0, find(0, flags + 3) + 1) + 1] & 1:  # registered_delivery: of what is delivered
                    asking.append(sent)
            elif command == _DELIVER_SM_RESP:
                answered += 1
                confirmed += not status
            else:
                out.append(self._reply(command, sequence, data[position + 16 : following]))
            position = following
        self._rest = data[position:]
        self._operator.last_id = last_id
        if taken:  # before it is answered, so that the time is not behind what the answer sets off
            self._operator.submitted(self.system_id, taken, asking)
        if out:
            self._transport.write(b"".join(out))
        self._unanswered -= answered
        if confirmed:
            self._operator.confirm(confirmed)

    def _reply(self, command: int, sequence: int, body: bytes) -> bytes:
        """To what does not come by the thousand."""
        if command & _RESPONSE:
            return b""
        if command in _BINDS:
            self.system_id = body[: body.index(0)]
            self._operator.binds += 1
            if command in _RECEIVES:
                self._operator.bound(self)
        elif command == _UNBIND:
            asyncio.get_running_loop().call_soon(self._transport.close)
        body = _NAMED_AND_3_4 if command in _BINDS else b""
        return _HEADER.pack(16 + len(body), command | _RESPONSE, 0, sequence) + body

    def deliver(self, messages: Sequence[_Sent], after: float) -> None:
        """Send the receipts of messages that came `after` seconds ago."""
        now = datetime.now(UTC)
        dates = ((now - timedelta(seconds=after)).strftime("%y%m%d%H%M"), now.strftime("%y%m%d%H%M"))
        tail = b" sub:001 dlvrd:001 submit date:%b done date:%b stat:DELIVRD err:000 text:" % tuple(
            date.encode() for date in dates
        )
        size = len("id:0123456789") + len(tail)
        # esm_class, then protocol_id, priority_flag, two dates and four octets, then the text
        before = b"\x04\0\0\0\0\0\0\0\0%cid:" % size
        fixed = 16 + 1 + len(before) - len("id:") + size
        header, out = _HEADER.pack, []
        sequence = self._sequence
        for source, destination, smsc_id in messages:
            sequence += 1
            out.append(header(fixed + len(source) + len(destination), _DELIVER_SM, 0, sequence))
            out.append(b"\0%b%b%b%d%b" % (destination, source, before, smsc_id, tail))
        self._transport.write(b"".join(out))
        self._sequence = sequence
        self._unanswered += len(messages)


async def _send_receipts(operator: Operator) -> None:
    while True:
        await asyncio.sleep(_TICK)
        operator.tick()


async def _run(port: int, receipt_after: float) -> None:
    operator = Operator(receipt_after)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(operator), "127.0.0.1", port)
    sys.stdout.write(f"port {server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    sending = asyncio.create_task(_send_receipts(operator))
    questions = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    async for line in questions:
        if line.strip() == b"quit":
            break
        sys.stdout.write(json.dumps(operator.answer(line.decode().strip())) + "\n")
        sys.stdout.flush()
    sending.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.operator", description="An operator to measure against.")
    parser.add_argument("--port", type=int, default=0, help="default: one that is free")
    parser.add_argument("--receipt-after", type=float, default=2.0, help="seconds from submit_sm to its receipt")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(options.port, options.receipt_after))


if __name__ == "__main__":
    main()
