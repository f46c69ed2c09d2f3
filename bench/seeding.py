"""Millions of messages at once, by SQL: rows as the doors would have left them."""

from __future__ import annotations

from typing import Final

from bench.rig import SENDER
from bench.traffic import TEXT
from payk.domain.message import Lane, SmsType, label_key
from payk.store.database import Database

__all__ = ["seed_queue"]

_SLICE: Final = 500_000

_QUEUED: Final = """
with given as materialized (
    select nextval('message_id') as message_id, $5::text || '90' || lpad((n % 10000000)::text, 7, '0') as phone
    from generate_series(1, $1::integer) n
), stored as (
    insert into message (message_id, accepted_at, client_id, queue_id, sms_type, priority, parts, phone, sender, label,
                         text)
    select message_id, now(), $2, $3, $6, 1, 1, phone, $7, $8, $9 from given
)
insert into waiting (message_id, client_id, label_key, queue_id, lane, rank)
select message_id, $2, $4, $3, $10, 1 from given
"""


async def seed_queue(
    db: Database, count: int, *, client_id: int, queue_id: int, prefix: str, label: str, sender: str = SENDER
) -> None:
    """Batch messages that wait, in one flow."""
    for start in range(0, count, _SLICE):
        async with db.connection(timeout=600) as connection:
            await connection.execute("set statement_timeout = 0")
            await connection.execute(
                _QUEUED, min(_SLICE, count - start), client_id, queue_id, label_key(label), prefix,
                int(SmsType.BATCH), sender, label, TEXT, int(Lane.BATCH),
            )  # fmt: skip
            await connection.execute("set statement_timeout = '30s'")
