"""A disk of its own, and a small one, for the embedded database of a home: a tmpfs where the database will lie."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from payk.store.embedded.place import SYSTEM_STATE, Account

__all__ = ["Disk", "small_disk"]

SIZE = 300
"""Megabytes; a new database asks for 200."""


class Disk:
    """Filled and emptied by a file that is nobody's."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self, *, leave: int = 0) -> None:
        """Until not another page fits, but for `leave` megabytes."""
        file = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (1_000_000, 4096):
                while write(file, bytes(size)):
                    pass
            os.truncate(file, os.fstat(file).st_size - leave * 1_000_000)
        finally:
            os.close(file)

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)


def write(file: int, octets: bytes) -> bool:
    try:
        os.write(file, octets)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


@contextmanager
def small_disk(home: Path) -> Iterator[Disk]:
    """For the database of `home`, which is made; as root it lies under SYSTEM_STATE, under the id in the home."""
    if os.geteuid() != 0:
        pytest.skip("a disk is mounted only by root")
    account = Account.system()
    SYSTEM_STATE.mkdir(mode=0o755, exist_ok=True)
    folder = SYSTEM_STATE / secrets.token_hex(8)
    folder.mkdir()
    options = f"size={SIZE}m,mode=0750,uid=0,gid={account.gid}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        home.mkdir(mode=0o700)
        (home / "database-id").write_text(f"{folder.name}\n")
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)
