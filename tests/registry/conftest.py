"""What the tests of the registry share."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from payk.registry.change import apply
from payk.registry.file import read
from payk.registry.secrets import SecretBox
from payk.store.database import Database

Applies = Callable[..., Awaitable[list[str]]]
Contents = Callable[[], Awaitable[dict[str, list[str]]]]
BOX = SecretBox(bytes(range(32)))


@pytest.fixture
def secret_box() -> SecretBox:
    return BOX


@pytest.fixture
def applies(database: Database, secret_box: SecretBox) -> Applies:
    """Applies a document and gives the lines of the difference."""

    async def run(document: dict[str, Any], *, author: str = "test", **how: bool) -> list[str]:
        file = read(document, "registry.toml", {})
        return (await apply(database, secret_box, file, author=author, **how)).lines()

    return run


@pytest.fixture
def contents(database: Database) -> Contents:
    """Everything the registry's tables hold, as text."""

    async def read_all() -> dict[str, list[str]]:
        tables = (
            "registry_version",
            "registry_change",
            "client",
            "api_key",
            "sender",
            "operator",
            "link",
            "queue",
            "route",
            "conditional_route",
        )
        async with database.connection() as connection:
            return {
                table: sorted(
                    json.dumps(dict(row), default=str) for row in await connection.fetch(f"select * from {table}")
                )
                for table in tables
            }

    return read_all
