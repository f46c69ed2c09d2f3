"""An operator that is bound and takes no messages: the next one carries, and it is probed until it is well."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

from payk.clock import Clock
from payk.dispatch.health import CLIENTS_TOLD, ReceiptTally, ResultTally
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.message import MessageState, SmsType
from payk.domain.operator import Link, Operator
from payk.registry.change import apply
from payk.registry.file import read
from payk.registry.secrets import SecretBox
from payk.store.database import Database
from payk.store.health import look, operator_health, operator_shifts, sick_operators
from tests.dispatch.centre import SECRET, Starts, accept, configure, running_centre, running_operator

S = MessageState
FIRST, SECOND, CODES = ([f"9929{digit}{number:07}" for number in range(60)] for digit in (1, 2, 3))

PASSING = {"status_classes": {"0x45": "temporary"}}
"""What the simulator refuses with is trouble of the operator."""


async def fell_sick(db: Database, within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while not await sick_operators(db):
            await asyncio.sleep(0.1)


async def make_sick(db: Database, name: str = "tcell") -> None:
    """As the duty left it, for an hour at least."""
    await look(db)
    async with db.connection() as connection:
        await connection.execute(
            "update operator_health set sick = true, pause = 3600, reason = 'test'"
            " where operator_id = (select operator_id from operator where name = $1)",
            name,
        )


async def test_traffic_shifts_to_the_next_operator_within_the_time_that_is_promised(
    database: Database, tmp_path: Path
) -> None:
    async with (
        running_operator(tmp_path, "babilon") as babilon,
        running_operator(tmp_path, "tcell", refuse=0.9) as tcell,
    ):
        links = {"tcell": {"port": tcell.port, **PASSING}, "babilon": {"port": babilon.port}}
        await configure(database, links)
        async with running_centre(database) as centre:
            await centre.bound(2)
            await accept(database, *FIRST)
            await fell_sick(database)
            async with asyncio.timeout(60):  # what was refused is tried again after its delay, whoever carries it then
                while len(await babilon.times_submitted()) <= len(FIRST) / 2:
                    await asyncio.sleep(0.1)
    [shift] = await operator_shifts(database)
    assert (shift.operator, shift.from_state, shift.to_state) == ("tcell", "healthy", "sick")
    assert shift.figures["failed"] >= 20
    standing = {found.operator: found for found in await operator_health(database)}
    assert (standing["tcell"].state, standing["babilon"].state) == ("sick", "healthy")
    assert standing["tcell"].probed_until is not None


async def test_a_sick_operator_is_probed_one_message_a_second_and_never_with_a_code(
    database: Database, tmp_path: Path
) -> None:
    async with running_operator(tmp_path, "babilon") as babilon, running_operator(tmp_path, "tcell") as tcell:
        links = {"tcell": {"port": tcell.port}, "babilon": {"port": babilon.port, "rate": 20}}
        await configure(database, links)
        await make_sick(database)
        async with running_centre(database) as centre:
            await centre.bound(2)
            await asyncio.sleep(0.7)  # everybody knows it by now
            await accept(database, *CODES, sms_type=SmsType.OTP)
            await centre.all_become(S.DELIVERED)
            assert await tcell.submits() == []
            await accept(database, *FIRST)
            await centre.all_become(S.DELIVERED)
            assert 1 <= len(await tcell.submits()) <= 6  # 60 messages take 3 seconds
            assert (await babilon.times_submitted()).total() + len(await tcell.submits()) == 120


async def test_an_only_operator_keeps_all_traffic_sick_or_not(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path, "tcell") as tcell:
        await configure(database, {"tcell": {"port": tcell.port}})
        await make_sick(database)
        async with running_centre(database) as centre:
            await centre.bound(1)
            await accept(database, *FIRST)
            await accept(database, *CODES, sms_type=SmsType.OTP)
            await centre.all_become(S.DELIVERED)
            assert await tcell.times_submitted() == dict.fromkeys([*FIRST, *CODES], 1)


async def test_it_returns_after_good_probes(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path, "babilon") as babilon, running_operator(tmp_path, "tcell") as tcell:
        links = {"tcell": {"port": tcell.port}, "babilon": {"port": babilon.port, "rate": 5}}
        await configure(database, links)
        await make_sick(database)
        async with running_centre(database) as centre:
            await centre.bound(2)
            await asyncio.sleep(0.7)
            async with database.connection() as connection:
                await connection.execute("update operator_health set pause = 1 where sick")
            await accept(database, *FIRST)
            async with asyncio.timeout(20):
                while await sick_operators(database):
                    await asyncio.sleep(0.1)
            await centre.all_become(S.DELIVERED)
            await asyncio.sleep(0.7)
            await accept(database, *SECOND)
            await centre.all_become(S.DELIVERED)
            assert set(SECOND) <= set(await tcell.times_submitted())
    assert [shift.to_state for shift in await operator_shifts(database, "tcell")] == ["healthy"]


async def test_two_dispatchers_agree(database: Database, tmp_path: Path, process: Starts) -> None:
    async with running_operator(tmp_path, "babilon") as babilon, running_operator(tmp_path, "tcell") as tcell:
        links = {"tcell": {"port": tcell.port, "binds": 2}, "babilon": {"port": babilon.port, "binds": 2}}
        await configure(database, links)
        await make_sick(database)
        async with process("a") as one, process("b") as two:
            await one.bound(4)
            async with database.connection() as connection:  # each has a bind of each
                await connection.execute(
                    "update bind_lease set incarnation = $1 where number = 2", two.incarnation.number
                )
            await one.holds(1, 1)
            await two.holds(2, 2)
            await asyncio.sleep(0.7)
            await accept(database, *CODES, sms_type=SmsType.OTP)
            await one.all_become(S.DELIVERED)
            assert await tcell.submits() == []
            assert set(await babilon.times_submitted()) == set(CODES)


async def test_refused_numbers_count_for_nothing(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path, "tcell", refuse=1.0) as tcell:
        await configure(database, {"tcell": {"port": tcell.port}})
        async with running_centre(database) as centre:
            await centre.bound(1)
            await accept(database, *FIRST)
            await centre.all_become(S.REJECTED)
            await asyncio.sleep(1.2)  # told by now
            for _ in range(4):
                assert await look(database) == []
            assert await centre.value("select bool_and(trouble = 0) from operator_health")


async def test_whoever_looks_next_goes_on_where_the_last_one_was(database: Database, tmp_path: Path) -> None:
    """What a duty that was killed had seen is in the database."""
    async with running_operator(tmp_path, "tcell", refuse=0.9) as tcell:
        await configure(database, {"tcell": {"port": tcell.port, **PASSING}})
        async with running_centre(database) as centre:
            await centre.bound(1)
            await accept(database, *FIRST)
            await asyncio.sleep(2.2)
            shifts = [shift for _ in range(4) for shift in await look(database)]
            assert await centre.value("select sick from operator_health")
            assert len(shifts) <= 1  # once, by whoever made the last look
    assert len(await operator_shifts(database)) == 1


async def test_the_switch_of_an_operator(database: Database, tmp_path: Path) -> None:
    async with running_operator(tmp_path, "tcell") as tcell:
        await configure(database, {"tcell": {"port": tcell.port}})
        await make_sick(database)
        document = read({"operator": [{"name": "tcell", "health": False}]}, "registry.toml", {})
        await apply(database, SecretBox(SECRET), document, author="test")
        assert [shift.to_state for shift in await look(database)] == ["healthy"]
        assert not (await operator_health(database))[0].watched


def test_results_are_told_by_client_and_forgotten_after_30_seconds() -> None:
    class Later(Clock):
        at = 1_000.0

        def monotonic(self) -> float:
            return self.at

    clock = Later()
    tally = ResultTally(clock)
    tally.count(7, 1, False)
    clock.at += 20
    tally.count(7, 1, True)
    tally.count(7, 2, True)
    assert tally.by_link() == {7: {"1": [1, 1], "2": [0, 1]}}
    clock.at += 15
    assert tally.by_link() == {7: {"1": [0, 1], "2": [0, 1]}}
    clock.at += 15
    assert tally.by_link() == {}
    for client_id in range(1, CLIENTS_TOLD + 11):
        tally.count(7, client_id, False)
    assert tally.by_link()[7]["0"] == [10, 0]


def test_receipts_are_counted_where_they_are_looked_at_by_when_their_message_was_sent() -> None:
    class Later(Clock):
        at = 10_000.0

        def monotonic(self) -> float:
            return self.at

    def link(number: int) -> Link:
        return Link(number, number, f"link-{number}", "127.0.0.1", 1, "x", b"")

    operators = {
        1: Operator(1, "tcell", health_receipts=0.5, health_delay=60, links=(link(1),)),
        2: Operator(2, "babilon", links=(link(2),)),
    }
    clock, current = Later(), CurrentDirectory(Directory(operators=operators))
    tally = ReceiptTally(clock, current)
    for _ in range(4):
        tally.taken(1)
        tally.taken(2)
    clock.at += 30
    tally.received(1, [30.0, 30.0])
    tally.received(2, [30.0])
    assert tally.by_link() == {}, "they have time yet"
    clock.at += 31
    tally.received(1, [61.0])
    assert tally.by_link() == {1: [4, 2]}, "the last one came too late"
    clock.at += 299
    assert tally.by_link() == {1: [4, 2]}
    clock.at += 1
    assert tally.by_link() == {}
    tally.taken(1)
    current.value = Directory(operators={1: Operator(1, "tcell", links=(link(1),))})
    clock.at += 100
    assert tally.by_link() == {}, "nobody asks for them any more"


async def test_an_operator_whose_receipts_do_not_come_is_found_sick(database: Database, tmp_path: Path) -> None:
    silent = tmp_path / "silent.toml"
    silent.write_text('[[rule]]\ndestination = "992*"\nreceipt = "none"\n')
    async with (
        running_operator(tmp_path, "babilon") as babilon,
        running_operator(tmp_path, "tcell", scenario=silent) as tcell,
    ):
        await configure(database, {"tcell": {"port": tcell.port}, "babilon": {"port": babilon.port}})
        watched = [{"name": "tcell", "health_receipts": 0.5, "health_delay": 1}, {"name": "babilon"}]
        document = read({"operator": watched}, "registry.toml", {})
        await apply(database, SecretBox(SECRET), document, author="test")
        async with running_centre(database) as centre:
            await centre.bound(2)
            await accept(database, *FIRST)
            await fell_sick(database, within=90.0)
            async with asyncio.timeout(60):
                for number in count():  # until the dispatcher knows of it, and takes the other one
                    await accept(database, f"99294{number:07}")
                    if len(await babilon.submits()) >= 5:
                        break
    shift = (await operator_shifts(database))[-1]  # the first one
    assert (shift.operator, shift.to_state) == ("tcell", "sick")
    due = shift.figures["receipts_due"]  # those of which a look knew that their time was over
    assert 20 <= due <= len(FIRST)
    assert shift.figures["receipts_in_time"] == 0
    assert shift.reason == f"receipts of 0 of {due} messages came within 1 s"
