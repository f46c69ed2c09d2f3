"""The dashboard is one that Grafana takes as it stands, and one that can be read at night."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from payk.metrics.catalogue import CATALOGUE
from payk.metrics.family import Family
from tests.observe.expressions import BOARD, alerts

WRITTEN: dict[str, Any] = json.loads(BOARD.read_text("utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in WRITTEN["panels"] if panel["type"] != "row"]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
FAMILIES: Mapping[str, Family] = {family.name: family for family in CATALOGUE}

UNITS = {unit for name, unit in vars(units).items() if isinstance(unit, str) and not name.startswith("_")}
"""As Grafana knows them."""

each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])


def families(expression: str) -> Iterator[tuple[Family, str]]:
    """What an expression names, with the selector of each."""
    for name, selector in re.findall(r"\b(payk_\w+)(?:\{([^}]*)\})?", expression):
        yield FAMILIES.get(name) or FAMILIES[re.sub(r"_(bucket|sum|count)$", "", name)], selector


def lost(written: Any, read: Any, place: str = "") -> Iterator[str]:
    """Where something is written that was not read, or as something else; what was read besides are defaults."""
    match written, read:
        case dict(), dict():
            for key, value in written.items():
                yield from lost(value, read[key], f"{place}.{key}") if key in read else [f"{place}.{key}"]
        case list(), list() if len(written) == len(read):
            for number, (each, other) in enumerate(zip(written, read, strict=True)):
                yield from lost(each, other, f"{place}[{number}]")
        case _ if written != read:
            yield place


def test_grafana_knows_all_that_is_written() -> None:
    """By the models that are generated from its schema: whatever has no place in them is lost on the way through."""
    register_default_plugins()
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(WRITTEN)))
    assert list(lost(WRITTEN, read)) == []


def test_what_grafana_does_not_know_is_found() -> None:
    register_default_plugins()
    wrong = json.loads(json.dumps(WRITTEN))
    wrong["refersh"] = "5s"
    wrong["panels"][2]["fieldConfig"]["defaults"]["units"] = "s"
    wrong["panels"][9]["targets"][0]["expression"] = "up"
    wrong["panels"][9]["options"]["legend"]["show"] = True
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(wrong)))
    assert set(lost(wrong, read)) == {
        ".refersh",
        ".panels[2].fieldConfig.defaults.units",
        ".panels[9].targets[0].expression",
        ".panels[9].options.legend.show",
    }


def test_its_frame() -> None:
    assert (WRITTEN["uid"], WRITTEN["title"], WRITTEN["schemaVersion"]) == ("payk", "Payk", 38)
    assert [variable["name"] for variable in WRITTEN["templating"]["list"]] == ["datasource", "operator", "runbook"]
    [link] = WRITTEN["links"]
    assert link["url"] == "${runbook}"


def test_panels_stand_in_rows_without_gaps_or_overlaps() -> None:
    """Each with an id of its own; a row ends where the next one begins."""
    every = WRITTEN["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    assert len({panel["title"] for panel in every}) == len(every)
    taken: set[tuple[int, int]] = set()
    for panel in every:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert cells and not cells & taken and at["x"] >= 0 and at["x"] + at["w"] <= 24
        taken |= cells
    rows = [place for place, panel in enumerate(every) if panel["type"] == "row"]
    assert rows[0] == 0
    for first, following in pairwise([*rows, len(every)]):
        inside = every[first + 1 : following]
        begins, ends = every[first]["gridPos"]["y"], max(at["gridPos"]["y"] + at["gridPos"]["h"] for at in inside)
        assert all(panel["gridPos"]["y"] > begins for panel in inside)
        assert following == len(every) or every[following]["gridPos"]["y"] == ends


def test_what_is_wrong_comes_first() -> None:
    row, table, *stats = WRITTEN["panels"][:8]
    assert row["title"] == "What is wrong" and table["title"] == "Alerts that fire"
    assert {panel["type"] for panel in stats} == {"stat"}


@each_panel
def test_a_panel_says_what_it_is_of(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".") and len(panel["description"]) > 20
    assert panel["datasource"] == SOURCE
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    references = [target["refId"] for target in panel["targets"]]
    assert references == [*"ABCDEF"[: len(references)]]
    for target in panel["targets"]:
        assert target["datasource"] == SOURCE
        assert target["legendFormat"] or panel["type"] in ("stat", "table")
        grouped = re.findall(r"by \(([^)]*)\)", target["expr"])
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= set(", ".join(grouped).split(", "))


@each_panel
def test_axes_are_not_shared_by_what_is_not_the_same(panel: dict[str, Any]) -> None:
    """All series of a panel have one unit; what is 0 or 1 is shown as a state and never as a curve."""
    units = {frozenset(family.unit for family, _ in families(target["expr"])) for target in panel["targets"]}
    assert len(units) == 1
    if "0 or 1" in next(iter(units)):
        assert panel["type"] in ("state-timeline", "stat")
        if panel["type"] == "state-timeline":
            [mapping] = panel["fieldConfig"]["defaults"]["mappings"]
            assert mapping["options"].keys() == {"0", "1"}


@each_panel
def test_the_operators_that_are_chosen_are_those_that_are_shown(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        for family, selector in families(target["expr"]):
            assert ("operator" in family.labels) is ('operator=~"$operator"' in selector), target["expr"]


@each_panel
def test_nothing_is_divided_by_nothing(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        for divisor in re.findall(r" / (.*)", target["expr"]):
            assert re.match(r"\((\w+|sum by \([^)]*\) \(.*\)) > 0\)", divisor), target["expr"]


@each_panel
def test_thresholds_rise_and_are_drawn(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    if panel["type"] == "stat" or "thresholds" in defaults:
        first, *following = [step["value"] for step in defaults["thresholds"]["steps"]]
        assert first is None and following == sorted(following)
        if panel["type"] == "timeseries":
            assert defaults["custom"]["thresholdsStyle"] == {"mode": "line"} and following


def test_every_alert_is_reached_from_a_panel_and_every_link_leads_to_the_runbook() -> None:
    linked = {link["title"]: link["url"] for panel in PANELS for link in panel.get("links", ())}
    assert linked == {f"Runbook: {rule['alert']}": f"${{runbook}}#{rule['alert'].lower()}" for rule in alerts()}
    assert (Path(__file__).parents[2] / WRITTEN["templating"]["list"][2]["query"]).is_file()
