"""What can go wrong with the embedded database."""

from __future__ import annotations

__all__ = ["EmbeddedError"]


class EmbeddedError(Exception):
    """The embedded database cannot be had; str() is one line that says why, and what to do where that can be known."""
