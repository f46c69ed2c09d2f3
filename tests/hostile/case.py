"""What a peer sends, and what is to come of it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Case"]


@dataclass(frozen=True)
class Case:
    """``item`` is that of section 8 of our notes on SMPP; ``counted`` says how many errors the peer has made by it."""

    item: int
    name: str
    octets: bytes
    replies: tuple[bytes, ...] = ()
    closes: bool = False
    counted: int = 0
    told: str | None = None
    """A part of what the log says of it."""

    def __str__(self) -> str:
        return f"{self.item:02} {self.name}"
