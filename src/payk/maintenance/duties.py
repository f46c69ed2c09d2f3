"""The list of all duties with their intervals."""

from __future__ import annotations

from random import Random

from payk.domain.directory import CurrentDirectory
from payk.domain.receipt import ReceiptWait
from payk.domain.retry import RetryRules
from payk.maintenance import (
    anchoring,
    expiry,
    health,
    ledgers,
    parked,
    partitions,
    pruning,
    reports,
    rescue,
    retention,
    staging,
    texts,
    traces,
    unanswered,
)
from payk.maintenance.duty import Duty
from payk.maintenance.figures import CentreFigures
from payk.maintenance.holds import HoldDuty
from payk.outcome_log import OutcomeLog
from payk.store.database import Database

__all__ = ["all_duties"]


def all_duties(
    db: Database,
    directory: CurrentDirectory,
    random: Random,
    *,
    rules: RetryRules,
    wait: ReceiptWait,
    retention_days: int = 90,
    report_days: int = 730,
    ledger_days: int = 400,
    otp_text_minutes: int = 60,
    figures: CentreFigures | None = None,
) -> list[Duty]:
    """Every duty of the centre. `figures`: what is told of it."""
    outcome_log = OutcomeLog(directory, "maintenance")
    return [
        *([] if figures is None else [Duty("figures", 5.0, figures.run_once)]),
        Duty("stage", 0.1, lambda: staging.run_once(db)),
        Duty("expire", 0.25, lambda: expiry.run_once(db, wait, outcome_log)),
        Duty("holds", 0.5, HoldDuty(db, wait, outcome_log).run_once),
        Duty("unanswered", 0.5, lambda: unanswered.run_once(db, outcome_log)),
        Duty("operator health", 5.0, lambda: health.run_once(db)),
        Duty("rescue", 1.0, lambda: rescue.run_once(db, directory, random, rules, wait, outcome_log)),
        Duty("parked", 0.5, lambda: parked.run_once(db, directory, wait, outcome_log)),
        Duty("partitions", 60.0, lambda: partitions.run_once(db)),
        Duty("prune", 3600.0, lambda: pruning.run_once(db)),
        Duty("wipe texts", 1.0, lambda: texts.run_once(db, otp_text_minutes)),
        Duty("retention", 3600.0, lambda: retention.run_once(db, retention_days)),
        Duty("traces", 10.0, lambda: traces.run_once(db)),
        Duty("fold reports", 2.0, lambda: reports.fold_once(db)),
        Duty("count earlier messages", 1.0, lambda: reports.count_earlier_once(db)),
        Duty("tidy reports", 3600.0, lambda: reports.tidy_once(db, report_days)),
        Duty("tidy ledgers", 3600.0, lambda: ledgers.run_once(db, ledger_days)),
        Duty("audit anchor", 86_400.0, lambda: anchoring.run_once(db)),
    ]
