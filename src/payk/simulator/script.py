"""Deciding what becomes of a submit_sm: its form, the limits, the rule for its number, chance."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Iterable
from random import Random
from typing import Final

from payk.simulator.options import SimulatorOptions
from payk.simulator.record import octets_of
from payk.simulator.rule import DELIVERED_SOON, Fate, Rule
from payk.smpp import CommandStatus, SubmitSm

__all__ = ["MESSAGES_REMEMBERED", "Script"]

MESSAGES_REMEMBERED: Final = 100_000
"""Messages whose submits are counted at the same time; the one not seen for longest is forgotten."""

_is_time: Final = re.compile(r"(?:[0-9]{15}[+\-R])?").fullmatch  # SMPP 3.4 section 7.1.1
_BAD_SCHEDULE: Final = Fate(CommandStatus.ESME_RINVSCHED)
_BAD_VALIDITY: Final = Fate(CommandStatus.ESME_RINVEXPIRY)
_REFUSED: Final = Fate(CommandStatus.ESME_RSUBMITFAIL)
_THROTTLED: Final = Fate(CommandStatus.ESME_RTHROTTLED)
_LOST: Final = Fate(status=None)


class Script:
    """Of two rules for a number the more exact one counts: the number itself, then the longer prefix.

    ``rules`` may name a destination twice; the last one wins. Chance (refuse, throttle, lose) strikes only numbers
    without a rule, so that the scripted ones keep to their script.
    """

    def __init__(self, rules: Iterable[Rule], options: SimulatorOptions, random: Random) -> None:
        self._numbers: dict[str, Rule] = {}
        prefixes: dict[str, Rule] = {}
        for rule in rules:
            if rule.destination.endswith("*"):
                prefixes[rule.destination[:-1]] = rule
            else:
                self._numbers[rule.destination] = rule
        self._prefixes = sorted(prefixes.items(), key=lambda item: len(item[0]), reverse=True)
        self._window = options.window
        self._rate = options.rate
        self._taken_at: deque[float] = deque(maxlen=options.rate)
        self._lose = options.lose
        self._refuse = self._lose + options.refuse
        self._throttle = self._refuse + options.throttle
        self._random = random
        self._attempts: OrderedDict[int, int] = OrderedDict()

    def fate(self, pdu: SubmitSm, unanswered: int, now: float) -> Fate:
        """``unanswered`` submits of the same bind wait for their answer; ``now`` in seconds of a monotonic clock."""
        if not _is_time(pdu.validity_period):
            return _BAD_VALIDITY
        if not _is_time(pdu.schedule_delivery_time):
            return _BAD_SCHEDULE
        if (self._window and unanswered >= self._window) or (self._rate and self._too_fast(now)):
            return _THROTTLED
        rule = self._rule(pdu.destination_addr.removeprefix("+"))
        if rule is None:
            return self._by_chance() if self._throttle else DELIVERED_SOON
        if rule.times is None:
            return rule.fate
        return self._counted(rule, rule.times, pdu)

    def _too_fast(self, now: float) -> bool:
        taken = self._taken_at
        if len(taken) == self._rate and now - taken[0] < 1.0:
            return True
        taken.append(now)  # the oldest falls out
        return False

    def _rule(self, destination: str) -> Rule | None:
        rule = self._numbers.get(destination)
        if rule is None:
            for prefix, candidate in self._prefixes:
                if destination.startswith(prefix):
                    return candidate
        return rule

    def _by_chance(self) -> Fate:
        drawn = self._random.random()
        if drawn < self._lose:
            return _LOST
        if drawn < self._refuse:
            return _REFUSED
        return _THROTTLED if drawn < self._throttle else DELIVERED_SOON

    def _counted(self, rule: Rule, times: int, pdu: SubmitSm) -> Fate:
        """A message is told by its addresses and its octets, user data header included; what was taken is forgotten,
        so that the same message sent anew meets the same fate again."""
        message = hash((pdu.source_addr, pdu.destination_addr, octets_of(pdu)))
        attempts = self._attempts.pop(message, 0)
        if attempts == times:
            return rule.afterwards
        self._attempts[message] = attempts + 1
        if len(self._attempts) > MESSAGES_REMEMBERED:
            self._attempts.popitem(last=False)
        return rule.fate
