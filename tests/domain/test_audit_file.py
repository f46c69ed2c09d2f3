"""An exported audit log by its chain: what was changed, taken out or put in is named with its line."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from payk.domain.access import Actor, PrincipalKind
from payk.domain.audit import FIRST_HASH, AuditEntry, chain, exported_hash
from payk.domain.audit_file import FileVerdict, walk

AT = datetime(2026, 11, 27, 10, 30, 0, 250, tzinfo=UTC)
ACTOR = Actor(PrincipalKind.USER, "Анна", 7, "192.0.2.1", "r1")

Lines = list[bytes]


def exported(count: int, previous: bytes = FIRST_HASH, first: int = 1) -> Iterator[bytes]:
    """As `payk audit export` prints a log."""
    for sequence in range(first, first + count):
        detail = {"was": [1.5, None, "Рӯз"], "a": {"z": 1, "b": True}}
        entry = chain(AuditEntry(ACTOR, "user.create", "user", f"u\u2028{sequence}", detail), sequence, AT, previous)
        previous = entry.hash
        yield json.dumps(entry.as_json(), ensure_ascii=False).encode() + b"\n"


LOG = list(exported(9))


def row(line: bytes, **changes: Any) -> dict[str, Any]:
    return {**json.loads(line), **changes}


def with_hash(fields: dict[str, Any]) -> bytes:
    """A line whose hash is right for what it says."""
    return json.dumps({**fields, "hash": exported_hash(fields).hex()}).encode() + b"\n"


def as_line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def test_a_whole_log_and_a_part_of_it() -> None:
    newest = json.loads(LOG[-1])["hash"]
    assert walk(LOG) == FileVerdict(9, 1, 9, newest)
    assert walk(LOG[4:]) == FileVerdict(5, 5, 9, newest)
    assert walk([]) == FileVerdict(0) and walk([]).whole
    assert walk(LOG, anchor=(9, newest)).whole


INSERTED = with_hash(row(LOG[4], object_name="nobody", sequence=5))
"""Follows the fourth entry as the fifth does."""


@pytest.mark.parametrize(
    ("tamper", "line", "why"),
    [
        (lambda log: [*log[:3], as_line(row(log[3], act="user.enable")), *log[4:]], 4, "entry 4 was changed"),
        (lambda log: [*log[:3], as_line(row(log[3], detail={})), *log[4:]], 4, "entry 4 was changed"),
        (lambda log: [as_line(row(log[0], at="x")), *log[1:]], 1, "entry 1 was changed"),
        (lambda log: [*log[:8], as_line(row(log[8], actor_id=8))], 9, "entry 9 was changed"),
        (
            lambda log: [*log[:3], with_hash(row(log[3], act="user.enable")), *log[4:]],
            4,
            "entry 4 was changed, with its hash",
        ),
        (
            lambda log: [*log[:3], with_hash(row(log[3], previous_hash="0" * 64)), *log[4:]],
            4,
            "entry 4 was changed, with its hash",
        ),
        (lambda log: [*log[:3], *log[4:]], 4, "entry 4 was removed before it"),
        (lambda log: [*log[:3], *log[6:]], 4, "entries 4 to 6 were removed before it"),
        (lambda log: [*log[:4], INSERTED, *log[4:]], 5, "entry 5 was put in, or stands in a wrong place"),
        (lambda log: [*log[:5], INSERTED, *log[5:]], 6, "entry 5 was put in, or stands in a wrong place"),
        (
            lambda log: [*log[:4], as_line(row(log[4], act="x")), *log[4:]],
            5,
            "entry 5 was put in, or stands in a wrong place",
        ),
        (lambda log: [*log[:4], log[3], *log[4:]], 5, "entry 4 was put in, or stands in a wrong place"),
        (lambda log: [*log, log[3]], 10, "entry 4 was put in, or stands in a wrong place"),
        (
            lambda log: [*log[:4], log[5], log[4], *log[6:]],
            5,
            "entry 6 was put in, or stands in a wrong place",
        ),
        (lambda log: [log[0].replace(b'"sequence": 1', b'"sequence": 2'), *log[1:]], 1, "entry 2 was changed"),
        (lambda log: [*log[:4], b"\n", *log[4:]], 5, "it is no entry of an audit log"),
        (lambda log: [*log[:8], log[8][:50]], 9, "it is no entry of an audit log"),
        (lambda log: [log[0], as_line(row(log[1], more=1)), *log[2:]], 2, "it is no entry of an audit log"),
        (lambda log: [log[0], b'{"act": "x", ' + log[1][1:], *log[2:]], 2, "it is no entry of an audit log"),
        (lambda log: [log[0], b"[" * 100_000, *log[2:]], 2, "it is no entry of an audit log"),
        (lambda log: [log[0], b"\xff\xfe", *log[2:]], 2, "it is no entry of an audit log"),
        (
            lambda log: [log[0], as_line(row(log[1], sequence="2")), *log[2:]],
            2,
            "its entry was changed: it has no number",
        ),
    ],
)
def test_what_was_tampered_with_is_named(tamper: Callable[[Lines], Lines], line: int, why: str) -> None:
    found = walk(tamper(LOG))
    assert (found.line, found.why, found.whole) == (line, why, False)


def test_an_anchor_shows_what_was_cut_off_or_written_anew() -> None:
    newest = json.loads(LOG[-1])["hash"]
    cut = walk(LOG[:8], anchor=(9, newest))
    assert (cut.line, cut.why) == (9, "entry 9, which the anchor names, is not in it")
    anew = walk(LOG, anchor=(9, "0" * 64))
    assert (anew.line, anew.why) == (9, "the anchor has another hash for entry 9")


def test_each_member_of_each_line_is_looked_at() -> None:
    for number, line in enumerate(LOG):
        for name, value in json.loads(line).items():
            changed = {"x": 1} if isinstance(value, dict) else value + 1 if isinstance(value, int) else f"{value}0"
            log = [*LOG[:number], as_line(row(line, **{name: changed})), *LOG[number + 1 :]]
            assert not walk(log).whole, (number, name)


def test_a_long_log_takes_no_more_memory_than_a_short_one() -> None:
    walk(exported(10))
    tracemalloc.start()
    try:
        assert walk(exported(5_000)).count == 5_000
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
