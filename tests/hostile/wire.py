"""A raw connection, and octets put together by hand: nothing of `payk.smpp` has a part in what is sent or expected."""

from __future__ import annotations

import asyncio
import socket
import struct

__all__ = [
    "ALERT_NOTIFICATION",
    "BIND_RECEIVER",
    "BIND_TRANSCEIVER",
    "BIND_TRANSMITTER",
    "CANCEL_SM",
    "DATA_SM",
    "DELIVER_SM",
    "ENQUIRE_LINK",
    "GENERIC_NACK",
    "OUTBIND",
    "QUERY_SM",
    "REPLACE_SM",
    "RESPONSE",
    "SUBMIT_MULTI",
    "SUBMIT_SM",
    "UNBIND",
    "Wire",
    "bind_body",
    "message_body",
    "number_of",
    "pdu",
    "status_of",
    "tlv",
]

GENERIC_NACK = 0x80000000
RESPONSE = 0x80000000
BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER, OUTBIND = 0x01, 0x02, 0x09, 0x0B
QUERY_SM, SUBMIT_SM, DELIVER_SM, UNBIND, REPLACE_SM, CANCEL_SM = 0x03, 0x04, 0x05, 0x06, 0x07, 0x08
ENQUIRE_LINK, SUBMIT_MULTI, ALERT_NOTIFICATION, DATA_SM = 0x15, 0x21, 0x102, 0x103

_PATIENCE = 10.0  # seconds after which a test gives up
_MARK = 0x5AFE5AFE  # sequence number of an enquire_link that ends a list of replies


def pdu(command_id: int, number: int = 1, body: bytes = b"", status: int = 0, length: int | None = None) -> bytes:
    """One PDU; ``length`` in place of its own."""
    return struct.pack(">IIII", 16 + len(body) if length is None else length, command_id, status, number) + body


def number_of(frame: bytes) -> int:
    return int.from_bytes(frame[12:16], "big")


def status_of(frame: bytes) -> int:
    return int.from_bytes(frame[8:12], "big")


def bind_body(system_id: bytes = b"payk", password: bytes = b"payk", version: int = 0x34) -> bytes:
    return system_id + b"\0" + password + b"\0\0" + bytes((version, 0, 0, 0))


def message_body(
    destination: bytes = b"992000000006",
    *,
    service_type: bytes = b"",
    source: bytes = b"AlifBank",
    source_kind: bytes = b"\5\0",
    destination_kind: bytes = b"\1\1",
    esm_class: int = 0,
    before_times: bytes = b"\0\0",
    times: bytes = b"\0\0",
    registered_delivery: int = 0,
    data_coding: int = 0,
    text: bytes = b"code 1234",
    sm_length: int | None = None,
    behind: bytes = b"",
) -> bytes:
    """Of submit_sm and deliver_sm. ``before_times``: protocol_id, priority_flag. ``behind``: what follows the text."""
    head = service_type + b"\0" + source_kind + source + b"\0" + destination_kind + destination + b"\0"
    flags = bytes((esm_class,)) + before_times + times + bytes((registered_delivery, 0, data_coding, 0))
    return head + flags + bytes((len(text) if sm_length is None else sm_length,)) + text + behind


def tlv(tag: int, value: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack(">HH", tag, len(value) if length is None else length) + value


class Wire:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, port: int, address: str = "127.0.0.1") -> Wire:
        """Connect, from an address of this machine."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0)))

    def write(self, *octets: bytes) -> None:
        self._writer.write(b"".join(octets))

    async def drain(self) -> None:
        await self._writer.drain()

    async def frame(self) -> bytes:
        """The next PDU; b"" at the end of the connection."""
        async with asyncio.timeout(_PATIENCE):
            try:
                length = await self._reader.readexactly(4)
                return length + await self._reader.readexactly(int.from_bytes(length, "big") - 4)
            except (asyncio.IncompleteReadError, ConnectionError):
                return b""

    async def ask(self, octets: bytes) -> bytes:
        """Write a request; the frame that comes next."""
        self.write(octets)
        return await self.frame()

    async def replies(self) -> list[bytes]:
        """All that is answered to what was written so far.

        An enquire_link behind it shows that it was read; of the same segment it may be answered first, so another.
        """
        frames: list[bytes] = []
        for mark in (_MARK, _MARK + 1):
            self.write(pdu(ENQUIRE_LINK, mark))
            while (frame := await self.frame()) != pdu(ENQUIRE_LINK | RESPONSE, mark):
                assert frame, f"closed after {frames}"
                frames.append(frame)
        return frames

    async def to_the_end(self) -> list[bytes]:
        """All that comes before the other side closes."""
        frames: list[bytes] = []
        while frame := await self.frame():
            frames.append(frame)
        return frames

    def end_writing(self) -> None:
        """Half-close."""
        self._writer.write_eof()

    def reset(self) -> None:
        """End it as a crash does."""
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def stop_reading(self) -> None:
        """From here on nothing is taken from the socket."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def close(self) -> None:
        self._writer.close()
