"""Who may ask just now: the client of the key, within the rate of its requests.

The rate is judged as soon as the client is known and before the body is read, so that a flood costs no bodies: of two
faults of a request this one is told first, unlike the other limits, which come last.
"""

from __future__ import annotations

from collections.abc import Sequence

from payk.clock import Clock
from payk.domain.account import Client
from payk.domain.errors import Code
from payk.domain.rate import Allowance, RateKind, request_rate
from payk.store.rates import SharedRates
from payk.web.answers import Header, limit_headers
from payk.web.auth import Authenticator
from payk.web.exchange import Exchange
from payk.web.problems import Problem

__all__ = ["Admission"]

PATIENCE = 2.0
"""Seconds that a request waits for the database to tell whether it is within the rate."""


class Admission:
    """Lets requests in. Those of clients without a limit pay a look at it."""

    def __init__(self, authenticator: Authenticator, rates: SharedRates, clock: Clock) -> None:
        self._authenticator = authenticator
        self._rates = rates
        self._clock = clock

    async def client(self, exchange: Exchange) -> Client:
        """The calling client. Raises as Authenticator.client, RateLimitExceeded and StoreUnavailable."""
        client = self._authenticator.client(exchange)
        if client.limits.requests_per_second:
            await self._within_rate(exchange, client)
        return client

    async def _within_rate(self, exchange: Exchange, client: Client) -> None:
        rate = request_rate(client.limits)
        taken = await self._rates.take(client.client_id, RateKind.REQUESTS, rate, 1, PATIENCE)
        allowance, now = self._rates.allowance(client.client_id, RateKind.REQUESTS, rate), self._clock.monotonic()
        exchange.rate_headers = _headers(allowance, now)
        if not taken:
            detail = f"Client '{client.name}' may send {rate.per_second:g} requests a second, and sent more."
            raise Problem(Code.RATE_LIMIT_EXCEEDED, detail, retry_after=allowance.wait(now))


def _headers(allowance: Allowance, now: float) -> Sequence[Header]:
    """How many requests the bucket holds, how many are left in it, and the seconds until it is full again."""
    rate, remaining = allowance.rate, allowance.remaining(now)
    return limit_headers(rate.burst, remaining, (rate.burst - remaining) / rate.per_second)
