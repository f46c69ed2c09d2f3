"""Words of others on a terminal: a reason, a label or a name may hold what steers it."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """`text` with a sign in place of each character that is none to be seen."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
