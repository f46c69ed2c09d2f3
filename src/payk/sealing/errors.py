"""What can go wrong with what is sealed."""

from __future__ import annotations

__all__ = ["KeyUnknown", "SealError"]


class SealError(Exception):
    """Something sealed cannot be opened; str() says why and quotes nothing of it."""


class KeyUnknown(SealError):
    """It is sealed under a key that this process was not given: with that key as well it can be opened."""
