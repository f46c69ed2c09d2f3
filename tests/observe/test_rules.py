"""Rules and dashboards name what the catalogue has, and Prometheus understands them; the runbook has every alert."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from payk.metrics.catalogue import CATALOGUE
from tests.observe.expressions import ALERTS, alerts, branches, named, of_board, recorded
from tests.requires import require_program

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
PARTS = ("**Symptom.**", "```sh", "**What you see.**", "**What to do.**")


def check_rules(file: Path) -> None:
    checked = subprocess.run(
        [require_program("promtool", "prometheus"), "check", "rules", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("rule", recorded() + alerts(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_names_what_is_told(rule: dict[str, str]) -> None:
    assert named(rule["expr"]) == []


def test_what_nobody_tells_is_found() -> None:
    assert named("sum by (operator) (rate(payk_refusals_total[5m]))") == ["operator"]
    assert named("payk_outcomes") == ["payk_outcomes", "no series"]
    assert named('payk_link_binds{lane="otp"}') == ["payk_link_binds{lane}"]
    assert named('payk_centre_processes{process!~"x"}') == ["payk_centre_processes{process}"]
    assert named("operator:payk_waiting_messages:sum > 1") == []
    assert named("link:payk_waiting_messages:sum > 1") == ["link:payk_waiting_messages:sum", "no series"]
    assert named("vector(1)") == ["no series"]


def test_the_branches_of_an_expression_are_told_apart() -> None:
    assert branches("a > 1") == ["a > 1"]
    assert branches("a > 1 unless b\nor sum by (or_not) (c or d) > 2 or e") == [
        "a > 1 unless b", "sum by (or_not) (c or d) > 2", "e",
    ]  # fmt: skip


def test_prometheus_understands_the_alerts() -> None:
    check_rules(ALERTS)


def test_prometheus_understands_the_configuration(tmp_path: Path) -> None:
    for file in ALERTS.parent.iterdir():
        written = file.read_text("utf-8").replace("/etc/prometheus/payk-token", str(tmp_path / "payk-token"))
        (tmp_path / file.name).write_text(written, "utf-8")
    (tmp_path / "payk-token").write_text("x")
    checked = subprocess.run(
        [require_program("promtool", "prometheus"), "check", "config", str(tmp_path / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_a_panel_names_what_is_told_and_prometheus_understands_it(tmp_path: Path) -> None:
    expressions = list(of_board())
    assert {panel: wrong for panel, expression in expressions if (wrong := named(expression))} == {}
    rules = [{"record": f"x{number}", "expr": expression} for number, (_, expression) in enumerate(expressions)]
    (tmp_path / "board.yml").write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    check_rules(tmp_path / "board.yml")


def test_the_board_shows_every_figure() -> None:
    shown = "\n".join(expression for _, expression in of_board())
    assert [
        family.name for family in CATALOGUE if family.name not in shown and not family.name.endswith("_size_bytes")
    ] == []


def test_every_alert_leads_to_its_section_of_the_runbook() -> None:
    sections = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:]
    found = {section.partition("\n")[0]: section for section in sections}
    assert list(found) == [rule["alert"] for rule in alerts()]
    for rule in alerts():
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"] and rule["labels"]["severity"] in ("page", "ticket")
        section = found[rule["alert"]]
        places = [section.find(part) for part in PARTS]
        assert places == sorted(places) and places[0] >= 0, rule["alert"]


def test_what_is_of_the_whole_centre_is_never_added_up() -> None:
    """sum only over a max of it, which leaves one of those that several processes may tell for a moment."""
    for expression in [rule["expr"] for rule in recorded() + alerts()] + [expression for _, expression in of_board()]:
        for found in re.finditer(r"payk_centre_\w+", expression):
            before = expression[: found.start()]
            assert re.search(r"\b(max|min)(\s+by\s+\([^)]*\))?\s*\($|absent\($", before), expression
