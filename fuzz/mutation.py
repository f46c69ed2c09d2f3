"""Changing octets at random: a little, often; a lot, seldom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from fuzz.dictionary import INTERESTING_OCTETS, TOKENS

__all__ = ["LONGEST", "mutate"]

LONGEST: Final = 70_000
"""Octets that no mutation exceeds."""

_SELDOM: Final = 2_000
"""One input in so many grows to thousands of octets."""

Change = Callable[[bytearray, Random, Sequence[bytes]], None]


def mutate(octets: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """One to a few changes; ``others`` lend their octets."""
    changed = bytearray(octets)
    for _ in range(_CHANGES_IN_A_ROW[int(random.random() * len(_CHANGES_IN_A_ROW))]):
        _CHANGES[int(random.random() * len(_CHANGES))](changed, random, others)
    if not random.randrange(_SELDOM):
        _grow(changed, random)
    return bytes(changed[:LONGEST])


def _place(changed: bytearray, random: Random) -> int:
    return int(random.random() * (len(changed) + 1))


def _span(changed: bytearray, random: Random) -> slice:
    """Some octets, few as a rule."""
    start = _place(changed, random)
    return slice(start, start + min(1 + int(random.expovariate(0.15)), len(changed)))


def _flip_bit(changed: bytearray, random: Random, others: Sequence[bytes]) -> None:
    if changed:
        changed[int(random.random() * len(changed))] ^= 1 << random.randrange(8)


def _set_octet(changed: bytearray, random: Random, others: Sequence[bytes]) -> None:
    if changed:
        octet = random.choice(INTERESTING_OCTETS) if random.random() < 0.7 else random.randrange(256)
        changed[int(random.random() * len(changed))] = octet


def _add_one(changed: bytearray, random: Random, others: Sequence[bytes]) -> None:
    if changed:
        place = int(random.random() * len(changed))
        changed[place] = (changed[place] + random.choice((-2, -1, 1, 2))) & 0xFF


def _insert_octets(changed: bytearray, random: Random, others: Sequence[bytes]) -> None:
    place = _place(changed, random)
    changed[place:place] = random.randbytes(1 + int(random.expovariate(0.3)))


def _insert_nul(changed: bytearray, random: Random, others: Sequence[bytes]) -> None:
    changed.insert(_place(changed, random), 0)


def _remove_nul(changed: bytearray, random: Random, others: Sequence[bytes]) -> None:
    place = changed.find(0, _place(changed, random))
    if place >= 0:
        del changed[place]


def _insert_token(changed: bytearray, random: Random, others: Sequence[bytes]) -> None:
    place = _place(changed, random)
    changed[place:place] = random.choice(TOKENS)


def _write_token(changed: bytearray, random: Random, others: Sequence[bytes]) -> None:
    token = random.choice(TOKENS)
    place = _place(changed, random)
    changed[place : place + len(token)] = token


def _remove(changed: bytearray, random: Random, others: Sequence[bytes]) -> None:
    del changed[_span(changed, random)]


def _repeat(changed: bytearray, random: Random, others: Sequence[bytes]) -> None:
    span = _span(changed, random)
    changed[span.start : span.start] = changed[span]


def _cut(changed: bytearray, random: Random, others: Sequence[bytes]) -> None:
    del changed[_place(changed, random) :]


def _splice(changed: bytearray, random: Random, others: Sequence[bytes]) -> None:
    other = random.choice(others)
    changed[_place(changed, random) :] = other[int(random.random() * (len(other) + 1)) :]


def _lie_about_length(changed: bytearray, random: Random, others: Sequence[bytes]) -> None:
    """A number of one, two or four octets, near what is left behind it."""
    width = random.choice((1, 2, 2, 4))
    place = _place(changed, random)
    left = len(changed) - place - width
    number = random.choice((0, 1, left - 1, left, left + 1, len(changed), 0xFF, 0xFFFF, 0xFFFFFFFF))
    changed[place : place + width] = (max(0, number) & (256**width - 1)).to_bytes(width, "big")


def _grow(changed: bytearray, random: Random) -> None:
    span = _span(changed, random)
    piece = changed[span] or b"\0"
    length = random.choice((1_000, 10_000, LONGEST)) - len(changed)
    changed[span.start : span.start] = piece * max(0, length // len(piece))


_CHANGES_IN_A_ROW: Final = (1, 1, 1, 1, 2, 2, 3, 4, 8)
_CHANGES: Final[tuple[Change, ...]] = (
    _flip_bit,
    _set_octet,
    _add_one,
    _insert_octets,
    _insert_nul,
    _remove_nul,
    _insert_token,
    _write_token,
    _remove,
    _repeat,
    _cut,
    _splice,
    _lie_about_length,
)
