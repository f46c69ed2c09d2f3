"""network_error_code: why the network of the subscriber did not take a message (SMPP 3.4, 5.3.2.31).

Three octets: which kind of network speaks, and its own code. Some operators write a number in three ASCII digits
instead. Nothing in it can make it unreadable: what has another length comes out as it stands, in hex.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["NetworkError", "parse_network_error"]

_NETWORKS: Final[Mapping[int, str]] = {
    1: "ANSI-136 access denied",
    2: "IS-95 access denied",
    3: "GSM",
    # 5.0 only
    4: "ANSI-136 cause",
    5: "IS-95 cause",
    6: "ANSI-41",
    7: "SMPP",
    8: "MC-specific",
}
_LENGTH: Final = 3


@dataclass(frozen=True, slots=True)
class NetworkError:
    """A network_error_code, taken apart."""

    network: str | None
    """Which network speaks, such as "GSM"; ``0x09`` for a kind of no table; None where it does not say."""
    code: int | str
    """The network's own code; all octets in hex, ``0x0301``, where there are not three of them."""


def parse_network_error(octets: bytes) -> NetworkError:
    """What a network_error_code says, for any octets. Never raises."""
    if len(octets) != _LENGTH:
        return NetworkError(None, f"0x{octets.hex()}")
    if octets.isdigit():
        return NetworkError(None, int(octets))
    kind, code = octets[0], int.from_bytes(octets[1:], "big")
    return NetworkError(_NETWORKS.get(kind) or f"0x{kind:02X}", code)
