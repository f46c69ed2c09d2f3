"""`payk recover`: what may have been sent although this database knows nothing of it, and what becomes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from payk.app.ending import ends_told
from payk.app.local import local_actor
from payk.app.opening import StartError, opened
from payk.domain.audit import AuditEntry
from payk.domain.message import SmsType
from payk.domain.receipt import ReceiptWait
from payk.settings import Settings
from payk.store.audit import record
from payk.store.continuity import History, look
from payk.store.database import Database
from payk.store.migrations import check_schema
from payk.store.processes import beats
from payk.store.recovery import AtRisk, Choice, Counts, at_risk, give_up, open_line, release

__all__ = ["choice", "recover"]

PATIENCE = 15.0
"""Seconds that living processes get to find their last commits: then nothing needs to be recovered."""
GLANCE = 1.0
"""Seconds between two looks at whether a process lives; it tells of itself more often while the line is unknown."""
SHOWN = 20
"""Rows of the table."""


def choice(sms_type: str | None, label: str | None, younger_than: float | None, older_than: float | None) -> Choice:
    """Which messages the command line chose; a type by its name in lower case."""
    return Choice(None if sms_type is None else SmsType[sms_type.upper()], label, younger_than, older_than)


async def recover(
    settings: Settings, choice: Choice, *, releases: bool, gives_up: bool, ahead: int | None, dry_run: bool
) -> None:
    """Open an unknown line of history, show what is set aside, and release or give up what is chosen."""
    if releases and gives_up:
        raise StartError("--release and --give-up exclude each other")
    if choice != Choice() and not (releases or gives_up):
        raise StartError("--type, --label, --younger-than and --older-than go with --release or --give-up")
    async with opened(settings) as (db, _):
        await check_schema(db)
        history = await _settled(db)
        if not history.known:
            print(f"held: {history.why_held}")
            if not dry_run:
                await _record(db, "recovery.open", {"ids_ahead": ahead, "why": history.why_held})
                count, above = await open_line(db, ahead)
                print(f"set aside: {count} messages that may have been sent already")
                print(f"ids go on above {above}; messages taken from now on are sent")
        if not dry_run and (releases or gives_up):
            chosen = {**asdict(choice), "sms_type": choice.sms_type and choice.sms_type.name.lower()}
            wait = ReceiptWait(settings.receipt_wait, settings.receipt_grace)
            async with ends_told(db) as told:
                await _record(db, "recovery.release" if releases else "recovery.give-up", chosen)
                _tell(await (release(db, choice, wait, told) if releases else give_up(db, choice, told)))
        _show(await at_risk(db, known=history.known or not dry_run), aside=history.known or not dry_run)


async def _record(db: Database, act: str, detail: dict[str, Any]) -> None:
    """Before it is done, in as many transactions as it takes."""
    await record(db, [AuditEntry(local_actor(), act, "messages", "", detail)])


async def _settled(db: Database) -> History:
    """Where the database stands, once the processes that live have said all they have to say."""
    deadline = time.monotonic() + PATIENCE
    while True:
        history = await look(db)
        if history.known or history.lost_what is not None or time.monotonic() > deadline:
            return history
        before = {beat.incarnation: beat.at for beat in await beats(db, timeout=5.0)}
        await asyncio.sleep(GLANCE)
        after = await beats(db, timeout=5.0)
        if all(before.get(beat.incarnation, beat.at) == beat.at for beat in after):
            return await look(db)


def _tell(counts: Counts) -> None:
    print(
        f"back in the queue: {counts.queued}; known to be sent: {counts.known_sent};"
        f" given up or too late, now Unknown: {counts.unknown}"
    )


def _show(rows: Sequence[AtRisk], *, aside: bool) -> None:
    total = sum(row.messages for row in rows)
    if total == 0:
        print("nothing is set aside" if aside else "nothing waits that may have been sent")
        return
    print(f"{'set aside' if aside else 'at risk'}: {total} messages")
    print(f"{'messages':>10}  {'type':6}  {'accepted (UTC)':33}  {'too late':>8}  label")
    for row in rows[:SHOWN]:
        period = f"{row.oldest:%Y-%m-%d %H:%M} to {row.newest:%Y-%m-%d %H:%M}"
        kind = row.sms_type.name.capitalize()
        print(f"{row.messages:10}  {kind:6}  {period:33}  {row.expired:8}  {row.label or ''}")
    if len(rows) > SHOWN:
        print(f"and {len(rows) - SHOWN} more labels")
    if aside:
        print("release what should be sent: payk recover --release --type otp --younger-than 300; or --give-up")
