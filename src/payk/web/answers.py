"""What a site answers a request with."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

__all__ = ["JSON", "LIMIT", "REPEATED", "Answer", "Header", "Stream", "limit_headers"]

Header = tuple[bytes, bytes]

JSON = b"application/json; charset=utf-8"

REPEATED: Sequence[Header] = ((b"x-payk-repeated", b"true"),)
"""Of an answer that an earlier request got."""


LIMIT = b"x-ratelimit-limit"


def limit_headers(limit: float, left: float, reset: float) -> Sequence[Header]:
    """How much a limit is, what is left of it, and the seconds until there is more."""
    return (
        (LIMIT, b"%d" % limit),
        (b"x-ratelimit-remaining", b"%d" % left),
        (b"x-ratelimit-reset", b"%d" % math.ceil(reset)),
    )


@dataclass(slots=True)
class Answer:
    """A whole response; `headers` come on top of the content headers, cache-control and x-request-id."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: Sequence[Header] = ()
    cache_control: bytes = b"no-store"
    """Texts, numbers and keys are nothing to keep in a cache."""

    def head(self, request_id: str) -> bytes:
        """Its header lines, but for those that the server adds. Nothing in them is the caller's."""
        own = b"".join([b"%b: %b\r\n" % header for header in self.headers]) if self.headers else b""
        return b"content-type: %b\r\ncontent-length: %d\r\ncache-control: %b\r\nx-request-id: %b\r\n%b" % (
            self.content_type,
            len(self.body),
            self.cache_control,
            request_id.encode(),
            own,
        )


@dataclass(slots=True)
class Stream:
    """A response that is passed on while it is made. What fails amid it ends the connection: it must not look whole."""

    status: int
    octets: AsyncGenerator[bytes, None]
    content_type: bytes
    headers: Sequence[Header] = ()

    def head(self, request_id: str) -> list[Header]:
        """Its headers, but for those that the server adds."""
        own = [(b"content-type", self.content_type), (b"cache-control", b"no-store")]
        return [*own, (b"x-request-id", request_id.encode()), *self.headers]
