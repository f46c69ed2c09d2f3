"""The one error of the text room.

- ValueError
  - UnencodableError: a character that the chosen alphabet does not hold
"""

from __future__ import annotations

__all__ = ["UnencodableError"]


class UnencodableError(ValueError):
    """A text holds a character that `alphabet` cannot carry; `character` is the first such, `index` its position."""

    def __init__(self, character: str, index: int, alphabet: str) -> None:
        super().__init__(character, index, alphabet)
        self.character = character
        self.index = index
        self.alphabet = alphabet

    def __str__(self) -> str:
        return f"U+{ord(self.character):04X} at index {self.index} cannot be encoded in {self.alphabet}"
