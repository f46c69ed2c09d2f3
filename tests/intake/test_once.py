"""Requests that are to be carried out once: what they are known by, and whom they hold up."""

from __future__ import annotations

import asyncio
import time

import pytest

from payk.domain.errors import Code
from payk.intake import Refused
from payk.intake.digests import Digests
from payk.store.accept import Inserted
from payk.store.database import Database
from payk.store.errors import KeyReused
from payk.store.kept_answers import KeptAnswer
from tests.intake.test_intake import DEMO, REQUEST, count, in_time, intake_on, request

SINGLE, BULK = "/api/v1/sms", "/api/v1/sms/bulk"


def written(row: Inserted) -> bytes:
    return b"%d" % row.message_id


async def test_digests_depend_on_the_secret_and_show_nothing() -> None:
    ours, others = Digests(b"s" * 64), Digests(b"t" * 64)
    name = await ours.of_request(1, SINGLE, b"key", b"body")
    assert name == await Digests(b"s" * 64).of_request(1, SINGLE, b"key", b"body")
    assert [len(name.digest), len(name.body_digest)] == [16, 16]
    other = await others.of_request(1, SINGLE, b"key", b"body")
    assert name.digest != other.digest and name.body_digest != other.body_digest


async def test_what_makes_two_requests_the_same() -> None:
    digests = Digests(b"s" * 64)
    names = [
        await digests.of_request(client_id, path, key, b"body")
        for client_id, path, key in (
            (1, SINGLE, b"key"), (2, SINGLE, b"key"), (1, BULK, b"key"), (1, SINGLE, b"Key"), (1, SINGLE, b"/bulkkey"),
        )
    ]  # fmt: skip
    assert len({name.name for name in names}) == 5
    assert len({name.body_digest for name in names}) == 1


@pytest.mark.parametrize("octets", [0, 1, 1 << 20, (1 << 20) + 1, 5 << 20])
async def test_every_octet_of_a_body_counts(octets: int) -> None:
    digests, body = Digests(b"s" * 64), bytearray(octets)
    whole = await digests.of_request(1, BULK, b"key", bytes(body))
    for place in {0, octets // 2, octets - 1} & set(range(octets)):
        body[place] ^= 1
        assert (await digests.of_request(1, BULK, b"key", bytes(body))).body_digest != whole.body_digest
        body[place] ^= 1
    assert (await digests.of_request(1, BULK, b"key", bytes(body) + b"\0")).body_digest != whole.body_digest


async def test_a_large_body_is_digested_in_slices() -> None:
    gaps: list[float] = []

    async def watch() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    watching = asyncio.create_task(watch())
    await Digests(b"s" * 64).of_request(1, BULK, b"key", bytes(64 << 20))
    watching.cancel()
    assert len(gaps) > 60
    assert sorted(gaps)[-3] < sum(gaps) / 4


async def test_one_request_on_two_processes_is_one_message(dsn: str, database: Database) -> None:
    other = await Database.open(dsn)
    async with intake_on(database) as one, intake_on(other) as two:
        for number in range(20):
            once = await one.once(DEMO, SINGLE, b"key-%d" % number, b"body", written)
            assert once == await two.once(DEMO, SINGLE, b"key-%d" % number, b"body", written)
            taken = await asyncio.gather(
                *(place.accept(REQUEST, DEMO, in_time(), once) for place in (one, two, one, two, one, two))
            )
            [first] = [row for row in taken if isinstance(row, Inserted)]
            assert [row.octets for row in taken if isinstance(row, KeptAnswer)] == [written(first)] * 5
    assert await count(database) == await count(database, "kept_answer") == 20
    await other.close()


async def test_a_refusal_leaves_the_key_free_and_another_body_is_told_first(database: Database) -> None:
    async with intake_on(database) as intake:
        once = await intake.once(DEMO, SINGLE, b"key", b"body", written)
        with pytest.raises(Refused):
            await intake.accept(request(text=""), DEMO, in_time(), once)
        assert await count(database, "kept_answer") == 0
        assert isinstance(await intake.accept(REQUEST, DEMO, in_time(), once), Inserted)
        other = await intake.once(DEMO, SINGLE, b"key", b"other", written)
        for wish in (REQUEST, request(text="")):
            with pytest.raises(KeyReused):
                await intake.accept(wish, DEMO, in_time(), other)
        with pytest.raises(Refused) as refused:
            await intake.accept(request(text=""), DEMO, in_time())
        assert refused.value.rejections[0].code is Code.TEXT_REQUIRED
    assert await count(database) == 1
