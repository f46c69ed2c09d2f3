"""The TLS of a link."""

from __future__ import annotations

import ssl

from payk.domain.operator import TlsSettings

__all__ = ["client_context"]


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """Reads the files anew: a renewed certificate is taken with the next connection. OSError names an unfit one."""
    try:
        context = ssl.create_default_context(cafile=settings.ca)
    except OSError as exc:
        raise OSError(f"{settings.ca}: {exc}") from exc
    context.options |= ssl.OP_NO_RENEGOTIATION  # nothing could be written meanwhile; TLS 1.3 has no such thing
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.certificate is not None:
        try:
            context.load_cert_chain(settings.certificate, settings.key, password=_no_passphrase)
        except OSError as exc:
            files = " with ".join(filter(None, (settings.certificate, settings.key)))
            raise OSError(f"{files}: {exc}") from exc
    return context


def _no_passphrase() -> bytes:
    """For a key that is encrypted: without this, OpenSSL would ask the terminal and stop the process."""
    return b""
