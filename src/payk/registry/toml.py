"""TOML from strangers: parsed in a time that grows with its length, and no faster.

The parser of the standard library takes time by the square of how many parts a dotted key has: 100 kB of `a.a.a` keep
a core busy for two minutes. So keys are counted first. No table of ours lies deeper than `operator.link.tls`.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

__all__ = ["PARTS_MAX", "parse"]

PARTS_MAX: Final = 5
"""Parts of a dotted key or of the name of a table, such as 2 of `operator.link`."""

# Each alternative takes whatever follows its first character, closed or not, and never goes back: so this is linear.
_STRINGS_AND_COMMENTS: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+"{0,5}'
    r"|'''(?:[^']|'(?!''))*+'{0,5}"
    r'|"(?:[^"\\\n]|\\[^\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+",
    re.DOTALL,
)
_TOO_DEEP: Final = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{PARTS_MAX}}}")


def parse(text: str) -> dict[str, Any]:
    """The document. ValueError (tomllib.TOMLDecodeError, or a key of too many parts), RecursionError."""
    bare = _STRINGS_AND_COMMENTS.sub(_placeholder, text)
    if found := _TOO_DEEP.search(bare):
        line = bare.count("\n", 0, found.start()) + 1
        raise ValueError(f"A key of more than {PARTS_MAX} parts (at line {line}, column {_column(bare, found)})")
    return tomllib.loads(text)


def _placeholder(found: re.Match[str]) -> str:
    """A word of its kind, with as many ends of lines: what is counted later is at the line where it was."""
    whole = found[0]
    return "" if whole[0] == "#" else "s" + "\n" * whole.count("\n")


def _column(bare: str, found: re.Match[str]) -> int:
    return found.start() - bare.rfind("\n", 0, found.start())
