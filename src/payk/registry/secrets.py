"""Encryption of secrets that must be read again: the passwords of links. API keys are hashed, not encrypted."""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from payk.registry.errors import SecretError

__all__ = ["SecretBox"]

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16
FORMAT: Final = b"\x01"
"""The first octet of a sealed secret: AES-256-GCM, then 12 octets of nonce, then the ciphertext with its tag."""


class SecretBox:
    """Seals and opens secrets under one key of 32 octets (PAYK_SECRET_KEY)."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise SecretError(f"the secret key has {len(key)} octets; it must have {KEY_SIZE}, which is 64 hex digits")
        self._cipher = AESGCM(key)

    def seal(self, secret: str) -> bytes:
        """Encrypt; the same secret gives other octets every time."""
        nonce = os.urandom(NONCE_SIZE)
        return FORMAT + nonce + self._cipher.encrypt(nonce, secret.encode(), FORMAT)

    def open(self, sealed: bytes) -> str:
        """Decrypt what `seal` gave. SecretError where it was sealed under another key, or is damaged."""
        if sealed[:1] != FORMAT or len(sealed) < len(FORMAT) + NONCE_SIZE + TAG_SIZE:
            raise SecretError("this is no secret that Payk has sealed")
        nonce, ciphertext = sealed[1 : 1 + NONCE_SIZE], sealed[1 + NONCE_SIZE :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, FORMAT).decode()
        except InvalidTag:
            raise SecretError(
                "a stored secret was sealed under another key; is PAYK_SECRET_KEY the right one?"
            ) from None
