"""Forgetting a number."""

from __future__ import annotations

import json

import pytest

from payk.domain.message import MessageState, SmsType
from payk.domain.outcome import Accepted, Uncertain
from payk.store import forgetting
from payk.store.blocked import What, block_numbers
from payk.store.database import SESSION, Database
from payk.store.forgetting import end_open, erase, find_known, open_messages
from payk.store.kept_answers import AnswerKey, find_answer, keep_answer
from payk.store.queries import sql
from tests.store.scene import PHONE, Scene

OTHER = "992900000002"
WAYS = [PHONE, PHONE[3:]]


async def final(scene: Scene, **changes: object) -> int:
    """A message that was delivered."""
    claim = await scene.claimed(**changes)
    await scene.record(claim, Accepted(1, f"id-{claim.message_id}"))
    await scene.receive(scene.report(f"id-{claim.message_id}", source=claim.phone))
    assert await scene.state(claim.message_id) is MessageState.DELIVERED
    return claim.message_id


async def test_what_identifies_the_number_goes_and_the_record_stays(scene: Scene) -> None:
    mine = await final(scene, phone=PHONE, client_message_id="order 17", label="March")
    others = await final(scene, phone=OTHER)
    before, untouched = await scene.row(mine), await scene.row(others)
    counts = await erase(scene.db, PHONE, (await open_messages(scene.db, PHONE)).highest, WAYS)
    assert counts == {"messages": 1, "parked_receipts": 0, "inbound": 0, "counts": 0, "answers": 0}
    after = await scene.row(mine)
    assert (after["phone"], after["text"], after["client_message_id"]) == ("", "", None)
    erased = {"phone", "text", "client_message_id"}
    assert {name: after[name] for name in after if name not in erased} == {
        name: before[name] for name in before if name not in erased
    }
    assert await scene.row(others) == untouched
    assert await scene.count("receipt") == 2


async def test_it_goes_on_where_it_was_broken_off(scene: Scene) -> None:
    for _ in range(5):
        await final(scene, phone=PHONE)
    forgetting_batch, forgetting.BATCH = forgetting.BATCH, 2  # type: ignore[misc]
    try:
        assert (await erase(scene.db, PHONE, 10**12, WAYS))["messages"] == 5
        assert (await erase(scene.db, PHONE, 10**12, WAYS))["messages"] == 0
    finally:
        forgetting.BATCH = forgetting_batch  # type: ignore[misc]


async def test_what_is_on_its_way_is_not_erased_and_what_comes_later_is_not_either(scene: Scene) -> None:
    [waiting] = await scene.accept(phone=PHONE)
    done = await final(scene, phone=PHONE)
    known = await open_messages(scene.db, PHONE)
    assert known == (1, 2, done)
    later = await final(scene, phone=PHONE)
    await erase(scene.db, PHONE, known.highest, WAYS)
    assert [(await scene.row(each))["phone"] for each in (waiting, done, later)] == [PHONE, "", PHONE]


async def test_what_was_not_handed_over_is_deleted_and_what_was_is_unknown(scene: Scene) -> None:
    sent = await scene.claimed(phone=PHONE, text="Салом" * 30, parts=2)
    await scene.record(sent, Accepted(1, "a"), Accepted(2, "b"))
    await scene.receive(scene.report("a", source=PHONE))
    doubtful = await scene.claimed(phone=PHONE)
    await scene.record(doubtful, Uncertain(1, "timeout"))
    held = await scene.claimed(phone=PHONE)
    [queued] = await scene.accept(phone=PHONE)
    ids = [queued, sent.message_id, doubtful.message_id]

    assert await end_open(scene.db, PHONE, 10**12) == 3
    states = [await scene.state(each) for each in ids]
    assert states == [MessageState.DELETED, MessageState.UNKNOWN, MessageState.UNKNOWN]
    assert await scene.states(sent.message_id) == [MessageState.DELIVERED, MessageState.UNKNOWN]
    for each in ids:
        assert await scene.places(each) == set()
    assert await scene.places(held.message_id) == {"claimed"}, "nobody knows yet whether it is sent"
    assert (await open_messages(scene.db, PHONE)).open == 1

    await erase(scene.db, PHONE, 10**12, WAYS)
    assert await scene.value("select count(*) from uncertain_part where phone <> ''") == 0
    assert await scene.value("select phone from message where message_id = $1", held.message_id) == PHONE


async def test_receipts_and_messages_of_the_subscriber_go_however_the_operator_wrote_the_number(scene: Scene) -> None:
    for source in (PHONE, f"+{PHONE}", PHONE[3:], OTHER):
        await scene.receive(scene.report(f"nobody's {source}", source=source))
        await scene.execute(
            "insert into inbound (operator_id, link_id, source, destination, pdu) values ($1, $2, $3, '4545', 'x')",
            scene.operator, scene.link, source,
        )  # fmt: skip
    parked = await scene.count("parked_receipt")
    counts = await erase(scene.db, PHONE, 0, WAYS)
    assert (parked, counts["parked_receipts"], counts["inbound"]) == (4, 3, 3)
    assert await scene.value("select source from inbound") == OTHER


