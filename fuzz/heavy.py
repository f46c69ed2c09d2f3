"""Inputs as long as a PDU can be, of one piece over and over: what takes time out of proportion shows here first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fuzz.frames import frame_of
from payk.smpp import CommandId

__all__ = ["heavy_frames", "heavy_texts"]

_LONGEST_TEXT: Final = 65_535
_LONGEST_FRAME: Final = 70_000
_MESSAGES: Final = (CommandId.SUBMIT_SM, CommandId.DELIVER_SM, CommandId.DATA_SM, CommandId.SUBMIT_MULTI)
_BODY: Final = bytes(33)
"""Of a submit_sm or deliver_sm whose every field is empty; long enough for every other kind to go wrong in."""


def heavy_texts(pieces: Iterable[bytes]) -> tuple[bytes, ...]:
    """Each piece repeated."""
    return tuple((piece * _LONGEST_TEXT)[:_LONGEST_TEXT] for piece in pieces)


def heavy_frames() -> tuple[bytes, ...]:
    """Every kind with a string without end and with one parameter after another; messages with more of the like."""
    room = _LONGEST_FRAME - 16
    count = room // 4 - 10
    numbered = _BODY + b"".join(tag.to_bytes(2, "big") + b"\0\0" for tag in range(count))
    repeated = _BODY + b"\x14\x03\0\0" * count
    payload = _BODY[:17] + b"\x04\x24\xff\xff" + b"x" * _LONGEST_TEXT
    frames = [frame_of(int(command), body) for command in CommandId for body in (b"9" * room, numbered)]
    frames += [frame_of(int(command), body) for command in _MESSAGES for body in (bytes(room), repeated, payload)]
    return tuple(frames)
