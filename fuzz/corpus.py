"""Inputs to begin with: the golden frames and the receipts that the tests know."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import Any, Final

__all__ = ["golden_frames", "receipt_texts"]

_VECTORS: Final = Path(__file__).parents[1] / "tests" / "smpp" / "vectors.txt"


@cache
def golden_frames() -> tuple[bytes, ...]:
    """The frames of tests/smpp/vectors.txt, the malformed ones too."""
    lines = _VECTORS.read_text("utf-8").splitlines()
    return tuple(bytes.fromhex(line.split(" ", 2)[1]) for line in lines if not line.startswith("#"))


@cache
def receipt_texts() -> tuple[bytes, ...]:
    """The texts of receipts in tests/smpp/test_receipt.py."""
    tests: Any = importlib.import_module("tests.smpp.test_receipt")
    return tuple(text for text, _ in tests.TEXTS)
