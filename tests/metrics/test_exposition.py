"""The text that Prometheus reads, octet by octet, and by Prometheus's own tool."""

from __future__ import annotations

import subprocess
import time

import pytest

from payk.metrics.catalogue import CATALOGUE
from payk.metrics.exposition import exposition
from payk.metrics.family import Counter, Family, Gauge, Histogram, Labels, Scope
from tests.requires import require_program


def text(*families: Family, **readings: dict[Labels, float]) -> str:
    read = {family: readings[family.name] for family in families if family.name in readings}
    return exposition(families, read, process="host:9080", role="api+dispatch")


OWN = 'process="host:9080",role="api+dispatch"'


def test_a_counter() -> None:
    taken = Counter("taken_total", "What was taken.", "messages", ("lane",))
    taken.add("otp")
    taken.add("batch", amount=41)
    taken.add("batch")
    assert text(taken) == (
        f'# HELP taken_total What was taken.\n# TYPE taken_total counter\ntaken_total{{{OWN},lane="batch"}} 42\n'
        f'taken_total{{{OWN},lane="otp"}} 1\n'
    )


def test_a_counter_without_labels_is_0_from_the_start_and_one_with_labels_once_it_is_named() -> None:
    bare, lettered = Counter("a_total", "A.", "things"), Counter("b_total", "B.", "things", ("x",))
    assert text(bare, lettered) == f"# HELP a_total A.\n# TYPE a_total counter\na_total{{{OWN}}} 0\n"
    lettered.add("y", amount=0)
    assert f'b_total{{{OWN},x="y"}} 0\n' in text(bare, lettered)


def test_a_gauge_is_what_was_read_and_of_the_centre_it_names_no_process() -> None:
    free = Gauge("free_bytes", "Free.", "bytes", ("place",))
    used = Gauge("used_ratio", "Used.", "0 to 1", (), Scope.CENTRE)
    told = text(free, used, free_bytes={("home",): 2.5}, used_ratio={(): 0.25})
    assert f'free_bytes{{{OWN},place="home"}} 2.5\n' in told
    assert told.endswith("# TYPE used_ratio gauge\nused_ratio 0.25\n")
    assert text(free, used) == ""


def test_a_histogram_adds_up_and_a_value_on_a_bound_is_within_it() -> None:
    took = Histogram("took_seconds", "Took.", "seconds", ("lane",), bounds=(0.1, 1))
    took.observe([0.05, 0.1, 0.5, 7], "otp")
    took.observe([1], "otp")
    inside = f'{OWN},lane="otp"'
    assert text(took).splitlines()[2:] == [
        f'took_seconds_bucket{{{inside},le="0.1"}} 2',
        f'took_seconds_bucket{{{inside},le="1"}} 4',
        f'took_seconds_bucket{{{inside},le="+Inf"}} 5',
        f"took_seconds_sum{{{inside}}} 8.65",
        f"took_seconds_count{{{inside}}} 5",
    ]


def test_what_would_break_a_line_is_escaped() -> None:
    odd = Counter("odd_total", "A \\ and\na line.", "things", ("name",))
    odd.add('a"b\\c\nd')
    assert text(odd) == (
        f'# HELP odd_total A \\\\ and\\na line.\n# TYPE odd_total counter\nodd_total{{{OWN},name="a\\"b\\\\c\\nd"}} 1\n'
    )


def everything() -> tuple[list[Family], dict[Family, dict[Labels, float]]]:
    """Ten operators, three lanes and three links each: families like those of the catalogue, filled."""
    families: list[Family] = []
    readings: dict[Family, dict[Labels, float]] = {}
    values = {
        "operator": [f"operator {number}" for number in range(10)],
        "lane": ["otp", "common_high", "batch"],
        "link": ["first", "second", "third"],
        "code": [f"Code{number}" for number in range(40)],
    }
    for family in CATALOGUE:
        combined: list[Labels] = [()]
        for label in family.labels:
            combined = [(*labels, value) for labels in combined for value in values.get(label, ["a", "b", "c"])]
        filled: Family
        if isinstance(family, Histogram):
            filled = Histogram(family.name, family.help, family.unit, family.labels, family.scope, family.bounds)
            for labels in combined:
                filled.observe([0.001, 0.5, 70, 10_000], *labels)
        elif isinstance(family, Counter):
            filled = Counter(family.name, family.help, family.unit, family.labels, family.scope)
            for labels in combined:
                filled.add(*labels, amount=0.5)
        else:
            filled = Gauge(family.name, family.help, family.unit, family.labels, family.scope)
            readings[filled] = dict.fromkeys(combined, 1.5)
        families.append(filled)
    return families, readings


def test_prometheus_finds_nothing_to_say_against_the_whole_catalogue() -> None:
    families, readings = everything()
    told = exposition(families, readings, process="host:9080", role="api")
    checked = subprocess.run(
        [require_program("promtool", "prometheus"), "check", "metrics"],
        input=told,
        text=True,
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_scrape_of_a_large_centre_takes_milliseconds() -> None:
    families, readings = everything()
    took = []
    for _ in range(10):
        began = time.perf_counter()
        told = exposition(families, readings, process="host:9080", role="api")
        took.append(time.perf_counter() - began)
    assert told.count("\n") > 2000
    assert min(took) < 0.02


def test_a_label_of_the_wrong_number_is_a_defect() -> None:
    with pytest.raises(ValueError, match="zip"):
        text(Gauge("x", "X.", "things", ("a", "b")), x={("only one",): 1})
