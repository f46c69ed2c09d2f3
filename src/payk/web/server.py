"""Serving a site: one listening socket, run inside the event loop that the process already has."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Iterator
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from payk.web.limits import Doorkeeper, HttpLimits
from payk.web.protocol import HttpProtocol, HttpState
from payk.web.tls import ServerTls

__all__ = ["HttpServer", "ListenError", "listen"]

KEEP_ALIVE = 130
"""Seconds that an idle connection is kept: pooled clients fail POSTs on servers that close sooner than they do."""

BACKLOG = 2048


TICKS = 10
"""Of uvicorn, a second."""

_HEADERS = [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")]
_ONLY_TLS = ("strict-transport-security", "max-age=31536000")


class ListenError(Exception):
    """The address cannot be listened on; str() is one line that says which and why."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 = a free one. Connections wait in it until a server runs. Raises ListenError."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as exc:
        raise ListenError(f"cannot listen on {where}: the host is not known here") from exc
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit what follows. Head and body of an answer are two writes: the second must not wait
        # for the peer's acknowledgement of the first. Peers that vanished without a word are found within two minutes.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        raise ListenError(f"cannot listen on {where}: {_reason(exc)}") from exc
    return listener


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is taken by another program; choose another one"
    if error.errno == errno.EACCES:
        return "ports below 1024 need the right to bind them"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address"
    return error.strerror or str(error)


class HttpServer:
    """Serves `app` on `listener`; after `stop` requests under way have `patience` seconds to finish."""

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        *,
        patience: int = 6,
        limits: HttpLimits | None = None,
        tls: ServerTls | None = None,
    ) -> None:
        self._listener = listener
        self.host: str = listener.getsockname()[0]
        self.port: int = listener.getsockname()[1]
        self._server = _Server(
            uvicorn.Config(
                app,
                http=HttpProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=patience,
                headers=[*_HEADERS, *([_ONLY_TLS] if tls is not None else [])],
            ),
            limits or HttpLimits(),
            tls,
        )

    async def run(self) -> None:
        """Serve until `stop`; returns when the last request has been answered or given up."""
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            self._listener.close()

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._server.server_state.connections)

    def stop(self) -> None:
        """Take no more connections and let `run` return."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, for signals are the process's business; with our limits and our TLS."""

    server_state: HttpState

    def __init__(self, config: uvicorn.Config, limits: HttpLimits, tls: ServerTls | None) -> None:
        super().__init__(config)
        self._doorkeeper = Doorkeeper(limits, time.monotonic)
        self._tls = tls
        self.server_state = HttpState(self._doorkeeper)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen. As uvicorn does, but for TLS, whose handshake gets as long as a head."""
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {}
        if self._tls is not None:
            tls = {"ssl": self._tls.context, "ssl_handshake_timeout": self._doorkeeper.limits.head_timeout}
        self.servers = [
            await loop.create_server(self._protocol, sock=listener, backlog=BACKLOG, **tls)
            for listener in sockets or ()
        ]
        self.started = True

    def _protocol(self) -> HttpProtocol:
        return HttpProtocol(self.config, self.server_state, {})

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        stops = await super().on_tick(counter)
        if counter % TICKS == 0:
            headers = self.server_state.default_headers
            self.server_state.lines = b"".join([b"%b: %b\r\n" % header for header in headers])
            self._doorkeeper.look(cast("list[HttpProtocol]", list(self.server_state.connections)))
            if self._tls is not None and counter % (60 * TICKS) == 0:
                self._tls.refresh()
        return stops

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
