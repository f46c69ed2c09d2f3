"""TLS of a client without I/O: plain octets on one side, sealed ones on the other."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Final

__all__ = ["Tls"]

_MOST: Final = 256 * 1024  # octets of one read


class Tls:
    """What is to be sent comes out of `data_to_send`, `seal` and `farewell`, whatever was given in."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.established = False
        """The two have agreed; before that nothing can be sealed."""
        self.ended = False
        """The peer has said that nothing more comes."""

    def open(self, sealed: bytes) -> bytes:
        """Octets of the peer, cut anywhere; b"" to begin. Raises `ssl.SSLError`."""
        self._incoming.write(sealed)
        opened: list[bytes] = []
        try:
            if not self.established:
                self._tls.do_handshake()
                self.established = True
            while octets := self._tls.read(_MOST):
                opened.append(octets)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return b"".join(opened)

    def seal(self, octets: bytes | bytearray | memoryview) -> bytes:
        """Octets for the peer."""
        self._tls.write(octets)
        return self.data_to_send()

    def farewell(self) -> bytes:
        """Say that nothing more comes."""
        with suppress(ssl.SSLError):  # it wants the peer's farewell as well, or was never established
            self._tls.unwrap()
        return self.data_to_send()

    def data_to_send(self) -> bytes:
        """What TLS itself has to say."""
        return self._outgoing.read()
