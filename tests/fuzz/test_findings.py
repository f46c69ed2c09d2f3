"""What the fuzzer has found once is tried for ever; findings.txt says what should come of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fuzz.notation import read, written
from fuzz.targets import TARGETS

FINDINGS = Path(__file__).with_name("findings.txt")


class Line(NamedTuple):
    number: int
    target: str
    octets: bytes
    outcome: str


def findings() -> Iterator[Line]:
    for number, line in enumerate(FINDINGS.read_text("utf-8").splitlines(), start=1):
        if line and not line.startswith("#"):
            found, _, outcome = line.partition(" => ")
            target, octets = found.split(" ")
            yield Line(number, target, read(octets), outcome)


@pytest.mark.parametrize("line", [*findings()], ids=lambda line: f"{line.number}-{line.target}")
def test_a_finding_stays_mended(line: Line) -> None:
    outcome = TARGETS[line.target].run(line.octets)
    assert line.outcome in (outcome, outcome.partition(" | ")[0])


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0",
        b"\0" * 39,
        b"\0" * 40,
        b"\0" * 65_535,
        b"ab" * 30 + b"c",
        b"x" + b"abc" * 20_000 + b"ab",
        bytes(range(256)),
    ],
    ids=len,
)
def test_octets_are_read_as_they_were_written(octets: bytes) -> None:
    assert read(written(octets)) == octets
    assert len(written(octets)) <= 520


@pytest.mark.parametrize("text", ["xyz", "0", "(00*)", "00 11", "(00*2"])
def test_what_is_no_notation_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no octets|non-hexadecimal"):
        read(text)
