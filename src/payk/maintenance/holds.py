"""What follows from holds goes on after whoever gave the command is gone: cancels, and the ExpiresIn of what was held.

And labels that share the key of one that is held are parted from it: a hold is on a label, dispatchers know its key.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from payk.domain.receipt import ReceiptWait
from payk.outcome_log import OutcomeLog
from payk.registry.traffic import continue_holds
from payk.store.database import Database
from payk.store.holds import labels_held, part_labels

__all__ = ["HoldDuty"]

REST = 10.0
"""Of the time that a walk over the queue took, until the next one begins: new messages may share the key again."""
LEAST_REST = 1.0


@dataclass(slots=True)
class _Walk:
    above: int = 0
    took: float = 0.0
    next_at: float = 0.0
    """`time.monotonic()` before which no new walk begins."""


class HoldDuty:
    """Slices of everything that holds leave to be done."""

    def __init__(self, db: Database, wait: ReceiptWait, outcome_log: OutcomeLog) -> None:
        self._db = db
        self._wait = wait
        self._outcome_log = outcome_log
        self._walks: dict[int, _Walk] = {}

    async def run_once(self) -> int:
        """One slice of each; returns how many have more."""
        more = await continue_holds(self._db, self._wait, self._outcome_log.on_ended)
        return more + await self._part_labels()

    async def _part_labels(self) -> int:
        held = await labels_held(self._db)
        self._walks = {hold_id: self._walks.get(hold_id, _Walk()) for hold_id in held}
        more = 0
        for hold_id, walk in self._walks.items():
            began = time.monotonic()
            if began < walk.next_at:
                continue
            upto = await part_labels(self._db, hold_id, walk.above)
            now = time.monotonic()
            walk.took += now - began
            walk.above = upto or 0
            if upto is None:
                walk.next_at, walk.took = now + max(LEAST_REST, REST * walk.took), 0.0
            more += upto is not None
        return more
