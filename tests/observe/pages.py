"""The commands and statements that our pages show, run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

from tests.end_to_end.payk import Payk

__all__ = ["commands", "run", "statements"]

DOCS = Path(__file__).parents[2] / "docs"


def commands(page: str, section: str = "") -> list[str]:
    """Of the shell blocks of a page, or of one section of it."""
    return [line for block in _blocks("sh", page, section) for line in block.replace("\\\n", " ").strip().splitlines()]


def statements(page: str, section: str) -> list[str]:
    """Of the SQL blocks of a section."""
    return [each for block in _blocks("sql", page, section) for each in block.split(";\n") if each]


def _blocks(language: str, page: str, section: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    if section:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


async def run(line: str, payk: Payk) -> None:
    """A command that must succeed."""
    ended = await payk.in_a_shell(line, within=120)
    assert ended.returncode == 0, (line, ended.stdout[-1_000:], ended.stderr[-2_000:])
