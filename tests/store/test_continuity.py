"""A database that was restored or promoted: who vouches for it, what is held, and how people let it go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from payk.clock import Clock
from payk.domain.message import MessageState, SmsType
from payk.domain.outcome import Accepted
from payk.store import incarnation as incarnations
from payk.store.commits import transaction_mark, was_committed
from payk.store.continuity import look, mark_lost, recognise
from payk.store.database import Connection, Database
from payk.store.errors import HistoryUnknown, OutcomeUnknown
from payk.store.incarnation import Incarnation
from payk.store.processes import lease_duty
from payk.store.queries import sql
from payk.store.recovery import Choice, Counts, at_risk, give_up, ids_ahead, open_line, release
from payk.store.timeline import read_timeline
from payk.store.upkeep import expire
from tests.store.scene import WAIT, Scene

S = MessageState
SHORT = 0.5
NEXT = "cluster/00000002"


async def new_line(scene: Scene) -> None:
    """The database says that it is on another line of history from now on."""
    await scene.execute(
        f"create or replace function history_line() returns text language sql stable as $$ select '{NEXT}' $$"
    )


async def known(scene: Scene, within: float = 6.0) -> None:
    async with asyncio.timeout(within):
        while not (await look(scene.db)).known:
            await asyncio.sleep(0.02)


async def lost(scene: Scene) -> str:
    """What a process missed, once one does."""
    async with asyncio.timeout(6):
        while (what := (await look(scene.db)).lost_what) is None:
            await asyncio.sleep(0.02)
    return what


@asynccontextmanager
async def living(
    db: Database, monkeypatch: pytest.MonkeyPatch, machine: str = "here", lease: float = SHORT
) -> AsyncIterator[Incarnation]:
    """A process with a pool of its own."""
    monkeypatch.setattr(incarnations, "host_identity", lambda: machine)
    incarnation = Incarnation(db, Clock(), roles=["dispatch"], lease=lease)
    await incarnation.begin()
    task = asyncio.create_task(incarnation.run())
    try:
        yield incarnation
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def alone(scene: Scene) -> Scene:
    """A centre whose only other process has ended."""
    await scene.execute("update process set ended_at = now() where incarnation = $1", scene.incarnation)
    return scene


# -- the gate


async def test_on_an_unknown_line_nothing_is_taken_sent_or_expired(scene: Scene) -> None:
    [message_id] = await scene.accept()
    await new_line(scene)
    with pytest.raises(HistoryUnknown, match="payk recover"):
        await scene.accept()
    assert await scene.claim() == []
    assert not await lease_duty(scene.db, scene.incarnation, "expire")
    assert await scene.state(message_id) is S.NONE
    assert "payk recover" in str((await look(scene.db)).why_held)


async def test_nobody_who_lived_through_it_means_held(alone: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await new_line(alone)
    async with living(alone.db, monkeypatch) as incarnation:
        beats = await alone.value("select beats from process where incarnation = $1", incarnation.number)
        async with asyncio.timeout(5):
            while await alone.value("select beats from process where incarnation = $1", incarnation.number) < beats + 6:
                await asyncio.sleep(0.02)
        assert not incarnation.on_known_line and not (await look(alone.db)).known
        assert not await recognise(alone.db)


# -- vouching


async def test_all_goes_on_where_every_process_finds_what_it_wrote(
    alone: Scene, second: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with living(alone.db, monkeypatch) as first, living(second, monkeypatch, "there") as other:
        await alone.accept(3)
        alone.incarnation = first.number
        [claim, *_] = await alone.claim()
        await alone.record(claim, Accepted(1, "id-1"))
        numbers = first.number, other.number
        await new_line(alone)
        await known(alone)
        assert (first.number, other.number) == numbers  # nobody had to start over
        async with asyncio.timeout(2):
            while not (first.on_known_line and other.on_known_line):
                await asyncio.sleep(0.01)
        assert await alone.accept()
        assert await alone.claim()


async def test_what_is_claimed_stands_for_itself(alone: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async with living(alone.db, monkeypatch) as process:
        [message_id] = await alone.accept()
        alone.incarnation = process.number
        await alone.claim()
        alone.db.last_commits.claims = lambda: [message_id]
        await alone.execute("update waiting set claimed_by = null, link_id = null")  # the claim's COMMIT is lost
        await new_line(alone)
        assert "claims" in await lost(alone)
        assert not await recognise(alone.db)


async def test_a_lost_message_is_missed(alone: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async with living(alone.db, monkeypatch):
        [_, last] = await alone.accept(2)
        await alone.execute("delete from waiting where message_id = $1", last)
        await alone.execute("delete from message where message_id = $1", last)
        await new_line(alone)
        assert "messages taken in" in await lost(alone)
        history = await look(alone.db)
        assert history.highest_id == last and "messages taken in" in str(history.why_held)


async def test_a_lost_outcome_is_missed(alone: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async with living(alone.db, monkeypatch) as process:
        await alone.accept()
        alone.incarnation = process.number
        [claim] = await alone.claim()
        await alone.record(claim, Accepted(1, "id-1"))
        await alone.execute("delete from receipt_key")
        await new_line(alone)
        assert "outcomes" in await lost(alone)


async def test_lost_heartbeats_are_missed(alone: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async with living(alone.db, monkeypatch) as process:
        async with asyncio.timeout(5):
            while await alone.value("select beats from process where incarnation = $1", process.number) < 4:
                await asyncio.sleep(0.02)
        async with alone.db.transaction() as connection:
            await connection.execute("update process set beats = 1 where incarnation = $1", process.number)
            await connection.execute(
                f"create or replace function history_line() returns text language sql stable as $$ select '{NEXT}' $$"
            )
        assert "heartbeats" in await lost(alone)


async def test_a_process_that_is_missing_itself_says_so(alone: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async with living(alone.db, monkeypatch) as process:
        number = process.number
        async with alone.db.transaction() as connection:
            await connection.execute("delete from process where incarnation = $1", number)
            await connection.execute(
                f"create or replace function history_line() returns text language sql stable as $$ select '{NEXT}' $$"
            )
        assert "process itself" in await lost(alone)
        async with asyncio.timeout(5):
            while process.number == number:
                await asyncio.sleep(0.01)


async def test_one_that_misses_something_outweighs_all_others(
    alone: Scene, second: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with living(alone.db, monkeypatch), living(second, monkeypatch, "there"):
        [last] = await alone.accept()  # by the pool of the first
        await alone.execute("delete from waiting where message_id = $1", last)
        await alone.execute("delete from message where message_id = $1", last)
        await new_line(alone)
        await lost(alone)
        async with asyncio.timeout(5):
            while await alone.value("select count(*) from process where vouches_for = $1", NEXT) == 0:
                await asyncio.sleep(0.02)
        assert not await recognise(alone.db) and not (await look(alone.db)).known


async def test_who_was_cut_off_while_the_others_went_on_stops_them(scene: Scene) -> None:
    """And not where a person has decided meanwhile: what was at risk is set aside."""
    await new_line(scene)
    await scene.execute("update continuity set line = history_line()")
    await mark_lost(scene.db, NEXT, "something is missing", 5)
    assert not (await look(scene.db)).known
    await open_line(scene.db, None)
    await mark_lost(scene.db, NEXT, "something is missing", 5)
    assert (await look(scene.db)).known


async def test_a_silent_process_is_waited_for_until_it_is_ended(
    scene: Scene, second: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may live and only be cut off; a whole lease tells."""
    await scene.execute("update process set line = 'cluster/00000001' where incarnation = $1", scene.incarnation)
    async with living(second, monkeypatch, lease=1.5) as process:
        await new_line(scene)
        async with asyncio.timeout(5):
            while await scene.value("select vouches_for from process where incarnation = $1", process.number) is None:
                await asyncio.sleep(0.02)
        assert not await recognise(scene.db)
        await known(scene)
        assert await scene.value("select lapsed from process where incarnation = $1", scene.incarnation)


