"""Payk in processes of its own on a database of the tests' server, as end-to-end tests have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.end_to_end.conftest import SHORT_WAITS
from tests.end_to_end.payk import Payk


def payk_on(folder: Path, dsn: str) -> Payk:
    return Payk(folder, {"PAYK_DATABASE_URL": dsn, "PAYK_SECRET_KEY": "5a" * 32, **SHORT_WAITS})


@pytest.fixture
async def payk(tmp_path: Path, dsn: str) -> AsyncIterator[Payk]:
    payk = payk_on(tmp_path, dsn)
    yield payk
    await payk.close()
