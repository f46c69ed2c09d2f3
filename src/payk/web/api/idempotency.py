"""The header Idempotency-Key: what a caller names a request by, to repeat it safely."""

from __future__ import annotations

import re
from typing import Final

from payk.domain.errors import Code
from payk.web.exchange import Exchange
from payk.web.problems import Problem

__all__ = ["HEADER", "KEY_MAX", "idempotency_key"]

HEADER: Final = "Idempotency-Key"
KEY_MAX: Final = 255

_NAME: Final = HEADER.lower().encode()
_KEY: Final = re.compile(rb"[!-~]{1,%d}" % KEY_MAX)


def idempotency_key(exchange: Exchange) -> bytes | None:
    """The key of a request, which is noted; None where it has none. Raises Problem (IdempotencyKeyInvalid)."""
    value = exchange.headers.get(_NAME)
    if value is None:
        return None
    key = value.strip()
    if _KEY.fullmatch(key) is None:
        detail = f"An {HEADER} has 1 to {KEY_MAX} visible ASCII characters and no spaces; this one {_fault(key)}."
        raise Problem(Code.IDEMPOTENCY_KEY_INVALID, detail)
    exchange.idempotency_key = key
    return key


def _fault(key: bytes) -> str:
    if not key:
        return "is empty"
    return f"has {len(key)}" if len(key) > KEY_MAX else "holds others"
