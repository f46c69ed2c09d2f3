"""The measure of the machine: one struct packed and unpacked, a thing that no change of Payk makes faster."""

from __future__ import annotations

import struct
from typing import Final

from bench.figure import Figure
from bench.loop import Loop

__all__ = ["RAW_STRUCT"]

_HEADER: Final = struct.Struct(">IIII")  # that of a PDU


def _raw_struct(times: int) -> None:
    pack, unpack = _HEADER.pack, _HEADER.unpack
    for number in range(times):
        unpack(pack(16, 0x15, 0, number))


RAW_STRUCT: Final = Loop(Figure("raw_struct_per_s"), _raw_struct)
