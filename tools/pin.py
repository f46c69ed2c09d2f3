"""`make requirements`: pin every dependency that pyproject.toml names, with hashes, in requirements/.

    build.txt    what the editable install of the package itself needs
    server.txt   what runs: the base, server and embedded dependencies
    tracing.txt  the same versions, and what the export of traces needs
    dev.txt      the same versions, and what tests and checks need

Run by CPython 3.11, the oldest that is supported: a newer one leaves out what only the older needs. The hashes cover
every wheel of the version pinned, so the files serve 3.11 to 3.13. The files record no index, mirror or folder,
whatever pip is told on the machine that runs this. Versions stay as they are while pyproject.toml allows them; `make
requirements UPGRADE=1` takes the newest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
PIP_TOOLS = "pip-tools==7.6.2"
HEADER = "# Pinned from pyproject.toml by `make requirements`; not edited by hand."
OPTIONS = [
    "--quiet",
    "--generate-hashes",
    "--allow-unsafe",
    "--strip-extras",
    "--no-annotate",
    "--no-header",
    "--no-emit-index-url",
    "--no-emit-trusted-host",
    "--no-emit-find-links",
    "--no-emit-options",
]


def main() -> None:
    if sys.version_info[:2] != (3, 11):
        sys.exit(f"requirements are pinned by Python 3.11, the oldest supported; this is {sys.version.split()[0]}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    server = [*project["project"]["dependencies"], *extras["server"], *extras["embedded"]]
    with tempfile.TemporaryDirectory() as folder:
        python = _tool_environment(Path(folder) / "venv")
        _pin(python, "build.txt", project["build-system"]["requires"])
        _pin(python, "server.txt", server)
        tracing = [*server, *extras["tracing"]]
        _pin(python, "tracing.txt", tracing, constraint="server.txt")
        _pin(python, "dev.txt", [*tracing, *extras["dev"]], constraint="tracing.txt")


def _tool_environment(folder: Path) -> Path:
    """A throwaway environment with pip-tools: it would bring its own pip and setuptools into ours."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", PIP_TOOLS], check=True)
    return python


def _pin(python: Path, name: str, wanted: list[str], constraint: str | None = None) -> None:
    target = REQUIREMENTS / name
    target.touch()  # pip-compile keeps the versions that it finds in the file
    upgrade = ["--upgrade"] if os.environ.get("UPGRADE") else []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "wanted.in"
        source.write_text("\n".join(wanted) + "\n")
        if constraint:  # a copy without hashes: pip-compile takes no hashes in a constraint
            (Path(folder) / "constraint.txt").write_text(_versions(REQUIREMENTS / constraint))
            upgrade += ["--constraint", str(Path(folder) / "constraint.txt")]
        command = [python, "-m", "piptools", "compile", *OPTIONS, *upgrade, "--output-file", target, source]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    lines = [line for line in target.read_text().splitlines() if line and not line.startswith("#")]
    target.write_text("\n".join([HEADER, *lines, ""]))
    print(f"requirements/{name}: {len(_versions(target).splitlines())} packages")


def _versions(pinned: Path) -> str:
    """The `name==version` lines of a requirements file, without the hashes."""
    lines = [line.split()[0] for line in pinned.read_text().splitlines() if "==" in line and not line.startswith("#")]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
