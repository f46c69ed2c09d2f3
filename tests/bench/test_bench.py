"""The bench measures every figure, tells what is too slow, and leaves a whole file or none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import promises
from bench.__main__ import main
from bench.families import Family
from bench.figure import CannotRun, Figure, Reading
from bench.reference import RAW_STRUCT
from bench.routing import CHECK_CONDITIONS, CHECK_FEW_CONDITIONS, MANY_TO_FEW, many_to_few
from bench.segmentation import LONG_TEXTS, SHORT_TEXTS
from payk.text import Encoding, segment

ROOT = Path(__file__).parents[2]
LOOPS = {"raw_struct_per_s", "codec_pairs_per_s", "segment_short_per_s", "segment_long_per_s"}
LOOPS |= {"check_ten_routes_per_s", "check_ten_conditions_per_s", "check_5000_conditions_per_s", "check_shared_per_s"}
LOOPS |= {"check_5000_to_ten_conditions"}
FIGURES = LOOPS | {figure.name for figure in promises.FIGURES}


def reading(figure: Figure, best: float) -> Reading:
    return Reading(figure, best, best / 2)


def slow_family(seconds: float) -> list[Reading]:
    return [reading(RAW_STRUCT.figure, 1000.0), reading(Figure("snails_per_s", floor=50), 40.0)]


def broken_family(seconds: float) -> list[Reading]:
    raise RuntimeError("the process did not start")


def test_it_measures_every_figure(tmp_path: Path) -> None:
    output = tmp_path / "build" / "bench.json"
    command = [sys.executable, "-m", "bench", "--only", "parts", "--only", "promises", "--seconds", "0.05"]
    command += ["--output", str(output)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(output.read_text())
    figures = FIGURES | {f"{name}_median" for name in FIGURES}
    assert told.keys() == figures | {"python", "machine", "cpus"}
    assert all(told[name] > 0 for name in figures)
    assert [line.split()[0] for line in ran.stdout.splitlines()[1:]] == [name for name in told if name in FIGURES]
    assert [path.name for path in output.parent.iterdir()] == ["bench.json"]


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--check"], 1)])
def test_what_is_too_slow_is_told_and_fails_only_a_check(
    options: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "bench.json"
    assert main([*options, "--output", str(output)], {"snails": Family(slow_family, 1.0)}) == code
    assert capsys.readouterr().err == "snails_per_s is below its floor: 40 of 50\n"
    assert json.loads(output.read_text())["snails_per_s"] == 40


def test_what_fails_half_way_leaves_the_last_figures_alone(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    output.write_text("{}")
    with pytest.raises(RuntimeError):
        main(["--output", str(output)], {"snails": Family(slow_family, 1.0), "broken": Family(broken_family, 1.0)})
    assert output.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [output]


def test_what_cannot_run_says_why_in_one_line_and_tells_no_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def without_wrk(seconds: float) -> list[Reading]:
        raise CannotRun("wrk is not installed: apt-get install wrk")

    families = {"snails": Family(slow_family, 1.0), "centre": Family(without_wrk, 1.0)}
    assert main(["--output", str(tmp_path / "bench.json")], families) == 2
    told = capsys.readouterr()
    assert told.err == "make bench cannot run: wrk is not installed: apt-get install wrk\n"
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("value", "missed"), [(24.0, False), (26.0, True)])
def test_of_milliseconds_fewer_are_better(value: float, missed: bool) -> None:
    assert Reading(Figure("otp_ms", 25, less_is_better=True), value, value).missed is missed


def test_a_large_centre_is_compared_with_a_small_one() -> None:
    readings = [Reading(CHECK_FEW_CONDITIONS.figure, 100.0, 90.0), Reading(CHECK_CONDITIONS.figure, 80.0, 75.0)]
    ratio = many_to_few(readings)
    assert ratio == Reading(MANY_TO_FEW, 1.25, 1.2) and ratio.missed
    assert not many_to_few([*readings[:1], Reading(CHECK_CONDITIONS.figure, 90.0, 75.0)]).missed


def test_the_texts_are_what_their_figures_say() -> None:
    for texts, parts in ((SHORT_TEXTS, 1), (LONG_TEXTS, 5)):
        cut = [segment(text) for text in texts]
        assert {len(segmentation.segments) for segmentation in cut} == {parts}
        assert {segmentation.encoding for segmentation in cut} == set(Encoding)
