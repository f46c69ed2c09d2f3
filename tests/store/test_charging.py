"""Quotas, balances, limits for one number and block lists: exact on any number of processes, and given back once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from payk.domain.account import BulkPolicy
from payk.domain.errors import Code, Rejection
from payk.domain.limits import NO_LIMITS, Limits
from payk.domain.message import MessageState, SmsType
from payk.domain.outcome import Accepted, Refused, Uncertain
from payk.domain.outcome import RefusalKind as Kind
from payk.maintenance import ledgers
from payk.store import accept
from payk.store.accept import Inserted, Keyed, NewMessage, NewRequest, Row, Withheld, insert_requests
from payk.store.balances import change_balance, prune_ledgers, read_balance, read_ledger, read_usage
from payk.store.blocked import What, block_numbers
from payk.store.charging import Asked, Charging, refund
from payk.store.database import Connection, Database
from payk.store.errors import StoreError, StoreUnavailable
from payk.store.holds import cancel_messages
from payk.store.kept_answers import AnswerKey, KeptAnswer
from payk.store.upkeep import expire, stage_due
from tests.store.locks import until_somebody_waits
from tests.store.proxy import Cut, network_to
from tests.store.rows import add_client, new_message
from tests.store.scene import Scene

OTP = SmsType.OTP


def limited(limits: Limits, *, price: int | None = 0, **changes: Any) -> NewMessage:
    return new_message(limits=limits, price=price, **changes)


async def take(db: Database, *messages: NewMessage) -> list[Row]:
    """One request for each message, in one transaction."""
    taken = await insert_requests(db, [NewRequest([message]) for message in messages], timeout=10)
    assert all(isinstance(rows, list) for rows in taken)
    return [rows[0] for rows in taken if isinstance(rows, list)]


async def take_bulk(
    db: Database, messages: Sequence[NewMessage], policy: BulkPolicy = BulkPolicy.PARTIAL, keyed: Keyed | None = None
) -> list[Row] | KeptAnswer | Withheld:
    [taken] = await insert_requests(db, [NewRequest(messages, keyed, policy)], timeout=20)
    return taken


def codes(rows: Sequence[Row]) -> list[Code | None]:
    """What each was refused for, None = it was taken."""
    return [row.code if isinstance(row, Rejection) else None for row in rows]


async def value(db: Database, query: str, *arguments: object) -> Any:
    async with db.connection() as connection:
        return await connection.fetchval(query, *arguments)


async def used(db: Database, kind: str = "day", *, otp: bool = False) -> int:
    return next(row.parts for row in await read_usage(db, "demo") if (row.kind, row.otp) == (kind, otp))


async def assert_ledger_is_right(db: Database) -> None:
    """The sum of every ledger is its balance, and what messages were charged and not given back is what left it."""
    assert await value(db, "select count(*) from (select client_id, sum(amount) from balance_entry group by client_id"
                           " except select client_id, amount from client_balance) wrong") == 0  # fmt: skip
    paid = await value(db, "select coalesce(sum(charged), 0) from message where charged_on is not null")
    left = await value(db, "select coalesce(-sum(amount), 0) from balance_entry where kind in ('charge', 'refund')")
    assert paid == left


@pytest.fixture
async def demo(database: Database) -> Database:
    assert await add_client(database) == 1
    return database


async def test_quotas_of_day_and_month_and_otp_apart(demo: Database) -> None:
    limits = Limits(parts_per_day=3, parts_per_month=5, otp_parts_per_day=2)
    rows = await take(demo, limited(limits, parts=2, text="two"), limited(limits, parts=2), limited(limits))
    assert codes(rows) == [None, Code.QUOTA_EXCEEDED, None], "a smaller one behind it fits"
    assert (await used(demo), await used(demo, "month")) == (3, 3)
    refused = rows[1]
    assert isinstance(refused, Rejection) and refused.retry_after is not None
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert abs(refused.retry_after - (midnight - now).total_seconds()) < 60
    assert "3 parts of all but Otp in a day (UTC), of which 1 are left; this needs 2" in refused.detail
    codes_rows = await take(demo, *(limited(limits, sms_type=OTP) for _ in range(3)))
    assert codes(codes_rows) == [None, None, Code.QUOTA_EXCEEDED]
    # A day later: the day begins anew, the month does not.
    async with demo.connection() as connection:
        await connection.execute("update client_usage set period = period - 1 where kind = 'day'")
    rows = await take(demo, *(limited(limits) for _ in range(3)))
    assert codes(rows) == [None, None, Code.QUOTA_EXCEEDED]
    assert isinstance(rows[2], Rejection) and "in a month" in rows[2].detail
    async with demo.connection() as connection:
        await connection.execute("update client_usage set period = (period - interval '1 month')::date")
    assert codes(await take(demo, limited(limits))) == [None]


async def test_refused_requests_use_no_ids_up_and_leave_no_trace(demo: Database) -> None:
    limits = Limits(parts_per_day=1)
    await take(demo, limited(limits))
    last = await value(demo, "select last_value from message_id")
    for _ in range(3):
        assert codes(await take(demo, limited(limits, repeat_digest=b"d" * 16, repeat_window=60))) == [
            Code.QUOTA_EXCEEDED
        ]
    assert await value(demo, "select last_value from message_id") == last
    assert await value(demo, "select count(*) from idempotency") == 0


async def test_a_repeat_answers_its_first_when_all_is_used_up(demo: Database) -> None:
    limits = Limits(parts_per_day=1, number_per_hour=1, prepaid=True)
    await change_balance(demo, "demo", 100, author="anna")
    once = limited(limits, price=100, repeat_digest=b"d" * 16, repeat_window=3600)
    [first] = await take(demo, once)
    again = await take(demo, once, limited(limits, price=100, phone="992900000002"), once)
    assert isinstance(first, Inserted)
    assert again[0] == again[2] == Inserted(first.message_id, repeated=True)
    assert codes(again) == [None, Code.QUOTA_EXCEEDED, None]
    assert (await used(demo), await read_balance(demo, "demo")) == (1, 0)
    twice = limited(Limits(parts_per_day=2), repeat_digest=b"e" * 16, repeat_window=3600)
    pair = await take(demo, twice, twice)
    assert codes(pair) == [None, None], "a repeat in the same batch takes nothing"
    refused = await take(demo, *[limited(Limits(parts_per_day=2), repeat_digest=b"f" * 16, repeat_window=9)] * 2)
    assert codes(refused) == [Code.QUOTA_EXCEEDED] * 2, "the repeat of a refused message is refused as well"


async def test_neighbours_of_a_refused_client_see_nothing(demo: Database) -> None:
    await add_client(demo, "other")
    none_left = Limits(prepaid=True)
    rows = await take(
        demo, new_message(client_id=2), limited(none_left, price=5), new_message(client_id=2, text="last")
    )
    assert codes(rows) == [None, Code.BALANCE_INSUFFICIENT, None]
    assert await value(demo, "select count(*) from message where charged_on is null") == 2


async def test_a_balance_never_falls_below_zero_but_for_otp(demo: Database) -> None:
    limits = Limits(prepaid=True, otp_overdraft=20)
    await change_balance(demo, "demo", 25, author="anna")
    rows = await take(demo, limited(limits, price=10, parts=2, text="2"), limited(limits, price=10))
    assert codes(rows) == [None, Code.BALANCE_INSUFFICIENT]
    assert isinstance(rows[1], Rejection) and "balance of this client is 0.0005; this costs 0.001" in rows[1].detail
    rows = await take(demo, *(limited(limits, price=10, sms_type=OTP) for _ in range(3)))
    assert codes(rows) == [None, None, Code.BALANCE_INSUFFICIENT]
    assert await read_balance(demo, "demo") == -15
    assert codes(await take(demo, limited(limits, price=0))) == [None], "what costs nothing needs no balance"
    await assert_ledger_is_right(demo)


async def test_a_mailing_leaves_to_codes_what_is_kept_for_them(demo: Database) -> None:
    limits = Limits(prepaid=True, otp_reserve=30)
    await change_balance(demo, "demo", 50, author="anna")
    rows = await take(demo, *(limited(limits, price=10, text=str(number)) for number in range(3)))
    assert codes(rows) == [None, None, Code.BALANCE_INSUFFICIENT]
    assert isinstance(rows[2], Rejection) and "is 0.003, of which 0.003 are kept for Otp" in rows[2].detail
    assert codes(await take(demo, *(limited(limits, price=10, sms_type=OTP) for _ in range(4)))) == [
        *(None, None, None),
        Code.BALANCE_INSUFFICIENT,
    ]
    assert await read_balance(demo, "demo") == 0
    await assert_ledger_is_right(demo)


@pytest.mark.parametrize("bulk", [False, True])
async def test_two_processes_share_one_balance_and_one_quota(demo: Database, dsn: str, bulk: bool) -> None:
    limits = Limits(prepaid=True, parts_per_day=150)
    await change_balance(demo, "demo", 1_000, author="anna")
    second = await Database.open(dsn)
    seen: list[int] = []

    async def watch() -> None:
        while True:
            seen.append(await read_balance(demo, "demo"))
            await asyncio.sleep(0)

    async def one(db: Database) -> int:
        message = limited(limits, price=10)
        if bulk:
            taken = await take_bulk(db, [message] * 3)
            return 0 if isinstance(taken, Withheld) else 3
        return sum(code is None for code in codes(await take(db, *[message] * 3)))

    watching = asyncio.create_task(watch())
    taken = sum(await asyncio.gather(*(one(db) for _ in range(30) for db in (demo, second))))
    watching.cancel()
    await second.close()
    assert taken == (99 if bulk else 100)
    assert await value(demo, "select count(*) from message") == taken == await used(demo)
    assert min(seen) >= 0 and await read_balance(demo, "demo") == 1_000 - 10 * taken
    await assert_ledger_is_right(demo)


async def test_a_bulk_is_judged_whole(demo: Database) -> None:
    limits = Limits(parts_per_day=2_500, prepaid=True)
    await change_balance(demo, "demo", 2_400, author="anna")
    message = limited(limits, price=1)
    taken = await take_bulk(demo, [message] * 2_401)
    assert isinstance(taken, Withheld) and taken.whole is not None
    assert taken.whole.code is Code.BALANCE_INSUFFICIENT
    assert await value(demo, "select count(*) from message") == 0
    assert await value(demo, "select is_called from message_id") is False
    taken = await take_bulk(demo, [message] * 2_400)
    assert isinstance(taken, list) and len(taken) == 2_400
    assert (await used(demo), await read_balance(demo, "demo")) == (2_400, 0)
    taken = await take_bulk(demo, [limited(limits, price=0)] * 101)
    assert isinstance(taken, Withheld) and taken.whole is not None and taken.whole.code is Code.QUOTA_EXCEEDED
    await assert_ledger_is_right(demo)


async def test_one_number_gets_but_so_many(demo: Database) -> None:
    limits = Limits(number_per_hour=2, number_per_day=3, otp_number_per_hour=1)
    message, otp = limited(limits, price=None), limited(limits, price=None, sms_type=OTP)
    rows = await take(demo, message, otp, message, message, otp, limited(limits, price=None, phone="992900000002"))
    assert codes(rows) == [None, None, None, Code.NUMBER_LIMIT_EXCEEDED, Code.NUMBER_LIMIT_EXCEEDED, None]
    assert isinstance(rows[3], Rejection) and rows[3].retry_after is not None and 3_000 < rows[3].retry_after <= 3_900
    assert rows[3].detail == "This number may get 2 messages but Otp of this client within an hour."
    async with demo.connection() as connection:
        await connection.execute("update number_use set bucket = bucket - interval '70 minutes'")
    rows = await take(demo, message, message)
    assert codes(rows) == [None, Code.NUMBER_LIMIT_EXCEEDED]
    assert isinstance(rows[1], Rejection) and rows[1].retry_after is not None and rows[1].retry_after > 22 * 3_600
    async with demo.connection() as connection:
        await connection.execute("update number_use set bucket = bucket - interval '25 hours'")
    assert codes(await take(demo, message, message, message)) == [None, None, Code.NUMBER_LIMIT_EXCEEDED]


async def test_the_limit_of_a_number_holds_on_two_processes(demo: Database, dsn: str) -> None:
    second = await Database.open(dsn)
    message = limited(Limits(number_per_hour=7), price=None)
    rows = await asyncio.gather(*(take(db, message) for _ in range(10) for db in (demo, second)))
    await second.close()
    assert sum(code is None for [row] in rows for code in codes([row])) == 7
    assert await value(demo, "select sum(count) from number_use") == 7


async def test_blocked_numbers(demo: Database) -> None:
    await block_numbers(demo, ["+992 900 00 00 01"], client="demo", what=What.BATCH, reason="opted out", author="anna")
    await block_numbers(demo, ["992900000002"], client=None, what=What.EVERYTHING, reason="", author="anna")
    first, second = "992900000001", "992900000002"
    for limits in (NO_LIMITS, Limits(parts_per_day=100)):
        given = {"limits": limits, "price": None if limits is NO_LIMITS else 0}
        rows = await take(
            demo,
            new_message(phone=first, sms_type=SmsType.BATCH, **given),
            new_message(phone=first, **given),
            new_message(phone=first, client_id=2, sms_type=SmsType.BATCH, **given),
            new_message(phone=second, sms_type=OTP, client_id=2, **given),
        )
        assert codes(rows) == [Code.PHONE_NUMBER_BLOCKED, None, None, Code.PHONE_NUMBER_BLOCKED]


async def test_items_of_a_bulk_are_refused_apart_and_all_or_nothing_takes_none(demo: Database) -> None:
    await block_numbers(demo, ["992900000002"], client=None, what=What.EVERYTHING, reason="", author="anna")
    limits = Limits(parts_per_day=3, number_per_hour=1)
    messages = [limited(limits, phone=f"99290000000{number}") for number in (1, 2, 1, 3)]
    taken = await take_bulk(demo, messages, BulkPolicy.ALL_OR_NOTHING)
    assert isinstance(taken, Withheld) and taken.whole is None
    assert {place: one.code for place, one in taken.items.items()} == {
        1: Code.PHONE_NUMBER_BLOCKED,
        2: Code.NUMBER_LIMIT_EXCEEDED,
    }
    assert (
        await value(demo, "select count(*) from message") == await value(demo, "select count(*) from number_use") == 0
    )
    rows = await take_bulk(demo, messages)
    assert isinstance(rows, list)
    assert codes(rows) == [None, Code.PHONE_NUMBER_BLOCKED, Code.NUMBER_LIMIT_EXCEEDED, None]
    assert await used(demo) == 2, "refused items use nothing"
    taken = await take_bulk(demo, messages[1:2])
    assert isinstance(taken, Withheld) and taken.whole is None and set(taken.items) == {0}


def keyed(octets: bytes = b"answer") -> Keyed:
    def render(rows: Sequence[Row]) -> bytes:
        return octets + b" %d" % sum(isinstance(row, Inserted) for row in rows)

    return Keyed(AnswerKey(1, b"k" * 16, b"b" * 16), render)


async def test_keys_of_refused_requests_are_free(demo: Database) -> None:
    limits = Limits(parts_per_day=1)
    request = NewRequest([limited(limits)], keyed())
    [taken] = await insert_requests(demo, [request], timeout=5)
    assert isinstance(taken, list) and codes(taken) == [None]
    [again] = await insert_requests(demo, [request], timeout=5)
    assert isinstance(again, KeptAnswer) and again.octets == b"answer 1", "though the quota is used up"
    async with demo.connection() as connection:
        await connection.execute("delete from kept_answer")
    [refused] = await insert_requests(demo, [request], timeout=5)
    assert isinstance(refused, list) and codes(refused) == [Code.QUOTA_EXCEEDED]
    assert await value(demo, "select count(*) from kept_answer") == 0
    await block_numbers(demo, ["992900000002"], client=None, what=What.EVERYTHING, reason="", author="anna")
    bulk = [limited(Limits(parts_per_day=9)), limited(Limits(parts_per_day=9), phone="992900000002")]
    await take_bulk(demo, bulk, keyed=keyed())
    kept = await take_bulk(demo, bulk, keyed=keyed())
    assert isinstance(kept, KeptAnswer) and kept.octets == b"answer 1"


async def test_a_transaction_that_is_lost_charges_nothing(demo: Database, dsn: str) -> None:
    limits = Limits(prepaid=True, parts_per_day=10)
    await change_balance(demo, "demo", 100, author="anna")

    async def cut() -> None:
        """End the session that takes the bulk, amid its chunks."""
        async with demo.connection() as connection:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                " and state = 'idle in transaction'"
            )

    second = await Database.open(dsn)
    with pytest.raises(StoreError):
        await insert_requests(
            second, [NewRequest([limited(limits, price=1)] * 3, None, BulkPolicy.PARTIAL)], timeout=5, give_way=cut
        )
    await second.close()
    assert (await used(demo), await read_balance(demo, "demo")) == (0, 100)
    assert await value(demo, "select count(*) from message") == 0
    assert codes(await take(demo, limited(limits, price=1))) == [None]
    await assert_ledger_is_right(demo)


@pytest.mark.parametrize(("cut", "stored"), [(Cut.BEFORE, False), (Cut.AFTER, True)])
async def test_a_commit_that_was_not_confirmed_is_charged_or_not_as_it_was_taken(
    demo: Database, dsn: str, cut: Cut, stored: bool
) -> None:
    message = limited(Limits(prepaid=True, parts_per_day=10), price=1)
    await change_balance(demo, "demo", 100, author="anna")
    async with network_to(dsn) as network:
        through = await Database.open(network.dsn)
        network.on("commit", cut)
        if stored:
            assert codes(await take(through, message)) == [None]
        else:
            with pytest.raises(StoreUnavailable):
                await take(through, message)
        await through.close()
    assert await value(demo, "select count(*) from message") == await used(demo) == int(stored)
    assert await read_balance(demo, "demo") == 100 - stored
    await assert_ledger_is_right(demo)


async def test_a_bulk_does_not_hold_up_the_codes_of_its_client(demo: Database) -> None:
    limits = Limits(prepaid=True, parts_per_day=10_000, otp_parts_per_day=10)
    await change_balance(demo, "demo", 100_000, author="anna")
    during: list[Code | None] = []

    async def send_a_code() -> None:
        async with asyncio.timeout(2):
            during.extend(codes(await take(demo, limited(limits, price=1, sms_type=OTP))))

    [taken] = await insert_requests(
        demo,
        [NewRequest([limited(limits, price=1)] * 2_500, None, BulkPolicy.PARTIAL)],
        timeout=20,
        give_way=send_a_code,
    )
    assert isinstance(taken, list) and len(taken) == 2_500
    assert during == [None] * 3
    await assert_ledger_is_right(demo)


async def test_old_entries_of_ledgers_are_dropped_and_balances_stay_right(demo: Database) -> None:
    """Old ones go a batch at a time; those with a reference stay, and what is charged or topped up later is right."""
    limits = Limits(prepaid=True)
    await change_balance(demo, "demo", 1_000, author="anna", reference="invoice 1")
    await change_balance(demo, "demo", 500, author="anna")
    for _ in range(6):
        await take(demo, limited(limits, price=10))
    async with demo.connection() as connection:
        await connection.execute("update balance_entry set at = now() - interval '401 days'")
    await take(demo, limited(limits, price=10))

    assert await prune_ledgers(demo, 402, after=0, limit=3) == (None, 0)
    after, gone = await prune_ledgers(demo, 400, after=0, limit=3)
    assert after is not None and gone == 2, "of three, one has a reference"
    while after is not None:
        after, more = await prune_ledgers(demo, 400, after=after, limit=3)
        gone += more
    assert gone == 7
    assert [(entry.kind, entry.reference) for entry in await read_ledger(demo, "demo")] == [
        ("charge", None),
        ("top-up", "invoice 1"),
    ]
    assert await read_balance(demo, "demo") == 1_500 - 7 * 10
    assert (await change_balance(demo, "demo", 1_000, author="anna", reference="invoice 1")).repeated
    await take(demo, limited(limits, price=10))
    assert (await change_balance(demo, "demo", 10, author="anna")).balance == 1_500 - 8 * 10 + 10
    await ledgers.run_once(demo, 400)
    assert len(await read_ledger(demo, "demo")) == 4


async def test_ten_thousand_clients_with_limits(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("insert into client (name) select 'c' || n from generate_series(1, 10000) n")
        await connection.execute("insert into client_balance select client_id, 10 from client")
        await connection.execute(
            "insert into balance_entry (client_id, kind, amount) select client_id, 'top-up', 10 from client"
        )
    limits = Limits(prepaid=True, parts_per_day=5, number_per_day=5)
    for start in range(1, 10_001, 500):
        rows = await take(database, *(limited(limits, price=10, client_id=n) for n in range(start, start + 500)))
        assert not any(codes(rows))
    rows = await take(database, *(limited(limits, price=10, client_id=n) for n in range(1, 501)))
    assert codes(rows) == [Code.BALANCE_INSUFFICIENT] * 500
    await assert_ledger_is_right(database)


# -- given back


LIMITS = Limits(prepaid=True, parts_per_day=100)


async def paid(scene: Scene, **changes: Any) -> int:
    """A message that costs 10 a part, of a client that has 1,000."""
    await change_balance(scene.db, "demo", 1_000, author="anna", reference="first")
    [row] = await take(scene.db, limited(LIMITS, price=10, client_id=scene.client, queue_id=scene.queue, **changes))
    assert isinstance(row, Inserted)
    return row.message_id


async def assert_given_back(scene: Scene, *, given_back: bool = True) -> None:
    left, parts = await read_balance(scene.db, "demo"), await used(scene.db)
    assert (left == 1_000, parts == 0) == (given_back, given_back)
    assert [entry.kind for entry in await read_ledger(scene.db, "demo")].count("refund") == int(given_back)
    await assert_ledger_is_right(scene.db)


@pytest.mark.parametrize("parts", [1, 3])
async def test_what_expires_unsent_is_given_back_once(scene: Scene, parts: int) -> None:
    message_id = await paid(scene, expires_in=60, parts=parts)
    await scene.execute("update waiting set expires_at = now()")
    assert await expire(scene.db, 100, scene.wait) == 1
    assert await scene.state(message_id) is MessageState.EXPIRED
    await assert_given_back(scene)
    async with scene.db.transaction() as connection:
        assert await refund(connection, [message_id]) == 0
    await assert_given_back(scene)


async def test_what_is_cancelled_is_given_back_once(scene: Scene) -> None:
    message_id = await paid(scene, parts=2)
    for _ in range(2):
        await cancel_messages(scene.db, scene.client, [message_id], scene.wait)
    assert await scene.state(message_id) is MessageState.DELETED
    await assert_given_back(scene)


@pytest.mark.parametrize("parts", [1, 2])
async def test_what_the_operator_refuses_is_given_back(scene: Scene, parts: int) -> None:
    message_id = await paid(scene, parts=parts)
    [claim] = await scene.claim()
    await scene.record(claim, *(Refused(part, 0x0B, Kind.NUMBER) for part in range(1, parts + 1)))
    assert await scene.state(message_id) is MessageState.UNDELIVERABLE
    await assert_given_back(scene)


async def test_what_may_have_been_sent_stays_paid(scene: Scene) -> None:
    message_id = await paid(scene)
    [claim] = await scene.claim()
    await scene.record(claim, Uncertain(1, "no answer"))
    await scene.bring_due()
    assert await stage_due(scene.db, 10) == 1
    [claim] = await scene.claim()
    await scene.record(claim, Refused(1, 0x0B, Kind.NUMBER))
    assert await scene.places(message_id) == {"awaiting"}
    await assert_given_back(scene, given_back=False)


async def test_a_message_of_which_a_part_was_taken_stays_paid(scene: Scene) -> None:
    await paid(scene, parts=2)
    [claim] = await scene.claim()
    await scene.record(claim, Accepted(1, "a"), Refused(2, 0x0B, Kind.NUMBER))
    await assert_given_back(scene, given_back=False)


async def test_two_refunds_at_once_give_back_once(scene: Scene, dsn: str) -> None:
    message_id = await paid(scene)
    second = await Database.open(dsn)

    async def give_back(db: Database) -> int:
        async with db.transaction() as connection:
            return await refund(connection, [message_id])

    counts = await asyncio.gather(*(give_back(db) for _ in range(4) for db in (scene.db, second)))
    await second.close()
    assert sum(counts) == 1
    await assert_given_back(scene)


async def test_a_refund_of_yesterday_gives_back_to_yesterday(scene: Scene) -> None:
    message_id = await paid(scene)
    await scene.execute("update message set charged_on = charged_on - 1")
    await scene.execute("update client_usage set period = period - 1 where kind = 'day'")
    await take(scene.db, limited(LIMITS, price=10, client_id=scene.client, queue_id=scene.queue))
    async with scene.db.transaction() as connection:
        assert await refund(connection, [message_id]) == 1
    assert await used(scene.db) == 1
    assert await scene.value("select sum(parts) from client_usage where kind = 'day'") == 1


async def test_outcomes_take_usage_in_the_order_in_which_messages_are_charged(scene: Scene) -> None:
    """Refused messages of one part, and of several, of two clients: who charges both at that moment is not crossed."""
    other = await add_client(scene.db, "other")
    assert scene.client < other
    limits = Limits(parts_per_day=100)
    await take(
        scene.db,
        limited(limits, client_id=other, queue_id=scene.queue),
        limited(limits, client_id=scene.client, queue_id=scene.queue, parts=2),
    )
    records = [
        scene.decided(claim, *(Refused(part, 0x0B, Kind.NUMBER) for part in claim.open_parts))
        for claim in await scene.claim()
    ]
    assert len(records) == 2
    touch = "update client_usage set parts = parts where client_id = $1"
    async with scene.db.transaction() as connection:
        await connection.execute(touch, scene.client)
        recording = asyncio.create_task(scene.record_all(records))
        await until_somebody_waits(scene.db)
        await connection.execute(touch, other)
    await recording
    assert await scene.value("select sum(parts) from client_usage") == 0


async def test_a_client_becomes_prepaid_between_two_requests_of_a_batch(demo: Database) -> None:
    await change_balance(demo, "demo", 15, author="anna")
    counted, prepaid = Limits(parts_per_day=100), Limits(prepaid=True, parts_per_day=100)
    rows = await take(demo, limited(counted), limited(prepaid, price=10), limited(prepaid, price=10, text="dear"))
    assert codes(rows) == [None, None, Code.BALANCE_INSUFFICIENT]
    assert (await read_balance(demo, "demo"), await used(demo)) == (5, 2)
    await assert_ledger_is_right(demo)


EVERY_LIMIT = Limits(
    parts_per_day=10,
    parts_per_month=10,
    otp_parts_per_day=10,
    otp_parts_per_month=10,
    number_per_hour=3,
    number_per_day=3,
    otp_number_per_hour=3,
    otp_number_per_day=3,
    prepaid=True,
    otp_overdraft=100,
)


def of_every_kind() -> list[NewMessage]:
    """Messages of a client with every limit, of one with none and of one that only has a block list to pass."""
    return [
        limited(EVERY_LIMIT, price=10, phone="992900000001", repeat_digest=b"1" * 16, repeat_window=60),
        limited(EVERY_LIMIT, price=10, phone="992900000001", parts=2),
        limited(EVERY_LIMIT, price=10, phone="992900000002", sms_type=OTP),
        limited(NO_LIMITS, price=None, client_id=2),
        new_message(client_id=2),
    ]


async def test_what_fits_is_counted_at_once(demo: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_steps(*_: object) -> None:
        raise AssertionError("it went by steps")

    await add_client(demo, "other")
    await change_balance(demo, "demo", 1_000, author="anna")
    await block_numbers(demo, ["992900000009"], client=None, what=What.EVERYTHING, reason="", author="anna")
    monkeypatch.setattr(accept, "_StoringBySteps", by_steps)
    assert codes(await take(demo, *of_every_kind())) == [None] * 5
    assert (await used(demo), await used(demo, "month"), await used(demo, otp=True)) == (3, 3, 1)
    assert await read_balance(demo, "demo") == 1_000 - 40
    [charge] = [entry for entry in await read_ledger(demo, "demo", limit=5) if entry.kind == "charge"]
    assert (charge.amount, charge.messages) == (-40, 3)
    counts = "select array_agg(n order by phone) from (select phone, sum(count) n from number_use group by phone) s"
    assert [int(count) for count in await value(demo, counts)] == [2, 1]
    await assert_ledger_is_right(demo)


@pytest.mark.parametrize(
    ("others", "refused"),
    [
        (limited(EVERY_LIMIT, parts=8), [None, Code.QUOTA_EXCEEDED, None]),
        (limited(EVERY_LIMIT, sms_type=OTP, parts=10), [None, None, Code.QUOTA_EXCEEDED]),
        (limited(EVERY_LIMIT, price=985), [None, Code.BALANCE_INSUFFICIENT, None]),
        (limited(EVERY_LIMIT, price=1_085, sms_type=OTP), [Code.BALANCE_INSUFFICIENT] * 2 + [None]),
        (limited(EVERY_LIMIT, phone="992900000001"), [None, None, None]),
    ],
)
async def test_what_others_take_between_the_look_and_the_count_is_found(
    demo: Database, others: NewMessage, refused: list[Code | None]
) -> None:
    await add_client(demo, "other")
    await change_balance(demo, "demo", 1_000, author="anna")
    async with demo.connection() as connection:
        holding = connection.transaction()  # the digest of the first one, behind the look and before the count
        await holding.start()
        await connection.execute(
            "insert into idempotency (day, client_id, digest, message_id) values (now()::date, 1, $1, 0)", b"1" * 16
        )
        taking = asyncio.create_task(take(demo, *of_every_kind()))
        await until_somebody_waits(demo)
        assert codes(await take(demo, others)) == [None]
        await holding.rollback()
    found = codes(await taking)
    assert found == [*refused, None, None]
    taken = found.count(None) + 1
    assert await value(demo, "select count(*) from message") == taken
    assert await value(demo, "select coalesce(sum(count), 0) from number_use") == taken - 2
    await assert_ledger_is_right(demo)


@pytest.mark.parametrize("more", [0, 1], ids=["within the quota", "over the quota"])
async def test_balances_are_locked_behind_usage(demo: Database, more: int) -> None:
    """Whoever waits for the usage of the last client holds no balance yet."""
    limits = Limits(prepaid=True, parts_per_day=2)
    other = await add_client(demo, "other")
    for name in ("demo", "other"):
        await change_balance(demo, name, 1_000, author="anna")
    of_both = [limited(limits, client_id=client_id, price=10) for client_id in (1, other)]
    await take(demo, *of_both)  # rows to lock
    async with demo.transaction() as connection:
        await connection.execute("update client_usage set parts = parts + $2 where client_id = $1", other, more)
        taking = asyncio.create_task(take(demo, *of_both))
        await until_somebody_waits(demo)
        await connection.execute("select from client_balance for update nowait")
    assert codes(await taking) == [None, Code.QUOTA_EXCEEDED if more else None]
    await assert_ledger_is_right(demo)


async def test_limits_that_change_between_two_messages_are_each_judged_by_their_own(demo: Database) -> None:
    rows = await take(demo, limited(Limits(parts_per_day=1)), limited(Limits(parts_per_day=2)), limited(Limits()))
    assert codes(rows) == [None, None, None]


class _Compared(str):
    """A number that counts how often it is compared."""

    __slots__ = ()
    times = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        _Compared.times += 1
        return str.__eq__(self, other)


class _Nothing:
    """A connection whose rows nobody needs."""

    async def execute(self, *_: object) -> None:
        return

    async def fetch(self, query: str, *columns: Sequence[object]) -> list[dict[str, int]]:
        return [{"in_hour": 0, "in_day": 0, "hour_frees": 0, "day_frees": 0}] * len(columns[0])


@pytest.mark.parametrize("messages", [5_000, 20_000])
async def test_what_is_taken_back_of_a_bulk_costs_as_much_for_each_of_many(messages: int) -> None:
    """50,000 refused items held the event loop for a minute and a half."""
    limits = Limits(number_per_day=1)
    asked = [
        Asked(number, 1, _Compared(f"9929{number:08}"), SmsType.COMMON, 1, limits, 0) for number in range(messages)
    ]
    charging = Charging(cast("Connection", _Nothing()))
    _Compared.times = 0
    await charging.count(asked)
    await charging.take_back([one.message_id for one in asked])
    assert _Compared.times < 100 * messages
