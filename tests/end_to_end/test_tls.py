"""The two listeners over TLS, each by settings of its own."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from tests.certificates import Certificate, make_certificate
from tests.end_to_end.payk import KEY, MESSAGE, Payk, registry


def settings(api: Certificate, admin: Certificate) -> dict[str, str]:
    return {
        "PAYK_TLS_CERTIFICATE": str(api.certificate),
        "PAYK_TLS_KEY": str(api.key),
        "PAYK_ADMIN_TLS_CERTIFICATE": str(admin.certificate),
        "PAYK_ADMIN_TLS_KEY": str(admin.key),
    }


def trusting(centre_url: httpx.URL, files: Certificate) -> httpx.AsyncClient:
    context = ssl.create_default_context(cafile=str(files.certificate))
    return httpx.AsyncClient(base_url=centre_url, verify=context, headers={"X-Api-Key": KEY})


async def test_both_listeners_speak_tls_and_tell_of_expiry(payk_on_server: Payk, tmp_path: Path) -> None:
    payk = payk_on_server
    api, admin = make_certificate(tmp_path, "api"), make_certificate(tmp_path, "admin", days=10)
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    centre = await payk.serve(**settings(api, admin))
    assert {client.base_url.scheme for client in (centre.http, centre.admin)} == {"https"}
    async with trusting(centre.http.base_url, api) as http, trusting(centre.admin.base_url, admin) as management:
        sent = await http.post("/api/v1/sms", json=MESSAGE)
        assert sent.json()["MessageResult"] == "OK"
        assert sent.headers["strict-transport-security"]
        [warning] = (await management.get("/health/ready")).json()["Warnings"]
        assert "admin.pem expires in " in warning
    checked = await payk.done("check", **settings(api, admin))
    assert f"ok    the certificate {api.certificate} can be used" in checked
    assert f"warn  the certificate {admin.certificate} expires in" in checked
    await centre.program.stop()


async def test_what_cannot_be_used_is_one_line_at_the_start(payk_on_server: Payk, tmp_path: Path) -> None:
    payk = payk_on_server
    files, other = make_certificate(tmp_path), make_certificate(tmp_path, "other")
    for given, told in (
        ({"PAYK_TLS_CERTIFICATE": str(files.certificate)}, "PAYK_TLS_CERTIFICATE and PAYK_TLS_KEY go together"),
        (settings(files, Certificate(files.certificate, other.key)), "are no certificate and its key"),
    ):
        for command in ("serve", "check"):
            ended = await payk.run(command, PAYK_PORT="0", PAYK_ADMIN_PORT="0", **given)
            assert ended.returncode == 2
            assert told in (ended.stderr if command == "serve" else ended.stdout)
        ended = await payk.run("serve", PAYK_PORT="0", PAYK_ADMIN_PORT="0", **given)
        assert ended.stderr.count("\n") == 1
