"""Ports for programs that are told theirs and bind them only later."""

from __future__ import annotations

import socket
from random import SystemRandom

__all__ = ["free_port"]

_BELOW_THOSE_OF_CONNECTIONS = range(12_000, 32_000)
"""Linux gives outgoing connections ports from 32768 on: one that port 0 found is soon another one's."""


def free_port() -> int:
    """Of 127.0.0.1, one that nobody has."""
    while True:
        port = SystemRandom().choice(_BELOW_THOSE_OF_CONNECTIONS)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
