"""Answers of one JSON object a line, which are made while they are sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, TypeVar

__all__ = ["LINES", "begun"]

LINES: Final = "application/x-ndjson"
_Row = TypeVar("_Row")


async def begun(rows: AsyncIterator[_Row]) -> AsyncIterator[_Row]:
    """The same rows, the first of which has been read: what keeps it away is raised here, while the answer can still be
    another one. Later it can only be broken off."""
    try:
        first = [await anext(rows)]
    except StopAsyncIteration:
        first = []

    async def whole() -> AsyncIterator[_Row]:
        for row in first:
            yield row
        async for row in rows:
            yield row

    return whole()
