"""Cutting the byte stream into PDUs (SMPP 3.4 section 3.2)."""

from __future__ import annotations

from struct import Struct
from typing import Final

from payk.smpp.errors import FramingError

__all__ = ["BOUND_LIMIT", "HEADER_SIZE", "UNBOUND_LIMIT", "Framer"]

HEADER_SIZE: Final = 16
UNBOUND_LIMIT: Final = 1024
"""Octets of the largest PDU before the bind is accepted; a bind has at most 98."""
BOUND_LIMIT: Final = 70_000
"""Octets of the largest PDU of a bound session: 65,535 of message_payload and the rest."""

_HEAD_LOGGED: Final = 64
_command_length: Final = Struct(">I").unpack_from


class Framer:
    """A length-delimited accumulator. It holds what has arrived, never what a length announces.

    ``limit`` (octets of one PDU) may be raised at any time and counts for the frames not yet taken.
    """

    __slots__ = ("_buffer", "limit")

    def __init__(self, limit: int = UNBOUND_LIMIT) -> None:
        self.limit = limit
        self._buffer = bytearray()

    @property
    def buffered(self) -> int:
        """Octets that have arrived and were not yet taken."""
        return len(self._buffer)

    @property
    def rest(self) -> bytes:
        """Those octets."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Add octets and take every PDU that is complete. `FramingError` as `take` raises it."""
        self.push(data)
        return self.take()

    def push(self, data: bytes) -> None:
        """Add octets without looking at them."""
        self._buffer += data

    def take(self) -> list[bytes]:
        """The complete PDUs; they are gone from the buffer.

        Raises `FramingError` if the first PDU has a length below 16 or above the limit. PDUs before such a one are
        given first, without an error: one of them may be the bind that raises the limit.
        """
        buffer, limit = self._buffer, self.limit
        octets = b""
        frames: list[bytes] = []
        start = 0
        available = len(buffer)
        while available - start >= 4:
            (length,) = _command_length(buffer, start)
            if not HEADER_SIZE <= length <= limit:
                if frames:
                    break
                raise self._impossible(length)
            if available - start < length:
                break
            if not frames:
                octets = bytes(buffer)  # whose slices are copied once, those of a bytearray twice
            frames.append(octets[start : start + length])
            start += length
        if start:
            del buffer[:start]
        return frames

    def _impossible(self, length: int) -> FramingError:
        head = bytes(self._buffer[:_HEAD_LOGGED])
        command_id = sequence_number = None
        if len(head) >= HEADER_SIZE:
            command_id = int.from_bytes(head[4:8], "big")
            sequence_number = int.from_bytes(head[12:16], "big")
        return FramingError(
            f"command_length {length} is not between {HEADER_SIZE} and {self.limit}",
            head=head,
            command_id=command_id,
            sequence_number=sequence_number,
        )
