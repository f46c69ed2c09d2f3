"""Who is calling: a service token, or the token of a session; and how a user gets one."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from payk.access.errors import LoginRefused, NotThere, TooManyFailures, ValueInvalid
from payk.access.one_time_code import step_of
from payk.access.passwords import LONGEST, Passwords
from payk.access.picture import TokenPicture
from payk.access.refusals import EntryLimit, HeldOff
from payk.access.sealer import Sealer
from payk.access.tokens import PREFIX
from payk.clock import Clock
from payk.domain.access import Actor, Principal, PrincipalKind, Role
from payk.domain.audit import AuditEntry
from payk.domain.failure_limit import FailureLimit, network_of
from payk.logs import get_logger
from payk.store.access import (
    Attempt,
    LoggingIn,
    StoredSession,
    begin_session,
    end_session,
    find_session,
    note_right,
    note_session_use,
    read_sessions,
    take_attempt,
    user_to_log_in,
)
from payk.store.audit import record
from payk.store.database import Database
from payk.store.errors import StoreError

__all__ = ["Access"]

IDLE: Final = 1_800.0
"""Seconds without a request after which a session ends."""
LONGEST_SESSION: Final = 43_200.0
"""Seconds after which it ends whatever happens."""
FREE_ATTEMPTS: Final = 10
"""From one network. The last of them, and each after it, locks the user for whoever comes from there, unless it is
right."""
FREE_OF_STRANGERS: Final = 50
"""From all networks together that the user did not log in from in the last 30 days: they are locked out alike."""
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
        self._held_off = HeldOff()
        self._entries = EntryLimit()

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
        async with self._counted(Actor(PrincipalKind.USER, "", 0, address, request_id)):
            return await self._log_in(name, password, code, address, request_id)

    async def confirm(
        self, principal: Principal, password: str, code: str | None, address: str, request_id: str = ""
    ) -> None:
        """Have whoever holds a session show once more to be its user, for what a stolen session may not do.

        It counts as an attempt to log in, and a code is used up. ValueInvalid (`current_password`), TooManyFailures,
        StoreError.
        """
        try:
            async with self._counted(principal.actor(address, request_id)):
                await self._confirm(principal, password, code, address, request_id)
        except LoginRefused:
            right = "write the password that you log in with, and where you have them a new one-time code"
            raise ValueInvalid(
                "current_password", "it, or `code`, is wrong or cannot be looked at now", right
            ) from None

    async def _confirm(
        self, principal: Principal, password: str, code: str | None, address: str, request_id: str
    ) -> None:
        user = await user_to_log_in(self._db, principal.name)
        attempt = await self._attempt(user, address)
        actor = principal.actor(address, request_id)
        stored = user.password_hash if user is not None and attempt is not None else None
        if await self._passwords.verify(stored, password[: LONGEST + 1]) and user and attempt:
            try:
                step = self._step(user, code)
                entry = AuditEntry(actor, "session.confirm", "user", user.name)
                if await note_right(self._db, user, network_of(address), known=attempt.known, step=step, audit=[entry]):
                    return
            except LoginRefused:
                pass
        await self._record_refusal(actor, user, attempt)
        raise LoginRefused

    @asynccontextmanager
    async def _counted(self, actor: Actor) -> AsyncIterator[None]:
        """Counts what is tried before it is looked at, so that many at once are not more; what was no failure not."""
        address = actor.address
        try:
            self._check_address(address)
        except TooManyFailures:
            await self._record_held_off(actor)
            raise
        self._failures.note(address, self._clock.monotonic())
        failed = False
        try:
            yield
        except LoginRefused:
            failed = True
            raise
        finally:
            if not failed:
                self._failures.take_back(address)

    async def _log_in(self, name: str, password: str, code: str | None, address: str, request_id: str) -> str:
        user = await user_to_log_in(self._db, name)
        actor = Actor(PrincipalKind.USER, user.name if user else "", user.user_id if user else 0, address, request_id)
        attempt = await self._attempt(user, address)
        stored = user.password_hash if user is not None and attempt is not None else None
        right = await self._passwords.verify(stored, password[: LONGEST + 1])
        token = None
        if right and user and stored and attempt:
            with suppress(LoginRefused):
                token = await self._begin(user, stored, password, self._step(user, code), actor, known=attempt.known)
        if token is not None:
            return token
        log.warning(
            "login_refused",
            user=user.name if user else None,
            address=address,
            attempt=attempt.number if attempt else None,
        )
        await self._record_refusal(actor, user, attempt)
        raise LoginRefused

    async def _record_refusal(self, actor: Actor, user: LoggingIn | None, attempt: Attempt | None) -> None:
        """What was looked at is bounded by locks, all else by EntryLimit. A name that nobody has is not kept: people
        type their password in its place."""
        if attempt is None:
            why = "unknown" if user is None else "locked" if user.enabled else "disabled"
            await self._record_unseen(actor, "" if user is None else user.name, {why: True})
        elif user is not None:
            detail = {"attempt": attempt.number}
            await record(self._db, [AuditEntry(actor, "session.refused", "user", user.name, detail)])

    async def _record_held_off(self, actor: Actor) -> None:
        attempts = self._held_off.note(actor.address, self._clock.monotonic())
        if attempts is None:
            return
        if not await self._record_unseen(actor, actor.name, {"held_off": True, "attempts": attempts}):
            self._held_off.untold(actor.address, attempts)

    async def _record_unseen(self, actor: Actor, name: str, detail: Mapping[str, Any]) -> bool:
        """Whether it is recorded. It is refused all the same where the database is away: nothing was looked at."""
        left_out = self._entries.take(self._clock.monotonic())
        if left_out is None:
            return False
        told = {**detail, "left_out": left_out} if left_out else detail
        try:
            await record(self._db, [AuditEntry(actor, "session.refused", "user", name, told)])
        except StoreError as error:
            log.warning("refused login is no entry of the audit log", address=actor.address, error=str(error))
            return False
        return True

    async def _attempt(self, user: LoggingIn | None, address: str) -> Attempt | None:
        """The attempt, counted; None where nothing is looked at: nobody, disabled, locked."""
        if user is None or not user.enabled:
            return None
        return await take_attempt(
            self._db,
            user.user_id,
            network_of(address),
            free=FREE_ATTEMPTS,
            free_of_strangers=FREE_OF_STRANGERS,
            first=FIRST_LOCK,
            longest=LONGEST_LOCK,
        )

    def _step(self, user: LoggingIn, code: str | None) -> int | None:
        """The step of a one-time code; None of users that have none. LoginRefused."""
        if user.totp_secret is None:
            return None
        step = step_of(self._sealer.open(user.totp_secret), code or "", user.now)
        if step is None:
            raise LoginRefused
        return step

    async def _begin(
        self, user: LoggingIn, stored: str, password: str, step: int | None, actor: Actor, *, known: bool
    ) -> str | None:
        token = secrets.token_urlsafe(32)
        session = await begin_session(
            self._db,
            user,
            hashlib.sha256(token.encode()).digest(),
            actor.address,
            network_of(actor.address),
            known=known,
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
