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

__all__ = ["ALERTS", "BOARD", "alerts", "named", "of_board"]

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
BOARD = DEPLOY / "grafana" / "payk.json"

ADDED = frozenset({"instance", "job"})
"""Labels that Prometheus adds to what it scrapes."""
FOREIGN = {"up": ADDED}
"""Series that are Prometheus's own."""


def alerts() -> list[dict[str, Any]]:
    """The rules of deploy/prometheus/alerts.yml."""
    [group] = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def of_board() -> Iterator[tuple[str, str]]:
    """Panel and expression, with what Grafana would put in place of its variables."""
    for panel in json.loads(BOARD.read_text("utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$operator", ".*")


def _series() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = dict(FOREIGN)
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
    for name, selector in re.findall(r"\b((?:payk_\w+)|up)\b(?:\{([^}]*)\})?", bare):
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
