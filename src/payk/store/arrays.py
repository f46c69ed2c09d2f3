"""Batches as PostgreSQL takes them: a statement gets one array per column, and unnests them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

__all__ = ["CHUNK", "array_literal", "by_kind", "chunks", "columns", "slices"]

CHUNK = 1_000
"""Rows of one statement: so that no other request waits long for the event loop."""
Item = TypeVar("Item")


def chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """`items`, a CHUNK at a time."""
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def slices(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Whatever can be gone through, `size` at a time; the next ones are not made before they are asked for."""
    left = iter(items)
    while part := list(islice(left, size)):
        yield part


def columns(rows: Iterable[tuple[object, ...]], width: int = 0) -> list[list[object]]:
    """Rows turned into one list per column; at least one row, or `width` empty ones."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def by_kind(rows: Iterable[tuple[object, ...]], width: int) -> list[list[object]]:
    """For each row the number of its kind, from 1; then one list per column (`width` of them) of the kinds there are.

    For columns that are the same in nearly all rows of a batch: whatever goes to the server costs time here and there,
    and so it goes but once.
    """
    numbers: dict[tuple[object, ...], int] = {}
    of_rows: list[object] = [numbers.setdefault(row, len(numbers) + 1) for row in rows]
    return [of_rows, *columns(numbers, width)]


def array_literal(numbers: Iterable[int]) -> str:
    """An array as text, for a column of arrays: unnest would flatten arrays of arrays."""
    return "{" + ",".join(str(int(number)) for number in numbers) + "}"
