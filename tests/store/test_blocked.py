"""Blocking numbers, and balances as those who manage clients see them."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator

import pytest

from payk.domain.directory import CurrentDirectory
from payk.registry.follow import Follower, load
from payk.store.balances import (
    BalanceBelowZero,
    ReferenceReused,
    UnknownClient,
    change_balance,
    read_balance,
    read_ledger,
)
from payk.store.blocked import (
    WRONG_MOST,
    Blocking,
    NumbersInvalid,
    What,
    block_numbers,
    list_blocked,
    unblock_numbers,
)
from payk.store.database import Connection, Database
from tests.store.rows import add_client


async def test_numbers_are_blocked_and_free_again(database: Database) -> None:
    await add_client(database, "demo")

    async def block(*numbers: str, client: str | None = "demo", what: What = What.BATCH, reason: str = "") -> Blocking:
        return await block_numbers(database, numbers, client=client, what=what, reason=reason, author="anna")

    assert await block("+992 900 00 00 01", "992900000001", "", "992900000002") == Blocking(2, 0)
    assert await block("992900000001", "992900000003", what=What.EVERYTHING, reason="asked") == Blocking(1, 1)
    assert await block("992900000001", client=None) == Blocking(1, 0), "for all is apart"
    assert await block("992900000001", client=None) == Blocking(0, 0)
    listed = await list_blocked(database, client="demo", limit=2)
    listed += await list_blocked(database, client="demo", limit=2, behind=listed[-1].blocked_id)
    assert [(row.number, row.what, row.reason) for row in listed] == [
        ("992900000001", What.EVERYTHING, "asked"),
        ("992900000002", What.BATCH, ""),
        ("992900000003", What.EVERYTHING, "asked"),
    ]
    assert [row.client for row in await list_blocked(database, of_all=True)] == [None]
    assert len(await list_blocked(database, begins="99290000000")) == 4
    assert await unblock_numbers(database, ["992900000001", "992900000009"], client="demo") == 1
    assert len(await list_blocked(database)) == 3


async def test_a_list_with_a_wrong_line_blocks_nothing_and_quotes_no_number(database: Database) -> None:
    with pytest.raises(NumbersInvalid) as refused:
        await block_numbers(
            database,
            ["992900000001", "", "99290000000", "hello"],
            client=None,
            what=What.BATCH,
            reason="",
            author="anna",
        )
    assert refused.value.lines[0] == (3, "a number of country 992 has 12 digits")
    assert refused.value.lines[1][0] == 4 and "99290000000" not in str(refused.value)
    assert await list_blocked(database) == []
    with pytest.raises(UnknownClient, match="there is no client 'nobody'"):
        await unblock_numbers(database, [], client="nobody")


async def test_of_a_file_that_holds_no_numbers_no_more_is_read_than_a_thousand_lines(database: Database) -> None:
    lines = itertools.repeat("x", WRONG_MOST + 500)
    with pytest.raises(NumbersInvalid, match=r"line 5: .*; and 995 more, behind which nothing was read$") as refused:
        await block_numbers(database, lines, client=None, what=What.BATCH, reason="", author="anna")
    assert len(refused.value.lines) == WRONG_MOST
    assert len(list(lines)) == 500


async def test_no_transaction_waits_while_the_numbers_are_read(database: Database) -> None:
    await add_client(database, "demo")
    reading, go_on = threading.Event(), threading.Event()

    def numbers() -> Iterator[str]:
        reading.set()
        go_on.wait(30)
        yield "992900000001"

    blocking = asyncio.create_task(
        block_numbers(database, numbers(), client="demo", what=What.BATCH, reason="", author="anna")
    )
    assert await asyncio.to_thread(reading.wait, 30)
    async with database.connection() as connection:
        own = "datname = current_database() and pid <> pg_backend_pid()"
        open_ones = await connection.fetchval(
            f"select count(*) from pg_stat_activity where {own} and xact_start < now()"
        )
    go_on.set()
    assert await blocking == Blocking(1, 0)
    assert open_ones == 0


async def test_processes_know_within_a_second_whether_any_number_is_blocked(database: Database) -> None:
    current = CurrentDirectory(await load(database))
    following = asyncio.create_task(Follower(database, current).run())

    async def until(block_list: bool) -> None:
        async with asyncio.timeout(1):
            while current.value.block_list is not block_list:
                await asyncio.sleep(0.01)

    await until(False)
    await block_numbers(database, ["992900000001"], client=None, what=What.BATCH, reason="", author="anna")
    await until(True)
    assert (await load(database)).block_list
    await unblock_numbers(database, ["992900000001"], client=None)
    await until(False)
    following.cancel()
    await asyncio.wait([following])


async def test_a_top_up_is_made_once_for_each_reference(database: Database) -> None:
    await add_client(database, "demo")
    changes = await asyncio.gather(
        *(change_balance(database, "demo", 2_500, author="anna", reference="invoice-17") for _ in range(5))
    )
    assert sorted(change.repeated for change in changes) == [False, True, True, True, True]
    assert {change.entry_id for change in changes} == {changes[0].entry_id}
    assert await read_balance(database, "demo") == 2_500
    with pytest.raises(ReferenceReused):
        await change_balance(database, "demo", 2_600, author="anna", reference="invoice-17")
    with pytest.raises(BalanceBelowZero):
        await change_balance(database, "demo", -2_501, author="anna")
    await change_balance(database, "demo", -500, author="boris", note="entered twice")
    ledger = await read_ledger(database, "demo", limit=1)
    ledger += await read_ledger(database, "demo", limit=5, before=ledger[-1].entry_id)
    assert [(entry.kind, entry.amount, entry.author, entry.note) for entry in ledger] == [
        ("correction", -500, "boris", "entered twice"),
        ("top-up", 2_500, "anna", None),
    ]


async def test_what_a_caller_does_within_is_part_of_the_change(database: Database) -> None:
    await add_client(database, "demo")

    async def fail(connection: Connection) -> None:
        assert await connection.fetchval("select sum(amount) from balance_entry") == 5
        raise RuntimeError("the audit log refuses")

    with pytest.raises(RuntimeError):
        await change_balance(database, "demo", 5, author="anna", within=fail)
    assert await read_balance(database, "demo") == 0 and await read_ledger(database, "demo") == []
