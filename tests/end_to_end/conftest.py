"""Payk in processes of its own: on an embedded database of its own, or on a database of the server all tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.end_to_end.managing import Managing
from tests.end_to_end.payk import Payk, registry

SHORT_WAITS = {"PAYK_RECEIPT_WAIT": "60", "PAYK_UNCERTAIN_HOLD": "5", "PAYK_RETRY_FOR": "600"}


@pytest.fixture
async def payk(tmp_path: Path) -> AsyncIterator[Payk]:
    """With a home of its own, not made yet, and so an embedded database."""
    payk = Payk(tmp_path)
    yield payk
    await payk.close()


@pytest.fixture
async def payk_on_server(tmp_path: Path, dsn: str) -> AsyncIterator[Payk]:
    """With a migrated database of the tests' server, and the waits of `payk up`."""
    payk = Payk(tmp_path, {"PAYK_DATABASE_URL": dsn, "PAYK_SECRET_KEY": "5a" * 32, **SHORT_WAITS})
    yield payk
    await payk.close()


@pytest.fixture(params=["database", "server"])
async def managing(request: pytest.FixtureRequest, payk_on_server: Payk) -> Managing:
    """A centre with the client bank and the operator tcell; each test runs in both ways."""
    await payk_on_server.apply(registry(2775))
    if request.param == "database":
        return Managing(payk_on_server, None)
    token = (await payk_on_server.done("token", "create", "test", "--role", "admin")).strip()
    return Managing(payk_on_server, await payk_on_server.serve("--roles", "api,admin"), token)
