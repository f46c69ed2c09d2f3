"""A listener over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import uvloop

from payk.web.limits import HttpLimits
from payk.web.server import HttpServer, listen
from payk.web.site import ManagementSite
from payk.web.tls import ServerTls, TlsError
from tests.certificates import Certificate, make_certificate


async def ready() -> tuple[bool, list[str]]:
    return True, []


@contextlib.asynccontextmanager
async def serving(tls: ServerTls, limits: HttpLimits | None = None) -> AsyncIterator[HttpServer]:
    server = HttpServer(ManagementSite(ready), listen("127.0.0.1", 0), tls=tls, limits=limits)
    task = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        server.stop()
        await task


def trusting(files: Certificate) -> httpx.AsyncClient:
    return httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(files.certificate)))


async def asked(server: HttpServer, files: Certificate) -> httpx.Response:
    async with trusting(files) as http:
        return await http.get(f"https://127.0.0.1:{server.port}/health/live")


def loaded(files: Certificate) -> ServerTls:
    return ServerTls(files.certificate, files.key)


async def test_answers_come_over_tls_and_tell_browsers_to_stay_with_it(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    async with serving(loaded(files)) as server:
        answer = await asked(server, files)
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_it_works_on_the_loop_of_the_product(tmp_path: Path) -> None:
    """Answers are written to the transport, which is uvloop's there; many at once on one connection."""
    files = make_certificate(tmp_path)

    async def work() -> None:
        async with serving(loaded(files)) as server, trusting(files) as http:
            url = f"https://127.0.0.1:{server.port}"
            answers = await asyncio.gather(*(http.get(f"{url}/health/live") for _ in range(200)))
            assert {answer.status_code for answer in answers} == {200}
            for _ in range(50):
                assert (await http.get(f"{url}/nothing")).status_code == 404

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())


async def test_older_than_tls_1_2_is_refused(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    assert loaded(files).context.minimum_version is ssl.TLSVersion.TLSv1_2
    async with serving(loaded(files)) as server:
        old = ssl.create_default_context(cafile=str(files.certificate))
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", server.port, ssl=old)


async def test_a_handshake_that_does_not_come_is_ended(tmp_path: Path) -> None:
    async with serving(loaded(make_certificate(tmp_path)), HttpLimits(head_timeout=1)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_new_files_are_used_without_a_restart_and_broken_ones_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, other = make_certificate(tmp_path), make_certificate(tmp_path, "other")
    tls = loaded(files)
    first = files.certificate.read_bytes()
    trusted = Certificate(tmp_path / "first.pem", files.key)
    trusted.certificate.write_bytes(first)
    async with serving(tls) as server:
        other.certificate.replace(files.certificate)  # its key has not come yet
        tls.refresh()
        assert (await asked(server, trusted)).status_code == 200, "the old one stays"
        assert "the new certificate cannot be used" in capsys.readouterr().out
        tls.refresh()
        assert "cannot be used" not in capsys.readouterr().out, "told once"
        other.key.replace(files.key)
        tls.refresh()
        assert (await asked(server, files)).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await asked(server, trusted)
        files.certificate.unlink()
        tls.refresh()
        assert "No such file" in capsys.readouterr().out


@pytest.mark.parametrize(("days", "told"), [(90, None), (20.5, "expires in 20 days"), (-1, "has expired on")])
def test_the_expiry_is_told_ahead(tmp_path: Path, days: float, told: str | None) -> None:
    warnings = loaded(make_certificate(tmp_path, days=days)).warnings(datetime.now(UTC))
    assert len(warnings) == (told is not None)
    assert told is None or told in warnings[0]


def test_files_that_cannot_be_used_are_one_line(tmp_path: Path) -> None:
    files, other = make_certificate(tmp_path), make_certificate(tmp_path, "other")
    locked = make_certificate(tmp_path, "locked", password=b"horse")
    nothing = tmp_path / "nothing.pem"
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    for certificate, key, told in (
        (nothing, files.key, f"{nothing}: No such file or directory"),
        (files.certificate, nothing, f"{nothing}: No such file or directory"),
        (text, files.key, "are no certificate and its key"),
        (files.certificate, other.key, "key values mismatch"),
        (locked.certificate, locked.key, "the key is encrypted"),
    ):
        with pytest.raises(TlsError) as raised:
            ServerTls(certificate, key)
        assert told in str(raised.value) and "\n" not in str(raised.value)
