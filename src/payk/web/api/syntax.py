"""JSON where msgspec does not read it: values of a text, and what is told of what is no JSON.

What it makes of a text costs little, whatever that holds: arrays are lists, objects are tuples of their members in
order, repeated ones included, and numbers are the bytes that they were written in.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable
from typing import Any, Final

from payk.domain.errors import Code
from payk.web.problems import Problem

__all__ = ["DEEP", "NO_NUMBER", "decoded", "no_json", "refuse_constant", "text_of", "whole"]

DEEP: Final = "it is nested too deeply"
NO_NUMBER: Final = "NaN and Infinity are no numbers in JSON"

_BLANK: Final = re.compile(r"[ \t\r\n]*+")


def no_json(why: str) -> Problem:
    """The answer to a body that is none."""
    return Problem(Code.JSON_INVALID, f"The body is not valid JSON: {why}.")


def refuse_constant(name: str) -> Any:
    """As a decoder's parse_constant. Raises ValueError."""
    raise ValueError(f"{name} is no JSON")


def decoded(decode: Callable[[str, int], tuple[Any, int]], text: str, start: int) -> tuple[Any, int]:
    """As `decode`, a decoder's raw_decode: the value that begins at `start`, and where it ends.

    The collector stands still meanwhile: a value holds no rubbish, and to look for some takes it many times as long.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return decode(text, start)
    finally:
        if collects:
            gc.enable()


_decode: Final = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=str.encode, parse_float=str.encode, parse_constant=refuse_constant
).raw_decode


def text_of(octets: bytes) -> str:
    """Raises Problem where that is not UTF-8."""
    try:
        return octets.decode()
    except UnicodeDecodeError as exc:
        raise no_json(f"octet {exc.start + 1} is not UTF-8") from exc


def whole(text: str) -> Any:
    """The value that `text` holds. Raises Problem."""
    value, end = _value(text, _after_blank(text, 0))
    end = _after_blank(text, end)
    if end < len(text):
        raise no_json(f"there is more after the value, at character {end + 1}")
    return value


def _value(text: str, start: int) -> tuple[Any, int]:
    """The value that begins at `start`, and where it ends. Raises Problem."""
    try:
        return decoded(_decode, text, start)
    except json.JSONDecodeError as exc:
        why = "it is empty" if not text or text.isspace() else f"{exc.msg} at line {exc.lineno}, column {exc.colno}"
        raise no_json(why) from exc
    except RecursionError as exc:
        raise no_json(DEEP) from exc
    except ValueError as exc:
        raise no_json(NO_NUMBER) from exc


def _after_blank(text: str, start: int) -> int:
    match = _BLANK.match(text, start)
    return start if match is None else match.end()
