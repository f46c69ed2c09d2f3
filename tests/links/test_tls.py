"""Links over TLS, with certificates made for the test."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from payk.domain.operator import TlsSettings
from payk.domain.outcome import Accepted
from tests.links.smsc import link_to, message, operator


@dataclass(frozen=True)
class Certificate:
    path: str
    key: str


def make_certificate(folder: Path, name: str) -> Certificate:
    """A self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    Path(made.path).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    Path(made.key).write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


@pytest.fixture
def server(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path, "operator")


@pytest.fixture
def client(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path, "payk")


def server_context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key)
    return context


async def test_an_operator_whose_authority_is_known(server: Certificate) -> None:
    tls = TlsSettings(ca=server.path)
    async with operator(tls=server_context(server)) as smsc, link_to(smsc, tls=tls) as bench:
        await bench.bound()
        bench.link.submit(message())
        await bench.until(lambda: bench.results)
        assert bench.results[0].outcomes == (Accepted(1, "1"),)


async def test_an_operator_that_nobody_vouches_for(server: Certificate) -> None:
    async with operator(tls=server_context(server)) as smsc, link_to(smsc, tls=TlsSettings()) as bench:
        await bench.until(lambda: bench.changes)
        (status,) = bench.link.binds
        assert (status.bound, status.waiting_for) == (False, "operator to be reachable")
        assert "certificate verify failed" in (status.last_error or "")
        assert smsc.binds == []


async def test_not_verifying_is_a_choice(server: Certificate) -> None:
    tls = TlsSettings(verify=False)
    async with operator(tls=server_context(server)) as smsc, link_to(smsc, tls=tls) as bench:
        await bench.bound()


async def test_a_certificate_of_our_own(server: Certificate, client: Certificate) -> None:
    context = server_context(server)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(client.path)
    tls = TlsSettings(ca=server.path, certificate=client.path, key=client.key)
    async with operator(tls=context) as smsc, link_to(smsc, tls=tls) as bench:
        await bench.bound()


async def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    async with operator() as smsc, link_to(smsc, tls=TlsSettings(ca=missing)) as bench:
        await bench.until(lambda: bench.changes)
        assert missing in (bench.link.binds[0].last_error or "")
        assert smsc.connections == 0


async def test_a_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("not a certificate")
    async with operator() as smsc, link_to(smsc, tls=TlsSettings(certificate=str(wrong))) as bench:
        await bench.until(lambda: bench.changes)
        assert str(wrong) in (bench.link.binds[0].last_error or "")


async def test_a_key_under_a_passphrase_asks_nobody(client: Certificate) -> None:
    key = serialization.load_pem_private_key(Path(client.key).read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    Path(client.key).write_bytes(locked)
    tls = TlsSettings(certificate=client.path, key=client.key)
    async with operator() as smsc, link_to(smsc, tls=tls) as bench:
        await bench.until(lambda: bench.changes)
        assert client.key in (bench.link.binds[0].last_error or "")


async def test_an_operator_without_tls(server: Certificate) -> None:
    async with operator() as smsc, link_to(smsc, tls=TlsSettings(ca=server.path)) as bench:
        await bench.until(lambda: bench.changes)
        assert bench.link.binds[0].last_error
        assert smsc.binds == []
