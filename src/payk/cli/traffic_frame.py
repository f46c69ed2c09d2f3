"""A picture of the traffic as lines of a terminal: no wider and no more than it has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from payk.cli.traffic_picture import LinkRow, Picture
from payk.printable import printable

__all__ = ["Line", "frame"]

_LANE_NAMES: Final = {"common_high": "common high", "common_normal": "common", "common_low": "common low"}
_KINDS_SHOWN: Final = 4
_PROCESSES_FEW: Final = 4
"""So many lines are left to processes while there are more links than fit."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and how it stands out: "" or a style of rich."""

    text: str
    style: str = ""


def frame(picture: Picture | None, *, now: str, trouble: str, width: int, height: int, keys: bool) -> list[Line]:
    """What a terminal of `width` columns and `height` lines shows. `trouble`: why the picture is old, or is none."""
    lines = [Line(_ends(f"payk top  {now}", "q ends" if keys else "", width), "bold")]
    if trouble:
        lines.append(Line(trouble, "bold red"))
    if picture is None:
        return _cut(lines, width, height)
    lines += _head(picture)
    lines += _lanes(picture)
    left = height - len(lines) - 4  # two headings, each with an empty line before it
    few = min(len(picture.processes), max(_PROCESSES_FEW, left - len(picture.links)))
    lines += _table("link", _link_lines(picture.links, width), left - min(few, max(1, left // 3)))
    lines += _table("process", _process_lines(picture), height - len(lines) - 2)
    return _cut(lines, width, height)


def _ends(left: str, right: str, width: int) -> str:
    return f"{left}{right:>{max(0, width - len(left))}}" if right else left


def _cut(lines: Iterable[Line], width: int, height: int) -> list[Line]:
    return [Line(printable(line.text)[:width].rstrip(), line.style) for line in list(lines)[:height]]


def _head(picture: Picture) -> list[Line]:
    by_type = "  ".join(f"{name} {rate:.1f}" for name, rate in picture.taken_by_type.items())
    lines = [
        Line(f"in       {picture.taken:10.1f} messages/s   {by_type}"),
        Line(f"out      {picture.submitted:10.1f} parts/s      receipts {picture.receipts:.1f}/s"),
    ]
    refusals = picture.refusals
    total = sum(refusals.values())
    kinds = ", ".join(f"{kind} {count}" for kind, count in list(refusals.items())[:_KINDS_SHOWN])
    lines.append(Line(f"refused  {total:10} in 5 min       {kinds}".rstrip(), "yellow" if total else ""))
    return lines


def _lanes(picture: Picture) -> list[Line]:
    lines = [Line(""), Line(f"{'queue':14}{'waiting':>12}{'oldest':>10}{'in flight':>12}{'for later':>12}", "bold")]
    for name, lane in picture.lanes.items():
        waiting = f"{'about ' if lane.estimated else ''}{lane.waiting}"
        oldest = "" if lane.oldest is None else _age(lane.oldest)
        shown = _LANE_NAMES.get(name, name)
        lines.append(Line(f"{shown:14}{waiting:>12}{oldest:>10}{lane.in_flight:>12}{lane.staged:>12}"))
    return lines


def _table(what: str, lines: Sequence[Line], most: int) -> list[Line]:
    """A heading and as many lines as there is room for; what there is no room for is counted."""
    heading, *rows = lines
    if len(rows) > most:
        kept = max(0, most - 1)
        rows = [*rows[:kept], Line(f"and {len(rows) - kept} more {what}{'es' if what.endswith('s') else 's'}", "dim")]
    return [Line(""), heading, *rows]


def _link_lines(links: Sequence[LinkRow], width: int) -> list[Line]:
    name = max([4, *(min(len(link.name), 20) for link in links)])
    heading = f"{'link':{name}}  {'state':9}{'out/s':>8}{'rcpt/s':>8}{'window':>11}{'median':>9}{'p99':>9}  "
    rows = [
        Line(
            f"{_short(link.name, name):{name}}  {link.state:9}{link.submit_rate:>8.1f}{link.receipt_rate:>8.1f}"
            f"{f'{link.in_flight}/{link.window}':>11}{_latency(link.median):>9}{_latency(link.p99):>9}  {_notes(link)}",
            _style(link),
        )
        for link in links
    ]
    return [Line(heading.rstrip(), "bold"), *rows]


def _short(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}~"


def _style(link: LinkRow) -> str:
    if link.state in ("down", "nobody's", "silent", "sick"):
        return "red"
    return "yellow" if link.throttled or link.state not in ("bound", "disabled") else ""


def _notes(link: LinkRow) -> str:
    """What stands out, the most urgent first."""
    notes = []
    if link.resumes_in is not None:
        notes.append(f"pauses {link.resumes_in:.0f} s")
    elif link.throttled:
        notes.append("throttled" if link.limit is None else f"throttled to {link.limit:.0f}/s")
    if link.trouble and link.bound < link.binds and link.enabled:
        notes.append(link.trouble)
    refused = sum(link.refusals.values())
    if refused:
        notes.append(f"refused {refused}")
    return ", ".join(notes)


def _latency(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.0f} s"


def _process_lines(picture: Picture) -> list[Line]:
    rows = [
        Line(
            f"{_short(process.name, 28):28}{process.binds:>6}{f'{process.silent_for:.0f} s ago':>12}  {process.roles}",
            "red" if process.silent_for > 5 else "",
        )
        for process in picture.processes
    ]
    return [Line(f"{'process':28}{'binds':>6}{'heard':>12}  roles", "bold"), *rows]


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = int(seconds) // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
