"""What the tests of access share."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from argon2 import PasswordHasher

from payk.access import Access, Passwords, Tokens, Users
from payk.clock import Clock
from payk.domain.access import Actor, PrincipalKind
from payk.registry.secrets import SecretBox
from payk.store.database import Database

ROOT = Actor(PrincipalKind.LOCAL, "root")
PASSWORD = "correct horse battery"
QUICK = PasswordHasher(time_cost=1, memory_cost=1_024, parallelism=1)


class MovedClock(Clock):
    """A clock that can be set forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@dataclass
class Scene:
    db: Database
    box: SecretBox
    clock: MovedClock
    access: Access
    users: Users
    tokens: Tokens

    async def audited(self) -> list[str]:
        async with self.db.connection() as connection:
            rows = await connection.fetch("select act || ' ' || object_name from audit_entry order by sequence")
        return [row[0] for row in rows]

    async def do(self, statement: str) -> None:
        async with self.db.connection() as connection:
            await connection.execute(statement)

    def another(self, db: Database | None = None) -> Access:
        """Access of another process."""
        return Access(db or self.db, self.box, clock=self.clock, passwords=Passwords(QUICK))


@pytest.fixture
async def scene(database: Database) -> Scene:
    box, clock, passwords = SecretBox(bytes(range(32))), MovedClock(), Passwords(QUICK)
    access = Access(database, box, clock=clock, passwords=passwords)
    scene = Scene(database, box, clock, access, Users(database, box, passwords), Tokens(database))
    await scene.do("insert into client (name) values ('demo'), ('other')")
    return scene
