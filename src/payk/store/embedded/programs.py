"""The programs of the wheel that we run ourselves, under our own account: backups go where we may write."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from payk.store.embedded.cluster import PORT, USER, wheel_programs
from payk.store.embedded.errors import EmbeddedError

__all__ = ["ENVIRONMENT", "connection_options", "program", "run_program"]

ENVIRONMENT = {"PATH": os.defpath, "LANG": "C"}
"""All that they see of ours: PGOPTIONS and the like are meant for other servers, and we read what they say."""


def program(name: str) -> str:
    """The path of a program such as pg_basebackup."""
    return str(wheel_programs() / name)


def connection_options(sockets: Path) -> list[str]:
    """How such a program reaches the server whose socket is in this folder."""
    return ["--host", str(sockets), "--port", str(PORT), "--username", USER, "--no-password"]


def run_program(name: str, *arguments: str | Path) -> None:
    """Run one to its end. EmbeddedError says in one line why it failed."""
    done = subprocess.run(
        [program(name), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if "error:" in line or "FATAL" in line]
        raise EmbeddedError(f"{name}: {(reasons or [done.stderr.strip() or f'exit code {done.returncode}'])[0]}")
