"""The receipts of the account. What needs a peer is tested over a socket, in test_exchange and test_binds."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from payk.clock import Clock
from payk.simulator.agenda import Agenda
from payk.simulator.mailbox import Mailbox, pause_after
from payk.simulator.message import TakenMessage
from payk.simulator.receipt import PendingReceipt
from payk.simulator.rule import ReceiptPlan
from payk.smpp import MessageState
from tests.simulator.client import submit_sm


def receipt() -> PendingReceipt:
    message = TakenMessage.of(submit_sm("992900900900"), "42", "42", datetime.now(UTC))
    return PendingReceipt(message, ReceiptPlan(MessageState.DELIVERED))


@pytest.mark.parametrize(("attempts", "pause"), [(1, 1), (2, 2), (3, 4), (7, 64), (8, 64), (5000, 64)])
def test_pauses_double_up_to_about_a_minute(attempts: int, pause: float) -> None:
    assert pause_after(attempts) == pause


async def test_it_is_full_until_a_receipt_is_acknowledged() -> None:
    mailbox = Mailbox(Agenda(asyncio.get_running_loop()), Clock(), 1)
    kept = receipt()
    full = [mailbox.full]
    mailbox.add(kept, 0)
    full.append(mailbox.full)
    kept.attempts = 1
    for status in (0x64, 0x08, 0):
        mailbox.answered(kept, status)
        full.append(mailbox.full)
    assert full == [False, True, True, True, False]
