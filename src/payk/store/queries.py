"""The named queries of store/sql: `sql("claims.claim_rows")` is the query claim_rows of sql/claims.sql.

A file is a row of blocks: `-- name: NAME`, a line that says what the query does, the statement.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["all_queries", "sql"]

_BLOCK = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


@cache
def _file(name: str) -> dict[str, str]:
    text = (files("payk.store") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return {match[1]: match[2].strip().rstrip(";") for match in _BLOCK.finditer(text)}


@cache
def sql(name: str) -> str:
    """The text of query `file.name`; KeyError where there is none."""
    file, _, query = name.partition(".")
    return _file(file)[query]


def all_queries() -> dict[str, str]:
    """Every query by its full name, for the test that prepares them all."""
    names = sorted(entry.name for entry in (files("payk.store") / "sql").iterdir() if entry.name.endswith(".sql"))
    return {f"{name[:-4]}.{query}": text for name in names for query, text in _file(name[:-4]).items()}
