"""Users, their sessions, and service tokens."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from payk.access import user_etag
from payk.access.passwords import check_password
from payk.domain.access import Permission
from payk.domain.management_errors import ManagementCode
from payk.registry.change import ANYTHING
from payk.store.access import StoredSession, StoredToken, StoredUser
from payk.web.admin.configured import ETAG_HEADER, IfMatch, expected_etag, numbered
from payk.web.admin.given import Given
from payk.web.admin.management import Address, Caller, Known, Management, Name, Parts, RequestId
from payk.web.admin.times import Moment, moment
from payk.web.problems import Problem

__all__ = ["router"]

router = APIRouter(tags=["users"])

Short = Annotated[str, Field(max_length=200)]
SessionId = Annotated[int, numbered("session", 2**62)]


class LogIn(Given):
    """What a user logs in with."""

    name: Short
    password: Annotated[str, Field(max_length=1_024)]
    code: Annotated[str, Field(max_length=20)] | None = Field(
        None, description="One-time code, of users that have them."
    )


class SessionBegun(BaseModel):
    """A session; it ends after 30 minutes without a request, and after 12 hours."""

    token: str = Field(description="To be sent as `Authorization: Bearer`; shown this once.")


class WhoIsCalling(BaseModel):
    """Who the caller is, and what it may do."""

    kind: str
    name: str
    role: str
    client_id: int | None
    permissions: list[str]


class UserShown(BaseModel):
    """A user."""

    user_id: int
    name: str
    role: str
    client: str | None = Field(description="The one that it belongs to; null = it belongs to the centre.")
    enabled: bool
    locked: bool = Field(description="For a while, after failed attempts, where it did not log in from before.")
    has_password: bool
    has_totp: bool
    created_at: str | None
    last_login_at: str | None


class Confirmation(Given):
    """Whoever changes in a session who may log in, how or as what, shows again to be its user: it may be stolen."""

    current_password: Annotated[str, Field(max_length=1_024)] | None = Field(
        None, description="Needed in a session: the one that its own user logs in with."
    )
    code: Annotated[str, Field(max_length=20)] | None = Field(
        None, description="And a new one-time code, of users that have them."
    )


class UserNew(Confirmation):
    """A new user; without a password it has tokens only."""

    name: Short
    role: Short = Field(description="admin, operator, client-manager or client-viewer.")
    client: Short | None = None
    password: Annotated[str, Field(max_length=1_024)] | None = None
    token: bool = Field(False, description="Make a service token of it, under its name, as well.")


class UserMade(UserShown):
    """A new user."""

    token: str | None = Field(description="Where one was asked for; shown this once.")


class UserChange(Confirmation):
    """What is to become of a user; what is left out stays."""

    enabled: bool | None = None
    role: Short | None = None
    client: Short | None = Field(None, description="With a role that is of one client.")


class NewPassword(Confirmation):
    """A password: at least 12 characters, not the name."""

    password: Annotated[str, Field(max_length=1_024)]


class TotpShown(BaseModel):
    """The secret of one-time codes."""

    uri: str = Field(description="otpauth URI for an authenticator; shown this once.")


class TokenShown(BaseModel):
    """A service token, by its name."""

    token_id: int
    name: str
    user: str | None = Field(description="Whose it is; its role is the user's.")
    role: str
    client: str | None
    scopes: list[str] | None = Field(description="The permissions that it is for; null = all of its role.")
    created_at: str | None
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class TokenNew(Confirmation):
    """A new token: of a user, or with a role of its own."""

    name: Short
    user: Short | None = None
    role: Short | None = None
    client: Short | None = None
    scopes: list[Short] | None = None
    expires_at: Moment | None = None


class TokenMade(BaseModel):
    """The token."""

    token: str = Field(description="Shown this once.")


class SessionShown(BaseModel):
    """A session in force."""

    session_id: int
    user: str
    address: str
    created_at: str | None
    expires_at: str | None
    last_seen_at: str | None


class Users(BaseModel):
    """All of them."""

    items: list[UserShown]


class Tokens(BaseModel):
    """All of them, those in force first."""

    items: list[TokenShown]


class Sessions(BaseModel):
    """All of them, the newest first."""

    items: list[SessionShown]


def _expected(if_match: str | None) -> str | None:
    """What a change expects the user to be. Raises Problem (RequestInvalid)."""
    tag = expected_etag(if_match)
    return None if tag == ANYTHING else tag


def _tagged(row: StoredUser, response: Response) -> UserShown:
    """A user as it is answered, with its ETag."""
    response.headers["etag"] = f'"{user_etag(row)}"'
    return _user(row)


def _user(row: StoredUser) -> UserShown:
    times = {"created_at": moment(row.created_at), "last_login_at": moment(row.last_login_at)}
    return UserShown(**{**row._asdict(), **times})


def _token(row: StoredToken) -> TokenShown:
    names = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return TokenShown(**{**row._asdict(), **{name: moment(getattr(row, name)) for name in names}})


def _session(row: StoredSession) -> SessionShown:
    names = ("created_at", "expires_at", "last_seen_at")
    return SessionShown(**{**row._asdict(), **{name: moment(getattr(row, name)) for name in names}})


@router.post("/session", status_code=201)
async def log_in(parts: Parts, address: Address, request_id: RequestId, given: LogIn) -> SessionBegun:
    """Begin a session. Which of name, password and code was wrong is not told."""
    token = await parts.access.log_in(given.name, given.password, given.code, address, request_id)
    return SessionBegun(token=token)


@router.get("/session")
async def show_session(caller: Known) -> WhoIsCalling:
    """Who is calling, and what it may do."""
    who = caller.principal
    return WhoIsCalling(
        kind=str(who.kind),
        name=who.name,
        role=str(who.role),
        client_id=who.client_id,
        permissions=sorted(str(permission) for permission in Permission if who.may(permission)),
    )


@router.delete("/session", status_code=204)
async def log_out(caller: Known, parts: Parts) -> None:
    """End the session of this token."""
    await parts.access.log_out(caller.principal, caller.address, caller.request_id)


@router.get("/users")
async def list_users(caller: Known, parts: Parts) -> Users:
    """Every user, by name."""
    caller.check(Permission.MANAGE_USERS)
    return Users(items=[_user(row) for row in await parts.users.all()])


@router.post("/users", status_code=201, responses={201: {"headers": ETAG_HEADER}})
async def create_user(caller: Known, parts: Parts, new: UserNew, response: Response) -> UserMade:
    """A new user."""
    caller.check(Permission.MANAGE_USERS)
    await _confirm(caller, parts, new)
    made = await parts.users.create(
        *(caller.actor, new.name, new.role), client=new.client, password=new.password, token=new.token
    )
    return UserMade(**_tagged(made.user, response).model_dump(), token=made.token)


async def _shown(parts: Parts, name: str) -> StoredUser:
    found = next((row for row in await parts.users.all() if row.name.lower() == name.lower()), None)
    if found is None:
        raise Problem(ManagementCode.RESOURCE_NOT_FOUND, f'There is no user "{name}".')
    return found


@router.get("/users/{name}", responses={200: {"headers": ETAG_HEADER}})
async def show_user(caller: Known, parts: Parts, name: Name, response: Response) -> UserShown:
    """One user."""
    caller.check(Permission.MANAGE_USERS)
    return _tagged(await _shown(parts, name), response)


@router.patch("/users/{name}", responses={200: {"headers": ETAG_HEADER}})
async def change_user(
    caller: Known, parts: Parts, name: Name, change: UserChange, response: Response, if_match: IfMatch = None
) -> UserShown:
    """Disable it, which ends its sessions at once, enable it, or give it another role."""
    caller.check(Permission.MANAGE_USERS)
    expected = _expected(if_match)
    if change.role is not None or change.enabled:
        await _confirm(caller, parts, change)
    if change.role is None and change.client is not None:
        detail = "client: a user gets another client together with its role."
        raise Problem(ManagementCode.VALUE_INVALID, detail, errors={"client": ["only together with role"]})
    changed = await parts.users.change(
        caller.actor, name, role=change.role, client=change.client, enabled=change.enabled, expected=expected
    )
    return _tagged(changed, response)


@router.put("/users/{name}/password", status_code=204)
async def set_password(caller: Known, parts: Parts, name: Name, new: NewPassword, if_match: IfMatch = None) -> None:
    """Give it another password; its sessions end. Everybody may give one to itself, with the present one."""
    if not _is_own(caller, name):
        caller.check(Permission.MANAGE_USERS)
    check_password(new.password, name)
    expected = _expected(if_match)
    await _confirm(caller, parts, new)
    await parts.users.set_password(caller.actor, name, new.password, expected=expected)


@router.post("/users/{name}/totp", status_code=201)
async def set_totp(
    caller: Known, parts: Parts, name: Name, given: Confirmation | None = None, if_match: IfMatch = None
) -> TotpShown:
    """Have it log in with one-time codes, of a new secret; its sessions end. Everybody may for itself."""
    if not _is_own(caller, name):
        caller.check(Permission.MANAGE_USERS)
    expected = _expected(if_match)
    await _confirm(caller, parts, given)
    return TotpShown(uri=await parts.users.set_totp(caller.actor, name, expected=expected))


@router.delete("/users/{name}/totp", status_code=204)
async def drop_totp(
    caller: Known, parts: Parts, name: Name, given: Confirmation | None = None, if_match: IfMatch = None
) -> None:
    """Have it log in without one-time codes."""
    caller.check(Permission.MANAGE_USERS)
    expected = _expected(if_match)
    await _confirm(caller, parts, given)
    await parts.users.drop_totp(caller.actor, name, expected=expected)


def _is_own(caller: Caller, name: str) -> bool:
    """Whether the caller came in a session of this user."""
    return caller.principal.session is not None and caller.principal.name.lower() == name.lower()


async def _confirm(caller: Caller, parts: Management, given: Confirmation | None) -> None:
    """Raise Problem (ValueInvalid) where the caller came in a session, unless it shows to be its user."""
    if caller.principal.session is None:
        return
    if given is None or given.current_password is None:
        rule = "missing; write the password that you log in with"
        raise Problem(ManagementCode.VALUE_INVALID, f"current_password: {rule}.", errors={"current_password": [rule]})
    await parts.access.confirm(caller.principal, given.current_password, given.code, caller.address, caller.request_id)


@router.get("/sessions")
async def list_sessions(caller: Known, parts: Parts) -> Sessions:
    """The sessions in force."""
    caller.check(Permission.MANAGE_USERS)
    return Sessions(items=[_session(row) for row in await parts.access.sessions()])


@router.delete("/sessions/{session_id}", status_code=204)
async def end_session(caller: Known, parts: Parts, session_id: SessionId) -> None:
    """End somebody's session."""
    caller.check(Permission.MANAGE_USERS)
    await parts.access.end_session(session_id, caller.actor)


@router.get("/tokens")
async def list_tokens(caller: Known, parts: Parts) -> Tokens:
    """Every token, those in force first."""
    caller.check(Permission.MANAGE_USERS)
    return Tokens(items=[_token(row) for row in await parts.tokens.all()])


@router.post("/tokens", status_code=201)
async def create_token(caller: Known, parts: Parts, new: TokenNew) -> TokenMade:
    """A new token."""
    caller.check(Permission.MANAGE_USERS)
    await _confirm(caller, parts, new)
    given: dict[str, Any] = new.model_dump(exclude=set(Confirmation.model_fields))
    return TokenMade(token=await parts.tokens.create(caller.actor, given.pop("name"), **given))


@router.delete("/tokens/{name}", status_code=204)
async def revoke_token(caller: Known, parts: Parts, name: Name) -> None:
    """Revoke it: refused within half a second on every process."""
    caller.check(Permission.MANAGE_USERS)
    await parts.tokens.revoke(caller.actor, name)
