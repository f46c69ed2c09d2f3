"""Who is calling: API keys, where they may come from, and a limit on how often one address may guess."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from starlette.types import Scope

from payk.clock import Clock
from payk.domain.account import ApiKey, Client
from payk.domain.directory import CurrentDirectory
from payk.domain.errors import Code
from payk.domain.failure_limit import FAILURES, FailureLimit
from payk.web.caller import Network, caller_address, forwarded_for, is_within
from payk.web.exchange import Exchange
from payk.web.problems import Problem

__all__ = ["Authenticator"]

REMEMBERED: Final = 50_000
"""Callers that are known to come from where their keys may be used; each takes some 300 octets."""
LONGEST: Final = 128
"""Octets of X-Forwarded-For of such a caller; one with more is looked at with each request."""

_UNAUTHORIZED = "The header X-Api-Key must carry a valid key. It is missing, or the key is unknown, expired or revoked."


class Authenticator:
    """Finds the client that a request's key belongs to, and puts the key into `used_keys`. `now`: database's clock."""

    def __init__(
        self,
        directory: CurrentDirectory,
        trusted_proxies: Sequence[Network],
        clock: Clock,
        now: Callable[[], datetime],
        used_keys: set[int],
    ) -> None:
        self._directory = directory
        self._now = now
        self._used_keys = used_keys
        self._trusted_proxies = trusted_proxies
        self._clock = clock
        self._limit = FailureLimit()
        self._let_in: dict[tuple[int, str | None, bytes], tuple[Network, ...]] = {}
        """From where keys were used that may be used from there: so that no address is read anew with each request. By
        the identity of the networks, which holds while they are kept here; who has no good key adds nothing."""

    def client(self, exchange: Exchange) -> Client:
        """The calling client.

        Raises Problem: Unauthorized, RateLimitExceeded (for a bad key only), IpAddressNotAllowed, ClientSuspended.
        """
        key = exchange.headers.get(b"x-api-key")
        directory = self._directory.value
        if key is not None:
            api_key = directory.keys.get(hashlib.sha256(key.strip()).digest())
            if api_key is not None and (api_key.expires_at is None or api_key.expires_at > self._now()):
                return self._client_of(api_key, directory.clients[api_key.client_id], exchange)
        raise self._failure(exchange.scope)

    def _client_of(self, api_key: ApiKey, client: Client, exchange: Exchange) -> Client:
        exchange.client = client
        if api_key.allow_from:
            self._check_address(api_key, exchange.scope)
        if not client.enabled:
            raise Problem(Code.CLIENT_SUSPENDED, f"Client '{client.name}' is suspended.")
        self._used_keys.add(api_key.key_id)
        return client

    def _check_address(self, api_key: ApiKey, scope: Scope) -> None:
        peer, allow_from = scope["client"], api_key.allow_from
        forwarded = forwarded_for(scope) if self._trusted_proxies else b""
        caller = (id(allow_from), None if peer is None else peer[0], forwarded)
        if self._let_in.get(caller) is allow_from:
            return
        address = caller_address(scope, self._trusted_proxies)
        if not is_within(address, allow_from):
            raise Problem(Code.IP_ADDRESS_NOT_ALLOWED, f"This key may not be used from {address}.")
        if len(forwarded) <= LONGEST:
            if len(self._let_in) >= REMEMBERED:
                self._let_in.clear()
            self._let_in[caller] = allow_from

    def _failure(self, scope: Scope) -> Problem:
        address = caller_address(scope, self._trusted_proxies)
        wait = self._limit.note(address, self._clock.monotonic())
        if wait > 0:
            detail = f"More than {FAILURES} requests without a valid key came from {address} within a minute."
            return Problem(Code.RATE_LIMIT_EXCEEDED, detail, retry_after=wait)
        return Problem(Code.UNAUTHORIZED, _UNAUTHORIZED, headers=[(b"www-authenticate", b"X-Api-Key")])
