"""What the catalogue promises of every figure."""

from __future__ import annotations

import re
from pathlib import Path

from payk.metrics import catalogue
from payk.metrics.catalogue import CATALOGUE
from payk.metrics.family import Counter, Family, Histogram, Scope

SOURCES = Path(__file__).parents[2] / "src" / "payk"
BOUNDED = {
    "batch", "by", "code", "door", "duty", "has_role", "lane", "link", "listener", "operator", "outcome", "place",
    "state", "table", "version",
}  # fmt: skip
"""Labels with few values, whatever the traffic."""


def test_no_label_has_values_without_end() -> None:
    assert {label for family in CATALOGUE for label in family.labels} <= BOUNDED


def test_names_say_what_they_are() -> None:
    assert len({family.name for family in CATALOGUE}) == len(CATALOGUE)
    for family in CATALOGUE:
        assert re.fullmatch(r"payk_[a-z_]+", family.name)
        assert family.name.endswith("_total") is isinstance(family, Counter), family.name
        assert family.name.startswith("payk_centre_") is (family.scope is Scope.CENTRE)
        assert family.help.endswith(".") and family.unit


def test_what_must_not_be_added_up_says_so() -> None:
    for family in CATALOGUE:
        if family.scope is Scope.CENTRE:
            assert "take max, never sum" in family.help


def test_bounds_rise() -> None:
    for family in CATALOGUE:
        if isinstance(family, Histogram):
            assert list(family.bounds) == sorted(set(family.bounds)) and family.bounds


def test_there_is_no_other_catalogue_and_every_figure_is_filled_somewhere() -> None:
    """Families are made in one module, and each of them is used in another one."""
    text = {path: path.read_text("utf-8") for path in SOURCES.rglob("*.py") if path.parent.name != "metrics"}
    for path, source in text.items():
        assert not re.search(r"\b(Counter|Gauge|Histogram)\(\s*\"payk_", source), path
    used = "\n".join(text.values())
    for name, value in vars(catalogue).items():
        if isinstance(value, Family):
            assert re.search(rf"\b{name}\b", used), name
