"""uvicorn's HTTP/1.1 protocol with what the documented API asks of a server besides.

A caller that hangs up is noticed at once. Malformed HTTP gets the documented error body and is closed. Heads are
bounded, and nobody takes for ever to send or to read (payk.web.limits). Targets that are no path (`*`, 100,000
characters) reach the site like any unknown path. Offers to change the protocol are ignored.
"""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from payk.domain.errors import Code
from payk.web.answers import Answer
from payk.web.caller import Caller, peer_address
from payk.web.limits import IF_SLOW, Doorkeeper, Phase, Slowness
from payk.web.problems import Problem, problem_answer

__all__ = ["HttpProtocol", "HttpState"]

_CLOSE = (b"connection", b"close")

HEAD_MAX = 256 * 1024
"""Octets that request line and headers may have; some more pass, for the head is measured between reads."""


HEADERS_MAX = 200
"""Header lines of a request."""


class HttpState(ServerState):
    """What the connections of a server share. `lines` are the headers of every answer, as they are written."""

    def __init__(self, doorkeeper: Doorkeeper) -> None:
        super().__init__()
        self.doorkeeper = doorkeeper
        self.lines = b""


class _Refused(Exception):
    """Raised inside the parser, which ends there."""


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    server_state: HttpState

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the keep-alive timer at once, so that a connection without any request ends too."""
        super().connection_made(transport)
        self._caller = Caller()
        self._octets = 0
        """Of the request that is being received, and of the empty lines before it."""
        self._problem: Problem | None = None
        """Why the parser was stopped amid a head."""
        self.slowness = Slowness()
        self._begun = False
        """A request is being received: its first octet was there, its last one was not."""
        self._in_body = False
        self.app_state = {"caller": self._caller}
        self._idle_since: float | None = self.loop.time()
        self._watch_idleness(self.timeout_keep_alive)
        self._address: str | None = peer_address(self.client)
        if not self.server_state.doorkeeper.admit(self._address):
            self._address = None
            self._close_with(
                Problem(Code.SERVICE_UNAVAILABLE, "There are too many connections at present.", retry_after=1)
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller has left, or we have closed."""
        self._caller.leave()
        if self._address is not None:
            self.server_state.doorkeeper.leave(self._address)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        super().connection_lost(exc)

    def _watch_idleness(self, seconds: float) -> None:
        """One timer a connection, which is not moved with every request: a timer costs as much as a whole head."""
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle for long; of another one, look when it could have been."""
        idle = 0.0 if self._idle_since is None else self.loop.time() - self._idle_since
        if idle >= self.timeout_keep_alive:
            super().timeout_keep_alive_handler()
        elif not self.transport.is_closing():
            self._watch_idleness(self.timeout_keep_alive - idle)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def on_response_complete(self) -> None:
        """Go on with the next request of a pipeline, else the connection is idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle_since = self.loop.time()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        task = self._caller.task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless the head has grown out of all measure."""
        if self._octets > HEAD_MAX and not self._in_body:
            detail = f"The request line and headers are larger than {HEAD_MAX:,} octets; send less."
            self._close_with(Problem(Code.PAYLOAD_TOO_LARGE, detail))
            return
        self._octets += len(data)
        if self._begun:
            self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._go_on_without_upgrade(data[offer.args[0] :])
        except httptools.HttpParserError:
            malformed = Problem(Code.HTTP_INVALID, "What was received is not well-formed HTTP/1.1.")
            self._close_with(self._problem or malformed)

    def on_message_begin(self) -> None:
        """The first octet of a request is there. Empty lines before it are none of it (RFC 9112, section 2.2): whoever
        sends nothing else is idle."""
        self._begun = True
        self._unset_keepalive_if_required()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header; trailers after a body are none of ours.

        What uvicorn does, written out: it runs for every line of a head, and the call would cost more than the work.
        """
        if self._in_body:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Start the request; a target that has no path becomes one that nothing is at."""
        if self.parser.should_upgrade():
            return  # begins anew without the offer
        if len(self.headers) > HEADERS_MAX:
            detail = f"The request has more than {HEADERS_MAX} header lines; send less."
            self._problem = Problem(Code.PAYLOAD_TOO_LARGE, detail)
            raise _Refused
        self._in_body = True
        try:
            super().on_headers_complete()
        except (httptools.HttpParserInvalidURLError, AttributeError):
            self.url = b"*"
            super().on_headers_complete()
        self.scope["state"]["answer"] = partial(self._answer, self.cycle)

    def on_message_complete(self) -> None:
        """The last octet of the request is there."""
        if self.parser.should_upgrade():
            return
        self._begun = self._in_body = False
        self._octets = 0
        super().on_message_complete()

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Read the request once more as if it had not offered to change the protocol (RFC 9110, section 7.8).

        Clients of Java offer h2c with every request. The parser takes what follows the head for the new protocol,
        though it is the body, and is done; so a new one goes on.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._close_with(
                Problem(Code.METHOD_NOT_ALLOWED, "CONNECT is not allowed here.", headers=[(b"allow", b"")])
            )
            return
        lines = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self._octets = 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def progress(self) -> tuple[Phase, object, int]:
        """As payk.web.limits.Watched."""
        unread = self.transport.get_write_buffer_size()
        if unread:
            return Phase.READING, self.cycle, -unread
        if self._in_body:
            return (Phase.IDLE if self.flow.read_paused else Phase.BODY), self.scope, self._octets
        answered = self.cycle is None or self.cycle.response_complete
        return (Phase.HEAD if self._begun and answered else Phase.IDLE), self.scope, self._octets

    def too_slow(self, phase: Phase) -> None:
        """End the connection for its slowness."""
        if phase is Phase.READING:
            self.transport.abort()
            return
        what = "headers" if phase is Phase.HEAD else "body"
        taken = "Nothing was taken." if phase is Phase.HEAD else self.scope.get(IF_SLOW, "Nothing was taken.")
        problem = Problem(Code.REQUEST_TIMEOUT, f"The {what} of the request came too slowly. {taken}")
        if phase is Phase.HEAD:
            self._close_with(problem)
            return
        if not self.cycle.response_complete:
            self._write(problem)
            self.cycle.response_complete = self.cycle.disconnected = True
            self.cycle.message_event.set()  # the site finds that the caller is gone
        self.transport.close()

    def _write(self, problem: Problem) -> None:
        """Write an answer of our own, the last one."""
        request_id = secrets.token_hex(8)
        problem.headers.append(_CLOSE)
        answer = problem_answer(problem, request_id)
        self.transport.write(self._head(answer, request_id) + answer.body)

    def _close_with(self, problem: Problem) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self._write(problem)
        self.transport.close()

    async def _answer(self, cycle: RequestResponseCycle, answer: Answer, request_id: str) -> None:
        """Write a whole answer at once: what uvicorn writes in two events costs three times as much."""
        if self.flow.write_paused and not cycle.disconnected:
            await self.flow.drain()
        if cycle.disconnected:
            return
        if _CLOSE in answer.headers:
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            answer.headers = (*answer.headers, _CLOSE)
        body = b"" if cycle.scope["method"] == "HEAD" else answer.body
        self.transport.write(self._head(answer, request_id) + body)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()

    def _head(self, answer: Answer, request_id: str) -> bytes:
        return b"%b%b%b\r\n" % (STATUS_LINE[answer.status], self.server_state.lines, answer.head(request_id))
