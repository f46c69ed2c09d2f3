"""Times in the bins of a logarithmic histogram: they add up, and any percentile is told with an error below 5 %.

Bin b holds times from 1.1^b to below 1.1^(b+1) seconds, and stands for 1.1^(b+0.5): at most 4.9 % from each of them.
The database puts times into bins (report_bin in the migration of reports). A whole histogram is one number, in which
each bin has decimal digits of its own: so a database adds histograms up as it adds numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

__all__ = ["RATIO", "bin_of", "histogram", "middle", "percentiles", "written"]

RATIO: Final = 1.1
_LEAST: Final = 0.001
"""Seconds; what took less counts as this."""
_LOWEST: Final = -73
"""The bin of that."""
_DIGITS: Final = 12
_ROOM: Final = 10**_DIGITS
"""Each bin counts up to half of this, to either side: a difference may take away what another one is yet to add."""
_OF_A_BIN: Final = re.compile(f"[0-9]{{{_DIGITS}}}")
_EMPTY: Final = "0" * _DIGITS


def bin_of(seconds: float) -> int:
    """The bin of a time."""
    return math.floor(math.log(max(seconds, _LEAST)) / math.log(RATIO))


@cache
def middle(number: int) -> float:
    """The time in seconds that a bin stands for, in four digits: three would take the error beyond 5 %."""
    return float(f"{RATIO ** (number + 0.5):.4g}")


def written(counts: Mapping[int, int]) -> str:
    """The number that a histogram is, in decimal digits; `counts` are of bins, and may be below zero.

    Digit by digit: to make an integer of it and write that takes the square of the time.
    """
    bins = sorted(number for number, count in counts.items() if count)
    if not bins:
        return "0"
    sign = 1 if counts[bins[-1]] > 0 else -1
    digits: list[str] = []
    place, borrowed = _LOWEST, False
    for number in bins:
        digits.append(("9" if borrowed else "0") * (_DIGITS * (number - place)))
        left = sign * counts[number] - borrowed
        borrowed = left < 0
        digits.append(f"{left + _ROOM if borrowed else left:0{_DIGITS}}")
        place = number + 1
    return ("" if sign > 0 else "-") + "".join(reversed(digits)).lstrip("0")


def histogram(written: str) -> dict[int, int]:
    """How many times fell into each bin, by the number that a histogram is, in decimal digits."""
    if written.startswith("-"):
        return _with_differences(int(written))
    counts: dict[int, int] = {}
    whole = written.zfill(math.ceil(len(written) / _DIGITS) * _DIGITS)
    for number, digits in enumerate(reversed(_OF_A_BIN.findall(whole)), _LOWEST):
        if digits != _EMPTY:
            count = int(digits)
            if count > _ROOM // 2:
                return _with_differences(int(written))
            counts[number] = count
    return counts


def _with_differences(packed: int) -> dict[int, int]:
    """The same where bins may be below zero, which borrow from the next one."""
    counts: dict[int, int] = {}
    number = _LOWEST
    while packed:
        packed, count = divmod(packed, _ROOM)
        if count > _ROOM // 2:
            packed, count = packed + 1, count - _ROOM
        if count:
            counts[number] = count
        number += 1
    return counts


def percentiles(counts: Mapping[int, int], shares: Sequence[float]) -> list[float | None]:
    """The times in seconds below which these shares (0 to 1, ascending) of all lie; None where there are none.

    `counts` tells how many times fell into each bin; what is below zero counts as none.
    """
    bins = [(number, counts[number]) for number in sorted(counts) if counts[number] > 0]
    total = sum(count for _, count in bins)
    if total == 0:
        return [None] * len(shares)
    found: list[float | None] = []
    place, seen = 0, bins[0][1]
    for share in shares:
        while seen < math.ceil(share * total):
            place += 1
            seen += bins[place][1]
        found.append(middle(bins[place][0]))
    return found
