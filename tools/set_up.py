"""Make .venv ready, for `make`: `set_up.py server` to run Payk, `set_up.py dev` to test and check it.

Uses the standard library alone and takes milliseconds when nothing has changed. What was installed is remembered by
content, not by time, so a fresh checkout of the same files installs nothing and needs no network. An environment that
is half made, broken or moved is made anew; a sound one is only added to, because a Payk may be running from it. What
is missing is said in one line, with exit code 1.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "set-up.log"
UNFINISHED = VENV / "set-up-unfinished"
MEGABYTES = {"server": 400, "dev": 600}  # a new environment of that name, and pip's own temporary files


def main() -> None:
    name = sys.argv[1]
    checkout = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(checkout, fcntl.LOCK_EX)  # until we end: a second `make` waits for the first
    key = _key(name)
    stamp = VENV / f"set-up-{name}"
    if not UNFINISHED.exists() and stamp.exists() and stamp.read_text() == key:
        return
    new = not _is_sound()
    if new:
        _check_machine(MEGABYTES[name])
    print(f"Setting up {VENV} (about a minute) ...", flush=True)
    if new:
        _create()
    UNFINISHED.touch()
    _install(name)
    stamp.write_text(key)
    UNFINISHED.unlink()


def _key(name: str) -> str:
    """A digest of what the installed set depends on: the place, the pins, and what the package's installation reads."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    parts = [
        str(ROOT),
        (ROOT / "requirements" / "build.txt").read_text(),
        (ROOT / "requirements" / f"{name}.txt").read_text(),
        json.dumps([project["build-system"], project["project"], project["tool"]["setuptools"]]),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _is_sound() -> bool:
    """Whether .venv was finished, here, by an interpreter that is still there."""
    place = VENV / "set-up-place"
    if UNFINISHED.exists() or not place.exists() or place.read_text() != str(ROOT):
        return False
    try:
        return not subprocess.run([PYTHON, "-I", "-m", "pip", "--version"], capture_output=True, check=False).returncode
    except OSError:
        return False


def _check_machine(megabytes: int) -> None:
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        sys.exit(f"{sys.executable} lacks the venv module: install it (Debian, Ubuntu: apt-get install python3-venv)")
    if not os.access(ROOT, os.W_OK):
        sys.exit(f"{ROOT} cannot be written: .venv is made there")
    free = shutil.disk_usage(ROOT).free // 1_000_000
    if free < megabytes:
        sys.exit(f"{ROOT} has {free} MB of free disk; .venv takes about {megabytes}")


def _create() -> None:
    if VENV.is_symlink() or VENV.is_file():
        sys.exit(f"{VENV} is not a folder: move it away")
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir(exist_ok=True)
    UNFINISHED.touch()
    base = getattr(sys, "_base_executable", sys.executable)  # ours may be the interpreter that was in .venv
    _run([base, "-I", "-m", "venv", VENV])
    (VENV / "set-up-place").write_text(str(ROOT))


def _install(name: str) -> None:
    pip = [PYTHON, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    pins = ["-r", ROOT / "requirements" / "build.txt", "-r", ROOT / "requirements" / f"{name}.txt"]
    _run([*pip, "--require-hashes", "--only-binary=:all:", *pins])
    _run([*pip, "--no-index", "--no-deps", "--no-build-isolation", "--editable", ROOT])


def _run(command: list[str | Path]) -> None:
    """Quietly; a failure is told by the last line of the program that says what is wrong."""
    with LOG.open("ab") as log:
        environment = {**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, check=False)
    if done.returncode:
        lines = [line for line in LOG.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()] or lines or [f"exit code {done.returncode}"]
        sys.exit(f"The set-up failed: {errors[-1].strip()} (more in {LOG})")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("The set-up was interrupted; the next run makes it anew")
    except OSError as error:
        sys.exit(f"The set-up failed: {error}")
