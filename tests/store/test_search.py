"""Searching messages: what is found, by every filter, in bounded work at any number of messages."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from payk.domain.message import MessageState, SmsType
from payk.domain.outcome import Accepted
from payk.domain.search import MessageSearch, SearchRefused, check_search
from payk.sealing import KeyRing, TextSeal
from payk.store import search as verbs
from payk.store.accept import insert_messages
from payk.store.database import Database
from payk.store.queries import sql
from payk.store.search import SearchBudget, SearchPage, read_text, search_messages
from payk.store.upkeep import ensure_partitions
from tests.store.rows import add_client, new_message
from tests.store.scene import PHONE, Scene

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


async def found(db: Database, search: MessageSearch | None = None, **options: Any) -> list[int]:
    """The ids on the first page."""
    page = await search_messages(db, search or MessageSearch(), **options)
    return [message.message_id for message in page.messages]


async def all_pages(db: Database, search: MessageSearch, **options: Any) -> list[SearchPage]:
    """Pages until there is nothing more."""
    pages = [await search_messages(db, search, **options)]
    while pages[-1].cursor is not None:
        pages.append(await search_messages(db, search, cursor=pages[-1].cursor, **options))
    return pages


async def seed(db: Database, count: int, *, first: int = 100_000_000, begin: datetime = NOON, client: int = 1) -> None:
    """Delivered messages, ten a second, each to a number of its own."""
    async with db.connection(timeout=120) as connection:
        await connection.execute(
            "insert into message (message_id, accepted_at, done_at, client_id, queue_id, sms_type, priority, state,"
            " parts, phone, sender, label, client_message_id, text)"
            " select $1::bigint + i, $2::timestamptz + make_interval(secs => i / 10.0), $2,"
            " $3::integer, 1, 1, 1, 2,"
            " 1, (992900000000 + i)::text, 'AlifBank', 'mailing', 'c' || i, 'hello' from generate_series(0, $4 - 1) i",
            first, begin, client, count,
        )  # fmt: skip
        await connection.execute("select setval('message_id', $1)", first + count - 1)


async def test_everything_but_the_text_is_told_newest_first(scene: Scene) -> None:
    [old] = await scene.accept()
    [new] = await scene.accept(label="codes", client_message_id="a-1", sms_type=SmsType.OTP)
    page = await search_messages(scene.db, MessageSearch())
    assert [message.message_id for message in page.messages] == [new, old]
    assert (page.cursor, page.looked_back_to) == (None, None)
    told = page.messages[0]
    assert (told.client, told.sender, told.label, told.client_message_id) == ("demo", "AlifBank", "codes", "a-1")
    assert (told.state, told.sms_type, told.operator, told.parts) == (MessageState.NONE, SmsType.OTP, None, 1)
    assert "hello" not in repr(page)


async def test_numbers_are_masked_unless_asked_for_whole(scene: Scene) -> None:
    await scene.accept()
    [masked] = (await search_messages(scene.db, MessageSearch(number=PHONE))).messages
    [whole] = (await search_messages(scene.db, MessageSearch(number=PHONE), whole_numbers=True)).messages
    assert (masked.number, whole.number) == ("992900****01", PHONE)


@pytest.mark.parametrize(
    ("search", "finds"),
    [
        (MessageSearch(), "abcd"),
        (MessageSearch(number="+992 90 000-00-01"), "ac"),
        (MessageSearch(number="900000001", client="demo"), "a"),
        (MessageSearch(number=PHONE, client="other"), "c"),
        (MessageSearch(client="demo"), "abd"),
        (MessageSearch(client="demo", label="Codes"), "b"),
        (MessageSearch(client="demo", label="codes"), ""),
        (MessageSearch(client="demo", client_message_id="x"), "b"),
        (MessageSearch(client="other", client_message_id="x"), ""),
        (MessageSearch(sender="SARMOYA"), "d"),
        (MessageSearch(sms_type=SmsType.OTP), "d"),
        (MessageSearch(state=MessageState.NONE), "bcd"),
        (MessageSearch(state=MessageState.ENROUTE), "a"),
        (MessageSearch(operator="tcell"), "a"),
        (MessageSearch(operator="babilon"), ""),
        (MessageSearch(number=PHONE, operator="tcell", state=MessageState.ENROUTE, client="demo"), "a"),
    ],
)
async def test_filters(scene: Scene, search: MessageSearch, finds: str) -> None:
    await scene.execute("update client set default_country = '992'")
    other = await add_client(scene.db, "other")
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, "a"))
    ids = {claim.message_id: "a"}
    changes: list[dict[str, Any]] = [
        {"phone": "992900000002", "label": "Codes", "client_message_id": "x"},
        {"client_id": other},
        {"sender": "Sarmoya", "sms_type": SmsType.OTP, "phone": "992900000003"},
    ]
    for name, change in zip("bcd", changes, strict=True):
        message = new_message(**{"client_id": scene.client, "queue_id": scene.queue, **change})
        [row] = await insert_messages(scene.db, [message], timeout=5)
        ids[row.message_id] = name
    assert "".join(ids[each] for each in reversed(await found(scene.db, search))) == finds


async def test_a_claimed_message_is_being_handed_over(scene: Scene) -> None:
    claim = await scene.claimed()
    assert await found(scene.db, MessageSearch(state=MessageState.NONE)) == []
    [message] = (await search_messages(scene.db, MessageSearch(state=MessageState.ENROUTE))).messages
    assert (message.message_id, message.state) == (claim.message_id, MessageState.ENROUTE)


async def test_a_time_range_is_half_open(scene: Scene) -> None:
    await seed(scene.db, 100)
    begin, end = NOON + timedelta(seconds=2), NOON + timedelta(seconds=4)
    ids = await found(scene.db, MessageSearch(accepted_from=begin, accepted_before=end))
    assert ids == list(range(100_000_039, 100_000_019, -1))


async def test_a_time_range_misses_nothing_that_was_stored_out_of_order(scene: Scene) -> None:
    """An id that was drawn early, and stored by a transaction that began later, lies among others of its time."""
    await seed(scene.db, 2_000)
    late = NOON + timedelta(seconds=190)
    await scene.execute("update message set accepted_at = $1 where message_id = 100001500", late)  # 40 s too late
    begin, end = late - timedelta(milliseconds=50), late + timedelta(milliseconds=50)
    assert 100_001_500 in await found(scene.db, MessageSearch(accepted_from=begin, accepted_before=end))


async def test_a_time_range_over_ids_that_were_never_used_and_several_partitions(scene: Scene) -> None:
    await seed(scene.db, 50)
    await scene.execute("select setval('message_id', 130000000)")
    await ensure_partitions(scene.db)
    day = timedelta(days=1)
    await seed(scene.db, 50, first=130_000_000, begin=NOON + day)
    for begin, first in ((NOON, 100_000_000), (NOON + day, 130_000_000)):
        search = MessageSearch(accepted_from=begin, accepted_before=begin + timedelta(seconds=1))
        assert await found(scene.db, search) == list(range(first + 9, first - 1, -1))
    assert await found(scene.db, MessageSearch(accepted_before=NOON)) == []
    assert await found(scene.db, MessageSearch(accepted_from=NOON + 2 * day)) == []
    assert len(await found(scene.db, MessageSearch(accepted_from=NOON), limit=1_000)) == 100


async def test_the_ends_of_numbers(scene: Scene) -> None:
    await seed(scene.db, 20_000)
    day = MessageSearch(
        client="demo", number_ends="0042", accepted_from=NOON, accepted_before=NOON + timedelta(hours=24)
    )
    assert await found(scene.db, day) == [100_010_042, 100_000_042]


@pytest.mark.parametrize("search", [MessageSearch(), MessageSearch(client="demo", label="mailing")])
async def test_pages_tell_every_message_once(
    scene: Scene, search: MessageSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed(scene.db, 250)
    for few in (10_000, 100):  # sorted, and walked through
        monkeypatch.setattr(verbs, "FEW", few)
        pages = await all_pages(scene.db, search, limit=100, budget=SearchBudget(slice=30))
        ids = [message.message_id for page in pages for message in page.messages]
        assert ids == list(range(100_000_249, 99_999_999, -1))
        assert [len(page.messages) for page in pages] == [100, 100, 50]
        assert {page.looked_back_to for page in pages} == {None}


async def test_messages_that_come_meanwhile_shift_no_page(scene: Scene) -> None:
    await scene.accept(10)
    first = await search_messages(scene.db, MessageSearch(), limit=5)
    await scene.accept(10)
    rest = await found(scene.db, cursor=first.cursor, limit=100)
    assert rest == [first.messages[-1].message_id - step for step in range(1, 6)]


async def test_a_search_that_costs_too_much_says_how_far_it_looked_and_goes_on(scene: Scene) -> None:
    await seed(scene.db, 1_000)
    await scene.execute("update message set sender = 'Rare' where message_id = 100000007")
    pages = await all_pages(scene.db, MessageSearch(sender="rare"), budget=SearchBudget(messages=300, slice=100))
    assert [len(page.messages) for page in pages] == [0, 0, 0, 1]
    assert pages[0].cursor == 100_000_700 and pages[0].looked_back_to == NOON + timedelta(seconds=70)
    assert (pages[-1].cursor, pages[-1].looked_back_to) == (None, None)


async def test_a_search_ends_when_its_time_is_over(scene: Scene) -> None:
    await seed(scene.db, 1_000)
    page = await search_messages(scene.db, MessageSearch(sender="rare"), budget=SearchBudget(slice=10, seconds=0.0))
    assert page.cursor == 100_000_990


@pytest.mark.parametrize(
    ("search", "limit", "told"),
    [
        (MessageSearch(), 0, "limit: 0 is not allowed; 1 to 1000"),
        (MessageSearch(), 1_001, "limit: 1001 is not allowed; 1 to 1000"),
        (MessageSearch(label="x"), 1, "label: each client has its own"),
        (MessageSearch(client_message_id="x"), 1, "client_message_id: each client has its own"),
        (MessageSearch(client="nobody"), 1, "client: there is no client 'nobody'"),
        (MessageSearch(operator="nobody"), 1, "operator: there is no operator 'nobody'"),
        (MessageSearch(number="99290000"), 1, "number: a number of country 992 has 12 digits"),
        (MessageSearch(number="call me"), 1, "number: 7 to 15 digits"),
        (MessageSearch(accepted_from=NOON, accepted_before=NOON), 1, "accepted_before: it must lie behind"),
        (MessageSearch(accepted_from=NOON.replace(tzinfo=None)), 1, "accepted_from: a time without a zone"),
        (MessageSearch(number_ends="1234"), 1, "number_ends: no index knows the ends of numbers; name the client"),
        (MessageSearch(number_ends="1234", client="demo", accepted_from=NOON), 1, "number_ends: no index"),
        (MessageSearch(number_ends="123", client="demo"), 1, "number_ends: 4 to 15 digits"),
        (MessageSearch(number_ends="12%4", client="demo"), 1, "number_ends: 4 to 15 digits"),
        (MessageSearch(number_ends="1234", number=PHONE), 1, "number_ends: it excludes number"),
    ],
)
async def test_a_search_that_cannot_be_made_says_what_would_be(
    scene: Scene, search: MessageSearch, limit: int, told: str
) -> None:
    with pytest.raises(SearchRefused) as refused:
        await search_messages(scene.db, search, limit=limit)
    assert str(refused.value).startswith(told)
    assert "99290000" not in str(refused.value)


def test_an_hour_that_comes_twice_lies_behind_itself() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before, after = (datetime(2026, 10, 25, 2, minute, tzinfo=berlin, fold=fold) for minute, fold in ((30, 0), (15, 1)))
    check_search(MessageSearch(accepted_from=before, accepted_before=after), 1)
    with pytest.raises(SearchRefused, match="must lie behind"):
        check_search(MessageSearch(accepted_from=after, accepted_before=before), 1)
    whole = datetime(2026, 10, 25, 0, 30, tzinfo=berlin), datetime(2026, 10, 26, 0, 30, tzinfo=berlin)  # 25 hours
    search = MessageSearch(number_ends="1234", client="demo", accepted_from=whole[0], accepted_before=whole[1])
    with pytest.raises(SearchRefused, match="a day apart"):
        check_search(search, 1)


async def test_the_text_is_read_apart(scene: Scene) -> None:
    """By whoever holds the key under which the texts of Otp are sealed."""
    seal = TextSeal(KeyRing([bytes(32)]))
    [plain] = await scene.accept(text="good morning")
    [sealed] = await scene.accept(text=seal.seal("the code is 1234", PHONE), sms_type=SmsType.OTP)
    assert await read_text(scene.db, plain, seal.open) == "good morning"
    assert await read_text(scene.db, sealed, seal.open) == "the code is 1234"
    assert await read_text(scene.db, 5, seal.open) is None


# -- at a million messages


EVERYTHING = [
    MessageSearch(),
    MessageSearch(number="992900500000"),
    MessageSearch(number="992900500000", client="demo"),
    MessageSearch(number="992909999999"),
    MessageSearch(client="demo", label="mailing"),
    MessageSearch(client="demo", label="none such"),
    MessageSearch(client="demo", client_message_id="c77"),
    MessageSearch(client="small"),
    MessageSearch(client="small", sender="Rare"),
    MessageSearch(sender="Rare"),
    MessageSearch(state=MessageState.NONE),
    MessageSearch(operator="tcell"),
    MessageSearch(accepted_from=NOON, accepted_before=NOON + timedelta(minutes=1)),
    MessageSearch(client="demo", number_ends="4242", accepted_from=NOON, accepted_before=NOON + timedelta(days=1)),
]


async def test_no_search_reads_all_of_a_million_messages(scene: Scene) -> None:
    """By the server's own count of rows read, with the statistics of an empty table and with those of a full one."""
    await add_client(scene.db, "small")
    await seed(scene.db, 1_000_000)
    await scene.execute("update message set client_id = 2 where message_id < 100000050")
    budget = SearchBudget(messages=50_000, slice=10_000)

    async def rows_read() -> int:
        await scene.execute("select pg_stat_force_next_flush()")
        return int(
            await scene.value(
                "select sum(idx_tup_fetch + seq_tup_read) from pg_stat_user_tables where relname ~ '^message_[0-9]+$'"
            )
        )

    for _ in range(2):
        for search in EVERYTHING:
            before = await rows_read()
            async with asyncio.timeout(5):
                await search_messages(scene.db, search, budget=budget)
            assert await rows_read() - before < 130_000, search
        await scene.execute("vacuum analyze message")


async def test_no_look_reads_a_whole_table(scene: Scene) -> None:
    connection = await scene.db.dedicated()
    await seed(scene.db, 1_000)
    values = "'id', 10, 100000000, 100000500, 10, 1, 'x', 'x', 'x', 'x', 1, 1, 1, 'x', now(), now()"
    for _ in range(2):
        await connection.execute(f"prepare look as {sql('search.look')}")
        plan = [row[0] for row in await connection.fetch(f"explain execute look({values})")]
        assert [line for line in plan if "Seq Scan" in line] == []
        indexes = re.findall(r"using message_100000000_(\w+)", "\n".join(plan))
        assert indexes == [
            "phone_client_id_idx", "phone_client_id_idx", "client_id_label_idx", "client_id_client_message_id_idx",
            "client_id_message_id_idx", "pkey",
        ]  # fmt: skip
        await connection.execute("deallocate look")
        await connection.execute("vacuum analyze message")
    connection.terminate()
