"""Traces of links: while somebody looks, the PDUs of a link go to the database too, masked, in batches.

A link is never held up: what is more than `PENDING` is not kept but counted, and so is a piece that the database did
not take, or may not have taken. While nobody looks, a connection asks at each read and each write whether somebody
does.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from payk.clock import Clock
from payk.dispatch.masking import addresses, masked
from payk.links import Link
from payk.logs import get_logger
from payk.smpp import Framer, FramingError
from payk.smpp.framing import BOUND_LIMIT
from payk.smpp_connection import SmppConnection
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.incarnation import Incarnation
from payk.store.link_traces import WantedTrace, miss_of_trace, sealed_as, write_trace

__all__ = ["LinkTracer"]

log = get_logger("dispatch")

PERIOD: Final = 0.25
"""Seconds between two batches."""
BATCH: Final = 512 * 1024
"""Characters of one piece."""
PENDING: Final = 4 * 1024 * 1024
"""Characters of a trace that wait to be written."""
LAST_TRIES: Final = 2.0
"""Seconds after its end in which the database is still told how many PDUs of a trace it did not take."""
OPEN_REQUESTS: Final = 10_000
"""Requests to one number whose answers are still looked for."""
_RESPONSE: Final = 0x8000_0000
_NATIONAL: Final = 9
"""Digits at the end of a number that must agree: operators write numbers with and without country code."""


@dataclass(slots=True)
class _Trace:
    wanted: WantedTrace
    until: float
    """Clock.monotonic()."""
    pending: list[str] = field(default_factory=list)
    size: int = 0
    lost: int = 0
    requests: OrderedDict[tuple[str, bool, bytes], None] = field(default_factory=OrderedDict)
    """Of the number: stream, whether we sent it, sequence number."""

    def concerns(self, stream: str, sent: bool, pdu: bytes) -> bool:
        """Whether it is to be kept: of one number its messages and the answers to them."""
        if self.wanted.number is None:
            return True
        sequence = pdu[12:16]
        if int.from_bytes(pdu[4:8], "big") & _RESPONSE:
            return self.requests.pop((stream, not sent, sequence), 0) is None
        ends = addresses(pdu)
        if ends is None or not any(_same(end, self.wanted.number) for end in ends):
            return False
        self.requests[stream, sent, sequence] = None
        if len(self.requests) > OPEN_REQUESTS:
            self.requests.popitem(last=False)
        return True

    def keep(self, record: str) -> None:
        if self.size + len(record) > PENDING:
            self.lost += 1
        else:
            self.pending.append(record)
            self.size += len(record)

    def take(self) -> tuple[str, int]:
        """The next piece, and how many PDUs are in it."""
        size, count = 0, 0
        for record in self.pending:
            if count and size + len(record) > BATCH:
                break
            size, count = size + len(record), count + 1
        piece = ",".join(self.pending[:count])
        del self.pending[:count]
        self.size -= size
        return f"[{piece}]" if count else "", count


def _same(written: str, number: str) -> bool:
    digits = written.lstrip("+")
    if len(digits) < _NATIONAL or len(number) < _NATIONAL:
        return digits == number
    return digits[-_NATIONAL:] == number[-_NATIONAL:]


class LinkTracer:
    """The traces that run, on `links`, the dispatcher's own mapping, live."""

    def __init__(
        self,
        db: Database,
        incarnation: Incarnation,
        links: Mapping[int, Link],
        clock: Clock,
        seal: Callable[[str, str], str],
    ) -> None:
        """`seal(piece, name)` is what is stored of a piece: there may be texts of Otp in it."""
        self._db = db
        self._incarnation = incarnation
        self._links = links
        self._clock = clock
        self._seal = seal
        self._traces: dict[int, _Trace] = {}
        self._tapped: dict[int, Link] = {}
        self._streams = itertools.count(1)
        self._some = asyncio.Event()

    def wanted(self, wanted: Sequence[WantedTrace]) -> None:
        """These run now, and no others."""
        if not wanted and not self._traces:
            return
        now = self._clock.monotonic()
        for trace in wanted:
            if trace.trace_id not in self._traces:
                self._traces[trace.trace_id] = _Trace(trace, now + trace.seconds)
        running = {trace.trace_id for trace in wanted}
        for trace_id, known in list(self._traces.items()):
            if trace_id not in running and now < known.until:  # given up; else its last piece is still to be written
                del self._traces[trace_id]
        self._tap()
        self._some.set()

    async def run(self) -> None:
        """Write what was seen until cancelled."""
        while True:
            await self._some.wait()
            await asyncio.sleep(PERIOD)
            for trace_id, trace in list(self._traces.items()):
                await self._write(trace_id, trace)
            self._tap()
            if not self._traces:
                self._some.clear()

    async def _write(self, trace_id: int, trace: _Trace) -> None:
        now = self._clock.monotonic()
        over, missing = now >= trace.until, 0
        try:
            while trace.pending or trace.lost:
                piece, count = trace.take()
                missing, trace.lost = trace.lost + count, 0
                sealed = self._seal(piece, sealed_as(trace_id)) if piece else ""
                if not await write_trace(self._db, trace_id, sealed, missing - count):
                    missing += len(trace.pending)
                    trace.pending.clear()
                    await miss_of_trace(self._db, trace_id, missing)
                    over = True
                    break
        except StoreError as error:
            trace.lost += missing
            over = now >= trace.until + LAST_TRIES
            log.warning("a part of a trace could not be kept", trace_id=trace_id, error=str(error))
        if over:
            self._traces.pop(trace_id, None)

    def _tap(self) -> None:
        """Look at the links that a trace is of, and at no others."""
        for link_id, link in self._links.items():
            looked_at = any(trace.wanted.link_id in (None, link_id) for trace in self._traces.values())
            if looked_at and self._tapped.get(link_id) is not link:
                self._tapped[link_id] = link
                link.trace(partial(_Tap, partial(self._saw, link), f"{self._incarnation.number}.", self._streams))
            elif not looked_at and self._tapped.pop(link_id, None) is link:
                link.trace(None)
        for link_id in self._tapped.keys() - self._links.keys():
            del self._tapped[link_id]

    def _saw(
        self, link: Link, stream: str, ends: tuple[tuple[str, int], tuple[str, int]], sent: bool, pdu: bytes
    ) -> None:
        at, now = time.time_ns() // 1000, self._clock.monotonic()
        for trace in self._traces.values():
            wanted = trace.wanted
            if wanted.link_id not in (None, link.link_id) or now >= trace.until:
                continue
            if trace.concerns(stream, sent, pdu):
                shown = masked(pdu, texts=wanted.texts, numbers=wanted.numbers)
                trace.keep(json.dumps([at, link.settings.name, stream, sent, *ends[0], *ends[1], shown.hex()]))


class _Tap:
    """One connection; `payk.smpp_connection.Tap`. What cannot be cut into PDUs is not followed any more."""

    def __init__(
        self,
        saw: Callable[[str, tuple[tuple[str, int], tuple[str, int]], bool, bytes], None],
        prefix: str,
        streams: itertools.count[int],
        connection: SmppConnection,
    ) -> None:
        self._saw = saw
        self._stream = f"{prefix}{next(streams)}"
        self._ends = connection.ends
        self._framers: dict[bool, Framer] = {True: Framer(BOUND_LIMIT), False: Framer(BOUND_LIMIT)}
        self._framers[False].push(connection.session.unread)  # what has arrived of the PDU that goes on

    def received(self, octets: bytes) -> None:
        self._look(False, octets)

    def sent(self, octets: bytes) -> None:
        self._look(True, octets)

    def _look(self, sent: bool, octets: bytes) -> None:
        framer = self._framers.get(sent)
        if framer is None:
            return
        try:
            pdus = framer.feed(octets)
        except FramingError:
            del self._framers[sent]
            return
        for pdu in pdus:
            self._saw(self._stream, self._ends, sent, pdu)
