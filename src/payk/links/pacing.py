"""How fast a link may submit: the rate of its contract, and what its operator lets through of it. Times in seconds.

Additive increase, multiplicative decrease. A refusal for speed cuts the rate to a little less than what the operator
took lately, the more the more it refuses; every second after that adds a step, which gets longer after a while in
peace. Where most is refused, or the operator's queue is full, the link pauses as well. Where slower is refused as much,
speed is not the reason, and the rate grows in spite of it.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

from payk.links.status import PaceStatus
from payk.smpp import CommandStatus

__all__ = ["RateControl", "Slowdown", "TokenBucket"]

_BURST: Final = 0.05  # seconds' worth of submits that may leave at once after idleness
_EPSILON: Final = 1e-6  # of a token: what floating point loses
_UNLIMITED: Final = 1 << 30


class TokenBucket:
    """At most `rate` submits a second; None = no limit, 0 = none at all."""

    def __init__(self, rate: float | None, now: float) -> None:
        self._rate = rate
        self._tokens = self._burst = _burst(rate)
        self._filled_at = now

    def set_rate(self, rate: float | None, now: float) -> None:
        self._fill(now)
        self._rate = rate
        self._burst = _burst(rate)
        self._tokens = min(self._tokens, self._burst)

    def empty(self, at: float) -> None:
        """No token before a moment, now or later, and none saved up by then."""
        self._tokens = 0.0
        self._filled_at = at

    def available(self, at: float) -> int:
        """Submits that may leave at a moment, now or soon."""
        if self._rate is None:
            return _UNLIMITED
        return int(self._tokens_at(at) + _EPSILON) if self._rate > 0 else 0

    def take(self, now: float) -> bool:
        """Take the token of one submit; False, and nothing taken, if there is none."""
        if self._rate is None:
            return True
        tokens = self._tokens_at(now)
        if tokens + _EPSILON < 1 or self._rate <= 0:
            return False
        self._tokens = tokens - 1
        self._filled_at = max(now, self._filled_at)
        return True

    def ready_at(self, count: int, now: float) -> float:
        """When the `count`-th submit from now may leave; infinity if never."""
        if self._rate is None:
            return now
        if self._rate <= 0:
            return math.inf
        return max(now, self._filled_at) + max(0.0, count - self._tokens_at(now)) / self._rate

    def _tokens_at(self, moment: float) -> float:
        return min(self._burst, self._tokens + max(0.0, moment - self._filled_at) * (self._rate or 0.0))

    def _fill(self, now: float) -> None:
        self._tokens = self._tokens_at(now)
        self._filled_at = max(now, self._filled_at)


def _burst(rate: float | None) -> float:
    return max(1.0, (rate or 0.0) * _BURST)


class _Answers:
    """What an operator answered lately: how much it took; and of what was written since the last cut or the end of the
    pause after it, how much it refused."""

    def __init__(self) -> None:
        self._taken_at: deque[float] = deque()
        self._refusals: deque[tuple[float, bool]] = deque()  # when, and whether it was one
        self._refused = 0
        self.in_a_row = 0
        self._row_at = 0.0  # when that row began
        self._first_at = math.inf
        self._anew_at = -math.inf

    def take(self, now: float, *, counts: bool) -> None:
        """A submit was taken; one that does not count was written before the last cut."""
        taken_at = self._taken_at
        taken_at.append(now)
        while len(taken_at) > _SOME and taken_at[0] < now - 1.0:
            taken_at.popleft()
        if counts:
            self.in_a_row = 0
            self._note(now, refused=False)

    def refuse(self, now: float) -> None:
        if self.in_a_row == 0:
            self._row_at = now
        self.in_a_row += 1
        self._note(now, refused=True)

    def begin_anew(self, at: float) -> None:
        """What is written before this moment counts no more."""
        self._refusals.clear()
        self._refused = self.in_a_row = 0
        self._first_at = math.inf
        self._anew_at = at

    def __len__(self) -> int:
        """How many count: those of the last second, or the last `_FEW`."""
        return len(self._refusals)

    @property
    def refused(self) -> float:
        """The share of these that were refused."""
        return self._refused / len(self._refusals) if self._refusals else 0.0

    def hopeless(self, now: float) -> bool:
        """Whether more than half was refused over a second, or everything for a quarter of one."""
        if self.in_a_row >= _SOME and now >= self._row_at + 0.25:
            return True
        return self.refused > 0.5 and len(self) >= _SOME and self.over_a_second(now)

    def over_a_second(self, now: float) -> bool:
        """Whether the first that counts came a second ago or more."""
        return now >= self._first_at + 1.0

    def taken(self, now: float) -> float:
        """Submits taken a second: in the last one, or since the last cut if a second brings but few."""
        since = now - 1.0
        if len(self._taken_at) >= _SOME:
            since = min(since, max(self._taken_at[-_SOME], self._anew_at))
        return sum(at > since for at in self._taken_at) / (now - since)

    def _note(self, now: float, *, refused: bool) -> None:
        refusals = self._refusals
        if not refusals:
            self._first_at = now
        refusals.append((now, refused))
        self._refused += refused
        while (oldest := refusals[0])[0] < now - 1.0 and (len(refusals) > _FEW or oldest[0] < now - _LATELY):
            refusals.popleft()
            self._refused -= oldest[1]


class _Limit(NamedTuple):
    """A rate that grows."""

    base: float
    step: float
    """What a second adds."""
    since: float
    taken: float
    """Submits a second that the operator took when this limit was set."""

    def at(self, now: float) -> float:
        calm = max(0.0, now - self.since)
        return self.base + self.step * (calm + max(0.0, calm - _CALM) ** 3 / _HASTE)


class Slowdown(NamedTuple):
    """What a link does because its operator takes no more: rates in submits a second, None = no limit."""

    before: float | None
    after: float | None
    pause: float


_FEW: Final = 50  # answers that say how much is refused, where a second brings fewer
_LATELY: Final = 30.0  # seconds that they say it for
_SOME: Final = 10  # answers, at least, that say it
_TELLING: Final = 20  # submits taken in a second that say what the operator takes, rather than what it was given
_GUESS: Final = (30.0, 0.1)  # what it takes if it was given less: a rate, or a share of the contract

_CUT: Final = 0.15  # of the rate, if `_MUCH` or more is refused; less if less is
_MUCH: Final = 0.07
_SLOWEST: Final = 1.0  # or half of a contract that is slow itself
_SETTLED: Final = 1.0  # seconds that a cut takes to show: operators count by the second
_BREATH: Final = 0.05  # seconds without submits after a cut: what was refused is back in its place then
_PROBES: Final = 3  # refusals in a row after which a pause was too short
_USELESS: Final = 3  # cuts in a row after which as much is refused as before: it does not come from our speed

_STEP: Final = 0.03  # of the rate that the operator took, that a second adds
_FAST_STEP: Final = 0.5  # the same if that was guessed, or if refusals do not come from our speed
_CALM: Final = 10.0  # seconds without a cut after which steps get longer: 2.6 after 20 s, 9 after 30, 127 after 60 ...
_HASTE: Final = 30.0  # ... times the rate at the cut, all steps together
_FORGOTTEN: Final = 60.0  # seconds without a cut after which a link without contract has no limit again

# First and longest pause; the operator's queue takes longer to empty than its rate window.
_THROTTLED: Final = (1.0, 30.0)
_QUEUE_FULL: Final = (5.0, 180.0)

_OPTIMUM, _NEARING, _CONGESTED = 80, 90, 100  # congestion_state of SMPP 5.0: hold, less, half


class RateControl:
    """The present rate of a link in this process, and its pauses. All binds of the link share it."""

    def __init__(self, contract: float | None, now: float) -> None:
        self._contract = contract
        self._bucket = TokenBucket(contract, now)
        self._limit: _Limit | None = None
        self._answers = _Answers()
        self._until = -math.inf
        self._pauses = 0  # in a row
        self._cut_at = -math.inf  # the last cut, or the end of the pause after it
        self._took_since = True  # whether anything was taken that was written after that
        self._refused_at = -math.inf
        self._useless = 0  # cuts in a row that did not help
        self._share = 0.0  # what was refused before them
        self._tolerated = 0.0  # share of refusals that is known not to come from our speed
        self._throttled = 0
        self._congestion: int | None = None

    def set_contract(self, contract: float | None, now: float) -> None:
        """The submits a second that this process may use of the link's contract; None = no limit."""
        self._contract = contract
        self._bucket.set_rate(self.rate(now), now)

    def rate(self, now: float) -> float | None:
        """Submits a second; None = no limit."""
        if self._limit is None or self._is_over(self._limit, now):
            return self._contract
        grown = self._limit.at(now)
        return grown if self._contract is None else min(grown, self._contract)

    @property
    def unlimited(self) -> bool:
        """Any submit may leave at once, save in a pause."""
        return self._limit is None and self._contract is None

    def paused(self, now: float) -> bool:
        return now < self._until

    def resumes(self, now: float) -> float:
        """The end of the pause; now, if there is none."""
        return max(now, self._until)

    def status(self, now: float) -> PaceStatus:
        until = self._until if self.paused(now) else None
        return PaceStatus(self.rate(now), self._contract, until, self._throttled, self._congestion)

    # Writing

    def available(self, now: float, ahead: float = 0.0) -> int:
        """Submits that may leave `ahead` seconds from now."""
        self._grow(now)
        return self._bucket.available(now + ahead)

    def take(self, now: float) -> bool:
        """Take the token of one submit; False, and nothing taken, if there is none."""
        self._grow(now)
        return self._bucket.take(now)

    def ready_at(self, count: int, now: float) -> float:
        """When the `count`-th submit from now may leave; infinity if never."""
        self._grow(now)
        return self._bucket.ready_at(count, now)

    # What the operator says

    def accepted(self, *, written_at: float, now: float) -> bool:
        """True if the link has just got back to its contract."""
        counts = written_at >= self._cut_at
        self._answers.take(now, counts=counts)
        if counts:
            self._pauses, self._took_since = 0, True
        return self._forget(now)

    def refused(self, command_status: int, *, written_at: float, now: float) -> Slowdown | None:
        """A submit was refused with a status that means throttling; None if that changes nothing.

        What was written before the last cut or the end of the last pause belongs to that.
        """
        self._throttled += 1
        if written_at < self._cut_at:
            return None
        self._forget(now)
        answers = self._answers
        if not answers.refused and now > self._refused_at + _CALM:
            self._tolerated = 0.0
        self._refused_at = now
        answers.refuse(now)
        if command_status == CommandStatus.ESME_RMSGQFUL:
            return self._pause(_QUEUE_FULL, now)
        if answers.hopeless(now) or (self._pauses and answers.in_a_row >= _PROBES):
            return self._pause(_THROTTLED, now)
        settled = written_at >= self._cut_at + _SETTLED
        if self._limit is not None:
            settled = settled and self._took_since and len(answers) >= _SOME
        if not settled or answers.refused <= self._tolerated or self._in_vain(written_at, now):
            return None
        return self._cut(1 - _CUT * min(1.0, answers.refused / _MUCH), now)

    def congested(self, congestion_state: int, *, written_at: float, now: float) -> Slowdown | None:
        """The answer to a submit told how busy the operator is, 0 to 100; None if that changes nothing."""
        self._forget(now)
        if congestion_state >= _OPTIMUM and self._limit is not None:  # its growth stands still
            held = (self._congestion or 0) >= _OPTIMUM
            base = self._limit.base if held else self._limit.at(now)
            self._limit = self._limit._replace(base=base, since=max(now, self._limit.since))
        self._congestion = congestion_state
        if congestion_state < _NEARING or written_at < self._cut_at + _SETTLED:
            return None
        return self._cut(0.5 if congestion_state >= _CONGESTED else 0.8, now)

    # Less and more

    def _guesses(self, now: float) -> bool:
        """Whether the operator was not asked for much so far."""
        return self._limit is None and not (self._answers.over_a_second(now) and self._answers.taken(now) >= _TELLING)

    def _taken(self, now: float) -> float:
        """Submits a second that the operator took lately, not above the present rate."""
        taken, rate = self._answers.taken(now), self.rate(now)
        if self._guesses(now):
            taken = max(taken, _GUESS[0], _GUESS[1] * (rate or 0.0))
        return taken if rate is None else min(taken, rate)

    @property
    def _slowest(self) -> float:
        return min(_SLOWEST, self._contract / 2) if self._contract else _SLOWEST

    def _in_vain(self, written_at: float, now: float) -> bool:
        """Whether cuts do not make the operator refuse less: then the rate grows until it refuses more."""
        answers, limit, tolerated = self._answers, self._limit, self._tolerated
        self._tolerated = 0.0
        recovering = limit is not None and (limit.at(written_at) < 0.97 * limit.taken or len(answers) < 2 * _SOME)
        if tolerated or not recovering or answers.refused < self._share / 2:
            self._useless, self._share = 0, answers.refused
            return False
        self._useless += 1
        self._share = (self._share + answers.refused) / 2
        if self._useless < _USELESS:
            return False
        self._useless = 0
        self._tolerated = min(0.5, 1.5 * self._share + 0.05)
        rate = self.rate(now) or _SLOWEST
        self._limit = _Limit(rate, _FAST_STEP * rate, now, rate)
        return True

    def _cut(self, factor: float, now: float) -> Slowdown:
        before, taken = self.rate(now), self._taken(now)
        step = _FAST_STEP if self._guesses(now) else _STEP
        # Where nothing was taken lately it must grow all the same.
        self._limit = _Limit(max(self._slowest, factor * taken), step * max(taken, _SLOWEST), now, taken)
        self._start_anew(now)
        self._bucket.set_rate(self.rate(now), now)
        self._bucket.empty(now + _BREATH)
        return Slowdown(before, self.rate(now), 0.0)

    def _pause(self, lengths: tuple[float, float], now: float) -> Slowdown:
        """Twice as long as the last one. The rate is cut as well, but once as long as nothing is taken."""
        before = self.rate(now)
        if self._took_since or self._limit is None:
            self._cut(1 - _CUT, now)
        self._useless, self._tolerated = 0, 0.0
        first, longest = lengths
        pause = min(longest, first * (1 << min(self._pauses, 16)))
        self._pauses += 1
        self._until = now + pause
        assert self._limit is not None
        base = min(self._limit.at(now), max(self._slowest, (1 - _CUT) * self._limit.taken))
        self._limit = self._limit._replace(base=base, since=self._until)
        self._start_anew(self._until)
        self._bucket.empty(self._until)
        return Slowdown(before, self.rate(now), pause)

    def _start_anew(self, at: float) -> None:
        self._cut_at = at
        self._took_since = False
        self._answers.begin_anew(at)

    def _grow(self, now: float) -> None:
        if self._limit is not None:
            self._bucket.set_rate(self.rate(now), now)

    def _forget(self, now: float) -> bool:
        """Drop the limit once it is over."""
        if self._limit is None or not self._is_over(self._limit, now):
            return False
        self._limit = None
        self._bucket.set_rate(self._contract, now)
        return True

    def _is_over(self, limit: _Limit, now: float) -> bool:
        """Whether it has grown to the contract, or is old. An idle link finds out only when it is asked."""
        return now >= limit.since + _FORGOTTEN if self._contract is None else limit.at(now) >= self._contract
