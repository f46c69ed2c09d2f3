"""Texts of Otp in their sealed form."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from payk.domain.message import SmsType
from payk.sealing import KeyRing, SealError, TextSeal
from payk.sealing.texts import MARK, PREFIX_LENGTH
from tests.store.rows import new_message

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
CODE = new_message(client_id=1, queue_id=1, text="Ваш код: 12345", sms_type=SmsType.OTP)


def seal(*keys: bytes, on: bool = True) -> TextSeal:
    return TextSeal(KeyRing(keys), on=on)


def test_a_code_is_sealed_and_opened_and_other_types_stand_as_they_are() -> None:
    common = replace(CODE, sms_type=SmsType.COMMON)
    written = seal(OLD).written([CODE, common, CODE])
    assert written[1] == CODE.text
    assert written[0] != written[2], "two nonces"
    for stored in (written[0], written[2]):
        assert "12345" not in stored and stored.isascii()
        assert seal(OLD).open(stored, CODE.phone) == CODE.text


def test_nothing_is_sealed_before_everybody_can_open_it() -> None:
    assert seal(OLD, on=False).written([CODE]) == [CODE.text]


def test_a_text_that_was_stored_in_the_clear_is_read() -> None:
    for text in ("", "Ваш код: 12345", MARK, f"{MARK}no base64", MARK + base64.b64encode(bytes(60)).decode()):
        assert seal(OLD).open(text, CODE.phone) == text


def test_a_code_that_looks_like_a_sealed_one_is_sealed_like_any_other() -> None:
    once = seal(OLD).seal("12345", CODE.phone)
    [twice] = seal(OLD).written([replace(CODE, text=once)])
    assert seal(OLD).open(twice, CODE.phone) == once


def test_a_code_belongs_to_its_number() -> None:
    stored = seal(OLD).seal(CODE.text, CODE.phone)
    with pytest.raises(SealError, match="damaged, or was sealed for another number"):
        seal(OLD).open(stored, "992900000666")


def test_an_old_key_opens_and_the_first_one_seals() -> None:
    old, both = seal(OLD), seal(NEW, OLD)
    assert both.open(old.seal(CODE.text, CODE.phone), CODE.phone) == CODE.text
    [stored] = both.written([CODE])
    with pytest.raises(SealError, match="it is sealed under the secret key") as raised:
        old.open(stored, CODE.phone)
    assert CODE.text not in str(raised.value)


def test_the_key_is_told_by_a_prefix() -> None:
    keys = KeyRing([NEW, OLD])
    texts = TextSeal(keys, on=True)
    for key in keys.keys:
        keys.use(key.key_id)
        stored = texts.seal(CODE.text, CODE.phone)
        assert [stored.startswith(texts.prefix(each)) for each in keys.keys] == [each is key for each in keys.keys]
        assert len(texts.prefix(key)) == PREFIX_LENGTH


def test_every_changed_character_is_noticed() -> None:
    stored = seal(OLD).seal("12345", CODE.phone)
    for place in range(1, len(stored)):
        other = "A" if stored[place] != "A" else "B"
        damaged = stored[:place] + other + stored[place + 1 :]
        try:
            assert seal(OLD).open(damaged, CODE.phone) == damaged, "not ours any more"
        except SealError:
            continue


def test_keys_do_not_show_themselves() -> None:
    key = KeyRing([OLD]).current
    assert OLD.hex() not in repr(key) and str(OLD) not in repr(key)
    assert key.derive(b"one") != key.derive(b"other") != OLD
    with pytest.raises(SealError, match="has 16 octets; it must have 32"):
        KeyRing([bytes(16)])
