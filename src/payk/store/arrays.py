"""Batches as PostgreSQL takes them: a statement gets one array per column, and unnests them."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["array_literal", "columns"]


def columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """Rows turned into one list per column; at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]


def array_literal(numbers: Iterable[int]) -> str:
    """An array as text, for a column of arrays: unnest would flatten arrays of arrays."""
    return "{" + ",".join(str(int(number)) for number in numbers) + "}"
