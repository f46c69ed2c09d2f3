"""What a line of the log costs, by the event loop that waits for it and by the process: `python -m
tests.cli.measure_outcome_log 2>/dev/null`. Off, it is the question whether it is wanted."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from payk import logs
from payk.domain.account import Client
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.message import MessageState, SmsType
from payk.domain.operator import Link, Operator
from payk.domain.outcome import Accepted
from payk.domain.receipt import ReceiptReport
from payk.domain.retry import Decision
from payk.outcome_log import OutcomeLog
from payk.store.claims import Claim
from payk.store.ending import Cause, Ended
from payk.store.outcomes import Recorded
from payk.store.receipts import Settled, Spoken
from payk.store.wakeups import Flow

BATCH = 1_000
ROUNDS = 20
STYLES: tuple[tuple[logs.LogFormat, logs.OutcomeLevel], ...] = (("json", "off"), ("json", "all"), ("console", "all"))


def submits() -> list[tuple[Recorded, float | None]]:
    """A batch of parts that an operator took."""
    now, decision = datetime.now(UTC), Decision({1: MessageState.ENROUTE}, attempt=0, uncertain_count=0)
    return [
        (
            Recorded(
                Claim(
                    *(100_000_000 + number, Flow(1, 0, 1, 0, 0), 0, 0, None, None, None, 1, f"9929{number:08d}"),
                    *("AlifBank", "x", SmsType.COMMON, 1, now, now, f"a1b2c3d4e5f6-{number:x}"),
                ),
                1,
                (Accepted(1, "1f"),),
                decision,
                0.0123,
            ),
            0.001,
        )
        for number in range(BATCH)
    ]


def receipts() -> tuple[list[ReceiptReport], list[Settled]]:
    """A batch of receipts of them."""
    delivered = MessageState.DELIVERED
    numbers = [f"9929{number:08d}" for number in range(BATCH)]
    reports = [
        ReceiptReport(1, 1, ("1f",), delivered, "DELIVRD", "000", None, None, None, number, "AlifBank")
        for number in numbers
    ]
    settled = [
        Settled(100_000_000, (1,), delivered, about=Spoken(1, "a1b2c3d4e5f6-1", number, 1, 1, 1.2, 1.3, None))
        for number in numbers
    ]
    return reports, settled


def ends() -> list[Ended]:
    """A batch of messages that were cancelled."""
    deleted = MessageState.DELETED
    return [
        Ended(100_000_000 + number, deleted, 1, None, "a1b2c3d4e5f6-1", f"9929{number:08d}", 1, 12.5, None)
        for number in range(BATCH)
    ]


def microseconds(work: Callable[[], None]) -> tuple[float, float]:
    """For one line: the best round of the loop, and the mean of the process with the thread that writes."""
    best, began = float("inf"), time.process_time()
    for _ in range(ROUNDS):
        at = time.thread_time()
        work()
        best = min(best, time.thread_time() - at)
        time.sleep(0.02)  # for the thread that writes
    return best / BATCH * 1e6, (time.process_time() - began) / ROUNDS / BATCH * 1e6


def main() -> None:
    """Print both, by style and level."""
    link = Link(1, 1, "tcell-1", "127.0.0.1", 2775, "payk", b"")
    operators, clients = {1: Operator(1, "tcell", links=(link,))}, {1: Client(1, "bank")}
    log = OutcomeLog(CurrentDirectory(Directory(1, clients, operators=operators)), "dispatch")
    taken, (reports, settled), ended = submits(), receipts(), ends()

    def tell_ends() -> None:
        if log.on_ended is not None:
            log.on_ended(ended, Cause.CANCELLED, "hold 7 by client:bank")

    for style, which in STYLES:
        logs.configure(style, "info", which)
        for name, work in (
            ("submitted", lambda: log.submitted(taken)),
            ("received", lambda: log.received(reports, settled)),
            ("ended", tell_ends),
        ):
            loop, process = microseconds(work)
            print(f"{style:8}{which:5}{name:10}{loop:6.2f} us of the loop, {process:.2f} us of the process")


if __name__ == "__main__":
    main()
