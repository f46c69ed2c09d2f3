"""Who is calling: a service token, or the token of a session; and how a user gets one."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from payk.access.errors import LoginRefused, NotThere, TooManyFailures
from payk.access.one_time_code import step_of
from payk.access.passwords import LONGEST, Passwords
from payk.access.picture import TokenPicture
from payk.access.sealer import Sealer
from payk.access.tokens import PREFIX
from payk.clock import Clock
from payk.domain.access import Actor, Principal, PrincipalKind, Role
from payk.domain.audit import AuditEntry
from payk.domain.failure_limit import FailureLimit
from payk.logs import get_logger
from payk.store.access import (
    LoggingIn,
    StoredSession,
    begin_session,
    end_session,
    find_session,
    note_session_use,
    read_sessions,
    take_attempt,
    user_to_log_in,
)
from payk.store.audit import record
from payk.store.database import Database

__all__ = ["Access"]

IDLE: Final = 1_800.0
"""Seconds without a request after which a session ends."""
LONGEST_SESSION: Final = 43_200.0
"""Seconds after which it ends whatever happens."""
FREE_ATTEMPTS: Final = 10
"""The last of them, and each after it, locks the user unless it is right."""
FIRST_LOCK: Final = 60.0
LONGEST_LOCK: Final = 3_600.0

log = get_logger("access")


class Access:
    """Lets in, or does not. It fails closed: without the database nobody is let in (StoreError)."""

    def __init__(self, db: Database, sealer: Sealer, *, clock: Clock | None = None, passwords: Passwords | None = None):
        self._db = db
        self._sealer = sealer
        self._clock = clock or Clock()
        self._passwords = passwords or Passwords()
        self._tokens = TokenPicture(db, self._clock)
        self._failures = FailureLimit()

    async def authenticate(self, token: str, address: str) -> Principal | None:
        """Whose bearer token this is; None where nobody's: unknown, expired, revoked, ended, of a disabled user.

        Raises TooManyFailures for an address that failed 20 times within a minute, before anything is looked up, and
        StoreError.
        """
        self._check_address(address)
        sha256 = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        found = await self._tokens.find(sha256) if token.startswith(PREFIX) else await self._session(sha256)
        if found is None:
            self._failures.note(address, self._clock.monotonic())
        return found

    async def _session(self, sha256: bytes) -> Principal | None:
        row = await find_session(self._db, sha256, IDLE)
        if row is None:
            return None
        if row.note:
            await note_session_use(self._db, row.session_id)
        return Principal(
            PrincipalKind.USER, row.user_id, row.name, Role(row.role), row.client_id, session=row.session_id
        )

    async def log_in(self, name: str, password: str, code: str | None, address: str, request_id: str = "") -> str:
        """The token of a new session, shown once. `code`: the one-time code, of users that have them.

        Raises LoginRefused, TooManyFailures and StoreError.
        """
        self._check_address(address)
        # Before it is looked at, so that many at once are not more; what was no failure is taken back.
        self._failures.note(address, self._clock.monotonic())
        failed = False
        try:
            return await self._log_in(name, password, code, address, request_id)
        except LoginRefused:
            failed = True
            raise
        finally:
            if not failed:
                self._failures.take_back(address)

    async def _log_in(self, name: str, password: str, code: str | None, address: str, request_id: str) -> str:
        user = await user_to_log_in(self._db, name)
        actor = Actor(PrincipalKind.USER, user.name if user else "", user.user_id if user else 0, address, request_id)
        attempt = await self._attempt(user)
        stored = user.password_hash if user is not None and user.enabled and attempt is not None else None
        right = await self._passwords.verify(stored, password[: LONGEST + 1])
        token = await self._begin(user, stored, password, code, actor) if right and user and stored else None
        if token is not None:
            return token
        log.warning("login_refused", user=user.name if user else None, address=address, attempt=attempt)
        if user is not None:
            detail = {"attempt": attempt} if attempt is not None else {"locked": True}
            await record(self._db, [AuditEntry(actor, "session.refused", "user", user.name, detail)])
        raise LoginRefused

    async def _attempt(self, user: LoggingIn | None) -> int | None:
        if user is None or not user.enabled:
            return None
        return await take_attempt(self._db, user.user_id, free=FREE_ATTEMPTS, first=FIRST_LOCK, longest=LONGEST_LOCK)

    async def _begin(self, user: LoggingIn, stored: str, password: str, code: str | None, actor: Actor) -> str | None:
        step = None
        if user.totp_secret is not None:
            step = step_of(self._sealer.open(user.totp_secret), code or "", user.now)
            if step is None:
                return None
        token = secrets.token_urlsafe(32)
        session = await begin_session(
            self._db,
            user,
            hashlib.sha256(token.encode()).digest(),
            actor.address,
            seconds=LONGEST_SESSION,
            idle=IDLE,
            step=step,
            new_hash=await self._passwords.hash(password) if self._passwords.outdated(stored) else None,
            audit=[AuditEntry(actor, "session.begin", "user", user.name)],
        )
        return None if session is None else token

    async def log_out(self, principal: Principal, address: str = "", request_id: str = "") -> None:
        """End the session by which a principal came; of a token nothing."""
        if principal.session is not None:
            actor = principal.actor(address, request_id)
            audit = [AuditEntry(actor, "session.end", "user", principal.name)]
            await end_session(self._db, principal.session, audit)

    async def sessions(self) -> list[StoredSession]:
        """The sessions in force, the newest first."""
        return await read_sessions(self._db, IDLE)

    async def end_session(self, session_id: int, actor: Actor) -> None:
        """End the session of somebody. NotThere."""
        audit = [AuditEntry(actor, "session.revoke", "session", str(session_id))]
        if await end_session(self._db, session_id, audit) is None:
            raise NotThere(f"There is no session {session_id}.")

    def _check_address(self, address: str) -> None:
        wait = self._failures.wait(address, self._clock.monotonic())
        if wait > 0:
            raise TooManyFailures(address, wait)
