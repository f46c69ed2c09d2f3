"""Changes of users: checked, made and recorded in one transaction."""

from __future__ import annotations

import re
from typing import Final

from payk.access.errors import AlreadyThere, LastAdmin, NotThere, ValueInvalid
from payk.access.one_time_code import new_secret, provisioning_uri
from payk.access.passwords import Passwords, check_password
from payk.access.sealer import Sealer
from payk.domain.access import BOUND_ROLES, Actor, Role
from payk.domain.audit import AuditEntry
from payk.store.access import AccessChange, KnownUser, StoredUser, changing_access, read_users
from payk.store.database import Database

__all__ = ["Users", "check_name", "client_of_role", "role_named"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@+-]{0,63}")


def check_name(name: str) -> None:
    """Raise ValueInvalid unless this may be the name of a user or a token."""
    if not _NAME.fullmatch(name) or name != name.strip():
        raise ValueInvalid(
            "name",
            f"{name[:80]!r} cannot be one",
            "allowed are 1 to 64 Latin letters, digits, blanks and . _ @ + -, the first a letter or a digit",
        )


def role_named(role: str) -> Role:
    """The role of a name. ValueInvalid."""
    try:
        return Role(role)
    except ValueError:
        raise ValueInvalid("role", f"{role[:80]!r} is none", f"allowed are {', '.join(Role)}") from None


async def client_of_role(change: AccessChange, role: Role, client: str | None) -> int | None:
    """The number of the client that a role is bound to. ValueInvalid where it needs one, or needs none."""
    if role not in BOUND_ROLES:
        if client is not None:
            bound = ", ".join(sorted(BOUND_ROLES))
            raise ValueInvalid("client", f"the role {role} is of no client", f"leave it out, or take one of {bound}")
        return None
    if client is None:
        raise ValueInvalid("client", f"the role {role} is of one client", "name the client")
    number = await change.client(client)
    if number is None:
        raise ValueInvalid("client", f"there is no client {client[:80]!r}", "name one that is there")
    return number


class Users:
    """Every change of users, and the list of them."""

    def __init__(self, db: Database, sealer: Sealer, passwords: Passwords | None = None) -> None:
        self._db = db
        self._sealer = sealer
        self._passwords = passwords or Passwords()

    async def all(self) -> list[StoredUser]:
        """Every user, by name."""
        return await read_users(self._db)

    async def create(
        self, actor: Actor, name: str, role: str, *, client: str | None = None, password: str | None = None
    ) -> int:
        """A new user, without a password one that has tokens only. ValueInvalid, AlreadyThere, StoreError."""
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
            await change.record(AuditEntry(actor, "user.create", "user", name, detail))
        return user_id

    async def enable(self, actor: Actor, name: str, *, enabled: bool = True) -> None:
        """Let a user in again, or with False no more: its sessions end and its tokens are refused, at once.

        NotThere, LastAdmin, StoreError.
        """
        async with changing_access(self._db) as change:
            user = await _known(change, name)
            if user.enabled == enabled:
                return
            if not enabled:
                await _keep_an_admin(change, user)
                await change.end_sessions(user.user_id)
            client_id = await change.client(user.client) if user.client is not None else None
            await change.put_user(user.user_id, user.role, client_id, enabled=enabled)
            act = "user.enable" if enabled else "user.disable"
            await change.record(AuditEntry(actor, act, "user", user.name))

    async def set_role(self, actor: Actor, name: str, role: str, *, client: str | None = None) -> None:
        """Give a user another role, which holds from its next request on.

        ValueInvalid, NotThere, LastAdmin, StoreError.
        """
        of_role = role_named(role)
        async with changing_access(self._db) as change:
            user = await _known(change, name)
            client_id = await client_of_role(change, of_role, client)
            if of_role is not Role.ADMIN:
                await _keep_an_admin(change, user)
            await change.put_user(user.user_id, of_role, client_id, enabled=user.enabled)
            detail = {"role": [user.role, str(of_role)], "client": [user.client, client]}
            await change.record(AuditEntry(actor, "user.role", "user", user.name, detail))

    async def set_password(self, actor: Actor, name: str, password: str) -> None:
        """Give a user a password; its sessions end, and a lock is lifted. ValueInvalid, NotThere, StoreError."""
        check_password(password, name)
        stored = await self._passwords.hash(password)
        async with changing_access(self._db) as change:
            user = await _known(change, name)
            await change.put_password(user.user_id, stored)
            await change.end_sessions(user.user_id)
            await change.record(AuditEntry(actor, "user.password", "user", user.name))

    async def set_totp(self, actor: Actor, name: str) -> str:
        """Have a user log in with one-time codes; the otpauth URI with a new secret, shown once. Its sessions end.

        NotThere, StoreError.
        """
        secret = new_secret()
        async with changing_access(self._db) as change:
            user = await _known(change, name)
            await change.put_totp(user.user_id, self._sealer.seal(secret))
            await change.end_sessions(user.user_id)
            await change.record(AuditEntry(actor, "user.totp", "user", user.name, {"on": True}))
        return provisioning_uri(secret, user.name)

    async def drop_totp(self, actor: Actor, name: str) -> None:
        """Have a user log in without one-time codes. NotThere, StoreError."""
        async with changing_access(self._db) as change:
            user = await _known(change, name)
            await change.put_totp(user.user_id, None)
            await change.end_sessions(user.user_id)
            await change.record(AuditEntry(actor, "user.totp", "user", user.name, {"on": False}))


async def _known(change: AccessChange, name: str) -> KnownUser:
    user = await change.user(name)
    if user is None:
        raise NotThere(f"There is no user {name[:80]!r}.")
    return user


async def _keep_an_admin(change: AccessChange, user: KnownUser) -> None:
    """Raise LastAdmin where this is the last one."""
    if user.role == Role.ADMIN and user.enabled and not await change.other_admins(user.user_id):
        raise LastAdmin(user.name)
