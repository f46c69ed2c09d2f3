"""How secrets that must be read again are sealed; payk.registry.secrets.SecretBox is one."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Sealer"]


class Sealer(Protocol):
    """Seals and opens a secret under the secret key of the centre."""

    def seal(self, secret: str, /) -> bytes:
        """Encrypt."""

    def open(self, sealed: bytes, /) -> str:
        """Decrypt what `seal` gave."""
