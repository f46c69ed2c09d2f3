"""docs/metrics.md from its source, the catalogue of figures.

`python -m tests.docs.metrics_page` writes the page; a test compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from payk.metrics.catalogue import CATALOGUE
from payk.metrics.family import Family, Histogram, Scope

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"

HEAD = """\
# Metrics

What `GET /metrics` on the management listener of every process tells, in the text format of Prometheus. How to connect
Prometheus and Grafana, and what the graphs mean, stands in [observe.md](observe.md).

No label names a client, a number or a message. Lanes are `otp`, `common_high`, `common_normal`, `common_low` and
`batch` ([architecture.md](architecture.md)).

This page is written by `python -m tests.docs.metrics_page`, and a test keeps it true.
"""

OF_PROCESSES = """
## What each process tells of itself

They have two labels more: `process`, its host and the port of its management listener, and `role`, its roles joined by
`+`. Counters and histograms of several processes are added up; a gauge says in its sentence what is made of those of
several.
"""

OF_CENTRE = """
## What is told of the whole centre

Found out in the database every few seconds by the one process that holds the duty `figures` (of those with the role
`maintenance`), and told by it alone, without `process` and `role`. Prometheus adds the label `instance` all the same,
and for a minute after a take-over two processes may tell it: so `max by (operator, lane) (...)`, never `sum`.
"""


def page() -> str:
    """The whole page."""
    of_process = [family for family in CATALOGUE if family.scope is Scope.PROCESS]
    of_centre = [family for family in CATALOGUE if family.scope is Scope.CENTRE]
    bounds = "\n".join(_bounds())
    return "\n".join(
        (
            HEAD + OF_PROCESSES,
            *_table(of_process),
            "\n### Bounds of the histograms\n\n| Histogram | Upper bounds of its buckets |\n|---|---|\n" + bounds,
            OF_CENTRE,
            *_table(of_centre),
            "",
        )
    )


def _table(families: list[Family]) -> Iterator[str]:
    yield "| Name | Kind | Unit | Labels | What it is |"
    yield "|---|---|---|---|---|"
    for family in families:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        yield f"| `{family.name}` | {family.kind} | {family.unit} | {labels} | {family.help} |"


def _bounds() -> Iterator[str]:
    for family in CATALOGUE:
        if isinstance(family, Histogram):
            yield f"| `{family.name}` | {', '.join(f'{bound:g}' for bound in family.bounds)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
