"""The expressions of our rules and dashboards, and what they name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from payk.metrics.catalogue import CATALOGUE
from payk.metrics.family import Family, Histogram, Scope

__all__ = ["ALERTS", "BOARD", "alerts", "branches", "named", "of_board", "recorded"]

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
BOARD = DEPLOY / "grafana" / "payk.json"

ADDED = frozenset({"instance", "job"})
"""Labels that Prometheus adds to what it scrapes."""
FOREIGN = {
    "up": ADDED,
    "ALERTS": ADDED
    | {"alertname", "alertstate", "severity", "operator", "link", "duty", "door", "code", "table", "place", "listener"},
}
"""Series that are Prometheus's own."""


def _rules(kind: str) -> list[dict[str, Any]]:
    [group] = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for rule in group["rules"] if kind in rule]


def alerts() -> list[dict[str, Any]]:
    """The alerts of deploy/prometheus/alerts.yml."""
    return _rules("alert")


def recorded() -> list[dict[str, Any]]:
    """Its rules that record what alerts name more than once."""
    return _rules("record")


def branches(expression: str) -> list[str]:
    """What stands on either side of each `or` that is in no parentheses: each of them is a reason of its own."""
    found, depth = [""], 0
    for word in re.split(r"([()]|\bor\b)", expression):
        depth += (word == "(") - (word == ")")
        if word == "or" and depth == 0:
            found.append("")
        else:
            found[-1] += word
    return [branch.strip() for branch in found]


def of_board() -> Iterator[tuple[str, str]]:
    """Panel and expression, with what Grafana would put in place of its variables."""
    for panel in json.loads(BOARD.read_text("utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$operator", ".*")


def _series() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = dict(FOREIGN)
    for rule in recorded():
        [labels_of] = re.findall(r"^sum by \(([^)]*)\)", rule["expr"])
        found[rule["record"]] = frozenset(labels_of.split(", "))
    for family in CATALOGUE:
        labels = frozenset(family.labels) | ADDED | _of_process(family)
        if isinstance(family, Histogram):
            found |= {f"{family.name}_sum": labels, f"{family.name}_count": labels}
            found[f"{family.name}_bucket"] = labels | {"le"}
        else:
            found[family.name] = labels
    return found


def _of_process(family: Family) -> frozenset[str]:
    return frozenset({"process", "role"}) if family.scope is Scope.PROCESS else frozenset()


SERIES = _series()


def named(expression: str) -> list[str]:
    """What an expression names that nobody tells: series, labels of selectors, and labels it groups or matches by."""
    wrong = []
    bare = re.sub(r'"[^"]*"', '""', expression)
    labels: set[str] = set()
    for name, selector in re.findall(r"(?<![\w:])((?:\w+:)?payk_[\w:]+|up|ALERTS)\b(?:\{([^}]*)\})?", bare):
        if name not in SERIES:
            wrong.append(name)
            continue
        labels |= SERIES[name]
        selected = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
        wrong += [f"{name}{{{label}}}" for label in sorted(selected - SERIES[name])]
    if not labels:
        wrong.append("no series")
    for clause in re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", bare):
        wrong += [label for label in re.split(r"[\s,]+", clause.strip()) if label and label not in labels]
    return wrong
