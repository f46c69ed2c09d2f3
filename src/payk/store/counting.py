"""What limits count of a batch of messages at once: by the statement that stores it, where all of it fits.

Where it does not, nobody is told anything here: the batch goes step by step then (payk.store.charging), which finds out
who is refused for what. So a batch is refused here too where its messages would fit in one order and not in another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from payk.domain.limits import Limits
from payk.domain.message import SmsType
from payk.domain.quota import quota_of
from payk.store.arrays import columns
from payk.store.new_message import NewMessage

__all__ = ["Counting"]


class Counting:
    """What the statement counting.take_counted is told of the limits of `messages`."""

    def __init__(self, messages: Iterable[NewMessage]) -> None:
        self._listed: list[tuple[int, str, bool]] = []
        numbers: dict[tuple[int, str, bool], int] = {}
        limits_of: dict[int, Limits] = {}
        self.changed = False
        """Limits of a client became other ones between two messages: they cannot be judged together."""
        parts: dict[tuple[int, bool], int] = {}
        paid: dict[int, tuple[int, int, int]] = {}
        for message in messages:
            limits = message.limits
            if limits is None:
                continue
            client_id, otp = message.client_id, message.sms_type is SmsType.OTP
            self._listed.append((client_id, message.phone, message.sms_type is SmsType.BATCH))
            known = limits_of.setdefault(client_id, limits)
            self.changed |= known is not limits and known != limits
            if limits.limits_numbers(otp=otp):
                number = client_id, message.phone, otp
                numbers[number] = numbers.get(number, 0) + 1
            if message.price is not None:
                parts[client_id, otp] = parts.get((client_id, otp), 0) + message.parts
                if limits.prepaid:
                    paid[client_id] = _with(paid.get(client_id), message.parts * message.price, limits, otp)
        self._numbers = [
            (*number, *_of_number(limits_of[number[0]], number[2]), asked) for number, asked in sorted(numbers.items())
        ]
        self._parts = [
            (client_id, otp, count, *(quota_of(limits_of[client_id], period, otp) for period in ("day", "month")))
            for (client_id, otp), count in sorted(parts.items())
        ]
        self._paid = [(client_id, *paid[client_id]) for client_id in sorted(paid)]

    def values(self) -> list[Sequence[object]]:
        """$27 to $44 of the statement: columns of messages, of numbers, of parts by client, and of what is paid."""
        return [
            *columns(self._listed, 3),
            *columns(self._numbers, 6),
            *columns(self._parts, 5),
            *columns(self._paid, 4),
        ]


def _with(before: tuple[int, int, int] | None, cost: int, limits: Limits, otp: bool) -> tuple[int, int, int]:
    """What a prepaid client pays, what must be left of its balance, and for how many messages, with one more."""
    paid, least, count = before or (0, -limits.otp_overdraft, 0)
    return paid + cost, least if otp or not cost else limits.otp_reserve, count + 1


def _of_number(limits: Limits, otp: bool) -> tuple[int, int]:
    if otp:
        return limits.otp_number_per_hour, limits.otp_number_per_day
    return limits.number_per_hour, limits.number_per_day
