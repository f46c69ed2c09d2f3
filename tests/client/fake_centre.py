"""A server that answers as it is told and remembers what it was asked: an SMS centre as the SDK sees it."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["DROP", "Answer", "FakeCentre", "Request", "running_centre"]


@dataclass(frozen=True)
class Answer:
    """What the next request is told; `body` is sent as JSON unless it is text."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


DROP = Answer(status=0)
"""Read the request whole, then close the connection without a word."""


@dataclass(frozen=True)
class Request:
    """What a caller asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class FakeCentre:
    """`answers` are given in turn, the last one for ever; `requests` in the order they came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: deque[Answer] = deque()
        self.requests: list[Request] = []

    def will_answer(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    def take(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]


@contextmanager
def running_centre() -> Iterator[FakeCentre]:
    """A centre on a free port of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            octets = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told = centre.take(Request(self.command, self.path, headers, json.loads(octets) if octets else None))
            if told is DROP:
                self.close_connection = True
                return
            body = told.body.encode() if isinstance(told.body, str) else json.dumps(told.body).encode()
            self.send_response(told.status)
            kind = "text/html" if isinstance(told.body, str) else "application/json; charset=utf-8"
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **told.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        centre = FakeCentre(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield centre
        finally:
            server.shutdown()
            thread.join()
