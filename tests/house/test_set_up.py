"""`make`: the set-up is done once, mended when broken, and says in one line what is missing.

Installing takes the network and a minute, so here the environment is one that is finished already, by its own account;
the whole way is walked by everybody who runs `make test` in a fresh clone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name in ("tools", "requirements"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


SAYS_HOW_IT_WAS_CALLED = 'echo "payk $* port=$PAYK_PORT in $(pwd)"'
STOPS_ON_SIGTERM = "trap 'echo stopped; exit 0' TERM; echo up; while :; do sleep 0.05; done"


def finish(checkout: Path, payk: str = SAYS_HOW_IT_WAS_CALLED) -> None:
    """As tools/set_up.py leaves .venv, with a shell script as `payk`."""
    script = "import set_up, sys; set_up.VENV.mkdir(exist_ok=True); print(set_up._key('server'), end='')"
    key = subprocess.run(
        [sys.executable, "-c", script], cwd=checkout / "tools", capture_output=True, text=True, check=True
    )
    program = checkout / ".venv" / "bin" / "payk"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{payk}\n")
    program.chmod(0o755)
    (checkout / ".venv" / "set-up-server").write_text(key.stdout)


def make(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=cwd, env={**inherited, **environment}, capture_output=True, text=True, check=False
    )


def test_up_runs_at_once_when_nothing_has_changed(checkout: Path, tmp_path: Path) -> None:
    finish(checkout)
    done = make("--no-print-directory", "-C", str(checkout), "up", "ARGS=--home x", cwd=tmp_path, PAYK_PORT="8090")
    assert (done.stdout, done.stderr, done.returncode) == (f"payk up --home x port=8090 in {checkout}\n", "", 0)


def test_up_stops_with_make(checkout: Path) -> None:
    finish(checkout, STOPS_ON_SIGTERM)
    command = ["make", "--no-print-directory", "up"]
    with subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stdout.readline() == "up\n"
        running.terminate()
        assert running.stdout.read() == "stopped\n"


def test_a_python_that_is_too_old_is_named_in_one_line(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "make", "echo"):
        (programs / name).symlink_to(shutil.which(name) or "")
    (programs / "python3").write_text("#!/bin/sh\nexit 1\n")
    (programs / "python3").chmod(0o755)
    done = make("up", cwd=checkout, PATH=str(programs))
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("Payk needs Python 3.11 or newer")
    assert len(done.stderr.splitlines()) == 2  # and make's own


@pytest.mark.parametrize(
    ("prelude", "line"),
    [
        ("importlib.util.find_spec = lambda name: None", "lacks the venv module: install it"),
        ("shutil.disk_usage = lambda path: types.SimpleNamespace(free=5_000_000)", "has 5 MB of free disk"),
    ],
)
def test_what_a_machine_lacks_is_said_in_one_line(checkout: Path, prelude: str, line: str) -> None:
    script = f"import importlib.util, shutil, sys, types, set_up; {prelude}; sys.argv[1:] = ['server']; set_up.main()"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=checkout / "tools", capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not (checkout / ".venv").exists()


def test_a_failed_installation_is_told_in_one_line_and_begun_anew(checkout: Path) -> None:
    (checkout / "requirements" / "build.txt").write_text("no-such-thing-as-this==1 --hash=sha256:" + "0" * 64 + "\n")
    environment = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    for _ in range(2):
        done = make("up", cwd=checkout, **environment)
        assert done.returncode == 2
        assert done.stdout.startswith("Setting up ")
        assert done.stderr.splitlines()[0].startswith("The set-up failed: ERROR: ")
        assert "no-such-thing-as-this" in done.stderr
        assert len(done.stderr.splitlines()) == 2
        assert (checkout / ".venv" / "set-up-unfinished").exists()
