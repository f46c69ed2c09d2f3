"""Our codec and smpplib's on the same octets: the kinds that smpp34 does not take apart, and their parameters by name.

smpplib knows no outbind, submit_multi, cancel_sm and replace_sm: for these the golden frames of tests/smpp must do. It
cuts what is too long, so strings are kept to its sizes (addresses of data_sm and alert_notification have 20
characters).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import smpplib.client
import smpplib.command
import smpplib.smpp
from hypothesis import assume, given
from hypothesis import strategies as st
from smpplib.consts import OPTIONAL_PARAMS
from smpplib.ptypes import ostr

from payk.smpp import CommandId, Tlv, decode, encode
from payk.smpp.layout import LAYOUTS, Layout
from tests.witness.pdus import pdus, texts

UNKNOWN_TO_IT = {
    CommandId.OUTBIND,
    CommandId.SUBMIT_MULTI,
    CommandId.SUBMIT_MULTI_RESP,
    CommandId.CANCEL_SM,
    CommandId.CANCEL_SM_RESP,
    CommandId.REPLACE_SM,
    CommandId.REPLACE_SM_RESP,
}
KNOWN = [layout for layout in LAYOUTS if layout.pdu.command_id not in UNKNOWN_TO_IT]
SIZES = {"password": texts(8), "source_addr": texts(20), "destination_addr": texts(20), "esme_addr": texts(20)}

Parameters = dict[str, Any]
NUMBERS = smpplib.client.SimpleSequenceGenerator()
"""Stands for the client of a PDU, which gives it its sequence number."""


def name_of(layout: Layout) -> str:
    return layout.pdu.command_id.name.lower()


def optional_parameters(layout: Layout) -> st.SearchStrategy[Parameters]:
    """Values by smpplib's names, in the order in which it writes them."""
    kind = type(smpplib.command.factory(name_of(layout), client=NUMBERS))
    strategies: dict[str, st.SearchStrategy[Any]] = {}
    for name in kind.params_order:
        param = kind.params[name]
        if name not in OPTIONAL_PARAMS or name in {field.name for field in layout.fields}:
            continue
        if param.type is int:
            strategies[name] = st.integers(0, 256**param.size - 1)
        elif param.type is str:
            strategies[name] = texts(min(param.max - 1, 12), 1)
        elif param.type is ostr:
            strategies[name] = st.binary(min_size=1, max_size=12)
    return st.fixed_dictionaries({}, optional=strategies).map(
        lambda drawn: {name: drawn[name] for name in strategies if name in drawn}
    )


def in_tlvs(layout: Layout, parameters: Parameters) -> tuple[Tlv, ...]:
    """The same parameters as we hold them."""
    params = type(smpplib.command.factory(name_of(layout), client=NUMBERS)).params
    tlvs = []
    for name, value in parameters.items():
        match value:
            case int():
                octets = value.to_bytes(params[name].size, "big")
            case str():
                octets = value.encode("ascii") + b"\0"
            case _:
                octets = value
        tlvs.append(Tlv(OPTIONAL_PARAMS[name], octets))
    return tuple(tlvs)


@st.composite
def both(draw: st.DrawFn) -> tuple[Layout, Any, Parameters]:
    """A PDU and its parameters by smpplib's names."""
    layout = draw(st.sampled_from(KNOWN))
    parameters = draw(optional_parameters(layout)) if layout.takes_tlvs else {}
    fixed = {field.name: SIZES[field.name] for field in layout.fields if field.name in SIZES}
    pdu = draw(pdus(layout, tlvs=False, **fixed))
    if layout.takes_tlvs:
        pdu = replace(pdu, tlvs=in_tlvs(layout, parameters))
    return layout, pdu, parameters


def read_by_it(layout: Layout, pdu: Any) -> dict[str, Any]:
    """Every value that smpplib finds, as text where it is octets with us in text."""
    read = smpplib.smpp.parse_pdu(encode(pdu), client=NUMBERS, allow_unknown_opt_params=False)
    assert read.command == name_of(layout)
    assert (read.sequence, read.status) == (pdu.sequence_number, pdu.command_status)
    names = [name for name in read.params_order if getattr(read, name) is not None]
    return {name: getattr(read, name) for name in names}


@given(both())
def test_it_reads_what_we_write(drawn: tuple[Layout, Any, Parameters]) -> None:
    layout, pdu, parameters = drawn
    read = read_by_it(layout, pdu)
    for field in layout.fields:
        ours = getattr(pdu, field.name)
        its = read.pop(field.name, b"")  # an empty message is left out
        assert its == (ours.encode("ascii") if isinstance(ours, str) else ours)
    read.pop("sm_length", None)
    assert read == {
        name: value.encode("ascii") if isinstance(value, str) else value for name, value in parameters.items()
    }


@given(both())
def test_we_read_what_it_writes(drawn: tuple[Layout, Any, Parameters]) -> None:
    layout, pdu, parameters = drawn
    if hasattr(pdu, "interface_version"):
        pdu = replace(pdu, interface_version=0x34)  # smpplib has no other
    # It sends no query_sm without an id, and not both of short_message and message_payload.
    assume(pdu.command_id != CommandId.QUERY_SM or pdu.message_id)
    assume("message_payload" not in parameters or not getattr(pdu, "short_message", b""))
    fields = {field.name: getattr(pdu, field.name) for field in layout.fields}
    written = smpplib.smpp.make_pdu(name_of(layout), client=NUMBERS, status=pdu.command_status, **fields, **parameters)
    written.sequence = pdu.sequence_number
    assert decode(written.generate()) == pdu


@pytest.mark.parametrize("layout", KNOWN, ids=name_of)
def test_its_emptiest_pdu_is_ours(layout: Layout) -> None:
    fields = {field.name: "1" for field in layout.fields if field.name in ("message_id", "system_id")}
    written = smpplib.smpp.make_pdu(name_of(layout), client=NUMBERS, **fields)
    written.sequence = 7
    oddities: list[str] = []
    assert decode(written.generate(), oddities) == layout.pdu(sequence_number=7, **fields)
    assert oddities == []
