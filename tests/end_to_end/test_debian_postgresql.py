"""The store on Debian's PostgreSQL, over TCP and with a password, as a user's own cluster."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import SHORT_WAITS
from tests.end_to_end.payk import Payk, registry
from tests.requires import require_program

PASSWORD = "correct horse"


@pytest.fixture
def cluster() -> Iterator[str]:
    """The URL of a new cluster's database, its user's password in it."""
    programs = require_program("/usr/lib/postgresql/*/bin/initdb", "postgresql").parent
    folder = Path(tempfile.mkdtemp(prefix="payk-debian-", dir="/tmp"))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def program(name: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(programs / name), "--pgdata", str(folder / "data"), *arguments],
            **who, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    try:
        program(
            "initdb", "--username=payk", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--encoding=UTF8"
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        program("pg_ctl", "start", "--wait", "--log", str(folder / "log"), "--options", options)
        try:
            yield f"postgresql://payk:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/postgres"
        finally:
            program("pg_ctl", "stop", "--wait", "--mode=immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def test_a_message_goes_through_on_debians_postgresql(cluster: str, tmp_path: Path) -> None:
    payk = Payk(tmp_path, {"PAYK_DATABASE_URL": cluster, "PAYK_SECRET_KEY": "5a" * 32, **SHORT_WAITS})
    try:
        assert (await payk.done("migrate")).startswith("ran migration 0001")
        operator = await payk.simulate()
        await payk.apply(registry(operator.port))
        assert (await payk.run("check")).returncode == 0
        centre = await payk.serve()
        sent = [await centre.send(), await centre.send("992900900901", Text="Салом " * 30)]
        sent += [await centre.send("992000000008"), await centre.send("992000000010")]
        assert set((await centre.wait_for_all(sent, within=15)).values()) == {"Delivered"}
        await centre.program.stop()
        wrong = await payk.run("serve", PAYK_DATABASE_URL=cluster.replace("correct", "wrong"), PAYK_PORT="0")
        assert wrong.returncode == 2
        assert wrong.stderr.startswith("payk: the database cannot be reached: ")
        assert wrong.stderr.count("\n") == 1 and "horse" not in wrong.stderr
    finally:
        await payk.close()
