"""Random PDUs of every kind, within what foreign codecs can hold: strings in ASCII."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from payk.smpp import DistributionList, SmeAddress, Tlv, UnsuccessSme
from payk.smpp.layout import Field, Kind, Layout

__all__ = ["ASCII", "OCTETS", "U32", "pdus", "texts", "values"]

OCTETS = st.integers(0, 0xFF)
U32 = st.integers(0, 0xFFFFFFFF)
ASCII = st.characters(min_codepoint=1, max_codepoint=0x7F)


def texts(longest: int, shortest: int = 0) -> st.SearchStrategy[str]:
    return st.text(ASCII, min_size=shortest, max_size=longest)


def values(field: Field) -> st.SearchStrategy[Any]:
    match field.kind:
        case Kind.OCTET:
            return OCTETS
        case Kind.TEXT:
            return texts(field.sent - 1)
        case Kind.TIME:
            return st.just("") | texts(16, 16)
        case Kind.MESSAGE:
            return st.binary(max_size=254)
        case Kind.DESTINATIONS:
            destination = st.builds(SmeAddress, OCTETS, OCTETS, texts(20)) | st.builds(DistributionList, texts(20))
            return st.lists(destination, min_size=1, max_size=5).map(tuple)
        case Kind.UNSUCCESS:
            return st.lists(st.builds(UnsuccessSme, OCTETS, OCTETS, texts(20), U32), max_size=5).map(tuple)


def pdus(layout: Layout, *, tlvs: bool = True, **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`fixed` in the place of what the field's kind allows."""
    fields = {field.name: values(field) for field in layout.fields}
    if layout.takes_tlvs and tlvs:
        tlv = st.builds(Tlv, st.integers(0, 0xFFFF), st.binary(max_size=40))
        fields["tlvs"] = st.lists(tlv, max_size=5).map(tuple)
    return st.builds(layout.pdu, **{**fields, "command_status": U32, "sequence_number": U32, **fixed})
