"""Reading the body of a request: within its limit, unpacked, in slices that let others go on."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass
from typing import Final

from payk.domain.errors import Code
from payk.web.caller import HungUp
from payk.web.exchange import Exchange
from payk.web.problems import Problem

__all__ = ["BULK", "SINGLE", "BodyLimit", "receive_body", "unpack_body"]

_GZIP_WINDOW: Final = 31  # zlib: a gzip header is expected, largest window
_SLICE: Final = 1 << 20  # octets unpacked at a time: some 3 ms


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """How many octets a body may have, packed and unpacked, and what to do about a larger one."""

    octets: int
    advice: str

    def exceeded(self) -> Problem:
        """The answer to a larger body."""
        detail = f"The body is larger than {self.octets:,} octets, the limit here. {self.advice}"
        return Problem(Code.PAYLOAD_TOO_LARGE, detail)


SINGLE: Final = BodyLimit(256 * 1024, "A single message needs far less; send many to /api/v1/sms/bulk.")
BULK: Final = BodyLimit(64 * 1024 * 1024, "Split the bulk into several requests.")


async def receive_body(exchange: Exchange, limit: BodyLimit) -> bytes:
    """The body as it was sent, to its last octet. Raises Problem (PayloadTooLarge) and HungUp."""
    declared = exchange.headers.get(b"content-length")
    if declared is not None and int(declared) > limit.octets:
        raise limit.exceeded()
    exchange.body_asked = True
    message = await exchange.receive()
    if message["type"] == "http.request" and not message["more_body"]:
        whole: bytes = message["body"]
        if len(whole) > limit.octets:
            raise limit.exceeded()
        return whole
    body = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise HungUp
        body += message["body"]
        if len(body) > limit.octets:
            raise limit.exceeded()
        if not message["more_body"]:
            return bytes(body)
        message = await exchange.receive()


async def unpack_body(exchange: Exchange, body: bytes, limit: BodyLimit) -> bytes:
    """The content of `body` by its Content-Encoding. Raises Problem (PayloadTooLarge, JsonInvalid)."""
    encoding = exchange.headers.get(b"content-encoding")
    if encoding is None:
        return body
    match encoding.strip().lower():
        case b"" | b"identity":
            return body
        case b"gzip" | b"x-gzip":
            return await _gunzip(body, limit)
    raise Problem(Code.JSON_INVALID, "The body has a Content-Encoding other than gzip; send it plain or in gzip.")


async def _gunzip(packed: bytes, limit: BodyLimit) -> bytes:
    """The content of one gzip member or several in a row."""
    body = bytearray()
    try:
        while packed:
            member = zlib.decompressobj(_GZIP_WINDOW)
            while not member.eof:
                piece = member.decompress(packed, _SLICE)
                packed = member.unconsumed_tail or member.unused_data
                body += piece
                if len(body) > limit.octets:
                    raise limit.exceeded()
                if not piece and not packed and not member.eof:
                    raise Problem(Code.JSON_INVALID, "The gzip body ends too early.")
                if len(piece) == _SLICE:
                    await asyncio.sleep(0)
    except zlib.error as exc:
        raise Problem(Code.JSON_INVALID, "The body is not gzip, as its Content-Encoding says.") from exc
    return bytes(body)
