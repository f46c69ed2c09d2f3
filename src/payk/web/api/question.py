"""What every question begins with: who asks, for which message, and how long the store may take."""

from __future__ import annotations

from payk.clock import Clock
from payk.domain.account import Client
from payk.domain.errors import Code, quoted
from payk.intake import Intake
from payk.web.admission import Admission
from payk.web.exchange import Exchange
from payk.web.problems import Problem

__all__ = ["Questions", "known_id", "not_found"]

_ID_DIGITS = 18
"""The most digits an id can have: message ids are 64-bit."""


class Questions:
    """`answer_timeout`: seconds within which a question is answered."""

    def __init__(self, intake: Intake, admission: Admission, clock: Clock, answer_timeout: float) -> None:
        self._intake = intake
        self._admission = admission
        self._clock = clock
        self._answer_timeout = answer_timeout

    async def asked(self, exchange: Exchange) -> tuple[int, int, float]:
        """client_id, message_id and the seconds that the store may take.

        Raises Problem: no valid key, RateLimitExceeded, MessageIdInvalid, MessageNotFound where no message can have
        the id.
        """
        client, timeout = await self.caller(exchange)
        return client.client_id, _asked_id(exchange), timeout

    async def caller(self, exchange: Exchange) -> tuple[Client, float]:
        """Who asks, and the seconds that the store may take. Raises as `asked` where no id is named."""
        client = await self._admission.client(exchange)
        return client, self._intake.store_timeout(self._clock.monotonic() + self._answer_timeout)


def not_found(exchange: Exchange) -> Problem:
    """No message of this client has the id that the path names."""
    return Problem(Code.MESSAGE_NOT_FOUND, f"This client has no message {quoted(exchange.message_id)}.")


def known_id(written: str) -> int | None:
    """The id that is written; None for one that no message can have. Raises ValueError where it is none."""
    if not (written.isascii() and written.isdigit()):
        raise ValueError(written)
    digits = written.lstrip("0")
    return None if len(digits) > _ID_DIGITS else int(digits or "0")


def _asked_id(exchange: Exchange) -> int:
    written = exchange.message_id
    try:
        message_id = known_id(written)
    except ValueError:
        detail = f"{quoted(written)} is no MessageId: the path is /api/v1/sms/ and the digits of an id."
        raise Problem(Code.MESSAGE_ID_INVALID, detail) from None
    if message_id is None:
        raise not_found(exchange)
    return message_id
