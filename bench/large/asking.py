"""How long a page of a list and a report of a day take, over HTTP, one request after the other."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final

import httpx

from bench.figure import CannotRun
from bench.rig import BANK
from payk.store.database import Database
from payk.store.report_folding import count_earlier, fold

__all__ = ["LIST", "answer_ms", "count_stored", "report_of_yesterday"]

LIST: Final = "/api/v1/sms?Limit=100"
_REQUESTS: Final = 20
_SLICE: Final = 500_000


def report_of_yesterday() -> str:
    """By label and hour, in UTC: one of the days over which the messages came in."""
    today = datetime.now(UTC).date()
    return f"/api/v1/reports?GroupBy=SmsLabel,Hour&From={today - timedelta(days=1)}&To={today}"


async def answer_ms(url: str, path: str) -> float:
    """The median of some answers, in milliseconds."""
    times = []
    async with httpx.AsyncClient(base_url=url, headers={"X-Api-Key": BANK}, timeout=60) as http:
        for _ in range(_REQUESTS):
            began = time.perf_counter()
            answer = await http.get(path)
            times.append(1000 * (time.perf_counter() - began))
            if answer.status_code != httpx.codes.OK:
                raise CannotRun(f"{path} was answered with {answer.status_code}")
    return median(times)


async def count_stored(db: Database, last: int) -> None:
    """Count messages below an id that were stored past the triggers, as those of before there were reports."""
    async with db.connection() as connection:
        await connection.execute("update report_start set counted_from = $1", last)
    while await count_earlier(db, _SLICE):
        pass
    while await fold(db):
        pass
