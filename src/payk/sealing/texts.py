"""The texts of Otp, sealed: what is stored in the place of a text, and the way back.

    U+0001, then in base64: format (1 octet) | key id (8) | nonce (12) | ciphertext and tag (AES-256-GCM)

Format and key id are 9 octets, which is 12 characters of base64: so a prefix tells under which key a text is sealed.
The number is authenticated with it: whoever can write to the database, and has no key, cannot send a code to another
number. Texts of other types, and those stored before, stand as they are.
"""

from __future__ import annotations

import os
from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Sequence
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from payk.domain.message import SmsType
from payk.sealing.errors import SealError
from payk.sealing.keys import KEY_ID_SIZE, KeyRing, SecretKey

__all__ = ["MARK", "PREFIX_LENGTH", "TextSeal"]

MARK: Final = "\x01"
"""What a sealed text begins with."""
FORMAT: Final = b"\x01"
HEAD_SIZE: Final = len(FORMAT) + KEY_ID_SIZE
PREFIX_LENGTH: Final = len(MARK) + HEAD_SIZE * 4 // 3
"""Characters of a stored text that tell its key."""
NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16


class _Message(Protocol):
    @property
    def sms_type(self) -> SmsType: ...
    @property
    def phone(self) -> str: ...
    @property
    def text(self) -> str: ...


class TextSeal:
    """Seals the texts of Otp while it is `on`, and opens what was sealed in any case."""

    __slots__ = ("_ciphers", "_keys", "on")

    def __init__(self, keys: KeyRing, *, on: bool = False) -> None:
        self._keys = keys
        self._ciphers = {key.key_id: AESGCM(key.derive(b"payk.text")) for key in keys.keys}
        self.on = on
        """Whether everybody who reads texts can open them (payk.store.sealing)."""

    def prefix(self, key: SecretKey) -> str:
        """What every text that is sealed under this key begins with, PREFIX_LENGTH characters."""
        return MARK + b2a_base64(FORMAT + key.key_id, newline=False).decode("ascii")

    def written(self, messages: Sequence[_Message]) -> list[str]:
        """What is to be stored in the place of each text."""
        texts = [message.text for message in messages]
        if not self.on:
            return texts
        codes = [place for place, message in enumerate(messages) if message.sms_type == SmsType.OTP]
        if codes:
            nonces = os.urandom(NONCE_SIZE * len(codes))
            for turn, place in enumerate(codes):
                nonce = nonces[NONCE_SIZE * turn : NONCE_SIZE * (turn + 1)]
                texts[place] = self._seal(texts[place], messages[place].phone, nonce)
        return texts

    def seal(self, text: str, phone: str) -> str:
        """One text, sealed whether `on` or not."""
        return self._seal(text, phone, os.urandom(NONCE_SIZE))

    def open(self, stored: str, phone: str) -> str:
        """The text that stands for an Otp to `phone`. SealError where no key of ours opens it, or it is damaged."""
        if not stored.startswith(MARK):
            return stored
        try:
            sealed = a2b_base64(stored[1:], strict_mode=True)
        except (Error, ValueError):
            return stored  # a text that came while texts were not sealed yet, and begins so by itself
        if len(sealed) < HEAD_SIZE + NONCE_SIZE + TAG_SIZE or sealed[:1] != FORMAT:
            return stored
        head, nonce = sealed[:HEAD_SIZE], sealed[HEAD_SIZE : HEAD_SIZE + NONCE_SIZE]
        cipher = self._ciphers[self._keys.find(head[len(FORMAT) :]).key_id]
        try:
            return cipher.decrypt(nonce, sealed[HEAD_SIZE + NONCE_SIZE :], head + phone.encode()).decode()
        except InvalidTag:
            raise SealError("a stored text is damaged, or was sealed for another number") from None

    def _seal(self, text: str, phone: str, nonce: bytes) -> str:
        key_id = self._keys.current.key_id
        head = FORMAT + key_id
        ciphertext = self._ciphers[key_id].encrypt(nonce, text.encode(), head + phone.encode())
        return MARK + b2a_base64(head + nonce + ciphertext, newline=False).decode("ascii")
