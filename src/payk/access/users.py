"""Changes of users: checked, made and recorded in one transaction."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from payk.access.errors import AlreadyThere, ChangedMeanwhile, LastAdmin, NotThere
from payk.access.identity import check_name, client_of_role, role_named
from payk.access.one_time_code import new_secret, provisioning_uri
from payk.access.passwords import Passwords, check_password
from payk.access.sealer import Sealer
from payk.access.tokens import add_token
from payk.domain.access import Actor, Role
from payk.domain.audit import AuditEntry
from payk.store.access import AccessChange, KnownUser, StoredUser, changing_access, read_users
from payk.store.database import Database

__all__ = ["UserMade", "Users", "user_etag"]


class UserMade(NamedTuple):
    """A new user, and its token where one was asked for, shown once."""

    user: StoredUser
    token: str | None


def user_etag(user: StoredUser) -> str:
    """A digest of what people set of a user, and of whether it has a password and one-time codes: another one whenever
    one of these is."""
    set_ = [user.user_id, user.name, user.role, user.client, user.enabled, user.has_password, user.has_totp]
    return hashlib.sha256(json.dumps(set_).encode()).hexdigest()[:16]


class Users:
    """Every change of users, and the list of them. `expected` of a change is the etag of the user that it was made for,
    None = whatever it is."""

    def __init__(self, db: Database, sealer: Sealer, passwords: Passwords | None = None) -> None:
        self._db = db
        self._sealer = sealer
        self._passwords = passwords or Passwords()

    async def all(self) -> list[StoredUser]:
        """Every user, by name."""
        return await read_users(self._db)

    async def create(
        self,
        actor: Actor,
        name: str,
        role: str,
        *,
        client: str | None = None,
        password: str | None = None,
        token: bool = False,
    ) -> UserMade:
        """A new user, without a password one that has tokens only; with `token` one is made under its name, too.

        Both are made, or neither. ValueInvalid, AlreadyThere (of the token as well), StoreError.
        """
        check_name(name)
        of_role = role_named(role)
        stored = None
        if password is not None:
            check_password(password, name)
            stored = await self._passwords.hash(password)
        async with changing_access(self._db) as change:
            client_id = await client_of_role(change, of_role, client)
            if await change.user(name) is not None:
                raise AlreadyThere(f"There is a user {name} already.")
            user_id = await change.create_user(name, of_role, client_id, stored)
            detail = {"role": str(of_role), "client": client}
            shown = await change.shown(user_id)
            await change.record(AuditEntry(actor, "user.create", "user", name, detail))
            made = await add_token(change, actor, name, user=name) if token else None
        return UserMade(shown, made)

    async def change(
        self,
        actor: Actor,
        name: str,
        *,
        role: str | None = None,
        client: str | None = None,
        enabled: bool | None = None,
        expected: str | None = None,
    ) -> StoredUser:
        """Give a user another role, which holds from its next request on, with the client that it is of; let it in
        again, or no more: its sessions end and its tokens are refused, at once. All of it or nothing.

        ValueInvalid, NotThere, ChangedMeanwhile, LastAdmin, StoreError.
        """
        of_role = None if role is None else role_named(role)
        async with changing_access(self._db) as change:
            user = await _known(change, name, expected)
            if of_role is not None:
                await _set_role(change, actor, user, of_role, client)
                user = await _known(change, name)
            if enabled is not None and enabled != user.enabled:
                await _enable(change, actor, user, enabled=enabled)
            return await change.shown(user.user_id)

    async def set_password(self, actor: Actor, name: str, password: str, *, expected: str | None = None) -> None:
        """Give a user a password; its sessions end, and a lock is lifted.

        ValueInvalid, NotThere, ChangedMeanwhile, StoreError.
        """
        check_password(password, name)
        stored = await self._passwords.hash(password)
        async with changing_access(self._db) as change:
            user = await _known(change, name, expected)
            await change.put_password(user.user_id, stored)
            await change.end_sessions(user.user_id)
            await change.record(AuditEntry(actor, "user.password", "user", user.name))

    async def set_totp(self, actor: Actor, name: str, *, expected: str | None = None) -> str:
        """Have a user log in with one-time codes; the otpauth URI with a new secret, shown once. Its sessions end.

        NotThere, ChangedMeanwhile, StoreError.
        """
        secret = new_secret()
        async with changing_access(self._db) as change:
            user = await _known(change, name, expected)
            await change.put_totp(user.user_id, self._sealer.seal(secret))
            await change.end_sessions(user.user_id)
            await change.record(AuditEntry(actor, "user.totp", "user", user.name, {"on": True}))
        return provisioning_uri(secret, user.name)

    async def drop_totp(self, actor: Actor, name: str, *, expected: str | None = None) -> None:
        """Have a user log in without one-time codes. NotThere, ChangedMeanwhile, StoreError."""
        async with changing_access(self._db) as change:
            user = await _known(change, name, expected)
            await change.put_totp(user.user_id, None)
            await change.end_sessions(user.user_id)
            await change.record(AuditEntry(actor, "user.totp", "user", user.name, {"on": False}))


async def _known(change: AccessChange, name: str, expected: str | None = None) -> KnownUser:
    user = await change.user(name)
    if user is None:
        raise NotThere(f"There is no user {name[:80]!r}.")
    if expected is not None and expected != (now := user_etag(await change.shown(user.user_id))):
        raise ChangedMeanwhile(f"The user {user.name} has changed since it was read; it is {now} now. Read it again.")
    return user


async def _set_role(change: AccessChange, actor: Actor, user: KnownUser, role: Role, client: str | None) -> None:
    client_id = await client_of_role(change, role, client)
    if role is not Role.ADMIN:
        await _keep_an_admin(change, user)
    await change.put_user(user.user_id, role, client_id, enabled=user.enabled)
    detail = {"role": [user.role, str(role)], "client": [user.client, client]}
    await change.record(AuditEntry(actor, "user.role", "user", user.name, detail))


async def _enable(change: AccessChange, actor: Actor, user: KnownUser, *, enabled: bool) -> None:
    if not enabled:
        await _keep_an_admin(change, user)
        await change.end_sessions(user.user_id)
    client_id = await change.client(user.client) if user.client is not None else None
    await change.put_user(user.user_id, user.role, client_id, enabled=enabled)
    act = "user.enable" if enabled else "user.disable"
    await change.record(AuditEntry(actor, act, "user", user.name))


async def _keep_an_admin(change: AccessChange, user: KnownUser) -> None:
    """Raise LastAdmin where this is the last one."""
    if user.role == Role.ADMIN and user.enabled and not await change.other_admins(user.user_id):
        raise LastAdmin(user.name)
