"""One-time codes (TOTP, RFC 6238): 6 digits, 30 s, one step of tolerance to either side."""

from __future__ import annotations

from datetime import datetime
from hmac import compare_digest
from typing import Final

import pyotp

__all__ = ["ISSUER", "new_secret", "provisioning_uri", "step_of"]

ISSUER: Final = "Payk"
STEP: Final = 30
WINDOW: Final = 1


def new_secret() -> str:
    """160 random bits, in base 32."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, name: str) -> str:
    """What an authenticator takes, as a QR code or as it is."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The step whose code this is, None where it is none of those around `now`. Whoever takes it uses the step up."""
    totp, given = pyotp.TOTP(secret), "".join(code.split()).encode()
    present = int(now.timestamp()) // STEP
    found = None
    for step in range(present - WINDOW, present + WINDOW + 1):
        if compare_digest(totp.generate_otp(step).encode(), given):
            found = step
    return found
