"""Which PDUs have functions of their own, and what these look like; test_codec_properties has what they do."""

from __future__ import annotations

import textwrap

from payk.smpp import (
    CancelSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    QuerySmResp,
    ReplaceSmResp,
    SubmitMulti,
    SubmitMultiResp,
    Unbind,
    UnbindResp,
    generated,
)
from payk.smpp.layout import LAYOUTS

NOTHING_IN_THEM = {CancelSmResp, EnquireLink, EnquireLinkResp, GenericNack, ReplaceSmResp, Unbind, UnbindResp}
LISTS_IN_THEM = {SubmitMulti, SubmitMultiResp}


def test_all_but_the_empty_ones_and_those_with_lists() -> None:
    left = {layout.pdu for layout in LAYOUTS if not generated.is_generated(layout)}
    assert left == NOTHING_IN_THEM | LISTS_IN_THEM


def test_the_docstring_shows_them_as_they_are() -> None:
    [layout] = [layout for layout in LAYOUTS if layout.pdu is QuerySmResp]
    assert generated.__doc__
    for text in (generated.writer_text(layout), generated.reader_text(layout)):
        assert textwrap.indent(text, "    ") in generated.__doc__
    assert f"``{generated.pattern(layout)}``".replace("\0", r"\0") in generated.__doc__
