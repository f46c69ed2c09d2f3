"""A minute of faults under load: nothing accepted is lost, nothing is sent twice unknowingly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from chaos.judgement import MUSTS
from chaos.schedule import Kind

ROOT = Path(__file__).parents[2]
SECONDS, RATE = 60, 100
WITHIN = 165.0
"""Seconds for all of it."""
STOPS_WITHIN = 20.0


def start(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "chaos", *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
def test_a_minute_of_faults_loses_nothing_and_sends_nothing_twice_unknowingly(tmp_path: Path) -> None:
    output = tmp_path / "chaos.json"
    run = start("--seconds", str(SECONDS), "--rate", str(RATE), "--output", str(output))
    try:
        told, _ = run.communicate(timeout=WITHIN)
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGTERM)  # it takes everything along
        pytest.fail(f"not over after {WITHIN:g} s: {run.communicate(timeout=STOPS_WITHIN)[0]}")
    report = json.loads(output.read_text())
    assert run.returncode == 0, told + json.dumps(report["violations"], indent=1)[:20_000]
    assert {figure: report[figure] for figure in MUSTS} == dict.fromkeys(MUSTS, 0)
    assert report["final"] == report["accepted"] > SECONDS * RATE / 2
    assert report["submits"] > report["accepted"]
    assert report["unexpected_answers"] == report["unattributed_sessions"] == 0
    assert report["tracebacks"] == report["ended_by_themselves"] == 0, report["traces"] + report["own_ends"]
    assert report["faults"].keys() == set(Kind)
    assert sum(count > 0 for count in report["faults"].values()) >= 7
    for figure in ("lost", "sent twice unlabelled", "submits on lapsed lease"):
        assert any(line.split("  ")[0] == figure and line.endswith("0  must be 0") for line in told.splitlines())


@pytest.mark.slow
def test_a_run_that_is_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    run = start("--seconds", "60", "--rate", "50", "--output", str(tmp_path / "chaos.json"))
    assert run.stdout is not None
    first_fault = next(line for line in run.stdout if ": " in line)
    assert first_fault.strip()[0].isdigit()
    family = psutil.Process(run.pid).children(recursive=True)
    folders = {Path(process.cwd()) for process in family if process.name() == "postgres"}
    assert len(family) > 10
    assert len(folders) == 1
    run.send_signal(signal.SIGTERM)
    told, _ = run.communicate(timeout=STOPS_WITHIN)
    assert run.returncode == 2, told
    assert "Traceback" not in told
    _, left = psutil.wait_procs(family, timeout=1)
    assert left == []
    assert not any(folder.exists() for folder in folders)
    assert list(tmp_path.iterdir()) == []
