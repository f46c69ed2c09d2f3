"""Every item of section 8 of our notes on SMPP is tried on a live server and on a live client."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from tests.hostile import test_client, test_server

ITEMS = set(range(1, 18))


def items_of(module: ModuleType, *tables: str) -> set[int]:
    """Those that stand in a test's name, or in a row of a table."""
    in_names = {int(match[1]) for name in vars(module) if (match := re.match(r"test_(\d\d)_", name))}
    return in_names | {row.item for table in tables for row in getattr(module, table)}


@pytest.mark.parametrize(
    ("module", "tables"),
    [(test_server, ("CASES", "TAKEN")), (test_client, ("CASES", "TOLD"))],
    ids=["server", "client"],
)
def test_every_item_is_tried(module: ModuleType, tables: tuple[str, ...]) -> None:
    assert items_of(module, *tables) == ITEMS


@pytest.mark.parametrize("rows", [test_server.CASES, test_server.TAKEN, test_client.CASES, test_client.TOLD])
def test_no_two_rows_have_one_name(rows: list[object]) -> None:
    assert len({str(row) for row in rows}) == len(rows)
