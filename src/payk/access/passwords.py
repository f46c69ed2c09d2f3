"""Passwords: argon2id, in threads, the same work whether there is a user or not."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from payk.access.errors import ValueInvalid

__all__ = ["Passwords", "check_password"]

SHORTEST: Final = 12
LONGEST: Final = 1_024
AT_ONCE: Final = 2
"""Each takes 64 MiB and some ten milliseconds of a core."""


def check_password(password: str, name: str) -> None:
    """Raise ValueInvalid unless this may be the password of that user."""
    allowed = f"{SHORTEST} to {LONGEST} characters, not the name"
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValueInvalid("password", f"it has {len(password)} characters", f"allowed are {allowed}")
    if name.casefold() in password.casefold() and len(password) - len(name) < SHORTEST // 2:
        raise ValueInvalid("password", "it is little more than the name", f"allowed are {allowed}")


class Passwords:
    """Hashes and verifies, a few at once."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """What is stored of a password."""
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the password; with None, that of nobody, never, after the same work."""
        if stored is None and self._nobodys is None:
            self._nobodys = await self.hash(secrets.token_urlsafe())
        async with self._room:
            right = await asyncio.to_thread(self._is_right, stored or self._nobodys or "", password)
        return right and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether it was hashed with other parameters than ours."""
        return self._hasher.check_needs_rehash(stored)

    def _is_right(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
