"""Telling how the links of this process stand, once a second and in one statement, for everybody to see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from payk.clock import Clock
from payk.links import Link
from payk.links.status import BindStatus
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.incarnation import Incarnation
from payk.store.link_states import tell_links
from payk.store.link_traces import WantedTrace

__all__ = ["LinkTeller"]

PERIOD = 1.0
"""Seconds between two tellings."""


class LinkTeller:
    """Tells of `links`, the dispatcher's own mapping, live; and is told which traces run, which `traces` gets."""

    def __init__(
        self,
        db: Database,
        incarnation: Incarnation,
        links: Mapping[int, Link],
        clock: Clock,
        results: Callable[[], Mapping[int, Mapping[str, list[int]]]],
        receipts: Callable[[], Mapping[int, list[int]]],
        traces: Callable[[Sequence[WantedTrace]], None],
    ) -> None:
        self._db = db
        self._incarnation = incarnation
        self._links = links
        self._clock = clock
        self._results = results
        self._receipts = receipts
        self._traces = traces

    async def run(self) -> None:
        """Tell until cancelled. What could not be told is old a second later anyway."""
        told = False
        while True:
            await asyncio.sleep(PERIOD)
            if not (self._links or told) or not self._incarnation.held():
                continue
            try:
                self._traces(await tell_links(self._db, self._incarnation.number, self._states()))
                told = bool(self._links)
            except StoreError:
                pass

    def _states(self) -> dict[int, dict[str, Any]]:
        now = self._clock.monotonic()
        results, receipts = self._results(), self._receipts()
        return {
            link_id: {
                **_state(link, now),
                "results": results.get(link_id, {}),
                **({"receipts_in_time": receipts[link_id]} if link_id in receipts else {}),
            }
            for link_id, link in self._links.items()
        }


def _state(link: Link, now: float) -> dict[str, Any]:
    pace = link.pace
    return {
        "window": link.settings.window,
        "rate": pace.rate,
        "contract_rate": pace.contract,
        "throttled": pace.rate != pace.contract,
        "resumes_in": None if pace.paused_until is None else max(0.0, pace.paused_until - now),
        "congestion_state": pace.congestion_state,
        **asdict(link.figures()),
        "binds": [_bind(status, now) for status in link.binds],
    }


def _bind(status: BindStatus, now: float) -> dict[str, Any]:
    return {
        "number": status.number,
        "in_flight": status.in_flight,
        "waiting_for": status.waiting_for,
        "last_error": status.last_error,
        "last_error_age": None if status.last_error_at is None else now - status.last_error_at,
    }
