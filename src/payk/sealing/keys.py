"""The secret keys that a process was given: one that seals, and others that still open what was sealed before.

A rotation goes by way of the database (payk.store.sealing): it says which key seals, so that nobody seals under a key
that another process does not know yet.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from payk.sealing.errors import KeyUnknown, SealError

__all__ = ["KEY_ID_SIZE", "KEY_SIZE", "KeyRing", "SecretKey"]

KEY_SIZE: Final = 32
KEY_ID_SIZE: Final = 8


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key of 32 octets. Its id may be shown and stored: it says nothing of the key."""

    octets: bytes = field(repr=False)
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        if len(self.octets) != KEY_SIZE:
            raise SealError(
                f"the secret key has {len(self.octets)} octets; it must have {KEY_SIZE}, which is 64 hex digits"
            )
        object.__setattr__(self, "key_id", hmac.digest(self.octets, b"payk.secret.id", "sha256")[:KEY_ID_SIZE])

    def derive(self, label: bytes) -> bytes:
        """A key of 32 octets for one purpose (HKDF with SHA-256, RFC 5869)."""
        return HKDF(SHA256(), KEY_SIZE, salt=None, info=label).derive(self.octets)


class KeyRing:
    """PAYK_SECRET_KEY, then PAYK_OLD_SECRET_KEYS. The first one seals, until `use` says otherwise."""

    __slots__ = ("current", "keys")

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.keys = tuple(SecretKey(octets) for octets in dict.fromkeys(keys))
        self.current = self.keys[0]
        """The key that seals."""

    @property
    def first(self) -> SecretKey:
        """PAYK_SECRET_KEY: the key that is to seal, once a rotation has said so."""
        return self.keys[0]

    @property
    def ids(self) -> list[bytes]:
        """The ids of all keys."""
        return [key.key_id for key in self.keys]

    def use(self, key_id: bytes) -> None:
        """Seal under this key from now on. KeyUnknown where it is none of ours."""
        self.current = self.find(key_id)

    def find(self, key_id: bytes) -> SecretKey:
        """The key with this id. KeyUnknown where it is none of ours."""
        for key in self.keys:
            if key.key_id == key_id:
                return key
        known = ", ".join(key.key_id.hex() for key in self.keys)
        raise KeyUnknown(f"it is sealed under the secret key {key_id.hex()}, and this process has {known}")