# -- a COMMIT whose answer was lost with its server


async def test_on_another_line_the_rows_tell(scene: Scene) -> None:
    async with scene.db.transaction() as connection:
        mark = await transaction_mark(connection)
    asked = []

    async def is_there(_: Connection) -> bool:
        asked.append(True)
        return len(asked) > 1

    assert await was_committed(scene.db, mark, None, is_there=is_there) and asked == []
    await new_line(scene)
    assert not await was_committed(scene.db, mark, None, is_there=is_there)
    assert await was_committed(scene.db, mark, None, is_there=is_there)


async def test_an_open_transaction_whose_client_is_gone_is_ended(scene: Scene, second: Database) -> None:
    """Its COMMIT never arrived: the server would keep it for half a minute."""
    mark = ""
    left_open = await second.dedicated()
    await left_open.execute("begin")
    mark = str(await left_open.fetchval(sql("commits.transaction_mark")))

    async def is_there(_: Connection) -> bool:
        raise AssertionError("the line is known")

    started = asyncio.get_running_loop().time()
    with pytest.raises(OutcomeUnknown):  # it may be on its way
        await was_committed(scene.db, mark, started + 0.3, is_there=is_there)
    assert not await was_committed(scene.db, mark, started + 10, is_there=is_there)
    assert asyncio.get_running_loop().time() - started < 5
    left_open.terminate()


