"""Bodies in gzip: what they may be made of, and that none holds the event loop."""

from __future__ import annotations

import contextlib
import gzip
import random
from typing import Any, cast

import pytest

from payk.domain.errors import Code
from payk.web.api.body import BULK, MEMBERS_MAX, BodyLimit, unpack_body
from payk.web.exchange import Exchange
from payk.web.problems import Problem
from tests.web.held import Held

EMPTY = gzip.compress(b"")


class Packed:
    """As much of an Exchange as unpacking looks at."""

    headers = {b"content-encoding": b"gzip"}  # noqa: RUF012


async def unpacked(body: bytes, limit: BodyLimit = BULK) -> bytes:
    return await unpack_body(cast("Exchange", Packed()), body, limit)


async def refusal(body: bytes, limit: BodyLimit = BULK) -> Problem:
    with pytest.raises(Problem) as refused:
        await unpacked(body, limit)
    return refused.value


def of_stored_blocks(count: int) -> bytes:
    """One member that holds nothing, in so many blocks of 5 octets."""
    head, tail = EMPTY[:10], EMPTY[-8:]
    return head + b"\0\0\0\xff\xff" * count + b"\1\0\0\xff\xff" + tail


@pytest.mark.parametrize("size", [0, 1, 1000, 1 << 14, (1 << 14) + 1, 1 << 17, 1_000_000])
@pytest.mark.parametrize("members", [1, 2, 7])
async def test_members_in_a_row_are_one_body(size: int, members: int) -> None:
    noise = random.Random(size).randbytes(size // 2) + b" " * (size - size // 2)
    assert await unpacked(gzip.compress(noise, 6) * members) == noise * members


async def test_a_body_is_unpacked_to_the_last_octet_of_its_limit() -> None:
    limit = BodyLimit(1 << 20, "")
    assert len(await unpacked(gzip.compress(bytes(1 << 20)), limit)) == 1 << 20
    assert (await refusal(gzip.compress(bytes((1 << 20) + 1)), limit)).code is Code.PAYLOAD_TOO_LARGE


@pytest.mark.parametrize("cut", [1, 5, 9, 10, 15, 18, 19])
async def test_a_member_that_ends_too_early_is_told_from_what_is_no_gzip(cut: int) -> None:
    packed = gzip.compress(b"a" * 300_000)
    assert "ends too early" in (await refusal(packed + packed[:cut])).detail
    assert "is not gzip" in (await refusal(packed + b"a" * 2 * cut)).detail


async def test_a_body_of_many_members_is_refused_by_their_number() -> None:
    assert await unpacked(EMPTY * MEMBERS_MAX) == b""
    refused = await refusal(EMPTY * (MEMBERS_MAX + 1))
    assert refused.code is Code.PAYLOAD_TOO_LARGE
    assert "100,000 members" in refused.detail


def one_long_name() -> bytes:
    return EMPTY[:3] + b"\x08" + EMPTY[4:10] + b"a" * (BULK.octets - 30) + b"\0" + EMPTY[10:]


HOSTILE: dict[str, Any] = {
    "empty members": lambda: EMPTY * (BULK.octets // len(EMPTY)),
    "tiny members": lambda: gzip.compress(b"0") * (BULK.octets // len(gzip.compress(b"0"))),
    "empty blocks": lambda: of_stored_blocks(BULK.octets // 5 - 10),
    "one long name": one_long_name,
    "blanks": lambda: gzip.compress(b" " * BULK.octets),
    "stored": lambda: gzip.compress(bytes(BULK.octets - 30_000), 0),
    "a bomb": lambda: gzip.compress(bytes(8 * BULK.octets), 1),
}


@pytest.mark.parametrize("made", HOSTILE.values(), ids=HOSTILE)
async def test_no_body_holds_the_loop(made: Any) -> None:
    body = made()
    async with Held() as held:
        with contextlib.suppress(Problem):
            await unpacked(body)
    assert held.longest < 0.05, held.told()
