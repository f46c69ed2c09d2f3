"""TLS of a listener: certificate and key from two files, read again when they change, while connections go on."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from payk.logs import get_logger

__all__ = ["EXPIRES_SOON", "ServerTls", "TlsError"]

EXPIRES_SOON: Final = timedelta(days=21)
"""A certificate that is good for less is told of."""

log = get_logger("web")


class TlsError(Exception):
    """Certificate and key cannot be used; str() is one line that says which file and why."""


class ServerTls:
    """TLS 1.2 and newer for one listener. `context` stays the same object; what it presents follows the files."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._seen = self._stamp()
        self._expires_at = self._load()

    def refresh(self) -> None:
        """Read the files again if they have changed; what cannot be used is told, and the old one stays."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return
            self._seen = stamp
            self._expires_at = self._load()
        except TlsError as error:
            log.error("the new certificate cannot be used: the old one stays", error=str(error))
        else:
            log.info("another certificate is in use", file=str(self._certificate), until=self._expires_at.isoformat())

    def seconds_left(self, now: datetime) -> float:
        """Until the certificate that is in use ends; below 0 where it has."""
        return (self._expires_at - now) / timedelta(seconds=1)

    def warnings(self, now: datetime) -> list[str]:
        """What is worth knowing of the certificate that is in use."""
        left = self._expires_at - now
        if left > EXPIRES_SOON:
            return []
        if left <= timedelta(0):
            return [f"the certificate {self._certificate} has expired on {self._expires_at:%Y-%m-%d}"]
        return [f"the certificate {self._certificate} expires in {left.days} days, on {self._expires_at:%Y-%m-%d}"]

    def _stamp(self) -> tuple[tuple[int, int], ...]:
        """Tells the present files from what they become."""
        try:
            found = [file.stat() for file in (self._certificate, self._key)]
        except OSError as error:
            raise TlsError(f"{error.filename}: {error.strerror}") from error
        return tuple((each.st_mtime_ns, each.st_ino) for each in found)

    def _load(self) -> datetime:
        """Have new connections use what the files hold; until when it is good."""
        try:
            # First apart: a context that was given a key of another certificate would present neither well.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._key, password=_none)
            expires_at = x509.load_pem_x509_certificate(self._certificate.read_bytes()).not_valid_after_utc
            self.context.load_cert_chain(self._certificate, self._key, password=_none)
        except ssl.SSLError as error:
            reason = error.reason or "no PEM file"
            why = reason.lower().replace("_", " ")
            raise TlsError(f"{self._certificate} and {self._key} are no certificate and its key: {why}") from error
        except ValueError as error:
            raise TlsError(f"{self._certificate} is no certificate in PEM: {error}") from error
        except OSError as error:
            raise TlsError(f"{error.filename or self._certificate}: {error.strerror}") from error
        return expires_at.astimezone(UTC)


def _none() -> str:
    """A key that is encrypted is refused: nobody is there to type its password."""
    raise ValueError("the key is encrypted; give one without a password")
