"""docs/guarantees.md: ten promises, each with tests that exist, what it costs, and figures that the bench measures."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from bench import promises

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
PROMISES = re.findall(r"^## (\d+)\. .*?(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
SECTIONS = dict(zip(PROMISES, re.split(r"^## \d+\. ", PAGE, flags=re.MULTILINE)[1:], strict=True))
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_there_are_ten_promises() -> None:
    assert [str(number) for number in range(1, 11)] == PROMISES


@pytest.mark.parametrize("number", PROMISES)
def test_every_promise_names_tests_that_exist_and_what_it_costs(number: str) -> None:
    section = SECTIONS[number]
    assert section.count("> ") >= 1 and "*Costs* " in section
    shown = section.partition("*Shown by*")[2].partition("*Costs*")[0]
    named = TEST.findall(shown)
    assert named
    for file, name in named:
        functions = [
            node.name
            for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        assert name in functions, f"{file} has no {name}"


def test_the_figures_are_those_of_the_bench() -> None:
    named = set(re.findall(r"`(store_\w+_per_s)`", PAGE))
    assert named == {figure.name for figure in promises.FIGURES}
