"""What processes that have ended had claimed is dealt with: it may have been sent.

Such a claim counts as uncertain, and the policy for uncertain outcomes decides: sent once more after the hold, or not.
"""

from __future__ import annotations

from collections import defaultdict
from random import Random

from payk.domain.directory import CurrentDirectory
from payk.domain.outcome import Uncertain
from payk.domain.receipt import ReceiptWait
from payk.domain.retry import RetryRules
from payk.logs import get_logger
from payk.outcome_log import OutcomeLog
from payk.store.claims import claims_of_ended
from payk.store.database import Database
from payk.store.outcome_figures import count_outcomes
from payk.store.outcomes import Recorded, decided, record_outcomes

__all__ = ["run_once"]

log = get_logger("maintenance")

BATCH = 500


async def run_once(
    db: Database,
    directory: CurrentDirectory,
    random: Random,
    rules: RetryRules,
    wait: ReceiptWait,
    outcome_log: OutcomeLog,
) -> int:
    """Rescue claims; returns how many."""
    by_incarnation: dict[int, list[Recorded]] = defaultdict(list)
    for number, claim in await claims_of_ended(db, BATCH):
        outcomes = tuple(Uncertain(part, "its process ended") for part in claim.open_parts)
        record = decided(claim, outcomes, 0.0, directory, rules, random.random())
        if record is not None:  # else the directory of this process is behind; the next round knows the link
            by_incarnation[number].append(record)
    for number, records in by_incarnation.items():
        await record_outcomes(db, number, records, wait)
        count_outcomes(((record, None) for record in records), directory)
        outcome_log.submitted((record, None) for record in records)
        log.warning("claims of an ended process are uncertain", incarnation=number, messages=len(records))
    return sum(len(records) for records in by_incarnation.values())
