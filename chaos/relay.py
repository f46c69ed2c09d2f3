"""Connections that lead through us and that we can harm: cut, or let fall silent with their sockets still there.

Octets are passed on as they come. Nobody is slowed down here: windows and requests keep small what is under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

__all__ = ["Network", "Relay"]

Transport = asyncio.Transport


class Relay(asyncio.Protocol):
    """One connection. Subclasses look at what passes; what they return is passed on."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._client: Transport | None = None
        self._server: Transport | None = None
        self._early: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None
        self._over = False
        self.silent = False
        """Nothing is passed on any more, neither octets nor the end of either side."""

    # -- for subclasses

    def opened(self) -> None:
        """A client has come."""

    def from_client(self, data: bytes) -> bytes:
        return data

    def from_server(self, data: bytes) -> bytes:
        return data

    def ended(self) -> None:
        """The server has seen the end of it, or made it. Called once."""

    # -- harm

    def cut(self) -> None:
        """Both sides see it end."""
        if self._connecting is not None:
            self._connecting.cancel()
        for end in (self._client, self._server):
            if end is not None:
                end.abort()
        self._close()

    def socket(self) -> Any:
        """The client's."""
        assert self._client is not None
        return self._client.get_extra_info("socket")

    def peername(self) -> Any:
        """The client's."""
        assert self._client is not None
        return self._client.get_extra_info("peername")

    # -- asyncio.Protocol, of the client's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = cast(Transport, transport)
        self._network.relays.add(self)
        self.opened()
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        data = self.from_client(data)
        if self.silent or not data:
            return
        if self._server is None:
            self._early.append(data)
        else:
            self._server.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client = None
        if self.silent:
            return
        if self._server is None:
            self.cut()
        else:
            self._server.close()  # what the client wrote before its end goes first

    # -- of the server's side

    async def _connect(self) -> None:
        try:
            transport = await self._network.connect(lambda: _ServerSide(self))
        except OSError:
            self.cut()
            return
        self._server = cast(Transport, transport)
        if not self.silent:
            self._server.writelines(self._early)
        self._early.clear()

    def server_received(self, data: bytes) -> None:
        data = self.from_server(data)
        if not self.silent and self._client is not None and data:
            self._client.write(data)

    def server_lost(self) -> None:
        self._server = None
        if not self.silent and self._client is not None:
            self._client.close()
        self._close()

    def _close(self) -> None:
        if not self._over:
            self._over = True
            self.ended()
        if self._client is None or not self.silent:
            self._network.relays.discard(self)


class _ServerSide(asyncio.Protocol):
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def data_received(self, data: bytes) -> None:
        self._relay.server_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._relay.server_lost()


class Network:
    """What leads to one server, with every connection over it."""

    def __init__(self) -> None:
        self.relays: set[Relay] = set()

    async def connect(self, protocol: Callable[[], asyncio.Protocol]) -> asyncio.BaseTransport:
        """A new connection to the server. OSError."""
        raise NotImplementedError

    def cut(self, where: Callable[[Any], bool]) -> int:
        """End connections; how many."""
        relays = [relay for relay in self.relays if where(relay)]
        for relay in relays:
            relay.cut()
        return len(relays)

    async def silence(self, where: Callable[[Any], bool], seconds: float) -> int:
        """Let connections fall silent for this time; then both sides see them end. How many there were."""
        relays = [relay for relay in self.relays if where(relay)]
        for relay in relays:
            relay.silent = True
        await asyncio.sleep(seconds)
        for relay in relays:
            relay.cut()
            self.relays.discard(relay)
        return len(relays)
