"""Users, service tokens and the audit log, on the database itself: `payk user`, `payk token`, `payk audit`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from payk.access import Access, AccessError, Tokens, Users
from payk.app.local import local_actor
from payk.app.opening import StartError, opened, write_secret
from payk.app.secrets import unlocked
from payk.domain.access import Actor, PrincipalKind
from payk.registry.secrets import SecretBox
from payk.settings import Settings
from payk.store.database import Database
from payk.store.migrations import check_schema

__all__ = ["LocalAccess", "ensure_admin_token", "local_access"]

UP_TOKEN: Final = "payk up"


class LocalAccess:
    """What the commands do; each answers rows by the names of the management API."""

    def __init__(self, db: Database, access: Access, users: Users, tokens: Tokens) -> None:
        self.db = db
        self.access = access
        self.users = users
        self.tokens = tokens
        self.actor = local_actor()

    async def user_rows(self) -> list[dict[str, Any]]:
        """Every user."""
        return [_row(row._asdict(), but="user_id") for row in await self.users.all()]

    async def session_rows(self) -> list[dict[str, Any]]:
        """The sessions in force, the newest first."""
        return [_row(row._asdict()) for row in await self.access.sessions()]

    async def token_rows(self) -> list[dict[str, Any]]:
        """Every token, those in force first."""
        return [_row(row._asdict(), but="token_id") for row in await self.tokens.all()]

    async def create_token(
        self,
        name: str,
        *,
        user: str | None,
        role: str | None,
        client: str | None,
        scopes: Sequence[str] | None,
        days: float | None,
    ) -> str:
        """A new token, which ends after `days`."""
        expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
        return await self.tokens.create(
            self.actor, name, user=user, role=role, client=client, scopes=scopes, expires_at=expires_at
        )


@asynccontextmanager
async def local_access(settings: Settings) -> AsyncIterator[LocalAccess]:
    """Users and tokens of the database that the settings name. StartError."""
    async with opened(settings) as (db, _):
        await check_schema(db)
        box = SecretBox(await unlocked(settings, db))
        try:
            yield LocalAccess(db, Access(db, box), Users(db, box), Tokens(db))
        except AccessError as error:
            raise StartError(str(error)) from error


async def ensure_admin_token(settings: Settings, db: Database) -> None:
    """The token of `payk up`, in DIR/admin-token (mode 600): the one that is there stays; a lost one is replaced."""
    file = settings.home / "admin-token"
    tokens = Tokens(db)
    actor = Actor(PrincipalKind.LOCAL, UP_TOKEN)
    try:
        if await tokens.is_in_force(file.read_text(encoding="ascii").strip(), UP_TOKEN):
            return
        file.unlink()  # of another database, or revoked
    except (FileNotFoundError, UnicodeDecodeError):
        with suppress(FileNotFoundError):
            file.unlink()
    write_secret(file, await tokens.create(actor, UP_TOKEN, role="admin", replace=True))


def _row(row: dict[str, Any], *, but: str = "") -> dict[str, Any]:
    row.pop(but, None)
    return {
        name: f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else value for name, value in row.items()
    }
