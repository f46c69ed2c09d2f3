"""Encryption of secrets that must be read again: the passwords of links. API keys are hashed, not encrypted."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from payk.registry.errors import SecretError
from payk.sealing import KeyRing, SealError, SecretKey

__all__ = ["BOUND", "SecretBox"]

NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16
FORMAT: Final = b"\x01"
"""The first octet of a sealed secret: AES-256-GCM, then 12 octets of nonce, then the ciphertext with its tag. Which key
it was is found by trying: there are few secrets and few keys."""
BOUND: Final = b"\x02"
"""Of one that is sealed for a place, which is authenticated with it; else as FORMAT."""
NONCES: Final = b"payk: nonces of what is sealed for a place"


class SecretBox:
    """Seals secrets under the current key of a ring (or under one of 32 octets, PAYK_SECRET_KEY); all its keys open."""

    __slots__ = ("_ciphers", "_keys")

    def __init__(self, keys: KeyRing | bytes) -> None:
        try:
            self._keys = KeyRing([keys]) if isinstance(keys, bytes) else keys
        except SealError as error:
            raise SecretError(str(error)) from error
        self._ciphers = {key.key_id: AESGCM(key.octets) for key in self._keys.keys}

    def seal(self, secret: str) -> bytes:
        """Encrypt; the same secret gives other octets every time."""
        nonce = os.urandom(NONCE_SIZE)
        return FORMAT + nonce + self._ciphers[self._keys.current.key_id].encrypt(nonce, secret.encode(), FORMAT)

    def seal_for(self, place: bytes, secret: str) -> bytes:
        """Encrypt for one place; the same secret for the same place gives the same octets, so files can be compared.

        The nonce is made of both under a key of its own, so none is used for two secrets or two places.
        """
        key = self._keys.current
        made_of = len(place).to_bytes(4, "big") + place + secret.encode()
        nonces = hmac.digest(key.octets, NONCES, hashlib.sha256)
        nonce = hmac.digest(nonces, made_of, hashlib.sha256)[:NONCE_SIZE]
        return BOUND + nonce + self._ciphers[key.key_id].encrypt(nonce, secret.encode(), BOUND + place)

    def open_for(self, place: bytes, sealed: bytes) -> str:
        """Decrypt what `seal_for` gave for the same place. SecretError as `open`, and where it was another place."""
        return self._opened(sealed, BOUND, place)[1]

    def open(self, sealed: bytes) -> str:
        """Decrypt what `seal` gave. SecretError where it was sealed under a key that is none of ours, or is damaged."""
        return self._opened(sealed)[1]

    def key_of(self, sealed: bytes) -> SecretKey:
        """The key that opens it. SecretError as `open`."""
        return self._opened(sealed)[0]

    def _opened(self, sealed: bytes, form: bytes = FORMAT, place: bytes = b"") -> tuple[SecretKey, str]:
        if sealed[:1] != form or len(sealed) < len(form) + NONCE_SIZE + TAG_SIZE:
            raise SecretError("this is no secret that Payk has sealed")
        nonce, ciphertext = sealed[1 : 1 + NONCE_SIZE], sealed[1 + NONCE_SIZE :]
        for key in self._keys.keys:
            try:
                return key, self._ciphers[key.key_id].decrypt(nonce, ciphertext, form + place).decode()
            except InvalidTag:
                continue
        raise SecretError("a stored secret was sealed under another key; is PAYK_SECRET_KEY the right one?")
