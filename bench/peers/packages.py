"""Programs of Debian's packages: where one is missing it is installed, if that may be done here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.figure import CannotRun

__all__ = ["provide", "services_stay_down"]

_POLICY: Final = Path("/usr/sbin/policy-rc.d")
_SCRIPTS: Final = Path("/etc/init.d")
_START_NOTHING: Final = "#!/bin/sh\nexit 101\n"


def provide(program: str, package: str) -> None:
    """See to it that `program` can be started; it is in `package`. Raises CannotRun."""
    if shutil.which(program):
        return
    by_hand = f"apt-get install --no-install-recommends {package}"
    if shutil.which("apt-get") is None:
        raise CannotRun(f"{program} is not installed, and there is no apt-get to install {package} with")
    if os.geteuid():
        raise CannotRun(f"{program} is not installed, and only root can do that: {by_hand}")
    with services_stay_down(_POLICY):
        told = _install(package)
    if (_SCRIPTS / package).exists():  # a policy that was there already may have let it start
        subprocess.run(["service", package, "stop"], capture_output=True, check=False)
    if shutil.which(program) is None:
        raise CannotRun(f"{program} is not installed, and this failed: {by_hand}: {told}")


def _install(package: str) -> str:
    """With the lists of packages as they are, then with new ones; the last line of what was told."""
    install = ["install", "-y", "--no-install-recommends", package]
    told = ""
    for arguments in (install, ["update"], install):
        ran = subprocess.run(
            ["apt-get", "-q", *arguments],
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        told = (ran.stdout.strip().splitlines() or [""])[-1]
        if arguments is install and ran.returncode == 0:
            break
    return told


@contextmanager
def services_stay_down(policy: Path) -> Iterator[None]:
    """Packages that are installed meanwhile start no service; a policy that is there is left to say otherwise."""
    if policy.exists():
        yield
        return
    policy.write_text(_START_NOTHING)
    try:
        policy.chmod(0o755)
        yield
    finally:
        policy.unlink(missing_ok=True)
