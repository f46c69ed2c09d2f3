"""UCS-2 as SMS networks speak it: UTF-16BE without a byte order mark, surrogate pairs for what lies beyond the BMP."""

from __future__ import annotations

from payk.text.errors import UnencodableError

__all__ = ["decode", "encode"]


def encode(text: str) -> bytes:
    """`text` as UTF-16BE. Raises UnencodableError for a lone surrogate."""
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError as exc:
        raise UnencodableError(text[exc.start], exc.start, "UCS-2") from exc


def decode(octets: bytes) -> str:
    """The text of UTF-16BE octets; never fails.

    Peers differ: the last octet of an odd number is dropped, a byte order mark is taken off, octets that start with the
    little-endian one are read so, and a lone surrogate becomes U+FFFD.
    """
    whole = octets[: len(octets) & ~1]
    if whole.startswith(b"\xff\xfe"):
        return whole[2:].decode("utf-16-le", "replace")
    return whole.removeprefix(b"\xfe\xff").decode("utf-16-be", "replace")
