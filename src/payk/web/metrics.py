"""GET /metrics: the figures of this process, for callers on this machine, others need the permission read-metrics."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final

from payk.access.errors import TooManyFailures
from payk.clock import Clock
from payk.domain.access import Permission, Principal
from payk.domain.management_errors import ManagementCode
from payk.metrics.exposition import CONTENT_TYPE
from payk.store.errors import StoreError, StoreUnavailable
from payk.web.admin.management import Authenticate
from payk.web.answers import Answer
from payk.web.caller import Network, caller_address, is_loopback, peer_address
from payk.web.exchange import Exchange
from payk.web.problems import Problem

__all__ = ["MetricsPage"]

PATIENCE: Final = 1.0
"""Seconds for the database to say whose token it is."""
REMEMBERED: Final = 3600.0
"""Seconds for which a token that was good is good here while the database does not say: then they are wanted most."""


class MetricsPage:
    """Answers with what `text` makes. `authenticate` as payk.access.Access does it."""

    def __init__(
        self,
        text: Callable[[], str],
        authenticate: Authenticate,
        clock: Clock,
        trusted_proxies: tuple[Network, ...] = (),
    ) -> None:
        self._text = text
        self._authenticate = authenticate
        self._clock = clock
        self._trusted_proxies = trusted_proxies
        self._good: dict[bytes, float] = {}
        """Tokens that were good, by their digest, and when that was known last."""

    async def get(self, exchange: Exchange) -> Answer:
        """The figures. Raises Problem (Unauthorized, Forbidden, TooManyAttempts) and StoreError.

        Whoever asks on this machine needs no token: whoever is here sees more than figures.
        """
        if _is_from_here(exchange):
            return Answer(200, self._text().encode(), CONTENT_TYPE)
        scheme, _, token = exchange.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized()
        await self._check(token, caller_address(exchange.scope, self._trusted_proxies))
        return Answer(200, self._text().encode(), CONTENT_TYPE)

    async def _check(self, token: str, address: str) -> None:
        digest, now = hashlib.sha256(token.encode()).digest(), self._clock.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                principal = await self._authenticate(token, address)
        except (StoreError, TimeoutError) as error:
            if now - self._good.get(digest, float("-inf")) < REMEMBERED:
                return
            if isinstance(error, StoreError):
                raise
            raise StoreUnavailable("the database does not say whose token this is") from error
        except TooManyFailures as error:
            raise Problem(ManagementCode.TOO_MANY_ATTEMPTS, str(error), retry_after=error.wait) from error
        self._good.pop(digest, None)
        if principal is None:
            raise _unauthorized()
        _check_permission(principal)
        self._good = {known: at for known, at in self._good.items() if now - at < REMEMBERED} | {digest: now}


def _is_from_here(exchange: Exchange) -> bool:
    """Whether the caller is on this machine and speaks for itself: no token, and no proxy on the way that says so."""
    said = exchange.headers.keys() & {b"authorization", b"x-forwarded-for", b"forwarded", b"via"}
    return not said and is_loopback(peer_address(exchange.scope["client"]))


def _check_permission(principal: Principal) -> None:
    """The figures are of all clients together, so whoever belongs to one may not see them."""
    if not principal.allows(Permission.READ_METRICS):
        detail = f"{principal.name} may not do this: it takes the permission {Permission.READ_METRICS}."
        raise Problem(ManagementCode.FORBIDDEN, detail)


def _unauthorized() -> Problem:
    return Problem(
        ManagementCode.UNAUTHORIZED,
        "The header Authorization must carry `Bearer` and a token: it is missing, unknown, expired or revoked.",
        headers=[(b"www-authenticate", b"Bearer")],
    )
