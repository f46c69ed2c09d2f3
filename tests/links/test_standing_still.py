"""A process that stood still for longer than its lease: what lay in it is not written when it goes on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from payk.clock import Clock
from payk.smpp import BindTransceiverResp, encode

REPOSITORY = Path(__file__).parents[2]


def read_all(peer: socket.socket, quiet: float) -> bytes:
    """What comes until nothing did for so long, or the end."""
    peer.settimeout(quiet)
    read = bytearray()
    try:
        while octets := peer.recv(1 << 20):
            read += octets
    except (TimeoutError, ConnectionResetError):
        pass
    return bytes(read)


def test_what_the_system_had_not_taken_is_not_written() -> None:
    """The operator reads again while the process stands still: a socket that takes octets is all that it wakes to."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        link = subprocess.Popen(
            [sys.executable, "-m", "tests.links.filled_link", str(listener.getsockname()[1])],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        peer, _ = listener.accept()
    with link, peer:
        assert peer.recv(1000)
        peer.sendall(encode(BindTransceiverResp("smsc", sequence_number=1)))
        assert link.stdout is not None
        lease_ends = float(link.stdout.readline())
        os.kill(link.pid, signal.SIGSTOP)
        try:
            assert Clock().monotonic() < lease_ends, "stopped too late to tell anything"
            time.sleep(lease_ends - Clock().monotonic() + 0.1)
            assert len(read_all(peer, 0.3)) > 8_192
            os.kill(link.pid, signal.SIGCONT)
            assert read_all(peer, 5.0) == b""
        finally:
            link.kill()
