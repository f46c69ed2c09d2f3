"""Users, sessions and service tokens. Every change is one transaction with its entry in the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from payk.domain.audit import AuditEntry
from payk.store.audit import append
from payk.store.database import Connection, Database
from payk.store.queries import sql

__all__ = [
    "AccessChange",
    "Attempt",
    "KnownUser",
    "LoggingIn",
    "StoredSession",
    "StoredToken",
    "StoredUser",
    "TokenInForce",
    "UserSession",
    "access_version",
    "begin_session",
    "changing_access",
    "end_session",
    "find_session",
    "note_right",
    "note_session_use",
    "note_token_use",
    "read_sessions",
    "read_tokens",
    "read_users",
    "take_attempt",
    "tokens_in_force",
    "user_to_log_in",
]


class TokenInForce(NamedTuple):
    """A token, and what it may through its user or by itself."""

    sha256: bytes
    token_id: int
    name: str
    role: str
    client_id: int | None
    scopes: list[str] | None
    expires_at: datetime | None
    user_name: str | None


async def access_version(db: Database, *, timeout: float = 2.0) -> tuple[int, datetime]:
    """The version of users and tokens, and the database's clock."""
    async with db.connection(timeout) as connection:
        row = await connection.fetchrow(sql("access.version"))
    assert row is not None  # the migration made it
    return int(row["version"]), row["now"]


async def tokens_in_force(db: Database, *, timeout: float = 5.0) -> list[TokenInForce]:
    """Every token that is in force or may be."""
    async with db.connection(timeout) as connection:
        return [TokenInForce(*row) for row in await connection.fetch(sql("access.tokens"))]


async def note_token_use(db: Database, token_ids: Sequence[int]) -> None:
    """Tokens that were used just now, sorted."""
    async with db.connection(timeout=5.0) as connection:
        await connection.execute(sql("access.note_token_use"), token_ids)


# -- Logging in, and sessions ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoggingIn:
    """A user as logging in needs it."""

    user_id: int
    name: str
    role: str
    client_id: int | None
    password_hash: str | None = field(repr=False)
    totp_secret: bytes | None = field(repr=False)
    enabled: bool
    locked: bool
    now: datetime
    """By the database's clock."""


async def user_to_log_in(db: Database, name: str) -> LoggingIn | None:
    """A user by name, whatever the case."""
    async with db.connection() as connection:
        row = await connection.fetchrow(sql("access.user_to_log_in"), name)
    return None if row is None else LoggingIn(*row)


class Attempt(NamedTuple):
    """An attempt to log in that may be looked at."""

    number: int
    """Since the last that was right, from there."""
    known: bool
    """The user logged in from there in the last 30 days."""


async def take_attempt(
    db: Database, user_id: int, network: str, *, free: int, free_of_strangers: int, first: float, longest: float
) -> Attempt | None:
    """Count an attempt before it is looked at, so that many at once are not more; None where there is a lock.

    From the `free`-th on each attempt from a network locks the user for it: `first` seconds, twice as long each time,
    at most `longest`. So it is, from the `free_of_strangers`-th on, with all networks together that the user did not
    log in from.
    """
    async with db.transaction() as connection:
        known = bool(await connection.fetchval(sql("access.known_network"), user_id, network))
        if not known and await connection.fetchval(sql("access.locked_out"), user_id):
            return None
        await connection.execute(sql("access.drop_old_networks"), user_id)
        number = await connection.fetchval(sql("access.take_attempt_from"), user_id, network, free, first, longest)
        if number is None:
            return None
        if not known:
            await connection.fetchval(sql("access.take_attempt"), user_id, free_of_strangers, first, longest)
    return Attempt(int(number), known)


async def note_right(
    db: Database, user: LoggingIn, network: str, *, known: bool, step: int | None, audit: Sequence[AuditEntry]
) -> bool:
    """Keep that somebody has shown to be the user; False where the code was used or the user changed meanwhile."""
    async with db.transaction() as connection:
        if step is not None and await connection.fetchval(sql("access.use_code"), user.user_id, step) is None:
            return False
        same = await connection.fetchval(sql("access.unchanged"), user.user_id, user.password_hash, user.totp_secret)
        if same is None:
            return False
        await connection.execute(sql("access.note_right"), user.user_id, network, not known)
        await append(connection, audit)
    return True


async def begin_session(
    db: Database,
    user: LoggingIn,
    sha256: bytes,
    address: str,
    network: str,
    *,
    known: bool,
    seconds: float,
    idle: float,
    step: int | None,
    new_hash: str | None,
    audit: Sequence[AuditEntry],
) -> int | None:
    """A session for a user whose password was right; None where the code was used or the user changed meanwhile.

    `known`: whether it logged in from this network before, as its attempt was told.
    `step`: that of the one-time code, which is used up with it.
    """
    async with db.transaction() as connection:
        if step is not None and await connection.fetchval(sql("access.use_code"), user.user_id, step) is None:
            return None
        same = await connection.fetchval(
            sql("access.logged_in"), user.user_id, user.password_hash, new_hash, user.totp_secret
        )
        if same is None:
            return None
        await connection.execute(sql("access.note_right"), user.user_id, network, not known)
        await connection.execute(sql("access.drop_old_sessions"), idle)
        session = await connection.fetchval(sql("access.begin_session"), sha256, user.user_id, address, seconds)
        await append(connection, audit)
    return int(session)


class UserSession(NamedTuple):
    """A session in force, and its user."""

    session_id: int
    user_id: int
    name: str
    role: str
    client_id: int | None
    note: bool
    """Its use has not been noted for a while."""


