"""How many messages may wait to be handed over: the less urgent a message, the sooner the queue is full for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from payk.domain.message import SmsType

__all__ = ["SHARES", "QueueFull", "QueueLimit"]

SHARES: Mapping[SmsType, int] = {SmsType.BATCH: 80, SmsType.COMMON: 95, SmsType.OTP: 100}
"""Percent of the limit up to which messages of a type are taken; demoted Otp counts as Common."""

FILLING, AT_EASE = 80, 75
"""Percent of the limit from which the queue is said to be filling, and below which it no longer is. Not the same: a
queue to which Batch is taken as it drains stays at its share."""


class QueueFull(Exception):
    """With this request more messages would wait than may; `sms_type` is the one of its types that is refused first."""

    def __init__(self, sms_type: SmsType) -> None:
        super().__init__(f"the queue is full for {sms_type.name.capitalize()}")
        self.sms_type = sms_type


class QueueLimit:
    """The rule for a queue that may hold `most` messages."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._most = {sms_type: most * share // 100 for sms_type, share in SHARES.items()}

    def check(self, depth: int, sms_types: Collection[SmsType]) -> None:
        """Whether so many messages may wait once a request is taken that holds these types. Raises QueueFull."""
        sms_type = min(sms_types, key=self._most.__getitem__)
        if depth > self._most[sms_type]:
            raise QueueFull(sms_type)

    def is_filling(self, depth: int, *, was: bool) -> bool:
        """Whether a queue is filling; `was` = it was when last looked at."""
        return depth * 100 >= self.most * (AT_EASE if was else FILLING)
