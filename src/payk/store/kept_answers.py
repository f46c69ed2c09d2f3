"""Answers that are kept under the key of their request, so that a repeat of it is answered with the same octets.

A key is claimed, together with the answer, by the transaction that stores the messages of its request: there is an
answer exactly where there are messages. The answer to a request that stores none is kept once it was carried out. Of
what an answer is made, the doors know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from payk.store.arrays import columns
from payk.store.database import Connection, Database
from payk.store.errors import KeyReused
from payk.store.queries import sql
from payk.value import value

__all__ = ["AnswerKey", "KeptAnswer", "claim_keys", "find_answer", "find_answers", "keep_answer", "rewrite_answers"]


@value
class AnswerKey:
    """Under what the answer to a request is kept. Both digests are keyed."""

    client_id: int
    digest: bytes
    """Of what the client calls the request."""
    body_digest: bytes

    @property
    def name(self) -> tuple[int, bytes]:
        """What is unique."""
        return self.client_id, self.digest


@value
class KeptAnswer:
    """What the first request under a key was answered."""

    body_digest: bytes
    octets: bytes

    def to(self, key: AnswerKey) -> KeptAnswer:
        """This answer, for a request with the same body. Raises KeyReused."""
        if self.body_digest != key.body_digest:
            raise KeyReused
        return self


async def claim_keys(connection: Connection, answers: Mapping[AnswerKey, bytes]) -> dict[AnswerKey, KeptAnswer]:
    """Keep `answers` for 12 hours if this transaction commits; returns the keys that are held, with what is kept there.

    A transaction that is about to keep another answer under a key is waited for (lock_timeout).
    """
    rows = sorted((*key.name, key.body_digest, octets) for key, octets in answers.items())
    claimed = {tuple(row) for row in await connection.fetch(sql("kept_answers.claim_keys"), *columns(rows))}
    held = [key for key in answers if key.name not in claimed]
    if not held:
        return {}
    return await find_answers(connection, held)


async def find_answers(connection: Connection, keys: Sequence[AnswerKey]) -> dict[AnswerKey, KeptAnswer]:
    """What is kept under those of these keys that are held."""
    found = await connection.fetch(sql("kept_answers.find_answers"), *columns(key.name for key in keys))
    kept = {(row["client_id"], row["digest"]): KeptAnswer(row["body_digest"], row["answer"]) for row in found}
    return {key: kept[key.name] for key in keys if key.name in kept}


async def rewrite_answers(connection: Connection, answers: Mapping[AnswerKey, bytes]) -> None:
    """Keep other answers than those that this transaction claimed the keys with."""
    await connection.execute(
        sql("kept_answers.rewrite_answers"), *columns((*key.name, octets) for key, octets in answers.items())
    )


async def find_answer(db: Database, key: AnswerKey, timeout: float) -> KeptAnswer | None:
    """What is kept under a key, None where nothing is. Raises KeyReused and StoreUnavailable."""
    async with db.connection(timeout) as connection:
        row = await connection.fetchrow(sql("kept_answers.find_answers"), [key.client_id], [key.digest])
    return None if row is None else KeptAnswer(row["body_digest"], row["answer"]).to(key)


async def keep_answer(db: Database, key: AnswerKey, octets: bytes, timeout: float) -> KeptAnswer | None:
    """Keep an answer; another one where a request with this key was first. Raises KeyReused and StoreError."""
    async with db.transaction(timeout) as connection:
        held = await claim_keys(connection, {key: octets})
    return held[key].to(key) if held else None
