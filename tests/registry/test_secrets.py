"""Sealed passwords: open under the same key only, and never readable without it."""

from __future__ import annotations

import os

import pytest

from payk.registry.errors import SecretError
from payk.registry.secrets import SecretBox


@pytest.mark.parametrize("secret", ["", "payk", "пароль", "x" * 64])
def test_what_is_sealed_opens_again(secret: str) -> None:
    box = SecretBox(os.urandom(32))
    sealed = box.seal(secret)
    assert box.open(sealed) == secret
    assert not secret or secret.encode() not in sealed


def test_what_is_sealed_for_a_place_opens_there_alone() -> None:
    box, other = SecretBox(bytes(range(32))), SecretBox(bytes(32))
    sealed = box.seal_for(b"a", "payk")
    assert box.open_for(b"a", sealed) == "payk"
    assert sealed == box.seal_for(b"a", "payk"), "files can be compared"
    assert len({sealed[1:13], box.seal_for(b"b", "payk")[1:13], box.seal_for(b"a", "pay")[1:13]}) == 3, "nonces"
    for wrong in (lambda: box.open_for(b"b", sealed), lambda: box.open(sealed), lambda: other.open_for(b"a", sealed),
                  lambda: box.open_for(b"a", box.seal("payk"))):  # fmt: skip
        with pytest.raises(SecretError):
            wrong()


def test_the_same_secret_is_sealed_differently_every_time() -> None:
    box = SecretBox(os.urandom(32))
    assert box.seal("payk") != box.seal("payk")


def test_another_key_does_not_open_it() -> None:
    sealed = SecretBox(os.urandom(32)).seal("payk")
    with pytest.raises(SecretError, match="another key; is PAYK_SECRET_KEY the right one"):
        SecretBox(os.urandom(32)).open(sealed)


def test_every_changed_octet_is_noticed() -> None:
    box = SecretBox(os.urandom(32))
    sealed = box.seal("payk")
    for position in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[position] ^= 1
        with pytest.raises(SecretError):
            box.open(bytes(damaged))
    for length in range(len(sealed)):
        with pytest.raises(SecretError):
            box.open(sealed[:length])


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(SecretError, match=f"has {size} octets; it must have 32, which is 64 hex digits"):
        SecretBox(bytes(size))
