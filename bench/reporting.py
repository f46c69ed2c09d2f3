"""How long a report over a month takes, in which 20 million messages were sent.

The counts are laid down as folding leaves them: in every quarter of an hour messages of some sixty kinds (client,
sender, type, operator, label), in three states and ten latencies each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import Final
from zoneinfo import ZoneInfo

from bench.figure import Figure, Reading
from bench.promises import opened_store
from payk.domain.report import Dimension, ReportAsked, periods
from payk.store.database import Database
from payk.store.reports import read_report

__all__ = ["FIGURES", "measure"]

_DAYS: Final = 31
_CLIENTS: Final = 10
_MESSAGES: Final = 20_000_000
_ZONE: Final = ZoneInfo("Asia/Dushanbe")

_D = Dimension
_REPORTS: Final = (
    (Figure("report_month_by_client_and_day_ms", floor=300.0, less_is_better=True), (_D.CLIENT, _D.DAY)),
    (Figure("report_month_by_label_ms", floor=300.0, less_is_better=True), (_D.SMS_LABEL,)),
    (Figure("report_month_by_hour_ms", floor=300.0, less_is_better=True), (_D.HOUR,)),
)
FIGURES: Final = tuple(figure for figure, _ in _REPORTS)

_FILL: Final = """
with kinds as (
    insert into report_key (client_id, queue_id, operator_id, sms_type, sender, label, other)
    select client, 1, operator, kind, 'Sender' || client, case kind when 3 then 'mailing-' || day else '' end, false
    from generate_series(1, $1::integer) client, generate_series(1, 2) operator, (values (1), (2), (3)) k (kind),
         generate_series(0, $2::integer - 1) day
    where kind = 3 or day = 0
    returning key_id, label
), buckets as (
    select $3::timestamptz - interval '15 minutes' * n as began from generate_series(0, $2 * 96 - 1) n
), each as (
    select b.began, k.key_id from buckets b join kinds k
      on k.label = '' or k.label = 'mailing-' || floor(extract(epoch from $3::timestamptz - b.began) / 86400)
), shares as (
    select m as messages, m * 9 / 10 as delivered, m / 50 as unknown
    from (select greatest($4::bigint / count(*), 1) as m from each) c
), spans as (
    select * from (values (0, interval '15 minutes'), (1, interval '1 hour'), (2, interval '1 day')) s (span, width)
), histogram as (
    select trunc(sum(power(10::numeric, 12 * (bin + 73)))) as times from generate_series(-3, 6) bin
), counts as (
    insert into report_count
    select s.span, date_bin(s.width, began, '2000-01-01 00:00:00+00'), key_id,
           0, 0, sum(delivered), 0, 0, sum(messages - delivered - unknown), 0, sum(unknown), 0,
           0, 0, sum(delivered), 0, 0, sum(messages - delivered - unknown), 0, sum(unknown), 0, sum(messages) * 100,
           div(sum(messages), 10) * max(times), div(sum(messages), 10) * max(times)
    from each, shares, histogram, spans s
    group by 1, 2, 3
)
insert into report_failure
select s.span, date_bin(s.width, began, '2000-01-01 00:00:00+00'), key_id, 5, 'receipt: 011',
       sum(messages - delivered - unknown)
from each, shares, spans s
group by 1, 2, 3
"""


def measure(seconds: float) -> list[Reading]:
    """All reports take turns until `seconds` are over, each at least three times."""
    return asyncio.run(_measure(seconds))


async def _measure(seconds: float) -> list[Reading]:
    async with opened_store({}) as store:
        now = datetime.now(UTC)
        await _fill(store.db, now)
        times: list[list[float]] = [[] for _ in _REPORTS]
        start = perf_counter()
        while len(times[0]) < 3 or perf_counter() - start < seconds:
            for of_report, (_, group_by) in zip(times, _REPORTS, strict=True):
                of_report.append(await _took_ms(store.db, group_by, now))
    return [Reading(figure, min(taken), median(taken)) for figure, taken in zip(FIGURES, times, strict=True)]


async def _fill(db: Database, now: datetime) -> None:
    connection = await db.dedicated()
    try:
        await connection.execute("set enable_hashjoin = on; set enable_seqscan = on; set statement_timeout = 0")
        await connection.execute(_FILL, _CLIENTS, _DAYS, now.replace(minute=0, second=0, microsecond=0), _MESSAGES)
        await connection.execute("analyze report_key, report_count, report_failure")
    finally:
        await connection.close()


async def _took_ms(db: Database, group_by: Sequence[Dimension], now: datetime) -> float:
    period = next((dimension for dimension in group_by if dimension in (_D.DAY, _D.HOUR)), None)
    begins, ends, of = periods(now - timedelta(days=_DAYS - 1), now, _ZONE, now, period)
    start = perf_counter()
    async with aclosing(read_report(db, ReportAsked(tuple(group_by), begins, ends), of)) as rows:
        total = sum([row.total async for row in rows])
    assert total > _MESSAGES * 0.9  # the counts are those that are meant
    return 1_000 * (perf_counter() - start)
