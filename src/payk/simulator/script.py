"""Deciding what becomes of a submit_sm: its form, the limits, the rule for its number, chance."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Final

from payk.simulator.options import SimulatorOptions
from payk.simulator.record import octets_of
from payk.simulator.rule import AT_ONCE, DELIVERED_SOON, Fate, Rule
from payk.smpp import CommandStatus, ReplaceSm, SubmitSm, smpp_time

__all__ = ["MESSAGES_REMEMBERED", "Script", "time_fault"]

MESSAGES_REMEMBERED: Final = 100_000
"""Messages whose submits are counted at the same time; the one not seen for longest is forgotten."""

_LONGEST_NUMBER: Final = 15
"""Digits (ITU-T E.164); a name, too, has no more characters. A ``+`` may stand before a number."""
_ANY_MOMENT: Final = datetime(2000, 1, 1, tzinfo=UTC)  # that relative times count from; their sum is not looked at
_BAD_SOURCE: Final = Fate(CommandStatus.ESME_RINVSRCADR)
_BAD_DESTINATION: Final = Fate(CommandStatus.ESME_RINVDSTADR)
_REFUSED: Final = Fate(CommandStatus.ESME_RSUBMITFAIL)
_LOST: Final = Fate(status=None)
_EARLY_ANSWER: Final = 0.2
"""Seconds, at least, that an answer comes behind a receipt that is to come before it."""


def time_fault(pdu: SubmitSm | ReplaceSm) -> CommandStatus | None:
    """What answers times that cannot be read."""
    if not _is_time(pdu.validity_period):
        return CommandStatus.ESME_RINVEXPIRY
    if not _is_time(pdu.schedule_delivery_time):
        return CommandStatus.ESME_RINVSCHED
    return None


def _is_time(text: str) -> bool:
    try:
        smpp_time.parse_time(text, _ANY_MOMENT)
    except ValueError:
        return False
    return True


class Script:
    """Of two rules for a number the more exact one counts: the number itself, then the longer prefix.

    ``rules`` may name a destination twice; the last one wins. Chance strikes only numbers without a rule, so that the
    scripted ones keep to their script.
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
        self._taken_at: deque[float] = deque()  # within the last second, if there is a rate
        self._throttled = Fate(options.throttle_code.status)
        self._chance = _Chance(options, self._throttled, random)
        self._attempts: OrderedDict[int, int] = OrderedDict()

    def fate(self, pdu: SubmitSm, unanswered: int, now: float) -> Fate:
        """``unanswered`` submits of the same bind wait for their answer; ``now`` in seconds of a monotonic clock."""
        if (pdu.validity_period or pdu.schedule_delivery_time) and (fault := time_fault(pdu)):
            return Fate(fault)
        destination = pdu.destination_addr.removeprefix("+")
        if not destination.isdecimal() or len(destination) > _LONGEST_NUMBER:
            return _BAD_DESTINATION
        source = pdu.source_addr
        if not source or (len(source) > _LONGEST_NUMBER and len(source.removeprefix("+")) > _LONGEST_NUMBER):
            return _BAD_SOURCE
        if (self._window and unanswered >= self._window) or (self._rate and self._too_fast(now)):
            return self._throttled
        rule = self._rule(destination)
        if rule is None:
            return self._chance.fate() if self._chance.strikes else DELIVERED_SOON
        if rule.times is None:
            return rule.fate
        return self._counted(rule, rule.times, pdu)

    def rate_in_use(self, now: float) -> int:
        """Per cent of the rate, in the last second."""
        self._forget_taken(now)
        return 100 * len(self._taken_at) // self._rate

    def _too_fast(self, now: float) -> bool:
        self._forget_taken(now)
        if len(self._taken_at) >= self._rate:
            return True
        self._taken_at.append(now)
        return False

    def _forget_taken(self, now: float) -> None:
        taken = self._taken_at
        while taken and now - taken[0] >= 1.0:
            taken.popleft()

    def _rule(self, destination: str) -> Rule | None:
        rule = self._numbers.get(destination)
        if rule is None:
            for prefix, candidate in self._prefixes:
                if destination.startswith(prefix):
                    return candidate
        return rule

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


class _Chance:
    """What the shares of the options do."""

    def __init__(self, options: SimulatorOptions, throttled: Fate, random: Random) -> None:
        early = Fate(
            receipts=AT_ONCE.receipts, answer_after=max(options.latency / 1000, _EARLY_ANSWER), receipt_first=True
        )
        self._random = random.random
        self._no_id = options.no_id
        self._duplicate = options.duplicate
        self._limits: list[tuple[float, Fate]] = []
        limit = 0.0
        for share, fate in (
            (options.lose, _LOST),
            (options.refuse, _REFUSED),
            (options.throttle, throttled),
            (options.early, early),
        ):
            limit += share
            if share:
                self._limits.append((limit, fate))
        self.strikes = bool(self._limits or self._no_id or self._duplicate)

    def fate(self) -> Fate:
        drawn = self._random()
        fate = next((fate for limit, fate in self._limits if drawn < limit), DELIVERED_SOON)
        if not fate.taken or not (self._no_id or self._duplicate):
            return fate
        return replace(fate, no_id=self._random() < self._no_id, duplicate=self._random() < self._duplicate)
