r"""Functions made from the tables of `layout`: one that writes and one that reads each PDU.

A loop over a table pays for every field of every PDU: a call, a lookup, a branch. Here that loop runs once, at import,
and leaves the text of a function behind, as `dataclasses` does for ``__init__``: one that knows its fields by name and
does its work in a few steps of C, on latin-1 text, in which a character is an octet. Writing is one f-string, reading
one regular expression. docs/performance.md tells what that is worth, and what else was tried.

For query_sm_resp the two texts are::

    def write_query_sm_resp(pdu):
        message_id = pdu.message_id
        final_date = pdu.final_date
        try:
            if len(message_id) < 65 and len(final_date) in (0, 16) and '\0' not in ''.join((message_id, final_date,)):
                body = f'{message_id}\0{final_date}\0{char[pdu.message_state]}{char[pdu.error_code]}'.encode('latin-1')
                return body
        except (LookupError, TypeError, ValueError):
            pass
        return carefully(pdu)

    def read_query_sm_resp(frame, status, sequence_number, oddities):
        match = match_fields(frame.decode('latin-1'), 16)
        if match is None:
            return carefully(frame, status, sequence_number, oddities)
        (message_id, final_date, octets_3,) = match.groups()
        (message_state, error_code,) = f'{octets_3}'.encode('latin-1')
        end = match.end()
        if end < len(frame) and oddities is not None:
            oddities.append(STRAY_OCTETS)
        return Pdu(message_id, final_date, message_state, error_code, status, sequence_number)

where ``match_fields`` looks for ``([^\0]*+)\0([^\0]*+)\0(..)`` and ``char`` gives the character of an octet. A message
lies behind all that, and parameters behind the message. What does not fit is handed over: ``carefully`` goes field by
field and finds out which one is to blame. It is also the only way of the few PDUs that have no fields or hold a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, Final

from payk.smpp.command import RESPONSE_BIT
from payk.smpp.framing import HEADER_SIZE
from payk.smpp.layout import SM_LENGTH_SENT, Field, Kind, Layout
from payk.smpp.wire import STRAY_OCTETS, read_tlvs, with_tlvs

__all__ = [
    "BodyWriter",
    "PduReader",
    "generate_reader",
    "generate_writer",
    "is_generated",
    "pattern",
    "reader_text",
    "writer_text",
]

BodyWriter = Callable[[Any], bytes]
"""Gives the body of a PDU, or raises `LocalError`."""
PduReader = Callable[[bytes, int, int, list[str] | None], Any]
"""Gives the PDU of a frame with this command_status and sequence_number, or raises `UnreadableError`."""

_STRINGS: Final = frozenset({Kind.TEXT, Kind.TIME})
_LISTS: Final = frozenset({Kind.DESTINATIONS, Kind.UNSUCCESS})
_CHARACTERS: Final = {octet: chr(octet) for octet in range(0x100)}


def is_generated(layout: Layout) -> bool:
    """Whether functions are made for a PDU: it has fields, none of them a list, and no field behind a message."""
    kinds = [field.kind for field in layout.fields]
    return bool(kinds) and _LISTS.isdisjoint(kinds) and Kind.MESSAGE not in kinds[:-1]


def generate_writer(layout: Layout, carefully: BodyWriter) -> BodyWriter:
    """``carefully`` gets the PDUs in which a value does not fit."""
    names = {"carefully": carefully, "char": _CHARACTERS, "with_tlvs": with_tlvs}
    return _function(f"write_{_command(layout)}", writer_text(layout), names)


def generate_reader(layout: Layout, carefully: PduReader) -> PduReader:
    """``carefully`` gets the frames in which a field cannot be read."""
    names = {
        "carefully": carefully,
        "match_fields": re.compile(pattern(layout), re.DOTALL).match,
        "read_tlvs": read_tlvs,
        "Pdu": layout.pdu,
        "STRAY_OCTETS": STRAY_OCTETS,
    }
    return _function(f"read_{_command(layout)}", reader_text(layout), names)


def _function(name: str, text: str, names: dict[str, Any]) -> Callable[..., Any]:
    """The function ``name`` that ``text`` defines, with ``names`` as its globals."""
    exec(compile(text, f"<{name}, generated>", "exec"), names)
    function: Callable[..., Any] = names[name]
    return function


def writer_text(layout: Layout) -> str:
    """The text of the function that `generate_writer` makes."""
    fields = layout.fields
    strings = [field.name for field in fields if field.kind in _STRINGS]
    conditions = [_fits(field) for field in fields if field.kind is not Kind.OCTET]
    conditions.append(rf"'\0' not in ''.join({_tuple(strings)})")
    message = " + short_message" if fields[-1].kind is Kind.MESSAGE else ""
    lines = [
        f"def write_{_command(layout)}(pdu):",
        *(f"    {field.name} = pdu.{field.name}" for field in fields if field.kind is not Kind.OCTET),
        "    try:",
        f"        if {' and '.join(conditions)}:",
        f"            body = f'{''.join(map(_formatted, fields))}'.encode('latin-1'){message}",
        f"            return {'with_tlvs(body, pdu.tlvs) if pdu.tlvs else body' if layout.takes_tlvs else 'body'}",
        "    except (LookupError, TypeError, ValueError):",
        "        pass",
        "    return carefully(pdu)",
    ]
    return "\n".join(lines)


def _fits(field: Field) -> str:
    match field.kind:
        case Kind.TIME:
            return f"len({field.name}) in (0, {field.sent - 1})"
        case Kind.MESSAGE:
            return f"isinstance({field.name}, bytes) and len({field.name}) <= {SM_LENGTH_SENT}"
        case _:
            return f"len({field.name}) < {field.sent}"


def _formatted(field: Field) -> str:
    match field.kind:
        case Kind.OCTET:
            return f"{{char[pdu.{field.name}]}}"
        case Kind.MESSAGE:
            return f"{{char[len({field.name})]}}"
        case _:
            return rf"{{{field.name}}}\0"


def reader_text(layout: Layout) -> str:
    """The text of the function that `generate_reader` makes."""
    groups: list[str] = []
    octets: list[str] = []  # what the groups of octets hold
    for are_strings, run in _runs(layout):
        if are_strings:
            groups += [field.name for field in run]
        else:
            groups.append(f"octets_{len(groups) + 1}")
            octets += ["sm_length" if field.kind is Kind.MESSAGE else field.name for field in run]
    octet_groups = "".join(f"{{{group}}}" for group in groups if group.startswith("octets_"))
    values = [field.name for field in layout.fields] + ["tlvs"] * layout.takes_tlvs + ["status", "sequence_number"]
    lines = [
        f"def read_{_command(layout)}(frame, status, sequence_number, oddities):",
        f"    match = match_fields(frame.decode('latin-1'), {HEADER_SIZE})",
        "    if match is None:",
        "        return carefully(frame, status, sequence_number, oddities)",
        f"    {_tuple(groups)} = match.groups()",
    ]
    if octets:
        lines.append(f"    {_tuple(octets)} = f'{octet_groups}'.encode('latin-1')")
    lines.append("    end = match.end()")
    if "sm_length" in octets:
        lines += [
            "    start, end = end, end + sm_length",
            "    if end > len(frame):",
            "        return carefully(frame, status, sequence_number, oddities)",
            "    short_message = frame[start:end]",
        ]
    if layout.takes_tlvs:
        lines.append("    tlvs = read_tlvs(frame, end, oddities) if end < len(frame) else ()")
    else:
        lines += [
            "    if end < len(frame) and oddities is not None:",
            "        oddities.append(STRAY_OCTETS)",
        ]
    lines.append(f"    return Pdu({', '.join(values)})")
    return "\n".join(lines)


def pattern(layout: Layout) -> str:
    """The expression for all fields save the octets of a message. A string once read is never taken back."""
    is_response = layout.pdu.command_id & RESPONSE_BIT
    groups: list[str] = []
    for are_strings, run in _runs(layout):
        if are_strings:
            sizes = ["*" if is_response else f"{{0,{field.accepted - 1}}}" for field in run]
            groups += [f"([^\0]{size}+)\0" for size in sizes]
        else:
            groups.append(f"({'.' * len(run)})")
    return "".join(groups)


def _runs(layout: Layout) -> list[tuple[bool, list[Field]]]:
    """Neighbouring strings, neighbouring octets, in their order; the last octet may be the length of a message."""
    return [
        (are_strings, list(run)) for are_strings, run in groupby(layout.fields, lambda field: field.kind in _STRINGS)
    ]


def _command(layout: Layout) -> str:
    return layout.pdu.command_id.name.lower()


def _tuple(names: Iterable[str]) -> str:
    return f"({', '.join(names)},)"
