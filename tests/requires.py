"""Foreign programs that tests run: where they are, or why the test cannot run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def require_program(name: str, package: str) -> Path:
    """The program's path. Without it the test is skipped, with a line that names the Debian package; in CI it fails.

    `name` is looked up in PATH; if it holds a slash it is a pattern of absolute paths instead, of which the last wins:
    `/usr/lib/postgresql/*/bin/postgres`. `package` stands in .ci/packages too, which CI installs.
    """
    if "/" in name:
        found = sorted(Path("/").glob(name.removeprefix("/")))
    else:
        found = [Path(path)] if (path := shutil.which(name)) else []
    if found:
        return found[-1]
    line = f"{name} is missing: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(line)
    pytest.skip(line)