async def test_all_that_is_known_is_told_and_nothing_of_others(scene: Scene) -> None:
    mine = await final(scene, phone=PHONE, sms_type=SmsType.OTP, text="Code: 12345")
    await final(scene, phone=OTHER)
    await scene.receive(scene.report("nobody's", source=PHONE))
    known = [(kind, row) async for kind, row in find_known(scene.db, PHONE, WAYS)]
    assert [kind for kind, _ in known] == ["message", "submit", "receipt", "parked receipt"]
    assert {row["message_id"] for _, row in known if "message_id" in row} == {mine}
    assert known[0][1]["number"] == PHONE and known[0][1]["text"] == "Code: 12345"


async def keep(scene: Scene, digest: bytes, answer: str) -> None:
    key = AnswerKey(scene.client, digest, b"body")
    assert await keep_answer(scene.db, key, answer.encode(), timeout=5) is None


async def test_answers_that_are_kept_for_repeats_stay_without_the_number(scene: Scene) -> None:
    named = (
        f'{{"Added":1,"Rejections":[{{"Index":0,"Detail":"No route leads to {PHONE}."}},{{"Detail":"{PHONE} is Ё"}}]}}'
    )
    longer = f'{{"Detail":"No route leads to {PHONE}1, nor to 1{PHONE}."}}'
    an_id = f'{{"MessageId":"{PHONE}","MessageIds":["{PHONE}",null]}}'
    for digest, answer in ((b"1", named), (b"2", longer), (b"3", an_id)):
        await keep(scene, digest, answer)
    known = [(kind, row["client"]) async for kind, row in find_known(scene.db, PHONE, WAYS)]
    assert known == [("answer", await scene.value("select name from client where client_id = $1", scene.client))]
    assert (await erase(scene.db, PHONE, 0, WAYS))["answers"] == 1
    kept = [(await find_answer(scene.db, AnswerKey(scene.client, digest, b"body"), 5)) for digest in (b"1", b"2", b"3")]
    assert [answer.octets.decode() for answer in kept if answer] == [named.replace(PHONE, "***"), longer, an_id]
    assert (await erase(scene.db, PHONE, 0, WAYS))["answers"] == 0


async def test_blocks_and_counts_are_told_and_a_block_outlives_the_rest(scene: Scene) -> None:
    name = await scene.value("select name from client where client_id = $1", scene.client)
    blocked = {"what": What.BATCH, "reason": "opted out", "author": "test"}
    await block_numbers(scene.db, [PHONE], client=name, **blocked)
    await block_numbers(scene.db, [PHONE, OTHER], client=None, **blocked)
    for phone in (PHONE, PHONE[3:], OTHER):
        await scene.execute(
            "insert into number_use (client_id, phone, otp, bucket, count) values ($1, $2, true, now(), 2)",
            scene.client, phone,
        )  # fmt: skip
    known = [(kind, row) async for kind, row in find_known(scene.db, PHONE, WAYS)]
    assert [kind for kind, _ in known] == ["count", "block", "block"]
    assert [(row["client"], row.get("messages"), row.get("reason")) for _, row in known] == [
        (name, 2, None), (name, None, "opted out"), (None, None, "opted out"),
    ]  # fmt: skip
    assert (await erase(scene.db, PHONE, 0, WAYS))["counts"] == 1
    assert [kind async for kind, _ in find_known(scene.db, PHONE, WAYS)] == ["block", "block"]


async def test_it_ends_however_much_is_kept_where_a_number_has_no_index(
    scene: Scene, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers to bulks, of which all together would take several times as long as one statement may."""
    await scene.execute(
        "insert into kept_answer (client_id, digest, body_digest, answer) select $1, int8send(number), 'body',"
        " convert_to(repeat('\"12345678901234567890\",', 8000)"
        " || case when number % 300 = 0 then ' to ' || $2 else '' end, 'UTF8') from generate_series(1, 1200) number",
        scene.client, PHONE,
    )  # fmt: skip
    for place in ("source", "destination"):
        number = {"source": "'4545'", "destination": "'4545'"} | {place: f"'+{PHONE}'"}
        await scene.execute(
            "insert into inbound (operator_id, link_id, source, destination, pdu)"
            f" select $1, $2, {number['source']}, {number['destination']}, 'x' from generate_series(1, 600)",
            scene.operator, scene.link,
        )  # fmt: skip
    monkeypatch.setitem(SESSION, "statement_timeout", "500ms")
    monkeypatch.setattr(forgetting, "SLICE", 20)
    hurried = await Database.open(dsn)
    try:
        known = [kind async for kind, _ in find_known(hurried, PHONE, WAYS)]
        counts = await erase(hurried, PHONE, 0, WAYS)
        assert [kind async for kind, _ in find_known(hurried, PHONE, WAYS)] == []
    finally:
        await hurried.close()
    assert (known.count("answer"), known.count("inbound")) == (4, 1200)
    assert (counts["answers"], counts["inbound"]) == (4, 1200)


@pytest.mark.parametrize("query", ["forgetting.erase_counts", "forgetting.export_counts"])
async def test_counts_are_looked_up_for_each_client_and_not_read_through(scene: Scene, query: str) -> None:
    await scene.execute(
        "insert into number_use (client_id, phone, otp, bucket, count)"
        " select $1 + number % 5000, (992900000000 + number)::text, true, now(), 1"
        " from generate_series(0, 50000) number",
        scene.client,
    )
    async with scene.db.connection() as connection:
        plan = await connection.fetchval(f"explain (analyze, buffers, format json) {sql(query)}", PHONE)
    [told] = json.loads(plan)
    assert told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"] < 50
