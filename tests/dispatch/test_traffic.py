"""What operations do with running traffic: held, released, cancelled and drained within a second, under load."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from payk.domain.message import MessageState, SmsType, label_key
from payk.domain.receipt import ReceiptWait
from payk.outcome_log import OutcomeLog
from payk.registry.secrets import SecretBox
from payk.registry.traffic import Chosen, cancel, drain, hold, release, resume
from payk.store import incarnation as incarnations
from payk.store.database import Database
from payk.store.ending import TOLD, Cause, Ended
from tests.dispatch.centre import SECRET, Centre, Operator, accept, configure, running_centre, running_operator

S = MessageState
BOX = SecretBox(SECRET)
WAIT = ReceiptWait(60, 60)
PHONES = [f"9929{number:08}" for number in range(1_000)]
SALE = Chosen(label="sale")
WITHIN = 1.0
"""Seconds in which a command takes effect."""


async def submitted_late(operator: Operator, since: float, phones: list[str]) -> list[str]:
    """What of these was submitted more than WITHIN after a moment."""
    lines = await operator.submits()
    wanted = set(phones)
    return [line["destination"] for line in lines if line["at"] > since + WITHIN and line["destination"] in wanted]


async def test_what_is_held_stops_within_a_second_and_goes_on_within_one(
    database: Database, operator: Operator
) -> None:
    held, free, codes = PHONES[:300], PHONES[300:400], PHONES[400:420]
    await configure(database, {"tcell": {"port": operator.port, "rate": 100}})
    async with running_centre(database) as centre:
        await centre.bound()
        await accept(database, *held, sms_type=SmsType.BATCH, label="sale")
        await operator.record.wait_for(5)
        placed = await hold(database, SALE, author="test")
        at = time.time()
        await asyncio.sleep(WITHIN)
        stopped = len(await operator.submits())
        await accept(database, *free, sms_type=SmsType.BATCH, label="news")
        await accept(database, *codes, sms_type=SmsType.OTP)
        await accept(database, PHONES[500], sms_type=SmsType.BATCH, label="sale")  # what comes is held as well
        await centre.wait_for("select count(*) = 120 from message where label is distinct from 'sale' and state = 2")
        assert await submitted_late(operator, at, [*held, PHONES[500]]) == []
        assert len(await operator.submits()) == stopped + 120
        assert await release(database, placed.hold_id, author="test")
        at = time.time()
        await centre.all_become(S.DELIVERED)
    lines = await operator.submits()
    assert next(line["at"] for line in lines if line["at"] > at) < at + WITHIN
    assert await operator.times_submitted() == dict.fromkeys([*held, *free, *codes, PHONES[500]], 1)


async def test_codes_do_not_wait_for_a_mailing_that_is_held(database: Database, operator: Operator) -> None:
    await configure(database, {"tcell": {"port": operator.port}})
    async with running_centre(database) as centre:
        await centre.bound()
        await hold(database, Chosen(client="demo", sms_type=SmsType.BATCH), author="test")
        async with asyncio.timeout(10):
            while not centre.directory.value.holds.all:
                await asyncio.sleep(0.02)
        for number in range(300):  # more labels than a look shows
            await accept(database, PHONES[number], sms_type=SmsType.BATCH, label=f"sale {number}")
        before = time.time()
        await accept(database, *PHONES[300:310], sms_type=SmsType.OTP)
        await centre.wait_for("select count(*) = 10 from message where sms_type = 2 and state = 2")
        lines = await operator.submits()
        assert {line["destination"] for line in lines} == set(PHONES[300:310])
        assert max(line["at"] for line in lines) < before + 1.0


async def test_labels_behind_many_held_ones_are_found(database: Database, operator: Operator) -> None:
    await configure(database, {"tcell": {"port": operator.port}})
    async with database.connection() as connection:
        await connection.execute(
            "insert into hold (label, label_keys, author) select 'held ' || n, array[n - 2147483648], 'test'"
            " from generate_series(1, 250) n"
        )
    async with running_centre(database) as centre:
        await centre.bound()
        ids = await accept(database, *PHONES[:250], label="x")
        async with database.connection() as connection:
            await connection.execute(
                "update waiting set label_key = message_id - $1 + 1 - 2147483648 where message_id < $2",
                ids[0],
                ids[0] + 200,
            )
        await accept(database, PHONES[300], label="free")
        await centre.wait_for("select state = 2 from message where label = 'free'", within=10)


async def test_an_operators_traffic_is_held_and_does_not_go_to_the_next(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path, "babilon") as babilon, running_operator(tmp_path, "tcell") as tcell:
        await configure(database, {"tcell": {"port": tcell.port}, "babilon": {"port": babilon.port}})
        async with running_centre(database) as centre:
            await centre.bound(2)
            placed = await hold(database, Chosen(operator="tcell"), author="test")
            async with asyncio.timeout(10):
                while not centre.directory.value.holds.all:
                    await asyncio.sleep(0.02)
            await accept(database, *PHONES[:10])
            await asyncio.sleep(0.5)
            assert await centre.states() == {S.NONE: 10}
            await release(database, placed.hold_id, author="test")
            await centre.all_become(S.DELIVERED)
            assert len(await tcell.submits()) == 10
            assert await babilon.submits() == []


async def test_a_drained_operator_is_given_nothing_and_the_next_carries(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path, "babilon") as babilon, running_operator(tmp_path, "tcell") as tcell:
        await configure(
            database, {"tcell": {"port": tcell.port, "rate": 100}, "babilon": {"port": babilon.port, "rate": 100}}
        )
        async with running_centre(database) as centre:
            await centre.bound(2)
            bound = "select array_agg(bound_at::text order by link_id) from bind_lease"
            before = await centre.value(bound)
            await accept(database, *PHONES[:300])
            await tcell.record.wait_for(5)
            difference = await drain(database, BOX, operator="tcell", author="test")
            at = time.time()
            assert difference.lines() == ["~ operator tcell: draining false -> true"]
            await centre.all_become(S.DELIVERED)
            assert await submitted_late(tcell, at, PHONES) == []
            assert len(await babilon.submits()) > 100
            await resume(database, BOX, operator="tcell", author="test")
            await asyncio.sleep(WITHIN)
            await accept(database, *PHONES[300:310])
            await centre.all_become(S.DELIVERED)
            assert {line["destination"] for line in await tcell.submits()} >= set(PHONES[300:310])
            assert await centre.value(bound) == before  # no session was disturbed
            sent = await tcell.times_submitted() + await babilon.times_submitted()
            assert sent == dict.fromkeys(PHONES[:310], 1)


async def test_a_drained_link_finishes_what_it_has_and_leaves_the_rest_to_the_others(
    database: Database, tmp_path: Path
) -> None:
    async with running_operator(tmp_path, "one", latency=300) as one, running_operator(tmp_path, "other") as other:
        links = [{"name": "one", "port": one.port, "window": 50}, {"name": "other", "port": other.port, "rate": 100}]
        await configure(database, {"tcell": links})
        async with running_centre(database) as centre:
            await centre.bound(2)
            await accept(database, *PHONES[:200])
            await one.record.wait_for(5)
            await drain(database, BOX, link="one", author="test")
            at = time.time()
            await centre.all_become(S.DELIVERED)  # the receipts of what it had among them
            assert await submitted_late(one, at, PHONES) == []
            assert await one.times_submitted() + await other.times_submitted() == dict.fromkeys(PHONES[:200], 1)
            await drain(database, BOX, link="other", author="test", force=True)
            await asyncio.sleep(WITHIN)
            await accept(database, *PHONES[200:210])
            await asyncio.sleep(0.5)
            assert (await centre.states())[S.NONE] == 10  # nobody carries: they wait
            await resume(database, BOX, link="one", author="test")
            await centre.all_become(S.DELIVERED)


async def fill(db: Database, count: int) -> None:
    """A mailing of so many messages, as it lies in the queue."""
    async with db.connection(timeout=120) as connection:
        await connection.execute(
            "with new as (insert into message (message_id, accepted_at, client_id, queue_id, sms_type, priority, parts,"
            " phone, sender, label, text) select nextval('message_id'), now(), c.client_id, r.queue_id, 3, 1, 1,"
            " (992910000000 + n)::text, 'AlifBank', 'sale', 'hello' from generate_series(1, $1::integer) n,"
            " client c, route r returning *)"
            " insert into waiting (message_id, client_id, label_key, queue_id, lane, rank)"
            " select message_id, client_id, $2, queue_id, 4, 1 from new",
            count,
            label_key("sale"),
        )
        await connection.execute("analyze waiting")


Command = Callable[[Database], Awaitable[object]]


async def hold_it(db: Database) -> object:
    return await hold(db, SALE, author="test")


async def cancel_it(db: Database) -> object:
    return await cancel(db, SALE, WAIT, author="test", on_ended=tell)


told: Counter[int] = Counter()
"""How often somebody was told that a message ended."""


def tell(messages: Sequence[Ended], cause: Cause, why: str) -> None:
    assert (cause, len(messages) <= TOLD) == (Cause.CANCELLED, True)
    told.update(one.message_id for one in messages)


async def suspend_it(db: Database) -> object:
    async with db.connection() as connection:
        ports = [row[0] for row in await connection.fetch("select port from link order by link_id")]
    links = [{"name": f"link {number}", "port": port, "rate": 300} for number, port in enumerate(ports)]
    return await configure(db, {"tcell": links}, client={"enabled": False})


@pytest.mark.slow
@pytest.mark.parametrize("command", [hold_it, cancel_it, suspend_it])
async def test_of_200_000_nothing_leaves_a_second_after_the_command(
    database: Database, dsn: str, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two dispatchers, each busy with a link of its own; what is cancelled is told all the same."""
    told.clear()
    monkeypatch.setattr(OutcomeLog, "on_ended", property(lambda self: tell))
    async with running_operator(tmp_path) as operator, AsyncExitStack() as stack:
        links = [{"name": f"link {number}", "port": operator.port, "rate": 300} for number in range(2)]
        await configure(database, {"tcell": links})
        await fill(database, 200_000)
        other = await Database.open(dsn)
        stack.push_async_callback(other.close)
        centres: list[Centre] = []
        for number, db in enumerate((database, other)):  # as on two machines
            monkeypatch.setattr(incarnations, "host_identity", lambda number=number: f"machine {number}")
            centres.append(await stack.enter_async_context(running_centre(db)))
        await centres[0].bound(2)
        async with database.connection() as connection:
            await connection.execute(
                "update bind_lease set incarnation = $1 where link_id = 2", centres[1].incarnation.number
            )
        await centres[1].holds(1)
        await operator.record.wait_for(500)
        given = time.time()
        doing = asyncio.create_task(asyncio.wait_for(command(database), 120))
        await asyncio.sleep(2 * WITHIN)
        late = [line for line in await operator.submits() if line["at"] > given + WITHIN]
        assert len(late) == 0
        await doing
        await asyncio.sleep(0.5)
        sent = await operator.times_submitted()
        assert set(sent.values()) == {1}
        assert [line for line in await operator.submits() if line["at"] > given + WITHIN] == []
        counts = await centres[0].states()
        assert counts.total() == 200_000
        if command is cancel_it:
            assert counts[S.DELETED] == 200_000 - len(sent)
            assert len(told) == told.total() == counts[S.DELETED]  # by the command, and by the duty beside it
            assert await centres[0].value("select count(*) from waiting where claimed_by is null") == 0
            async with database.connection() as connection:
                deleted = await connection.fetch(
                    "select phone from message where state = 4 and phone = any($1::text[])", list(sent)
                )
            assert deleted == []  # never both submitted and Deleted
        else:
            assert counts[S.NONE] + len(sent) >= 200_000
