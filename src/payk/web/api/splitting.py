"""A JSON array cut into its items, in slices that let others go on, whatever somebody put into 64 MiB.

msgspec splits what is cut where an item seems to end: that it can be split proves the cut right. What it cannot split,
such as half of an emoji, is scanned item by item, and there what is no JSON is found. What items hold is not read here.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Final

import msgspec

from payk.domain.errors import Code
from payk.web.api.slices import Work
from payk.web.api.syntax import DEEP, NO_NUMBER, decoded, no_json, refuse_constant, text_of, whole
from payk.web.problems import Problem

__all__ = ["BULK_ITEMS", "ITEM_OCTETS", "Item", "split_array"]

BULK_ITEMS: Final = 50_000
ITEM_OCTETS: Final = 256 * 1024
"""Of an item: as many as the body of a message may have that comes alone."""

_PIECE: Final = 1 << 16  # octets that are looked at in one step
_CUTS: Final = 4  # of a piece that are tried
_ROOM: Final = 16  # octets of a text, at its end, where nothing is known of an item that goes on behind it

Item = msgspec.Raw | bytes | None
"""The octets of an item; None for one that has more than ITEM_OCTETS."""

_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_scan = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=len, parse_float=len, parse_constant=refuse_constant
).raw_decode
"""Tells where a value ends; what it makes of it costs as little as may be."""

_BLANK: Final = re.compile(rb"[ \t\r\n]*+")
_BEFORE_MARK: Final = re.compile(rb'[^"{}\[\],]*+')
_STRING_REST: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)


def _nested(levels: int) -> bytes:
    """A pattern of what stands between the brackets of a container, down to so many levels of others in it."""
    flat = pattern = rb'[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+"'
    for _ in range(levels):
        pattern = flat + rb"|[{\[](?:" + pattern + rb")*+[}\]]"
    return rb"(?:" + pattern + rb")*+"


_INSIDE: Final = re.compile(_nested(4), re.DOTALL)


async def split_array(body: bytes, start: int, work: Work) -> list[Item]:
    """The items of the array that `body` holds from `start` on, and nothing else.

    Raises Problem: JsonInvalid, and PayloadTooLarge for more than BULK_ITEMS.
    """
    return await _Splitting(body, start, work).all()


class _Splitting:
    """`_at` is where the next item begins, or blanks before it."""

    def __init__(self, body: bytes, start: int, work: Work) -> None:
        self._body = body
        self._start = self._at = start
        self._work = work
        self._items: list[Item] = []
        self._closed = False

    async def all(self) -> list[Item]:
        """All items."""
        await self._open()
        while not self._closed:
            if not self._take_piece():
                await self._scan_piece()
            if len(self._items) > BULK_ITEMS:
                detail = f"The bulk holds more than {BULK_ITEMS:,} items, the limit. Split it into several requests."
                raise Problem(Code.PAYLOAD_TOO_LARGE, detail)
            await self._work.pause()
        return self._items

    async def _open(self) -> None:
        await self._pass_blanks()
        if self._mark() != b"[":
            if len(self._body) - self._start <= ITEM_OCTETS:
                whole(text_of(self._body[self._start :]))
            raise Problem(Code.JSON_INVALID, "The body must be a JSON array; a single message goes to /api/v1/sms.")
        self._at += 1
        await self._pass_blanks()
        if self._mark() == b"]":
            await self._close()

    async def _close(self) -> None:
        self._at += 1
        await self._pass_blanks()
        if self._at < len(self._body):
            _, _, character = await self._place(self._at)
            raise no_json(f"there is more after the array, at character {character}")
        self._closed = True

    def _take_piece(self) -> bool:
        """Split as much as one step may; whether that could be."""
        body, start = self._body, self._at
        end = start + _PIECE
        if end >= len(body):
            self._closed = self._take(body[start:])
            return self._closed
        for _ in range(_CUTS):
            end = body.rfind(b"},", start, end)
            if end < 0:
                break
            if self._take(body[start : end + 1], b"]"):
                self._at = end + 2
                return True
        return False

    def _take(self, items_of: bytes, close: bytes = b"") -> bool:
        try:
            items = _split(b"".join((b"[", items_of, close)))
        except (ValueError, RecursionError):
            return False
        self._items += items
        return bool(items)  # none: a comma stands before the end

    async def _scan_piece(self) -> None:
        """Scan as many items as begin within one piece."""
        await self._pass_blanks()
        base = self._at
        text = self._body[base : base + ITEM_OCTETS + _ROOM].decode("latin-1")  # marks are ASCII; one octet a character
        is_rest = base + len(text) == len(self._body)
        while self._at < base + _PIECE and len(self._items) <= BULK_ITEMS and not self._closed:
            start = self._at - base
            try:
                end = _end_of_value(text, start, is_rest=is_rest)
            except (ValueError, RecursionError) as exc:
                raise await self._no_json(exc, base) from exc
            if end is None and start > 0:
                return  # seen whole when it is the first one
            if end is None:
                await self._pass_large()
            else:
                self._at += end - start
            item = self._body[base + start : self._at] if self._at - base - start <= ITEM_OCTETS else None
            self._items.append(item)
            await self._pass_comma()
            await self._work.pause()

    async def _pass_comma(self) -> None:
        """Go on from the end of an item."""
        end = self._at
        await self._pass_blanks()
        match self._mark():
            case b",":
                self._at += 1
                await self._pass_blanks()
            case b"]":
                await self._close()
            case _:
                _, _, character = await self._place(end)
                raise no_json(f"a comma or ] is missing at character {character}")

    async def _pass_blanks(self) -> None:
        while True:
            start = self._at
            self._at = _end(_BLANK, self._body, start)
            if self._at < start + _PIECE:
                return
            await self._work.pause()

    async def _pass_large(self) -> None:
        """Go to the end of an item that has too many octets; nothing but strings and brackets is looked at."""
        depth = 0
        while True:
            self._at = _end(_INSIDE if depth else _BEFORE_MARK, self._body, self._at)
            match self._mark():
                case b"":
                    raise no_json("it ends amid an item")
                case b'"':
                    self._at += 1
                    await self._pass_string()
                case b"{" | b"[":
                    self._at += 1
                    depth += 1
                case b"," | b"}" | b"]" if depth == 0:
                    return
                case b"}" | b"]":
                    self._at += 1
                    depth -= 1
            await self._work.pause()

    async def _pass_string(self) -> None:
        """Go on from within a string to behind it."""
        while True:
            start = self._at
            self._at = _end(_STRING_REST, self._body, start)
            if self._mark() == b'"':
                self._at += 1
                return
            if self._at == start:  # no whole character is left
                raise no_json("it ends amid a string")
            await self._work.pause()

    def _mark(self) -> bytes:
        return self._body[self._at : self._at + 1]

    async def _no_json(self, error: ValueError | RecursionError, base: int) -> Problem:
        """The answer to what a scan from `base` on has raised."""
        line, column, _ = await self._place(base + error.pos if isinstance(error, json.JSONDecodeError) else base)
        if isinstance(error, json.JSONDecodeError):
            return no_json(f"{error.msg} at line {line}, column {column}")
        return no_json(DEEP if isinstance(error, RecursionError) else NO_NUMBER)

    async def _place(self, octet: int) -> tuple[int, int, int]:
        """Line, column and character of an octet, from 1 on. Raises Problem where the body is not UTF-8."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        line = column = character = 1
        at = self._start
        while at < len(self._body):
            end = min(at + _PIECE, octet if at < octet else len(self._body))
            begun = len(decoder.getstate()[0])
            try:
                text = decoder.decode(self._body[at:end], final=end == len(self._body))
            except UnicodeDecodeError as exc:
                raise no_json(f"octet {at - begun - self._start + exc.start + 1} is not UTF-8") from exc
            if at < octet:
                character += len(text)
                lines = text.count("\n")
                line += lines
                column = len(text) - text.rfind("\n") if lines else column + len(text)
            at = end
            await self._work.pause()
        return line, column, character


def _end(pattern: re.Pattern[bytes], body: bytes, start: int) -> int:
    """How far what matches goes from `start` on, one step at most."""
    match = pattern.match(body, start, start + _PIECE)
    return start if match is None else match.end()


def _end_of_value(text: str, start: int, *, is_rest: bool) -> int | None:
    """Where the value ends that begins at `start`; None where `text` is cut off before that shows.

    Raises JSONDecodeError, RecursionError, and ValueError for NaN and its like.
    """
    known = len(text) if is_rest else len(text) - _ROOM
    try:
        end = decoded(_scan, text, start)[1]
    except json.JSONDecodeError as exc:
        if is_rest or (exc.pos < known and not exc.msg.startswith("Unterminated")):
            raise
        return None
    return end if end <= known else None
