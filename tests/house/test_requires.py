"""Tests of foreign programs: skipped where the program is missing, failed in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.requires import require_program

PACKAGES = (Path(__file__).parents[2] / ".ci" / "packages").read_text()


def test_a_program_is_found_by_name_and_by_pattern() -> None:
    assert require_program("sh", "dash").name == "sh"
    assert require_program("/bin/s[h]", "dash") == Path("/bin/sh")


def test_a_missing_program_is_skipped_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="/no/such/program is missing: apt-get install its-package"):
        require_program("/no/such/program", "its-package")


def test_in_ci_a_missing_program_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install its-package"):
        require_program("/no/such/program", "its-package")


def test_what_tests_require_is_what_ci_installs() -> None:
    """Every package that a test names stands in .ci/packages."""
    import re

    tests = Path(__file__).parents[1]
    named = set()
    for file in tests.rglob("*.py"):
        if file != Path(__file__):
            named |= set(re.findall(r"require_program\([^()]*,\s*\"([\w.+-]+)\"\)", file.read_text()))
    listed = {line.split("#")[0].strip() for line in PACKAGES.splitlines()} - {""}
    assert named <= listed
