"""The commands that our pages show, run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

from tests.end_to_end.payk import Payk

__all__ = ["commands", "run"]

DOCS = Path(__file__).parents[2] / "docs"


def commands(page: str, section: str = "") -> list[str]:
    """Of the shell blocks of a page, or of one section of it."""
    text = (DOCS / page).read_text("utf-8")
    if section:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").strip().splitlines()]


async def run(line: str, payk: Payk) -> None:
    """A command that must succeed."""
    ended = await payk.in_a_shell(line, within=120)
    assert ended.returncode == 0, (line, ended.stdout[-1_000:], ended.stderr[-2_000:])
