"""What the tests of the dispatcher share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.dispatch.centre import Operator, running_operator


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    """An operator that delivers, and does what its scripted numbers say."""
    async with running_operator(tmp_path) as operator:
        yield operator
