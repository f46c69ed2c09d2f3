"""What is recorded of blocked numbers: each one that was changed, masked, beside a digest by which it is found again.

So the log says who blocked a number, and when, to whoever knows the number; and it gives none away. The digest is
keyed, for a plain one could be looked up by digesting all numbers of a country.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Final

from payk.domain.access import Actor
from payk.domain.audit import AuditEntry
from payk.logs import mask
from payk.store.audit import append
from payk.store.blocked import Changed, Noted
from payk.store.database import Connection

__all__ = ["NumberDigest", "recorded"]

OCTETS: Final = 16
"""Of a digest."""
SLICE: Final = 5_000
"""Numbers that one entry names; a longer list takes several."""


class NumberDigest:
    """`digest_keys` are those of the centre (payk.intake.digests): they stay when the secret key is rotated."""

    def __init__(self, digest_keys: bytes) -> None:
        key = hmac.digest(digest_keys, b"payk.audit.number", "sha256")
        self._keyed = hmac.new(key, digestmod="sha256")

    def of(self, phone: str) -> str:
        """By what a number in its normal form stands in the log, in hex."""
        content = self._keyed.copy()
        content.update(phone.encode())
        return content.digest()[:OCTETS].hex()


def recorded(act: str, client: str | None, detail: Mapping[str, Any], actor: Actor, digest: NumberDigest) -> Noted:
    """Adds what was changed to the audit log, in the transaction of the change; `client` None = for all."""

    async def record(connection: Connection, changed: Changed) -> None:
        named = [(how, phone) for how, phones in changed.items() for phone in phones]
        for start in range(0, len(named) or 1, SLICE):  # what changes nothing was asked for all the same
            numbers: dict[str, dict[str, str]] = {}
            for how, phone in named[start : start + SLICE]:
                numbers.setdefault(how, {})[digest.of(phone)] = mask(phone)
            kind = "client" if client else "all"
            await append(connection, [AuditEntry(actor, act, kind, client or "", {**detail, **numbers})])

    return record
