"""Reading the body of a request: within its limit, unpacked, in slices that let others go on."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from payk.domain.errors import Code
from payk.web.api.slices import Slices, Work
from payk.web.caller import HungUp
from payk.web.exchange import Exchange
from payk.web.problems import Problem

__all__ = ["BULK", "SINGLE", "BodyLimit", "receive_body", "unpack_body"]

MEMBERS_MAX: Final = 100_000
"""Of a gzip body. Whoever packs every item and every comma alone has about as many."""

_GZIP_WINDOW: Final = 31  # zlib: a gzip header is expected, largest window
_FED: Final = 1 << 14  # octets that zlib gets at a time
_UNPACKED: Final = 1 << 17  # octets that it gives at a time: some 0.4 ms


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
    body = BytesIO()  # gives away what it holds without a copy
    while True:
        if message["type"] == "http.disconnect":
            raise HungUp
        body.write(message["body"])
        if body.tell() > limit.octets:
            raise limit.exceeded()
        if not message["more_body"]:
            return body.getvalue()
        message = await exchange.receive()


async def unpack_body(exchange: Exchange, body: bytes, limit: BodyLimit, slices: Slices | None = None) -> bytes:
    """The content of `body` by its Content-Encoding; bodies that are unpacked under the same `slices` take turns.

    Raises Problem (PayloadTooLarge, JsonInvalid).
    """
    encoding = exchange.headers.get(b"content-encoding")
    if encoding is None:
        return body
    match encoding.strip().lower():
        case b"" | b"identity":
            return body
        case b"gzip" | b"x-gzip":
            async with (slices or Slices()).work() as work:
                return await _gunzip(body, limit, work)
    raise Problem(Code.JSON_INVALID, "The body has a Content-Encoding other than gzip; send it plain or in gzip.")


async def _gunzip(packed: bytes, limit: BodyLimit, work: Work) -> bytes:
    """The content of one gzip member or several in a row, in time that grows with the octets on both sides."""
    body = BytesIO()
    position = members = 0
    try:
        while position < len(packed):
            members += 1
            if members > MEMBERS_MAX:
                raise _too_many_members()
            position = await _unpack_member(packed, position, body, limit, work)
    except zlib.error as exc:
        raise Problem(Code.JSON_INVALID, "The body is not gzip, as its Content-Encoding says.") from exc
    return body.getvalue()


async def _unpack_member(packed: bytes, position: int, body: BytesIO, limit: BodyLimit, work: Work) -> int:
    """Append what the member that begins at `position` holds; where it ends. Raises Problem and zlib.error.

    It is fed little by little: what zlib has not used it hands back as a copy.
    """
    member = zlib.decompressobj(_GZIP_WINDOW)
    while not member.eof:
        fed = member.unconsumed_tail
        if not fed:
            fed = packed[position : position + _FED]
            position += len(fed)
        piece = member.decompress(fed, _UNPACKED)
        if not piece and not fed and not member.eof:
            raise Problem(Code.JSON_INVALID, "The gzip body ends too early.")
        body.write(piece)
        if body.tell() > limit.octets:
            raise limit.exceeded()
        await work.pause()
    return position - len(member.unused_data)


def _too_many_members() -> Problem:
    detail = f"The gzip body has more than {MEMBERS_MAX:,} members, the limit. Pack it as one."
    return Problem(Code.PAYLOAD_TOO_LARGE, detail)
