"""Whether the counts of reports are those of the messages: what was folded and what was not yet, against a scan."""

from __future__ import annotations

import asyncpg

__all__ = ["wrong_counts"]

_DIFFERENCES = """
with counted as (
    select c.began, k.client_id, k.queue_id, k.operator_id, k.sms_type, k.sender, k.label, v.state, v.messages, v.parts
    from payk.report_count c join payk.report_key k using (key_id)
    cross join lateral (values (0, m0, p0), (1, m1, p1), (2, m2, p2), (3, m3, p3), (4, m4, p4), (5, m5, p5),
                               (6, m6, p6), (7, m7, p7), (8, m8, p8)) as v (state, messages, parts)
    where c.span = 0
    union all
    select bucket, client_id, queue_id, coalesce(operator_id, 0), sms_type, sender, coalesce(label, ''), state,
           messages, parts
    from payk.report_delta
    union all
    select to_timestamp(floor(extract(epoch from accepted_at) / 900) * 900), client_id, queue_id,
           coalesce(operator_id, 0), sms_type, sender, coalesce(label, ''), state, -1, -parts
    from payk.message
)
select began, state, sum(messages)::bigint as messages, sum(parts)::bigint as parts
from counted
group by began, client_id, queue_id, operator_id, sms_type, sender, label, state
having sum(messages) <> 0 or sum(parts) <> 0
order by began, state
"""


async def wrong_counts(dsn: str) -> list[str]:
    """Where they differ, one line each; all messages must have been told apart by their labels."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await connection.fetch(_DIFFERENCES)
    finally:
        await connection.close()
    return [f"{row['began']:%Y-%m-%d %H:%M} state {row['state']}: {row['messages']:+}" for row in rows]
