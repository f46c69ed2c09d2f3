"""What a client may do: every limit, and none by default. What is enforced where stands in docs/limits.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time

from payk.domain.message import Priority, SmsType

__all__ = ["NO_LIMITS", "Hours", "Limits"]


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of each day, by somebody's clock: from `opens` to before `closes`, over midnight if that is earlier."""

    opens: time
    closes: time

    @classmethod
    def of(cls, written: str) -> Hours:
        """From "08:00-21:00". Raises ValueError."""
        opens, closes = written.split("-")
        return cls(time.fromisoformat(opens), time.fromisoformat(closes))


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one client. 0 and what is empty mean: no limit. Parts are counted when a message is taken."""

    requests_per_second: float = 0.0
    """Over all processes; a bulk counts as one request."""
    pace: float = 0.0
    """Messages a second that leave for operators, over all links and processes; Otp apart."""
    sms_types: frozenset[SmsType] = frozenset()
    """Those that it may send; empty = all."""
    max_priority: Mapping[SmsType, Priority] = field(default_factory=dict)
    """The highest priority by SmsType."""
    destinations: tuple[str, ...] = ()
    """Prefixes of numbers that it may send to; empty = all."""
    batch_hours: Hours | None = None
    """When Batch may leave, by the recipient's clock; outside it waits, and its lifetime does not run."""
    parts_per_day: int = 0
    parts_per_month: int = 0
    otp_parts_per_day: int = 0
    otp_parts_per_month: int = 0
    """Otp is counted apart, so that a mailing never makes a code fail. Days and months are those of UTC."""
    number_per_hour: int = 0
    number_per_day: int = 0
    """Messages to one number in the last hour and the last day, Otp apart."""
    otp_number_per_hour: int = 0
    otp_number_per_day: int = 0
    otp_per_minute: float = 0.0
    """Sustained rate of Otp; what comes beyond it is sent as Common High and shown as demoted."""
    prepaid: bool = False
    """Whether parts are paid from a balance, which never falls below zero."""
    otp_reserve: int = 0
    """What of a prepaid balance Otp alone may use, in 1/10,000 of the currency unit: a mailing leaves it to codes."""
    otp_overdraft: int = 0
    """How far below zero Otp may take a prepaid balance, in 1/10,000 of the currency unit."""

    @property
    def are_counted(self) -> bool:
        """Whether anything of its messages is counted while they are taken."""
        return self.counts_parts or self.limits_numbers(otp=True) or self.limits_numbers(otp=False)

    @property
    def counts_parts(self) -> bool:
        """Whether the parts of its messages are counted, or paid."""
        return (
            self.prepaid
            or self.parts_per_day > 0
            or self.parts_per_month > 0
            or self.otp_parts_per_day > 0
            or self.otp_parts_per_month > 0
        )

    def limits_numbers(self, *, otp: bool) -> bool:
        """Whether one number may get but so many of its messages, Otp or others."""
        if otp:
            return self.otp_number_per_hour > 0 or self.otp_number_per_day > 0
        return self.number_per_hour > 0 or self.number_per_day > 0


NO_LIMITS = Limits()
