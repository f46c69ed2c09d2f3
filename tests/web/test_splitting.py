"""An array cut into its items: as json would, at every size of a piece, and without holding the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.domain.errors import Code
from payk.web.api import splitting
from payk.web.api.body import BULK
from payk.web.api.reading import read_bulk, read_message
from payk.web.api.slices import Slices
from payk.web.api.splitting import BULK_ITEMS, ITEM_OCTETS, split_array
from payk.web.problems import Problem
from tests.web.held import Held

HELD = 0.05
"""Seconds: many slices, for machines are busy and slow."""


def split(body: bytes, start: int = 0) -> list[bytes | None]:
    async def all_items() -> list[bytes | None]:
        async with Slices().work() as work:
            return [None if item is None else bytes(item) for item in await split_array(body, start, work)]

    return asyncio.run(all_items())


@contextlib.contextmanager
def sizes(piece: int, item: int) -> Iterator[None]:
    with patch.object(splitting, "_PIECE", piece), patch.object(splitting, "ITEM_OCTETS", item):
        yield


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
ITEMS = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(),
    VALUES | st.sampled_from(["},{", '"},{"', "\\", {"Text": "},"}, [[[[[[[1], {}]]]], "]"]], {"x": {"y": {}}}]),
    st.booleans(),
    st.sampled_from([None, 1]),
) | st.sampled_from([b'"\\ud83d"', b'{"x": "\\ud83d}"}', b'"\\\\"', b'["\\"]", {}]', b"1e5", b"-0.25"])
BLANKS = st.sampled_from([b"", b" ", b"\n", b"\r\n\t  "])


@given(
    st.lists(ITEMS, max_size=12), BLANKS, BLANKS, st.integers(2, 80), st.integers(2, 60), st.sampled_from([b"", b"ab"])
)
def test_items_are_found_whatever_the_sizes(
    items: list[bytes], before: bytes, after: bytes, piece: int, most: int, ahead: bytes
) -> None:
    body = ahead + before + b"[" + before + (after + b"," + before).join(items) + after + b"]" + after
    with sizes(min(piece, most), most):
        assert split(body, len(ahead)) == [item if len(item) <= most else None for item in items]
    assert split(body, len(ahead)) == items


MALFORMED = [
    (b"", "it is empty"),
    (b" \n", "it is empty"),
    (b"[", "Expecting value at line 1, column 2"),
    (b"[1", "a comma or ] is missing at character 3"),
    (b"[1 2]", "a comma or ] is missing at character 3"),
    (b"[1,\n2,]", "Expecting value at line 2, column 3"),
    ('[1, "\u0416\U0001f600",\n "\u0416" x]'.encode(), "a comma or ] is missing at character 15"),
    (
        '["\u0416",\r\n "\u0416\u0416", {]'.encode(),
        "Expecting property name enclosed in double quotes at line 2, column 9",
    ),
    (b"[1] x", "there is more after the array, at character 5"),
    (b"[]]", "there is more after the array, at character 3"),
    (b'["a', "Unterminated string starting at at line 1, column 2"),
    (b'["a\nb"]', "Invalid control character at at line 1, column 4"),
    (b"[1, NaN]", "NaN and Infinity are no numbers in JSON"),
    (b"[" * 100_000, "it is nested too deeply"),
    (b'[1, "\xd0", x]', "octet 6 is not UTF-8"),
    (b'[1, x, "\xd0"]', "octet 9 is not UTF-8"),
    (b'[1, x, "\xd0', "octet 9 is not UTF-8"),
    (b'{"a": }', "Expecting value at line 1, column 7"),
]


@pytest.mark.parametrize(("body", "why"), MALFORMED, ids=lambda value: repr(value[:30]))
@pytest.mark.parametrize("piece", [1, 2, 3, 5, 7, 1 << 16])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_what_is_no_json_is_told_by_its_place(body: bytes, why: str, piece: int, bom: bytes) -> None:
    with sizes(piece, 1 << 18), pytest.raises(Problem) as refused:
        split(bom + body, len(bom))
    assert refused.value.code is Code.JSON_INVALID
    assert refused.value.detail == f"The body is not valid JSON: {why}."


def filled(before: bytes, unit: bytes, after: bytes, octets: int = BULK.octets) -> Callable[[], bytes]:
    return lambda: before + unit * ((octets - len(before) - len(after)) // len(unit)) + after


SOME = 8 << 20
"""Octets, where all of them would take seconds."""

HOSTILE: dict[str, Callable[[], bytes]] = {
    "numbers": filled(b"[", b"0,", b"0]"),
    "objects": filled(b"[", b"{},", b"{}]"),
    "one item of numbers": filled(b'[{"x":[', b"0,", b"0]}]"),
    "one item of objects": filled(b'[{"x":[', b"{},", b"{}]}]", SOME),
    "one item of strings": filled(b'[{"x":[', b'"",', b"0]}]", SOME),
    "one item of brackets": filled(b'["' + b"a" * ITEM_OCTETS + b'",', b"[", b"", SOME // 8),
    "one item of nests": filled(b"[[", b"[" * 9 + b"]" * 9 + b",", b"0]]", SOME // 8),
    "one item of blanks": filled(b"[[", b" ", b"]]"),
    "one string": filled(b'["', b"a", b'"]'),
    "one string of escapes": filled(b'["', b"\\n", b'"]'),
    "one number": filled(b"[", b"1", b"]"),
    "blanks": filled(b"[", b" ", b"]"),
    "no array": filled(b'{"x":[', b"{},", b"0]}"),
    "items of objects": filled(b"[0", b',{"x":[' + b"{}," * 87_000 + b"0]}", b"]", SOME),
    "items of lists and half an emoji": filled(b"[0", b',{"x":["\\ud83d",' + b"[]," * 87_000 + b"0]}", b"]", SOME),
    "items of numbers and half an emoji": filled(b"[0", b',{"x":["\\ud83d",' + b"0.0," * 65_000 + b"0]}", b"]", SOME),
    "items of members": filled(b"[0", b",{" + b'"a":0,' * 43_000 + b'"a":0}', b"]", SOME),
    "what looks like an end": filled(b"[0", b',{"Text":"' + b"}," * 1000 + b'"}', b"]"),
    "an end that is none": filled(b"[0", b',{"Text":"a"}', b",]"),
    "more behind it": filled(b"[0] ", b"x", b""),
    "no UTF-8 at the end": filled(b"[0, x", b" ", b"\xff]"),
}


@pytest.mark.parametrize("made", HOSTILE.values(), ids=HOSTILE)
async def test_no_bulk_holds_the_loop(made: Callable[[], bytes]) -> None:
    body = made()
    async with Held() as held:
        with contextlib.suppress(Problem):
            async with Slices().work() as work:
                requests = await read_bulk(body, work)
            for _ in requests:
                await asyncio.sleep(0)
    assert held.longest < HELD, held.told()


SINGLES = {
    "numbers": filled(b'{"x":[', b"0,", b"0]}", ITEM_OCTETS),
    "objects": filled(b'{"x":[', b"{},", b"0]}", ITEM_OCTETS),
    "floats and half an emoji": filled(b'{"x":["\\ud83d",', b"0.0,", b"0]}", ITEM_OCTETS),
    "members": filled(b"{", b'"a":0,', b'"a":0}', ITEM_OCTETS),
}


@pytest.mark.parametrize("made", SINGLES.values(), ids=SINGLES)
async def test_no_message_holds_the_loop(made: Callable[[], bytes]) -> None:
    body = made()
    async with Held() as held:
        read_message(body)
    assert held.longest < HELD, held.told()


async def test_bulks_take_turns() -> None:
    """However many are read at a time, the loop is held by one of them."""
    body = filled(b"[0", b',{"x":"' + b"a" * 1000 + b'"}', b"]", SOME)()
    slices = Slices()

    async def read() -> int:
        async with slices.work() as work:
            return len(await split_array(body, 0, work))

    async with Held() as held:
        counts = await asyncio.gather(*(read() for _ in range(20)))
    assert len(set(counts)) == 1
    assert held.longest < HELD, held.told()


def test_more_items_than_a_bulk_may_have_are_refused_before_what_is_wrong_behind_them() -> None:
    for item in (b"{}", b"0", b'"\\ud83d"'):
        assert len(split(b"[" + b",".join([item] * BULK_ITEMS) + b"]")) == BULK_ITEMS
        with pytest.raises(Problem) as refused:
            split(b"[" + b",".join([item] * (BULK_ITEMS + 1)) + b", x")
        assert refused.value.code is Code.PAYLOAD_TOO_LARGE
