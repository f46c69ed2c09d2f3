"""The other end of a connection: whether it is still there, and which address is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from types import TracebackType

from starlette.types import Scope

__all__ = ["Caller", "HungUp", "Network", "caller_address", "forwarded_for", "is_within", "peer_address"]

Network = IPv4Network | IPv6Network

LOCAL = "local"
"""Stands for the peer of a Unix socket, which has no address."""


class HungUp(Exception):
    """The caller closed the connection; nobody is left to answer."""


class Caller:
    """The peer of one connection. The server sets `task`, which answers the present request, and calls `leave` when the
    connection closes.
    """

    def __init__(self) -> None:
        self.gone = False
        self.task: asyncio.Task[object] | None = None
        self._waiting: asyncio.Task[object] | None = None

    def leave(self) -> None:
        """The peer has closed the connection: what waits for it is cancelled."""
        self.gone = True
        if self._waiting is not None:
            self._waiting.cancel()

    def __enter__(self) -> None:
        """While the block runs, the caller's hanging up stops it with HungUp."""
        if self.gone:
            raise HungUp
        self._waiting = self.task

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self._waiting = self._waiting, None
        if isinstance(error, asyncio.CancelledError) and self.gone and task is not None and task.uncancel() == 0:
            raise HungUp from None


def peer_address(peer: tuple[str, int] | None) -> str:
    """The address of the other end of a connection in its one spelling; LOCAL where it has none."""
    return LOCAL if peer is None else _normal(peer[0]) or LOCAL


def caller_address(scope: Scope, trusted: Sequence[Network]) -> str:
    """The TCP peer's address, or, where that is a trusted proxy, the right-most untrusted entry of X-Forwarded-For."""
    address = peer_address(scope["client"])
    if not is_within(address, trusted):
        return address
    for entry in reversed(forwarded_for(scope).decode("latin-1").split(",")):
        written = _normal(_without_port(entry.strip()))
        if written is None:  # what a proxy of ours did not write is not to be believed
            return address
        address = written
        if not is_within(address, trusted):
            return address
    return address


def forwarded_for(scope: Scope) -> bytes:
    """X-Forwarded-For as it came, whoever wrote it; one that came twice is one list."""
    return b",".join([value for name, value in scope["headers"] if name == b"x-forwarded-for"])


def _normal(written: str) -> str | None:
    """An address in its one spelling, an IPv4 address mapped into IPv6 as itself; None for what is none."""
    try:
        address = ip_address(written)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _without_port(entry: str) -> str:
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def is_loopback(address: str) -> bool:
    """Whether an address, as peer_address gives it, is of this machine: loopback, or a Unix socket's peer."""
    return address == LOCAL or ip_address(address).is_loopback


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address, as caller_address gives it, is in one of the networks. A Unix socket's peer is in none."""
    if not networks or address == LOCAL:
        return False
    parsed = ip_address(address)
    return any(parsed in network for network in networks)
