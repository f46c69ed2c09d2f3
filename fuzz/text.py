"""Message texts, user data headers and times as peers write them: any octets give something that can be kept."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from fuzz.broken import hold
from fuzz.dictionary import TEXT_TOKENS
from fuzz.heavy import heavy_texts
from fuzz.target import Target
from payk.smpp import parse_receipt_date, parse_udh
from payk.smpp.smpp_time import format_absolute, parse_time
from payk.text import Alphabet, alphabet_of, decode_user_data, gsm, ucs2

__all__ = ["TIME", "UDH", "USER_DATA"]

_NOW: Final = datetime(2026, 3, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_ZONES: Final = (UTC, ZoneInfo("Asia/Dushanbe"), ZoneInfo("America/St_Johns"))
_TIMES: Final = (
    *(b"0000000000", b"1005232039", b"110206193110", b"201506201641", b"20110314181534", b"180711070003912+"),
    *(b"111019080000002+", b"170610233429004+", b"020610233429008-", b"000000233429000R", b"061217153023304-"),
    *(
        b"990731235959948+",
        b"000101000000048+",
        b"991231235959948-",
        b"991199235959000R",
        b"150401133700",
        b"150401133700-00",
    ),
)
_HEADERS: Final = (
    *(b"\x05\x00\x03\x42\x03\x01hello", b"\x06\x08\x04\x01\x00\x02\x01hello", b"\x03\x24\x01\x03t{st"),
    *(b"\x0b\x05\x04\x06\x2d\x00\x00\x00\x03\x01\x02\x01x", b"\x00", b"\x3fshort", b"\x07\x00\x03\x01\x02\x01\x24\x01"),
)
_TEXTS: Final = (
    b"\x00\x00\x00hello {\x1be",
    b"\x05\x00\x00\x04\x21\x04\x30\xd8\x3d\xde\x00",
    b"\x08\x01\x01\x1b\x1b\x1bG",
)


def run_user_data(octets: bytes) -> str:
    """data_coding, two national languages, and the octets of the text."""
    if len(octets) < 3:
        return "too short"
    data_coding, locking, single = octets[0], octets[1] & 0x0F or None, octets[2] & 0x0F or None
    alphabet = alphabet_of(data_coding)
    text = decode_user_data(octets[3:], alphabet, locking, single)
    _check_text(text)
    for every in Alphabet:
        _check_text(decode_user_data(octets[3:], every, locking, single))
    hold(
        len(gsm.decode(octets[3:], locking=locking, single=single)) <= len(octets) - 3,
        "a septet gives one character at most",
    )
    hold(len(ucs2.decode(octets[3:])) <= (len(octets) - 3) // 2, "two octets give one character at most")
    unpacked = gsm.unpack(octets[3:])
    hold(all(code < 0x80 for code in unpacked), "septets have seven bits")
    return f"{alphabet} {min(len(text), 3)}"


def _check_text(text: str) -> None:
    hold("\0" not in text, "a text holds no NUL")
    text.encode()  # no lone surrogates


def run_udh(octets: bytes) -> str:
    """A short_message that claims to have a header."""
    user_data = parse_udh(octets)
    if user_data is None:
        return "none"
    length = 1 + octets[0]
    hold(user_data.text == octets[length:], "the text is what follows the header")
    hold(sum(2 + len(value) for _, value in user_data.elements) == length - 1, "the elements fill the header")
    joined = user_data.concatenation
    if joined is not None:
        hold(1 <= joined.number <= joined.total <= 255, "a part has a number of its total")
        hold(0 <= joined.reference <= 0xFFFF, "a reference has two octets")
    return f"{min(len(user_data.elements), 4)} elements, {'a part' if joined else 'whole'}"


def run_time(octets: bytes) -> str:
    """A time field, or the date of a receipt, an octet a character."""
    for zone in _ZONES:
        date = parse_receipt_date(octets.decode("latin-1"), zone, _NOW)
        hold(date is None or date.tzinfo is UTC, "a date that can be read is a moment in UTC")
    try:
        moment = parse_time(octets.decode("latin-1"), _NOW)
    except ValueError:
        return "no time"
    if moment is None:
        return "left to the centre"
    hold(moment.tzinfo is UTC, "a moment is in UTC")
    if 2000 <= moment.year <= 2099:
        tenths = moment.replace(microsecond=moment.microsecond // 100_000 * 100_000)
        hold(parse_time(format_absolute(moment), _NOW) == tenths, "what is written is read back")
    return "relative" if octets.endswith(b"R") else f"absolute of {len(octets)}"


def make_user_data(random: Random) -> bytes:
    pieces = random.choices(TEXT_TOKENS, k=random.randrange(6))
    return random.randbytes(3) + b"".join(pieces) + random.randbytes(random.randrange(12))


def make_udh(random: Random) -> bytes:
    elements = b"".join(_element(random) for _ in range(random.randrange(4)))
    length = len(elements) if random.randrange(5) else random.randrange(256)
    return bytes((min(length, 255),)) + elements + random.randbytes(random.randrange(6))


def _element(random: Random) -> bytes:
    identifier = random.choice((0x00, 0x08, 0x24, 0x25, 0x05, random.randrange(256)))
    value = random.randbytes(random.choice((0, 1, 3, 3, 4, 4)))
    length = len(value) if random.randrange(8) else random.randrange(256)
    return bytes((identifier, length)) + value


def make_time(random: Random) -> bytes:
    digits = bytes(random.choices(b"0123456789", k=random.choice((10, 12, 12, 14, 15, 15, 15, 16))))
    return digits + random.choice((b"+", b"-", b"R", b"", b"-00", b"+48"))


USER_DATA: Final = Target(
    "user_data",
    run_user_data,
    _TEXTS + heavy_texts(TEXT_TOKENS),
    make_user_data,
    batch=50,
    seconds=0.5,  # eleven readings
)
UDH: Final = Target("udh", run_udh, _HEADERS, make_udh, batch=100)
TIME: Final = Target("time", run_time, _TIMES, make_time, batch=100)
