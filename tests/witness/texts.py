"""Texts that every witness sends, and the number of parts that each takes."""

from __future__ import annotations

__all__ = ["TEXTS"]

TEXTS = {
    "gsm": ("Kod: 1234, {summa} ~ 5 €", 1),
    "gsm in parts": ("Vashe pismo polucheno, otvet budet zavtra. " * 8, 3),
    "cyrillic": ("Ваш код: 1234. Никому его не говорите", 1),
    "tajik": ("Салом, Ҷаҳон! Қӯрғонтеппа, ӣд", 1),
    "tajik in parts": ("Салом, Ҷаҳон! Қӯрғонтеппа, ғ. " * 5, 3),
}
"""Name: the text, and its parts with a user data header of six octets."""
