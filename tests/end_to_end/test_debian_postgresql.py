"""The store on Debian's PostgreSQL, over TCP and with a password, as a user's own cluster."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.certificates import make_certificate
from tests.end_to_end.conftest import SHORT_WAITS
from tests.end_to_end.payk import Payk, registry
from tests.ports import free_port
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
    port = free_port()

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
        assert set((await centre.wait_for_all(sent, within=60)).values()) == {"Delivered"}
        await centre.program.stop()
        wrong = await payk.run("serve", PAYK_DATABASE_URL=cluster.replace("correct", "wrong"), PAYK_PORT="0")
        assert wrong.returncode == 2
        assert wrong.stderr.startswith("payk: the database cannot be reached: ")
        assert wrong.stderr.count("\n") == 1 and "horse" not in wrong.stderr
    finally:
        await payk.close()


async def test_the_way_to_the_database_is_encrypted_by_its_url(cluster: str, tmp_path: Path) -> None:
    files, other = make_certificate(tmp_path, "database"), make_certificate(tmp_path, "other")
    connection = await asyncpg.connect(cluster)
    data = Path(await connection.fetchval("show data_directory"))
    for file in (files.certificate, files.key):
        copy = data / file.name
        copy.write_bytes(file.read_bytes())
        copy.chmod(0o600)
        os.chown(copy, data.stat().st_uid, data.stat().st_gid)
    for setting, value in (("ssl_cert_file", files.certificate.name), ("ssl_key_file", files.key.name), ("ssl", "on")):
        await connection.execute(f"alter system set {setting} = '{value}'")
    await connection.execute("select pg_reload_conf()")
    await connection.close()

    payk = Payk(tmp_path, {"PAYK_SECRET_KEY": "5a" * 32, **SHORT_WAITS})
    verified = f"{cluster}?sslmode=verify-full&sslrootcert={files.certificate}"
    try:
        await payk.done("migrate", PAYK_DATABASE_URL=verified)
        checked = await payk.run("check", PAYK_DATABASE_URL=verified)
        assert "ok    the connection to the database is encrypted (TLSv1.3)" in checked.stdout
        plain = await payk.run("check", PAYK_DATABASE_URL=f"{cluster}?sslmode=disable")
        assert "is not encrypted, and does not leave this host" in plain.stdout
        centre = await payk.serve(PAYK_DATABASE_URL=verified)
        assert (await centre.admin.get("/health/ready")).status_code == 200
        await centre.program.stop()
        for wrong in (f"{cluster}?sslmode=verify-full&sslrootcert={other.certificate}",
                      verified.replace("127.0.0.1", "127.0.0.2")):  # fmt: skip
            refused = await payk.run("serve", PAYK_DATABASE_URL=wrong, PAYK_PORT="0")
            assert refused.returncode == 2 and "the database cannot be reached" in refused.stderr
            assert "horse" not in refused.stderr and refused.stderr.count("\n") == 1, refused.stderr
    finally:
        await payk.close()
