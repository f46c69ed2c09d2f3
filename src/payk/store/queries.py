"""The named queries of store/sql: `sql("claims.claim_rows")` is the query claim_rows of sql/claims.sql.

A file is a row of blocks: `-- name: NAME`, a line that says what the query does, the statement. A block that begins
`-- part: NAME` is no query: it stands where a line of a query says `{file.NAME}`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["all_queries", "sql"]

_BLOCK = re.compile(r"^-- (name|part): (\w+)\n(.*?)(?=^-- (?:name|part): |\Z)", re.MULTILINE | re.DOTALL)
_PART = re.compile(r"^\{(\w+)\.(\w+)\}", re.MULTILINE)


@cache
def _file(name: str, kind: str = "name") -> dict[str, str]:
    """The queries of a file, or its parts, as they are written."""
    text = (files("payk.store") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return {match[2]: match[3].strip().rstrip(";") for match in _BLOCK.finditer(text) if match[1] == kind}


@cache
def sql(name: str) -> str:
    """The text of query `file.name`; KeyError where there is none, or not a part that it names."""
    file, _, query = name.partition(".")
    return _PART.sub(lambda part: _file(part[1], "part")[part[2]], _file(file)[query])


def all_queries() -> dict[str, str]:
    """Every query by its full name, for the test that prepares them all."""
    names = sorted(entry.name for entry in (files("payk.store") / "sql").iterdir() if entry.name.endswith(".sql"))
    return {full: sql(full) for name in names for query in _file(name[:-4]) for full in [f"{name[:-4]}.{query}"]}
