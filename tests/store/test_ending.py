"""Messages that end without a receipt: each is told once, with what is known of it, and counted; nothing else is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from random import Random

import pytest

from payk.app.ending import ends_told
from payk.domain.message import MessageState
from payk.domain.outcome import Accepted, RefusalKind, Refused, Uncertain
from payk.metrics.catalogue import MESSAGES_ENDED, OUTCOMES
from payk.outcome_log import OutcomeLog
from payk.registry.traffic import Chosen, cancel, carry_out, continue_holds
from payk.store import ending as endings_module
from payk.store.database import Connection, Database
from payk.store.ending import Cause, Ended, Endings, ending
from payk.store.errors import OutcomeUnknown, StoreUnavailable
from payk.store.forgetting import end_open
from payk.store.holds import cancel_messages
from payk.store.outcomes import record_outcomes
from payk.store.receipts import count_matched
from payk.store.recovery import Choice, give_up, open_line, release
from payk.store.upkeep import expire, give_up_unanswered
from tests.store.proxy import Cut, network_to
from tests.store.scene import PHONE, Scene
from tests.store.test_continuity import new_line
from tests.store.test_holds import holds_placed

S = MessageState
TRACE = bytes(range(24))


class Told:
    """Who is told, and what it was."""

    def __init__(self) -> None:
        self.pieces: list[tuple[Sequence[Ended], Cause, str]] = []

    def __call__(self, messages: Sequence[Ended], cause: Cause, why: str) -> None:
        self.pieces.append((messages, cause, why))

    @property
    def all(self) -> list[tuple[int, Cause, str, MessageState]]:
        return [(one.message_id, cause, why, one.became) for piece, cause, why in self.pieces for one in piece]

    @property
    def states(self) -> dict[int, MessageState]:
        """What became of whom."""
        return {message_id: state for message_id, _, _, state in self.all}


def counted() -> Counter[tuple[str, ...]]:
    """Messages that ended so far, of this process."""
    return Counter({labels: int(value) for labels, value in MESSAGES_ENDED.values.items()})


async def run_out(scene: Scene) -> None:
    for table in ("message", "waiting", "staged", "set_aside"):
        await scene.execute(f"update {table} set expires_at = now() - interval '1 second' where expires_at is not null")


async def overdue(scene: Scene) -> None:
    await scene.execute("update message set receipt_due = now() - interval '1 second' where receipt_due is not null")
    await scene.execute("update awaiting a set due = m.receipt_due from message m where m.message_id = a.message_id")


async def late(scene: Scene, told: Told) -> None:
    await run_out(scene)
    await expire(scene.db, 100, scene.wait, told)


async def by_id(scene: Scene, told: Told) -> None:
    await cancel_messages(scene.db, scene.client, await scene.ids("message"), scene.wait, told)


async def by_hold(scene: Scene, told: Told) -> None:
    await cancel(scene.db, Chosen(client="demo"), scene.wait, author="boris", on_ended=told)


async def forgotten(scene: Scene, told: Told) -> None:
    await end_open(scene.db, PHONE, 10**12, told)


async def given_up(scene: Scene, told: Told) -> None:
    await set_aside(scene)
    await give_up(scene.db, Choice(), told)


async def released_late(scene: Scene, told: Told) -> None:
    await set_aside(scene)
    await run_out(scene)
    await release(scene.db, Choice(), scene.wait, told)


async def set_aside(scene: Scene) -> None:
    await new_line(scene)
    await open_line(scene.db, None)


WAYS = [
    (late, Cause.LATE, "not sent in time", S.EXPIRED),
    (by_id, Cause.CANCELLED, "by its client", S.DELETED),
    (by_hold, Cause.CANCELLED, "hold 1 by boris", S.DELETED),
    (forgotten, Cause.FORGOTTEN, "its number is forgotten", S.DELETED),
    (given_up, Cause.GIVEN_UP, "set aside, and given up", S.UNKNOWN),
    (released_late, Cause.GIVEN_UP, "too late to be sent", S.UNKNOWN),
]


@pytest.mark.parametrize(("way", "cause", "why", "state"), WAYS, ids=lambda given: getattr(given, "__name__", ""))
async def test_each_way_to_end_is_told_once_and_counted(
    scene: Scene, way: Callable[[Scene, Told], Awaitable[None]], cause: Cause, why: str, state: MessageState
) -> None:
    ids = await scene.accept(3, parts=2, expires_in=500, request_id="r-1", trace=TRACE)
    await scene.execute("update message set accepted_at = accepted_at - interval '10 seconds'")
    told, before = Told(), counted()
    await way(scene, told)
    assert told.all == [(message_id, cause, why, state) for message_id in ids]
    [(messages, *_)] = told.pieces
    for one in messages:
        assert (one.client_id, one.operator_id, one.request_id, one.phone, one.parts, one.trace) == (
            scene.client, None, "r-1", PHONE, 2, TRACE)  # fmt: skip
        assert 10 <= one.way < 60
        assert await scene.state(one.message_id) is state
    assert counted() - before == {(state.label.lower(), cause.value): 3}
    await way(scene, told)
    assert len(told.all) == 3 and counted() - before == {(state.label.lower(), cause.value): 3}


async def test_what_nobody_answered_is_told_with_its_operator(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, "a"))
    await overdue(scene)
    told, before = Told(), counted()
    await give_up_unanswered(scene.db, 10, told)
    assert told.all == [(claim.message_id, Cause.UNANSWERED, "no receipt", S.UNKNOWN)]
    assert told.pieces[0][0][0].operator_id == scene.operator
    assert counted() - before == {("unknown", "unanswered"): 1}


async def test_of_a_message_that_an_operator_may_have_only_the_rest_ends(scene: Scene) -> None:
    """It is told as what it is, and is no message that ended."""
    claim = await scene.claimed(parts=2)
    await scene.record(claim, Accepted(1, "a"), Refused(2, 8, RefusalKind.TEMPORARY))
    doubtful = await scene.claimed()
    await scene.record(doubtful, Uncertain(1, "time-out"))
    told, before = Told(), counted()
    await by_id(scene, told)
    assert told.states == {claim.message_id: S.ENROUTE, doubtful.message_id: S.ENROUTE}
    assert counted() == before
    told = Told()
    await forgotten(scene, told)
    assert told.states == {claim.message_id: S.DELETED, doubtful.message_id: S.UNKNOWN}
    assert len(told.all) == 2, "once, though it ends in two steps"


async def test_what_a_later_process_goes_on_with_is_told_by_that_one(
    scene: Scene, second: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payk.store.holds.WINDOW", 10)
    monkeypatch.setattr("payk.store.holds.FOLLOWED", 0.1)
    ids = await scene.accept(35)
    placed = await holds_placed(scene, Chosen(client="demo"))
    first, other = Told(), Told()
    await carry_out(scene.db, placed, scene.wait, 0.0, first)
    assert first.all == [], "its time was up"
    async with asyncio.timeout(10):
        while not await scene.value("select settled_at is not null from hold"):
            await continue_holds(second, scene.wait, other)
    assert [message_id for message_id, *_ in other.all] == ids
    assert {why for _, _, why, _ in other.all} == {f"hold {placed} by test"}


async def test_what_is_rolled_back_is_neither_told_nor_counted(scene: Scene) -> None:
    ids = await scene.accept(2)
    told, before = Told(), counted()

    async def goes_wrong_afterwards() -> None:
        async with ending(scene.db, Cause.CANCELLED, told) as (connection, endings):
            rows = await connection.fetch("select message_id, state, part_states from message for update")
            await endings.finish(rows, S.DELETED, only=(S.NONE,))
            raise ValueError("afterwards")

    with pytest.raises(ValueError, match="afterwards"):
        await goes_wrong_afterwards()
    assert [await scene.state(message_id) for message_id in ids] == [S.NONE, S.NONE]
    assert told.all == [] and counted() == before


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
async def test_a_commit_that_nobody_confirmed_is_looked_up(scene: Scene, dsn: str, cut: Cut) -> None:
    """What it ended is told if it took place, and only then."""
    ids = await scene.accept(2)
    told, before = Told(), counted()
    await cancelled_through(dsn, cut, scene, ids, told, timeout=5.0)
    ended = cut is Cut.AFTER
    assert [await scene.state(message_id) for message_id in ids] == [S.DELETED if ended else S.NONE] * 2
    assert [message_id for message_id, *_ in told.all] == (ids if ended else [])
    assert counted() - before == ({("deleted", "cancelled"): 2} if ended else {})


async def cancelled_through(
    dsn: str, cut: Cut, scene: Scene, ids: Sequence[int], told: Told | None, timeout: float = 1.5
) -> None:
    """Cancel them where the answer to COMMIT does not come."""
    async with network_to(dsn) as network:
        through = await Database.open(network.dsn)
        network.on("commit", cut)
        with pytest.raises(OutcomeUnknown):
            await cancel_messages(through, scene.client, ids, scene.wait, told, timeout=timeout)
        await through.close()


async def test_a_commit_that_timed_out_is_looked_up_too(scene: Scene, dsn: str) -> None:
    """It has used up all the time that there was."""
    ids = await scene.accept(2)
    told, before = Told(), counted()
    await cancelled_through(dsn, Cut.SILENCE, scene, ids, told)
    assert told.states == dict.fromkeys(ids, S.DELETED)
    assert counted() - before == {("deleted", "cancelled"): 2}


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
async def test_a_commit_that_nobody_confirmed_counts_where_nobody_wants_to_know(
    scene: Scene, dsn: str, cut: Cut
) -> None:
    ids = await scene.accept(2)
    before = counted()
    await cancelled_through(dsn, cut, scene, ids, None)
    assert counted() - before == ({("deleted", "cancelled"): 2} if cut is Cut.AFTER else {})


async def another_life(_: Connection) -> str:
    """The mark of a transaction whose server has crashed since."""
    return "another life@1"


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
async def test_in_another_life_of_the_server_a_message_that_changed_tells(
    scene: Scene, dsn: str, monkeypatch: pytest.MonkeyPatch, cut: Cut
) -> None:
    """One that stays Enroute, whatever came of the transaction, tells nothing."""
    monkeypatch.setattr(endings_module, "transaction_mark", another_life)
    doubtful = await scene.claimed()
    await scene.record(doubtful, Uncertain(1, "time-out"))
    ids = await scene.accept(2)
    told, before = Told(), counted()
    await cancelled_through(dsn, cut, scene, [doubtful.message_id, *ids], told)
    ended = cut is Cut.AFTER
    assert [await scene.state(message_id) for message_id in ids] == [S.DELETED if ended else S.NONE] * 2
    assert told.states == ({doubtful.message_id: S.ENROUTE, **dict.fromkeys(ids, S.DELETED)} if ended else {})
    assert counted() - before == ({("deleted", "cancelled"): 2} if ended else {})


async def test_in_another_life_of_the_server_nothing_is_told_of_what_did_not_change(
    scene: Scene, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings_module, "transaction_mark", another_life)
    doubtful = await scene.claimed()
    await scene.record(doubtful, Uncertain(1, "time-out"))
    told = Told()
    await cancelled_through(dsn, Cut.BEFORE, scene, [doubtful.message_id], told)
    assert told.all == []


async def test_whoever_is_cancelled_meanwhile_tells_the_rest(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings_module, "TOLD", 10)
    ids = await scene.accept(35)
    told = Told()

    def on_ended(messages: Sequence[Ended], cause: Cause, why: str) -> None:
        told(messages, cause, why)
        if len(told.pieces) == 2:
            task.cancel()

    task = asyncio.create_task(cancel_messages(scene.db, scene.client, ids, scene.wait, on_ended))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [len(piece) for piece, *_ in told.pieces] == [10, 10, 10, 5]
    assert [message_id for message_id, *_ in told.all] == ids


async def test_where_nobody_wants_to_know_nothing_is_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def told(self: Endings) -> list[object]:
        raise AssertionError("read for nobody")

    monkeypatch.setattr(Endings, "told", told)
    ids = await scene.accept(3)
    before = counted()
    await cancel_messages(scene.db, scene.client, ids, scene.wait)
    assert counted() - before == {("deleted", "cancelled"): 3}


@pytest.mark.parametrize("on", [False, True])
async def test_a_command_loads_names_where_it_tells_them_and_does_without(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, on: bool
) -> None:
    loads = []

    async def load(db: Database) -> None:
        loads.append(db)
        raise StoreUnavailable("slow")

    monkeypatch.setattr("payk.app.names.load", load)
    monkeypatch.setattr(OutcomeLog, "on", on)
    async with ends_told(scene.db) as told:
        assert (told is not None) is on
    assert len(loads) == on


async def test_what_is_counted_adds_up_to_the_messages_that_ended(scene: Scene) -> None:
    """Whatever ends them, in any order, messages of one part and of three; corrections are counted apart."""
    random, told, before = Random(7), Told(), counted()
    parts_before = sum(OUTCOMES.values.values())
    receipts: list[str] = []
    for number in range(12):
        await scene.accept(6, parts=1 + 2 * (number % 2), expires_in=500 if number % 3 else None)
        records = []
        for claim in await scene.claim(4):
            outcomes = []
            for part in claim.open_parts:
                smsc_id = f"{claim.message_id}.{part}"
                outcomes.append(random.choice((
                    Accepted(part, smsc_id), Accepted(part, smsc_id), Uncertain(part, "time-out"),
                    Refused(part, 11, RefusalKind.NUMBER), Refused(part, 10, RefusalKind.PERMANENT),
                )))  # fmt: skip
                receipts.append(smsc_id)
            records.append(scene.decided(claim, *outcomes))
        await record_outcomes(scene.db, scene.incarnation, records, scene.wait)
        said = random.sample(receipts, min(len(receipts), 8))
        reports = [scene.report(each, random.choice((S.DELIVERED, S.UNDELIVERABLE, S.UNKNOWN))) for each in said]
        count_matched(reports, await scene.receive(*reports), scene.directory, scene.db.now())
        match number % 4:
            case 0:
                await by_id(scene, told) if number else await late(scene, told)
            case 1:
                await scene.execute("update waiting set expires_at = now() where message_id % 3 = 0")
                await expire(scene.db, 100, scene.wait, told)
            case 2:
                await overdue(scene)
                await give_up_unanswered(scene.db, 5, told)
            case _:
                await end_open(scene.db, PHONE, 10**12, told)
    news = counted() - before
    ended = sum(count for (_, by), count in news.items() if by != "correction")
    assert ended == await scene.value("select count(*) from message where done_at is not null") > 30
    for state in (S.DELETED, S.EXPIRED):
        count = await scene.value("select count(*) from message where state = $1", int(state))
        assert count <= sum(value for (name, _), value in news.items() if name == state.label.lower())
    by_cause = Counter(cause.value for _, cause, _, state in told.all if state.label in {
        "Expired", "Deleted", "Unknown", "Rejected", "Undeliverable", "Delivered"})  # fmt: skip
    assert by_cause == {by: sum(v for (_, b), v in news.items() if b == by) for by in by_cause}
    assert {by for _, by in news} >= {"receipt", "refusal", "correction", "unanswered", "forgotten", "cancelled"}
    assert sum(OUTCOMES.values.values()) == parts_before, "parts are counted by whoever submits them"