async def find_session(db: Database, sha256: bytes, idle: float) -> UserSession | None:
    """The session of a token's digest, unless it ended or was idle for `idle` seconds."""
    async with db.connection() as connection:
        row = await connection.fetchrow(sql("access.session"), sha256, idle)
    return None if row is None else UserSession(*row)


async def note_session_use(db: Database, session_id: int) -> None:
    """A session was used just now."""
    async with db.connection() as connection:
        await connection.execute(sql("access.note_session_use"), session_id)


async def end_session(db: Database, session_id: int, audit: Sequence[AuditEntry]) -> str | None:
    """End a session; the name of its user, None where there is none."""
    async with db.transaction() as connection:
        name = await connection.fetchval(sql("access.end_session"), session_id)
        if name is not None:
            await append(connection, audit)
    return None if name is None else str(name)


class StoredSession(NamedTuple):
    """A session as it is listed."""

    session_id: int
    user: str
    created_at: datetime
    expires_at: datetime
    last_seen_at: datetime
    address: str


async def read_sessions(db: Database, idle: float) -> list[StoredSession]:
    """The sessions in force, the newest first."""
    async with db.connection() as connection:
        return [StoredSession(*row) for row in await connection.fetch(sql("access.sessions"), idle)]


# -- Users and tokens ------------------------------------------------------------------------------------------------


class StoredUser(NamedTuple):
    """A user as it is listed."""

    user_id: int
    name: str
    role: str
    client: str | None
    has_password: bool
    has_totp: bool
    enabled: bool
    locked: bool
    created_at: datetime
    last_login_at: datetime | None


async def read_users(db: Database) -> list[StoredUser]:
    """Every user, by name."""
    async with db.connection() as connection:
        return [StoredUser(*row) for row in await connection.fetch(sql("access.users"), None)]


class StoredToken(NamedTuple):
    """A token as it is listed."""

    token_id: int
    name: str
    user: str | None
    role: str
    client: str | None
    scopes: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


async def read_tokens(db: Database) -> list[StoredToken]:
    """Every token, those in force first."""
    async with db.connection() as connection:
        return [StoredToken(*row) for row in await connection.fetch(sql("access.all_tokens"))]


class KnownUser(NamedTuple):
    """A user as a change finds it."""

    user_id: int
    name: str
    role: str
    enabled: bool
    client: str | None


class AccessChange:
    """A change of users and tokens under way: inside a transaction, alone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def user(self, name: str) -> KnownUser | None:
        """A user by name, whatever the case."""
        row = await self._connection.fetchrow(sql("access.user_named"), name)
        return None if row is None else KnownUser(*row)

    async def shown(self, user_id: int) -> StoredUser:
        """A user that is there, as it is listed: with what this change has done."""
        row = await self._connection.fetchrow(sql("access.users"), user_id)
        assert row is not None
        return StoredUser(*row)

    async def client(self, name: str) -> int | None:
        """The number of a client."""
        number = await self._connection.fetchval(sql("access.client_named"), name)
        return None if number is None else int(number)

    async def other_admins(self, user_id: int) -> int:
        """How many enabled admins there are besides one."""
        return int(await self._connection.fetchval(sql("access.other_admins"), user_id))

    async def create_user(self, name: str, role: str, client_id: int | None, password_hash: str | None) -> int:
        """A new user."""
        return int(await self._connection.fetchval(sql("access.create_user"), name, role, client_id, password_hash))

    async def put_user(self, user_id: int, role: str, client_id: int | None, *, enabled: bool) -> None:
        """Give a user a role, and say whether it is enabled."""
        await self._connection.execute(sql("access.put_user"), user_id, role, client_id, enabled)

    async def put_password(self, user_id: int, password_hash: str) -> None:
        """Give a user a password, and lift its locks."""
        await self._connection.execute(sql("access.put_password"), user_id, password_hash)
        await self._connection.execute(sql("access.lift_locks"), user_id)

    async def put_totp(self, user_id: int, sealed: bytes | None) -> None:
        """Give a user the secret of one-time codes, or take it away."""
        await self._connection.execute(sql("access.put_totp"), user_id, sealed)

    async def end_sessions(self, user_id: int) -> None:
        """End every session of a user."""
        await self._connection.execute(sql("access.end_sessions_of"), user_id)

    async def token(self, name: str) -> tuple[int, str] | None:
        """Number and name of a token that was not revoked."""
        row = await self._connection.fetchrow(sql("access.token_named"), name)
        return None if row is None else (row[0], row[1])

    async def create_token(
        self,
        sha256: bytes,
        name: str,
        *,
        user_id: int | None,
        role: str | None,
        client_id: int | None,
        scopes: Sequence[str] | None,
        expires_at: datetime | None,
    ) -> int:
        """A new token: of a user, or with a role of its own."""
        return int(
            await self._connection.fetchval(
                sql("access.create_token"), sha256, name, user_id, role, client_id, scopes, expires_at
            )
        )

    async def revoke_token(self, token_id: int) -> None:
        """Revoke a token."""
        await self._connection.execute(sql("access.revoke_token"), token_id)

    async def record(self, entry: AuditEntry) -> None:
        """Keep who did what; the last thing that a change does."""
        await append(self._connection, [entry])


@asynccontextmanager
async def changing_access(db: Database) -> AsyncIterator[AccessChange]:
    """A change of users or tokens; another one waits until this is committed, which leaving the context does.

    Raises StoreUnavailable, StoreRefused (nothing was changed) and OutcomeUnknown.
    """
    async with db.transaction() as connection:
        await connection.execute(sql("access.lock"))
        yield AccessChange(connection)