# -- payk recover


def test_how_many_ids_are_passed_over() -> None:
    assert ids_ahead(gap=0, drawn=0, during=0) == 1_000_000
    assert ids_ahead(gap=3_600, drawn=100_000, during=1_000) == 1_000_000
    assert ids_ahead(gap=36_000, drawn=100_000, during=1_000) == 7_200_000
    assert ids_ahead(gap=86_400 * 30, drawn=100_000, during=10) == 100_000_000


async def test_what_waited_is_set_aside_and_new_messages_are_sent(scene: Scene) -> None:
    waiting = await scene.accept(2)
    [claimed] = (claim.message_id for claim in (await scene.claim())[:1])
    await scene.accept(1, scheduled_at=await scene.value("select now() + interval '1 hour'"))
    await new_line(scene)
    await scene.execute("update continuity set highest_id = 150000000")
    before = await at_risk(scene.db, known=False)
    assert [(row.sms_type, row.messages) for row in before] == [(SmsType.COMMON, 2)]

    assert await open_line(scene.db, 500) == (2, 150_000_500)
    [fresh] = await scene.accept()
    assert fresh == 150_000_501
    assert [claim.message_id for claim in await scene.claim()] == [fresh]
    assert [row.messages for row in await at_risk(scene.db, known=True)] == [2]
    assert claimed in waiting
    assert await scene.value("select count(*) from staged") == 1  # of a time that had not come yet
    assert [await scene.state(message_id) for message_id in waiting] == [S.NONE, S.NONE]
    assert await expire(scene.db, 100, WAIT) == 0


async def test_release_by_type_label_and_age(scene: Scene) -> None:
    [code] = await scene.accept(sms_type=SmsType.OTP)
    [old] = await scene.accept(label="june")
    [new] = await scene.accept(label="june")
    [other] = await scene.accept(label="july")
    await scene.execute("update message set accepted_at = now() - interval '1 hour' where message_id = $1", old)
    await new_line(scene)
    await open_line(scene.db, None)

    assert await release(scene.db, Choice(sms_type=SmsType.OTP), WAIT) == Counts(queued=1)
    assert [claim.message_id for claim in await scene.claim()] == [code]
    assert await release(scene.db, Choice(label="june", younger_than=600), WAIT) == Counts(queued=1)
    assert [claim.message_id for claim in await scene.claim()] == [new]
    assert await give_up(scene.db, Choice(older_than=600)) == Counts(unknown=1)
    assert await scene.state(old) is S.UNKNOWN
    assert await release(scene.db, Choice(), WAIT) == Counts(queued=1)
    assert [claim.message_id for claim in await scene.claim()] == [other]
    assert await release(scene.db, Choice(), WAIT) == Counts() and await at_risk(scene.db, known=True) == []


async def test_what_is_too_late_becomes_unknown_not_expired(scene: Scene) -> None:
    """It may have been delivered in time, by what this database has forgotten."""
    [message_id] = await scene.accept(expires_in=60)
    await new_line(scene)
    await open_line(scene.db, None)
    await scene.execute("update set_aside set expires_at = now() - interval '1 s'")
    await scene.execute("update message set expires_at = now() - interval '1 s'")
    assert await release(scene.db, Choice(), WAIT) == Counts(unknown=1)
    assert await scene.state(message_id) is S.UNKNOWN


async def test_parts_that_an_operator_has_are_not_sent_again(scene: Scene) -> None:
    """A process that lived through it may record its outcomes later."""
    await scene.accept()
    [claim] = await scene.claim()
    await new_line(scene)
    await open_line(scene.db, None)
    await scene.record(claim, Accepted(1, "id-1"))
    assert await release(scene.db, Choice(), WAIT) == Counts(known_sent=1)
    assert await scene.claim() == []


async def test_the_timeline_tells_of_it(scene: Scene) -> None:
    [message_id] = await scene.accept()
    await new_line(scene)
    await open_line(scene.db, None)
    for step, expected in ((0, ["accepted", "queued", "held"]), (1, ["accepted", "queued", "held", "queued"])):
        if step:
            await release(scene.db, Choice(), WAIT)
        timeline = await read_timeline(scene.db, scene.client, message_id, timeout=5)
        assert timeline is not None
        assert [event.kind.value for event in timeline.events] == expected
        held = timeline.events[2]
        assert held.reason == "the database was restored: it may have been sent"
        assert (held.until is not None) == bool(step)
