"""The scripted numbers: destinations that choose what the operator does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from payk.simulator.rule import AT_ONCE, FAILURE_CODES, Fate, ReceiptPlan, Rule
from payk.smpp import CommandStatus, MessageState

__all__ = ["SCRIPTED_PREFIX", "ScriptedNumber", "listing", "scripted_numbers"]

SCRIPTED_PREFIX: Final = "99200000"


@dataclass(frozen=True, slots=True)
class ScriptedNumber:
    """``final_state`` is what the status of the message ends as, ``within`` seconds with the waits of `payk up`."""

    number: str
    behaviour: str
    final_state: str
    within: int
    rule: Rule


def _fails(state: MessageState) -> Fate:
    return Fate(receipts=(ReceiptPlan(state, 0.2, 0.2, FAILURE_CODES[state]),))


_ROWS: Final[tuple[tuple[str, str, int, Fate, int | None], ...]] = (
    ("delivered at once", "Delivered", 2, AT_ONCE, None),
    ("delivered after 5 s", "Delivered", 8, Fate(receipts=(ReceiptPlan(MessageState.DELIVERED, 5, 5),)), None),
    ("receipt UNDELIV", "Undeliverable", 5, _fails(MessageState.UNDELIVERABLE), None),
    ("receipt EXPIRED", "Expired", 5, _fails(MessageState.EXPIRED), None),
    ("receipt REJECTD", "Rejected", 5, _fails(MessageState.REJECTED), None),
    (
        "receipt ACCEPTD, 3 s later DELIVRD",
        "Accepted, then Delivered",
        8,
        Fate(receipts=(ReceiptPlan(MessageState.ACCEPTED), ReceiptPlan(MessageState.DELIVERED, 3, 3))),
        None,
    ),
    ("no receipt", "Enroute, then Unknown", 75, Fate(), None),
    ("submit refused for good: RINVDSTADR", "Undeliverable", 5, Fate(CommandStatus.ESME_RINVDSTADR), None),
    ("RTHROTTLED twice, then taken", "Delivered", 15, Fate(CommandStatus.ESME_RTHROTTLED), 2),
    ("RSYSERR once, then taken", "Delivered", 15, Fate(CommandStatus.ESME_RSYSERR), 1),
    (
        "receipt before submit_sm_resp",
        "Delivered",
        5,
        Fate(receipts=AT_ONCE.receipts, answer_after=0.2, receipt_first=True),
        None,
    ),
    (
        "submit never answered, no receipt",
        "submitted exactly twice (Batch: once), then Unknown",
        90,
        Fate(status=None),
        None,
    ),
    ("receipt UNKNOWN", "Enroute, then Unknown", 75, _fails(MessageState.UNKNOWN), None),
    ("receipt DELETED", "Deleted", 5, _fails(MessageState.DELETED), None),
    (
        "connection dropped after the submit",
        "submitted exactly twice (Batch: once), then Unknown",
        90,
        # Not at once: numbers that were sent along with this one are to show their own behaviour.
        Fate(status=None, drop=True, answer_after=0.3),
        None,
    ),
    ("submit refused for good: RINVSRCADR", "Rejected", 5, Fate(CommandStatus.ESME_RINVSRCADR), None),
)


def scripted_numbers() -> tuple[ScriptedNumber, ...]:
    """The table, by number: 992000000000, 992000000001 and so on."""
    rows = ((f"{SCRIPTED_PREFIX}{position:04}", row) for position, row in enumerate(_ROWS))
    return tuple(
        ScriptedNumber(number, behaviour, final_state, within, Rule(number, fate, times, AT_ONCE))
        for number, (behaviour, final_state, within, fate, times) in rows
    )


def listing() -> str:
    """The table for people, as `payk simulate --list` prints it."""
    rows = [(row.number, row.behaviour, row.final_state, f"{row.within} s") for row in scripted_numbers()]
    rows.insert(0, ("destination", "the operator", "final state (payk up)", "within"))
    rows.append(("any other", "delivered after 0.1 to 1 s", "Delivered", "4 s"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
