"""What can go wrong with what is sealed."""

from __future__ import annotations

__all__ = ["SealError"]


class SealError(Exception):
    """Something sealed cannot be opened; str() says why and quotes nothing of it."""
