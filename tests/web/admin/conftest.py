"""A management site with an administrator."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from payk.domain.access import Principal, PrincipalKind, Role
from payk.store.database import Database
from tests.web.admin.managed import Managed, managed_on


@pytest.fixture
async def managed(database: Database) -> AsyncIterator[Managed]:
    async with managed_on(database, {"admin": Principal(PrincipalKind.TOKEN, 1, "boss", Role.ADMIN)}) as site:
        yield site
