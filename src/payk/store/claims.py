"""Claiming: which flows have messages, and taking messages for a link. Claimed means: may have been sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime

import asyncpg

from payk.domain.message import SmsType
from payk.store.database import Database
from payk.store.queries import sql
from payk.store.wakeups import Flow
from payk.value import value

__all__ = ["LABELS_SHOWN", "Claim", "Quota", "claim_rows", "claims_of_ended", "present_flows"]

LABELS_SHOWN = 200
"""Labels of one client that are looked at together, in each lane (and rank); some write one on every message."""


@value
class Quota:
    """How many messages of a flow a claim may take; none lies below message id `low`."""

    flow: Flow
    low: int
    count: int


@value
class Claim:
    """A claimed message with all that submitting it needs. Times are UTC by the database's clock."""

    message_id: int
    flow: Flow
    attempt: int
    uncertain_count: int
    parts_left: tuple[int, ...] | None
    """None = all of them."""
    expires_at: datetime | None
    retrying_since: float | None
    link_id: int
    phone: str
    sender: str
    text: str
    sms_type: SmsType
    parts: int
    now: datetime
    accepted_at: datetime | None = None
    request_id: str | None = None
    """Of the request that brought it."""
    waited: float = field(default=0.0, compare=False)
    """Seconds for which it could have been sent by then."""
    trace: bytes | None = None
    """Context of its trace (payk.tracing); None where there is none."""

    @property
    def try_number(self) -> int:
        """Which submission of the message this is, from 1."""
        return self.attempt + self.uncertain_count + 1

    @property
    def open_parts(self) -> tuple[int, ...]:
        """The parts to be sent, counted from 1."""
        return self.parts_left if self.parts_left is not None else tuple(range(1, self.parts + 1))


_SMS_TYPES = {sms_type.value: sms_type for sms_type in SmsType}


def _claim(row: asyncpg.Record) -> Claim:
    (message_id, queue_id, lane, client_id, rank, label_key, attempt, uncertain_count, parts_left, expires_at,
     retrying_since, link_id, phone, sender, text, sms_type, parts, now, accepted_at, request_id,
     waited, trace) = row[:22]  # fmt: skip
    return Claim(
        message_id,
        Flow(queue_id, lane, client_id, rank, label_key),
        attempt,
        uncertain_count,
        None if parts_left is None else tuple(parts_left),
        expires_at,
        retrying_since,
        link_id,
        phone,
        sender,
        text,
        _SMS_TYPES[sms_type],
        parts,
        now,
        accepted_at,
        request_id,
        waited,
        trace,
    )


async def present_flows(db: Database, labels: int = LABELS_SHOWN) -> dict[Flow, int]:
    """Every flow with messages that are ready, and its lowest id; of flows that differ in their label so many."""
    async with db.connection() as connection:
        rows = await connection.fetch(sql("claims.present_flows"), labels)
    return {Flow(*row[:5]): row[5] for row in rows}


async def claim_rows(db: Database, incarnation: int, link_id: int, quotas: Sequence[Quota]) -> list[Claim]:
    """Take messages for `link_id`; none if this incarnation was ended. Otp comes first in the answer."""
    async with db.connection() as connection:
        rows = await connection.fetch(
            sql("claims.claim_rows"),
            incarnation,
            link_id,
            [quota.flow.queue_id for quota in quotas],
            [quota.flow.lane for quota in quotas],
            [quota.flow.client_id for quota in quotas],
            [quota.flow.rank for quota in quotas],
            [quota.flow.label_key for quota in quotas],
            [quota.low for quota in quotas],
            [quota.count for quota in quotas],
        )
    return [_claim(row) for row in rows]


async def claims_of_ended(db: Database, limit: int) -> list[tuple[int, Claim]]:
    """Claims whose process has ended, each with its incarnation."""
    async with db.connection() as connection:
        rows = await connection.fetch(sql("claims.claims_of_ended"), limit)
    return [(row["claimed_by"], _claim(row)) for row in rows]
