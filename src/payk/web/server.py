"""Serving a site: one listening socket, run inside the event loop that the process already has."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from payk.web.protocol import HttpProtocol

__all__ = ["HttpServer", "ListenError", "listen"]

KEEP_ALIVE = 130
"""Seconds that an idle connection is kept: pooled clients fail POSTs on servers that close sooner than they do."""

BACKLOG = 2048


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

    def __init__(self, app: ASGIApp, listener: socket.socket, *, patience: int = 6) -> None:
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
            )
        )

    async def run(self) -> None:
        """Serve until `stop`; returns when the last request has been answered or given up."""
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            self._listener.close()

    def stop(self) -> None:
        """Take no more connections and let `run` return."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals are the process's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
