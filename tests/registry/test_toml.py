"""TOML that was made to keep a core busy, and TOML that only looks like it."""

from __future__ import annotations

import time
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.registry.errors import RegistryFileError
from payk.registry.file import read
from payk.registry.toml import parse

MEGABYTE = 2**20
LONG = "a." * (MEGABYTE // 2)
HOSTILE = {
    "a dotted key": f"{LONG}a = 1",
    "the name of a table": f"[{LONG}a]",
    "the name of a list of tables": f"[[{LONG}a]]",
    "blanks around its points": f"{'a . ' * (MEGABYTE // 4)}a = 1",
    "quoted parts": "'a'.\"b\"." * (MEGABYTE // 8) + "a = 1",
    "inside a table": f'x = {{y = """b"""", {LONG}a = 1}}',
    "behind a string": f"x = '''\n''''\n{LONG}a = 1",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_key_of_many_parts_is_refused_at_once(name: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"A key of more than 5 parts \(at line \d+, column \d+\)"):
        parse(HOSTILE[name])
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "text",
    [
        "[" * MEGABYTE,
        "x = " + "[" * MEGABYTE,
        "x = " + "{a=" * (MEGABYTE // 3),
        '"""' * (MEGABYTE // 3),
        'x = """' + '\\"""' * (MEGABYTE // 4),
        "x = '" * (MEGABYTE // 5),
        "a" * MEGABYTE,
        "x = " + "1" * MEGABYTE,
    ],
    ids=range(8),
)
def test_whatever_else_is_no_toml_is_refused_at_once(text: str) -> None:
    began = time.monotonic()
    with pytest.raises((ValueError, RecursionError)):
        parse(text)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "line",
    [
        'x = "a.b.c.d.e.f.g"',
        "x = 'a.b.c.d.e.f.g'",
        'x = """\na.b.c.d.e.f.g\n"quoted" a.b.c.d.e.f.g"""',
        "x = '''\na.b.c.d.e.f.g\n'''''",
        '# a.b.c.d.e.f.g "\nx = "a\\"" # a.b.c.d.e.f.g',
        'x = ["10.1.1.1", 1.5, 2.5, 3.5, 4.5, 5.5, 2026-11-28T10:00:00.5Z]',
        "a.b.c.d.e = 1",
        'a . "b" . c.d.e = 1\n[f.g.h.i.j]',
    ],
)
def test_what_a_file_may_hold_is_read(line: str) -> None:
    assert parse(line) == tomllib.loads(line)


@given(st.text("ab.=[]{}\"'\\#\n ,", max_size=60))
def test_whatever_it_takes_is_what_the_parser_takes(text: str) -> None:
    found: list[Any] = []
    for way in (parse, tomllib.loads):
        try:
            found.append(way(text))
        except ValueError as error:
            found.append("refused" if "parts" not in str(error) else "too deep")
    assert found[0] == found[1] or found[0] == "too deep"


@pytest.mark.parametrize(
    "document",
    [
        {"client": [{}] * 100_000},
        {"client": [{"namee": "x"}] * 50_000},
        {f"key{number}": 1 for number in range(120_000)},
        {"client": [{"name": "x", **{f"key{number}": 1 for number in range(120_000)}}]},
    ],
    ids=range(4),
)
def test_three_hundred_problems_are_enough(document: dict[str, Any]) -> None:
    began = time.monotonic()
    with pytest.raises(RegistryFileError) as caught:
        read(document, "file", {})
    assert time.monotonic() - began < 3
    assert len(caught.value.problems) == 300
