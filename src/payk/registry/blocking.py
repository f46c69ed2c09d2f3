"""What is recorded of blocked numbers: a digest of each one that was changed, by which it is found again.

So the log says who blocked a number, and when, to whoever knows the number; and it gives none away. The digest is
keyed, for a plain one could be looked up by digesting all numbers of a country. A few numbers stand in the entry
itself, masked; the digests of more in a list beside it, of which the entry has the counts and the SHA-256: entries stay
small, and whoever adds another waits for one alone.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

from payk.domain.access import Actor
from payk.domain.audit import AuditEntry
from payk.logs import mask
from payk.store.audit import DigestList, append
from payk.store.blocked import Changed, Noted
from payk.store.database import Connection

__all__ = ["NumberDigest", "recorded"]

OCTETS: Final = 16
"""Of a digest."""
FEW: Final = 20
"""Numbers that an entry names itself."""
SLICE: Final = 5_000
"""Numbers that are digested at a time."""


class NumberDigest:
    """`digest_keys` are those of the centre (payk.intake.digests): they stay when the secret key is rotated."""

    def __init__(self, digest_keys: bytes) -> None:
        key = hmac.digest(digest_keys, b"payk.audit.number", "sha256")
        self._keyed = hmac.new(key, digestmod="sha256")

    def of(self, phone: str) -> str:
        """By what a number in its normal form stands in the log, in hex."""
        return self._octets(phone).hex()

    def of_all(self, phones: Sequence[str]) -> bytes:
        """The same of numbers in their order, one behind the other."""
        return b"".join(map(self._octets, phones))

    def _octets(self, phone: str) -> bytes:
        content = self._keyed.copy()
        content.update(phone.encode())
        return content.digest()[:OCTETS]


def recorded(act: str, client: str | None, detail: Mapping[str, Any], actor: Actor, digest: NumberDigest) -> Noted:
    """Adds what was changed to the audit log, in the transaction of the change; `client` None = for all."""

    async def record(connection: Connection, changed: Changed) -> None:
        of = {how: phones for how, phones in changed.items() if phones}
        few = sum(map(len, of.values())) <= FEW
        numbers = _named(of, digest) if few else {"list": await _listed(connection, of, digest)}
        kind = "client" if client else "all"
        await append(connection, [AuditEntry(actor, act, kind, client or "", {**detail, **numbers})])

    return record


def _named(changed: Changed, digest: NumberDigest) -> dict[str, dict[str, str]]:
    return {how: {digest.of(phone): mask(phone) for phone in phones} for how, phones in changed.items()}


async def _listed(connection: Connection, changed: Changed, digest: NumberDigest) -> dict[str, Any]:
    """Writes the digests beside the log, before anybody has to wait for the entry; what the entry says of them."""
    phones = [phone for how in changed for phone in changed[how]]
    writing = await DigestList.begin(connection)
    for start in range(0, len(phones), SLICE):
        await writing.add(await asyncio.to_thread(digest.of_all, phones[start : start + SLICE]))
    return {"id": writing.id, "sha256": writing.sha256, **{how: len(changed[how]) for how in changed}}
