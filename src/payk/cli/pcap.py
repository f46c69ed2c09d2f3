"""A capture file (pcap, link type RAW) of PDUs, one or more IP packets each, for Wireshark and tshark.

Only the PDUs are real: the packets that carry them are made here, a stream of TCP in both directions per connection,
whose sequence numbers count what is in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from struct import pack
from typing import Final

__all__ = ["Capture", "Seen"]

MAGIC: Final = pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101)
"""The head of a file: microseconds, version 2.4, UTC, packets of up to 65,535 octets, LINKTYPE_RAW."""
_SEGMENT: Final = 1_400
"""Octets of SMPP in one packet."""
_TCP: Final = 6
_PSH_ACK: Final = 0x18


@dataclass(frozen=True, slots=True)
class Seen:
    """A PDU; `at` in microseconds since 1970, addresses as (host, port), `sent` by the centre."""

    at: int
    stream: str
    sent: bool
    ours: tuple[str, int]
    theirs: tuple[str, int]
    pdu: bytes


class Capture:
    """The octets of a file: `head`, then those of each PDU."""

    head: Final = MAGIC

    def __init__(self) -> None:
        self._next: dict[tuple[str, bool], int] = {}
        """The next sequence number of each stream, by who sends."""

    def add(self, seen: Seen) -> bytes:
        """The packets of one PDU."""
        seconds, microseconds = divmod(seen.at, 1_000_000)
        packets = [
            pack("<IIII", seconds, microseconds, len(packet), len(packet)) + packet for packet in self._packets(seen)
        ]
        return b"".join(packets)

    def _packets(self, seen: Seen) -> Iterator[bytes]:
        source, destination = (seen.ours, seen.theirs) if seen.sent else (seen.theirs, seen.ours)
        here, there = (seen.stream, seen.sent), (seen.stream, not seen.sent)
        for start in range(0, len(seen.pdu), _SEGMENT):
            part = seen.pdu[start : start + _SEGMENT]
            sequence, acknowledged = self._next.get(here, 1), self._next.get(there, 1)
            yield _packet(source, destination, sequence, acknowledged, part)
            self._next[here] = (sequence + len(part)) % 2**32


def _packet(
    source: tuple[str, int], destination: tuple[str, int], sequence: int, acknowledged: int, payload: bytes
) -> bytes:
    ends = ip_address(source[0]), ip_address(destination[0])
    addresses = ends[0].packed + ends[1].packed
    ports = pack("!HH", source[1], destination[1])
    head = pack("!IIBBH", sequence, acknowledged, 5 << 4, _PSH_ACK, 65_535)
    segment = ports + head + pack("!HH", 0, 0) + payload
    checksum = _checksum(addresses + pack("!II", len(segment), _TCP) + segment)
    segment = ports + head + pack("!HH", checksum, 0) + payload
    if ends[0].version == 6:
        return pack("!IHBB", 6 << 28, len(segment), _TCP, 64) + addresses + segment
    ip = pack("!BBHHHBB", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, _TCP)
    return ip + pack("!H", _checksum(ip + bytes(2) + addresses)) + addresses + segment


def _checksum(octets: bytes) -> int:
    """Of the Internet (RFC 1071)."""
    if len(octets) % 2:
        octets += b"\x00"
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
