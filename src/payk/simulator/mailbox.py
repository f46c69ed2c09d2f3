"""The receipts of the account: kept until a bind takes them, sent again until they are acknowledged."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from payk.clock import Clock
from payk.simulator.agenda import Agenda
from payk.simulator.receipt import PendingReceipt
from payk.smpp import CommandId, StatusClass, classify

__all__ = ["Carrier", "Mailbox", "pause_after"]

_MOST_DOUBLINGS: Final = 6
_AGAIN: Final = frozenset({StatusClass.TEMPORARY, StatusClass.THROTTLE})


def pause_after(attempts: int) -> float:
    """Seconds until a receipt is sent again: 1 after the first attempt, then 2, 4 and so on up to 64."""
    return 2.0 ** min(attempts - 1, _MOST_DOUBLINGS)


class Carrier(Protocol):
    """A bind that takes receipts."""

    number: int
    """Of its session."""

    @property
    def has_room(self) -> bool: ...

    def carry(self, receipt: PendingReceipt) -> None:
        """Send it; the mailbox hears `answered` or `unanswered` later."""


class Mailbox:
    """At most ``most`` receipts; whoever adds asks `full` first. With ``on_other`` a receipt does not go over the bind
    of its message, as long as another is there."""

    def __init__(self, agenda: Agenda, clock: Clock, most: int, *, on_other: bool = False) -> None:
        self._agenda = agenda
        self._clock = clock
        self._most = most
        self._on_other = on_other
        self._ready: deque[PendingReceipt] = deque()
        self._carriers: deque[Carrier] = deque()
        self._kept = 0

    @property
    def full(self) -> bool:
        return self._kept >= self._most

    def add(self, receipt: PendingReceipt, delay: float) -> None:
        """Keep a receipt that falls due in ``delay`` seconds."""
        self._kept += 1
        if delay > 0:
            self._agenda.add(delay, self._post, receipt)
        else:
            self._post(receipt)

    def join(self, carrier: Carrier) -> None:
        """A bind takes receipts from now on."""
        self._carriers.append(carrier)
        self._hand_out()

    def leave(self, carrier: Carrier) -> None:
        """A bind takes no more receipts; leaving twice is fine."""
        if carrier in self._carriers:
            self._carriers.remove(carrier)

    def answered(self, receipt: PendingReceipt, command_status: int) -> None:
        """The peer's answer: taken, refused for the moment (it is sent again) or refused for good (it is gone)."""
        if command_status and classify(command_status, answer=CommandId.DELIVER_SM_RESP) in _AGAIN:
            self._pause(receipt)
        else:
            self._kept -= 1
        self._hand_out()

    def unanswered(self, receipt: PendingReceipt) -> None:
        """The peer did not answer in time, or is gone: it is sent again."""
        self._pause(receipt)
        self._hand_out()

    def _pause(self, receipt: PendingReceipt) -> None:
        self._agenda.add(pause_after(receipt.attempts), self._post, receipt)

    def _post(self, receipt: PendingReceipt) -> None:
        if receipt.done is None:
            if receipt.message.void:  # changed meanwhile by its sender
                self._kept -= 1
                return
            receipt.done = self._clock.now()
        self._ready.append(receipt)
        self._hand_out()

    def _hand_out(self) -> None:
        while self._ready:
            carrier = self._next_carrier(self._ready[0].message.bind if self._on_other else 0)
            if carrier is None:
                return
            receipt = self._ready.popleft()
            receipt.attempts += 1
            receipt.sent = self._clock.now()
            carrier.carry(receipt)

    def _next_carrier(self, avoided: int) -> Carrier | None:
        """The binds take turns; one whose window is full is passed over, and so is number ``avoided`` unless alone."""
        carriers = self._carriers
        for _ in range(len(carriers)):
            carrier = carriers[0]
            carriers.rotate(-1)
            if carrier.has_room and (carrier.number != avoided or len(carriers) == 1):
                return carrier
        return None
