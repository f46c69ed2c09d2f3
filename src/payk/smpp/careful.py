"""The codec that goes field by field and knows whom to blame; the generated functions hand over what does not fit."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from payk.smpp.command import RESPONSE_BIT
from payk.smpp.errors import LocalError
from payk.smpp.framing import HEADER_SIZE
from payk.smpp.layout import Layout
from payk.smpp.wire import READERS, STRAY_OCTETS, WRITERS, UnreadableError, read_tlvs, with_tlvs

__all__ = ["CarefulCodec"]


class CarefulCodec:
    """One PDU's encoder and decoder that go field by field."""

    __slots__ = ("_is_response", "_layout", "_missing")

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._is_response = bool(layout.pdu.command_id & RESPONSE_BIT)
        defaults = {field.name: field.default for field in fields(layout.pdu)}
        # What stands for the fields that a response did not bring; its first is its id.
        self._missing = [None, *(defaults[field.name] for field in layout.fields[1:])]

    def write(self, pdu: Any) -> bytes:
        """The body. Raises `LocalError`."""
        layout = self._layout
        tlvs = pdu.tlvs if layout.takes_tlvs else ()
        if self._is_response and layout.fields and getattr(pdu, layout.fields[0].name) is None:
            if tlvs:
                raise LocalError(f"parameters without a body: {layout.fields[0].name} is None")
            return b""
        body = b"".join([WRITERS[field.kind](field, getattr(pdu, field.name)) for field in layout.fields])
        return with_tlvs(body, tlvs) if tlvs else body

    def read(self, frame: bytes, status: int, sequence_number: int, oddities: list[str] | None) -> Any:
        """Raises `UnreadableError` for a request only."""
        layout = self._layout
        values: list[Any] = []
        end = HEADER_SIZE
        try:
            for field in layout.fields:
                value, end = READERS[field.kind](field, frame, end, self._is_response)
                values.append(value)
        except UnreadableError as exc:
            if not self._is_response:
                raise
            # Without a body, or with a broken one, it still answers its request: with what can be read.
            if len(frame) > HEADER_SIZE and not status and oddities is not None:
                oddities.append(str(exc))
            values += self._missing[len(values) :]
            end = len(frame)
        if layout.takes_tlvs:
            values.append(read_tlvs(frame, end, oddities) if end < len(frame) else ())
        elif end < len(frame) and oddities is not None:
            oddities.append(STRAY_OCTETS)
        make: Any = layout.pdu
        return make(*values, status, sequence_number)
