"""Service tokens: made and shown once, stored as a digest, revoked; each change recorded in its transaction."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from payk.access.errors import AlreadyThere, NotThere, ValueInvalid
from payk.access.identity import check_name, client_of_role, role_named
from payk.domain.access import Actor, Permission, Role
from payk.domain.audit import AuditEntry
from payk.store.access import AccessChange, StoredToken, changing_access, read_tokens, tokens_in_force
from payk.store.database import Database

__all__ = ["PREFIX", "Tokens", "add_token"]

PREFIX: Final = "payk_"
"""So that programs that look for secrets in files know one when they see it."""


class Tokens:
    """Every change of service tokens, and the list of them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all(self) -> list[StoredToken]:
        """Every token, those in force first."""
        return await read_tokens(self._db)

    async def is_in_force(self, token: str, name: str) -> bool:
        """Whether this is the token of that name, and may be used. StoreError."""
        sha256 = hashlib.sha256(token.encode()).digest()
        return any(row.sha256 == sha256 and row.name == name for row in await tokens_in_force(self._db))

    async def create(
        self,
        actor: Actor,
        name: str,
        *,
        user: str | None = None,
        role: str | None = None,
        client: str | None = None,
        scopes: Sequence[str] | None = None,
        expires_at: datetime | None = None,
        replace: bool = False,
    ) -> str:
        """A new token, shown once: of a user, whose role it has as that changes, or with a role of its own.

        `scopes` narrow it to some permissions. With `replace` a token of this name is revoked. ValueInvalid,
        AlreadyThere, NotThere (the user), StoreError.
        """
        check_name(name)
        if (user is None) == (role is None):
            raise ValueInvalid("role", "a token has a role or a user", "give one of the two")
        _check_scopes(scopes)
        if expires_at is not None and expires_at <= self._db.now():
            raise ValueInvalid("expires_at", f"{expires_at:%Y-%m-%dT%H:%M:%SZ} has passed", "a time to come is allowed")
        of_role = None if role is None else role_named(role)
        async with changing_access(self._db) as change:
            return await add_token(
                *(change, actor, name),
                user=user,
                role=of_role,
                client=client,
                scopes=scopes,
                expires_at=expires_at,
                replace=replace,
            )

    async def revoke(self, actor: Actor, name: str) -> None:
        """Revoke a token: refused within half a second on every process. NotThere, StoreError."""
        async with changing_access(self._db) as change:
            token = await change.token(name)
            if token is None:
                raise NotThere(f"There is no token {name[:80]!r} in force.")
            await change.revoke_token(token[0])
            await change.record(AuditEntry(actor, "token.revoke", "token", token[1]))


async def add_token(
    change: AccessChange,
    actor: Actor,
    name: str,
    *,
    user: str | None = None,
    role: Role | None = None,
    client: str | None = None,
    scopes: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    replace: bool = False,
) -> str:
    """A new token as part of a change, of what has been checked; see Tokens.create."""
    known = await change.user(user) if user is not None else None
    if user is not None and known is None:
        raise NotThere(f"There is no user {user[:80]!r}.")
    client_id = None if role is None else await client_of_role(change, role, client)
    before = await change.token(name)
    if before is not None and not replace:
        raise AlreadyThere(f"There is a token {name} already.")
    if before is not None:
        await change.revoke_token(before[0])
    token = PREFIX + secrets.token_urlsafe(32)
    await change.create_token(
        hashlib.sha256(token.encode()).digest(),
        name,
        user_id=None if known is None else known.user_id,
        role=role,
        client_id=client_id,
        scopes=None if scopes is None else sorted(set(scopes)),
        expires_at=expires_at,
    )
    detail = {
        "user": None if known is None else known.name,
        "role": None if role is None else str(role),
        "client": client,
        "scopes": None if scopes is None else sorted(set(scopes)),
        "expires_at": None if expires_at is None else f"{expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "replaces": before is not None,
    }
    await change.record(AuditEntry(actor, "token.create", "token", name, detail))
    return token


def _check_scopes(scopes: Sequence[str] | None) -> None:
    if scopes is None:
        return
    unknown = [scope for scope in scopes if scope not in set(Permission)]
    if unknown or not scopes:
        wrong = f"{unknown[0][:80]!r} is none" if unknown else "none is given"
        raise ValueInvalid("scopes", wrong, f"allowed are some of {', '.join(Permission)}")
