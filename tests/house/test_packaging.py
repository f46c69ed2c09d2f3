"""What is installed, and from where: pins, the wheel, the light base."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import payk

ROOT = Path(__file__).parents[2]
PINS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned(name: str) -> dict[str, str]:
    """Distribution -> version."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+) \\$", text, re.MULTILINE))


def normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~\[;]", requirement, maxsplit=1)[0]).lower()


@pytest.mark.parametrize("file", PINS, ids=lambda file: file.name)
def test_pins_have_hashes_and_name_no_place(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert lines[0].startswith("# Pinned from pyproject.toml")
    for number, line in enumerate(lines[1:], 2):
        pin = re.fullmatch(r"[a-z0-9.-]+==(\d+!)?[\w.]+ \\", line)
        digest = re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line)
        assert pin or digest, f"{file.name}:{number}: {line}"


def test_pins_cover_what_the_project_names() -> None:
    extras = PROJECT["optional-dependencies"]
    run = {normal(one) for one in [*PROJECT["dependencies"], *extras["server"], *extras["embedded"]]}
    assert run <= set(pinned("server"))
    assert run | {normal(one) for one in extras["tracing"]} <= set(pinned("tracing"))
    assert {normal(one) for one in extras["dev"]} <= set(pinned("dev"))


def test_tests_run_on_the_versions_that_are_shipped() -> None:
    assert pinned("server").items() <= pinned("tracing").items() <= pinned("dev").items()


def test_the_build_backend_is_the_pinned_one() -> None:
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert [f"{name}=={version}" for name, version in pinned("build").items()] == backend


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    sources = tmp_path / "sources"  # a copy: the backend writes beside what it builds
    shutil.copytree(ROOT / "src", sources / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", sources)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, sources], check=True)
    with zipfile.ZipFile(tmp_path / f"payk-{payk.__version__}-py3-none-any.whl") as wheel:
        packed = {name for name in wheel.namelist() if not name.startswith("payk-")}
    wanted = {
        str(path.relative_to(sources / "src")) for path in (sources / "src" / "payk").rglob("*") if path.is_file()
    }
    assert packed == wanted


def test_the_sdk_loads_nothing_of_the_server() -> None:
    script = "import sys, payk.client; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    extras = PROJECT["optional-dependencies"]
    server = {normal(one).replace("-", "_") for one in [*extras["server"], *extras["embedded"]]}
    assert not server & set(done.stdout.split())


def test_no_tracked_file_names_a_local_folder_of_packages() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    scheme = re.compile("file" + r"://(?!\{)")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            assert not scheme.search((ROOT / name).read_text(errors="replace")), name
