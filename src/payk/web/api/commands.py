"""What every POST that stores no message begins and ends with: who asks, the body, and Idempotency-Key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from payk.clock import Clock
from payk.domain.access import Actor, PrincipalKind
from payk.domain.account import Client
from payk.domain.errors import Code
from payk.intake import Intake
from payk.store.database import Database
from payk.store.errors import KeyReused, OutcomeUnknown, StoreError
from payk.store.kept_answers import AnswerKey, KeptAnswer, find_answer, keep_answer
from payk.web.admission import Admission
from payk.web.answers import REPEATED, Answer
from payk.web.api.body import BodyLimit, receive_body, unpack_body
from payk.web.api.idempotency import idempotency_key
from payk.web.caller import Network, caller_address
from payk.web.exchange import Exchange
from payk.web.problems import RETRY_AFTER, Problem

__all__ = ["Command", "CommandReader", "doubtful"]

IDS_LIMIT: Final = BodyLimit(2 * 1024 * 1024, "Split the ids into several requests.")


@dataclass(slots=True)
class Command:
    """One of them, read."""

    client: Client
    actor: Actor
    """The client, as the audit log keeps it."""
    body: bytes
    timeout: Callable[[], float]
    """Seconds that the store may take from now on. Raises StoreUnavailable where there are none."""
    begun: bool = False
    """Something of it was done: what fails now leaves it half done, and repeating it does the rest."""


class CommandReader:
    """Reads commands and answers them; an answer is out `answer_timeout` seconds after the last octet of the body."""

    def __init__(
        self,
        db: Database,
        intake: Intake,
        admission: Admission,
        clock: Clock,
        answer_timeout: float,
        trusted_proxies: Sequence[Network],
    ) -> None:
        self._db = db
        self._intake = intake
        self._admission = admission
        self._clock = clock
        self._answer_timeout = answer_timeout
        self._trusted_proxies = trusted_proxies

    async def answered(
        self,
        exchange: Exchange,
        path: str,
        carry_out: Callable[[Command], Awaitable[bytes]],
        *,
        limit: BodyLimit = IDS_LIMIT,
        changes: bool = True,
        private: bool = False,
    ) -> Answer:
        """What `carry_out` makes of the request to `path`, or what it made of it before under the same key.

        `changes`: it does more than to look. Of a `private` answer nothing is kept but that there was one: it holds a
        text, and is made anew.
        """
        client = await self._admission.client(exchange)
        key = idempotency_key(exchange)
        packed = await receive_body(exchange, limit)
        deadline = self._clock.monotonic() + self._answer_timeout
        body = await unpack_body(exchange, packed, limit)
        actor = Actor(
            PrincipalKind.CLIENT,
            client.name,
            client.client_id,
            caller_address(exchange.scope, self._trusted_proxies),
            exchange.request_id,
        )
        command = Command(client, actor, body, lambda: self._intake.store_timeout(deadline))
        exchange.storing = changes
        if key is None:
            return Answer(200, await _done(command, carry_out))
        named = await self._intake.request_key(client, path, key, body)
        kept = await find_answer(self._db, named, command.timeout())
        octets = b""
        if kept is None or private:
            octets = await _done(command, carry_out)
        if kept is None:
            kept = await self._keep(named, b"" if private else octets, command)
            if kept is None:
                return Answer(200, octets)
        return Answer(200, octets if private else kept.octets, headers=REPEATED)

    async def _keep(self, named: AnswerKey, octets: bytes, command: Command) -> KeptAnswer | None:
        """Keep the answer; another one where a request at the same instant was first."""
        try:
            return await keep_answer(self._db, named, octets, command.timeout())
        except KeyReused:
            raise
        except StoreError as error:
            raise doubtful() from error


async def _done(command: Command, carry_out: Callable[[Command], Awaitable[bytes]]) -> bytes:
    try:
        return await carry_out(command)
    except OutcomeUnknown as error:
        raise doubtful() from error
    except StoreError as error:
        if command.begun:
            raise doubtful() from error
        raise


def doubtful() -> Problem:
    """It is not known how much was done of what may be asked for again."""
    detail = "The connection to the store was lost while it confirmed. Repeat the request: what was done stays done."
    return Problem(Code.OUTCOME_UNKNOWN, detail, retryable=True, retry_after=RETRY_AFTER)
