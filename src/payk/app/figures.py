"""The figures of this process: what was counted, and what is looked at when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from payk import __version__
from payk.metrics.catalogue import (
    CATALOGUE,
    CERTIFICATE_SECONDS,
    DATABASE_CONNECTIONS,
    DATABASE_REACHABLE,
    DATABASE_ROUND_TRIP,
    INFO,
)
from payk.metrics.exposition import exposition
from payk.metrics.family import Family, Labels, Readings
from payk.store.database import Database
from payk.store.watch import DatabaseWatch
from payk.web.tls import ServerTls

__all__ = ["ProcessFigures"]


class ProcessFigures:
    """`listeners`: those with TLS; `others`: who else is asked."""

    def __init__(
        self,
        db: Database,
        watch: DatabaseWatch,
        *,
        process: str,
        role: str,
        listeners: Mapping[str, ServerTls],
        others: Iterable[Callable[[], Readings]],
    ) -> None:
        self._db = db
        self._watch = watch
        self._process = process
        self._role = role
        self._listeners = listeners
        self._others = tuple(others)

    def text(self) -> str:
        """As Prometheus reads it."""
        readings: dict[Family, Mapping[Labels, float]] = {}
        for read in (self._read, *self._others):
            readings |= read()
        return exposition(CATALOGUE, readings, process=self._process, role=self._role)

    def _read(self) -> Readings:
        now = datetime.now(UTC)
        connections: dict[Labels, float] = {(state,): count for state, count in self._db.connections().items()}
        round_trip = self._watch.round_trip
        return {
            INFO: {(__version__,): 1},
            DATABASE_REACHABLE: {(): round_trip is not None and not self._db.away},
            DATABASE_ROUND_TRIP: {} if round_trip is None else {(): round_trip},
            DATABASE_CONNECTIONS: connections,
            CERTIFICATE_SECONDS: {(name,): tls.seconds_left(now) for name, tls in self._listeners.items()},
        }
