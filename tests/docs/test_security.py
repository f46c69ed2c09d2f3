"""What docs/security.md names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from payk.domain.access import PERMISSIONS, Permission, Role

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text("utf-8")
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_tests_that_are_named_exist(file: str, name: str) -> None:
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE)


def test_every_threat_has_a_test() -> None:
    table = PAGE.partition("## Threats")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert rows and all("::test_" in row for row in rows)


def test_the_table_of_roles() -> None:
    table = PAGE.partition("| Permission |")[2].partition("\n\n")[0].splitlines()
    roles = [Role(word.strip()) for word in table[0].split("|") if word.strip()]
    shown = {
        (role, Permission(cells[1].strip(" `")))
        for line in table[2:]
        for cells in [line.split("|")]
        for role, cell in zip(roles, cells[2:], strict=False)
        if cell.strip() == "yes"
    }
    assert shown == {(role, permission) for role in Role for permission in PERMISSIONS[role]}
