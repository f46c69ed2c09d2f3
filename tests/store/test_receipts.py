"""Receipts: which submit each belongs to, what it makes of a message, and where it waits when nobody knows it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from payk.domain.message import MessageState, SmsType, user_message_reference
from payk.domain.operator import IdMode, LongText
from payk.domain.outcome import Accepted, Uncertain, Unsent
from payk.domain.receipt import is_unnamed
from payk.metrics.catalogue import RECEIVED_AFTER
from payk.store.claims import Claim
from payk.store.database import Database
from payk.store.errors import OutcomeUnknown
from payk.store.outcomes import LateAnswer, record_late_answers
from payk.store.receipts import (
    Inbound,
    Settled,
    learn_id_mode,
    learned_id_modes,
    parked_due,
    settle_parked,
    settle_receipts,
    store_inbound,
)
from payk.store.upkeep import give_up_unanswered, stage_due
from tests.store.proxy import Cut, network_to
from tests.store.scene import PHONE, SENDER, Scene

S = MessageState
NONE, ENROUTE, DELIVERED, ACCEPTED, EXPIRED = S.NONE, S.ENROUTE, S.DELIVERED, S.ACCEPTED, S.EXPIRED
UNDELIVERABLE, UNKNOWN, REJECTED = S.UNDELIVERABLE, S.UNKNOWN, S.REJECTED
OTHER_PHONE = "992918888888"
TIME_OUT = Uncertain(1, "time-out")
TIME_OUT_OF_2 = Uncertain(2, "time-out")
PARKED = Settled(None)


@pytest.fixture(autouse=True, params=["short way only for long ids", "short way for every id"])
def _ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ordinary receipts go a short way (settle_plain), which ids as short as those in here do not: they try both."""
    if request.param == "short way for every id":
        monkeypatch.setattr("payk.store.receipts.is_unmistakable", lambda smsc_id: not is_unnamed(smsc_id))


async def handed_over(scene: Scene, smsc_id: str, **changes: object) -> int:
    """A message that the operator took under this id."""
    claim = await scene.claimed(**changes)
    await scene.record(claim, Accepted(1, smsc_id))
    return claim.message_id


async def unanswered(scene: Scene, **changes: object) -> Claim:
    """A message that was never answered, and is held."""
    claim = await scene.claimed(**changes)
    await scene.record(claim, *(Uncertain(part, "time-out") for part in claim.open_parts))
    return claim


def whole_texts(scene: Scene) -> None:
    """The operator gets every text whole, as message_payload."""
    operator = scene.directory.value.operators[scene.operator]
    link = replace(operator.links[0], long_text=LongText.PAYLOAD)
    operators = {**scene.directory.value.operators, scene.operator: replace(operator, links=(link,))}
    scene.directory.value = replace(scene.directory.value, operators=operators)


async def retry_parked(scene: Scene) -> list[Settled]:
    """What becomes of the parked receipts at their next try."""
    await scene.execute("update parked_receipt set next_try_at = now()")
    return await settle_parked(scene.db, await parked_due(scene.db, 100), scene.directory, scene.wait)


# -- matching by id


async def test_a_receipt_settles_its_message(scene: Scene) -> None:
    message_id = await handed_over(scene, "a1")
    assert await scene.receive(scene.report("a1")) == [Settled(message_id, (1,), DELIVERED)]
    row = await scene.row(message_id)
    assert row["state"] == DELIVERED and row["done_at"] is not None
    assert await scene.places(message_id) == set()
    said = "(message_id, part, state, raw_state, error, done_date, smsc_id, operator_id, link_id)"
    assert await scene.value(f"select {said} from receipt") == (
        message_id, 1, DELIVERED, "DELIVRD", "000", "2502171020", "a1", scene.operator, scene.link,
    )  # fmt: skip


async def test_forms_of_ids(scene: Scene) -> None:
    """As written the addresses may be silent; in another base they must speak for it. They may never speak against."""
    for source, as_written, in_another_base in (
        (PHONE, True, True),
        (PHONE[3:], True, True),
        (OTHER_PHONE, False, False),
        ("", True, False),
    ):
        await check_forms(scene, source, as_written, in_another_base)


async def check_forms(scene: Scene, source: str, as_written: bool, in_another_base: bool) -> None:
    rows = (  # id of the answer, ids of the receipt, whether they meet
        ("AB12", "ab12", as_written),
        ("0000436949", "436949", as_written),
        ("77", "0000000077", as_written),
        ("c87c2273-7edb-4bc7-8d3a-7f57f21b625e", "C87C2273-7EDB-4BC7-8D3A-7F57F21B625E", as_written),
        ("38601fa", "0059113978", in_another_base),
        ("0489708364", "1D305B4C", in_another_base),
        ("555", ("zzz", "555"), as_written),  # the text's id where the TLV's is unknown
        ("556", "zzz", False),
    )
    ids = [await handed_over(scene, answered) for answered, _, _ in rows]
    settled = await scene.receive(*(scene.report(reported, source=source) for _, reported, _ in rows))
    expected = [message_id if meets else None for message_id, (*_, meets) in zip(ids, rows, strict=True)]
    assert [row.message_id for row in settled] == expected


async def test_a_pinned_mode_needs_no_address(scene: Scene) -> None:
    for mode, answered, reported in (
        (IdMode.HEX_DEC, "38601fa", "59113978"),
        (IdMode.DEC_HEX, "69113978", "41e987a"),
        (IdMode.RAW, "1f", "1F"),
    ):
        message_id = await handed_over(scene, answered)
        [settled] = await scene.receive(scene.report(reported, source="", destination="", id_mode=mode))
        assert settled.message_id == message_id


async def test_an_id_belongs_to_its_operator(scene: Scene) -> None:
    await handed_over(scene, "a1")
    assert await scene.receive(scene.report("a1", operator_id=scene.other_operator)) == [PARKED]


async def test_any_link_of_the_operator_may_bring_it(scene: Scene) -> None:
    message_id = await handed_over(scene, "a1")
    [settled] = await scene.receive(scene.report("a1", link_id=scene.other_link))
    assert settled.message_id == message_id


async def test_of_a_reused_id_the_newest_whose_destination_fits(scene: Scene) -> None:
    old = await handed_over(scene, "7")
    new = await handed_over(scene, "7")
    other = await handed_over(scene, "7", phone=OTHER_PHONE)
    assert [row.message_id for row in await scene.receive(scene.report("7"))] == [new]
    assert [row.message_id for row in await scene.receive(scene.report("7", source=OTHER_PHONE))] == [other]
    assert [row.message_id for row in await scene.receive(scene.report("7", source=""))] == [other]
    assert await scene.receive(scene.report("7", source="992937777777")) == [PARKED]
    assert await scene.state(old) is ENROUTE


async def test_a_form_in_another_base_never_beats_the_id_as_written(scene: Scene) -> None:
    as_written = await handed_over(scene, "31")
    await handed_over(scene, "1f")  # 31 in hexadecimal, and newer
    assert [row.message_id for row in await scene.receive(scene.report("31"))] == [as_written]


async def test_our_own_number_as_sender_says_nothing_of_the_recipient(scene: Scene) -> None:
    message_id = await handed_over(scene, "a1", sender="992445640101")
    [settled] = await scene.receive(scene.report("a1", source="", destination="992445640101"))
    assert settled.message_id == message_id


async def test_an_id_written_exactly_so_goes_before_one_that_differs_in_case(scene: Scene) -> None:
    exact = await handed_over(scene, "aB01")
    await handed_over(scene, "ab01")  # newer
    assert [row.message_id for row in await scene.receive(scene.report("aB01"))] == [exact]


async def test_the_id_of_the_tlv_goes_before_that_of_the_text(scene: Scene) -> None:
    of_tlv = await handed_over(scene, "6000")
    await handed_over(scene, "5000")
    assert [row.message_id for row in await scene.receive(scene.report(("6000", "5000")))] == [of_tlv]


async def test_what_was_learned_of_a_link_decides_between_bases(scene: Scene) -> None:
    """Receipts in decimal, answers in hexadecimal: 31 is 1f, though 31 was answered too, to the same number."""
    in_hex = await handed_over(scene, "1f")
    as_written = await handed_over(scene, "31")
    learned = {scene.link: IdMode.HEX_DEC}
    [settled] = await settle_receipts(scene.db, [scene.report("31")], scene.wait, learned)
    assert (settled.message_id, settled.shows) == (in_hex, IdMode.HEX_DEC)
    [settled] = await scene.receive(scene.report("31", UNDELIVERABLE))
    assert (settled.message_id, settled.shows) == (as_written, IdMode.RAW)


async def test_what_matched_receipts_showed_is_kept(scene: Scene) -> None:
    assert await learned_id_modes(scene.db) == {}
    for mode in (IdMode.RAW, IdMode.HEX_DEC, IdMode.HEX_DEC):
        await learn_id_mode(scene.db, scene.link, mode)
        assert (await learned_id_modes(scene.db))[scene.link].mode is mode
    await learn_id_mode(scene.db, 999, IdMode.RAW)  # a link that is not known is no fault
    await scene.receive(scene.report("31"))
    in_hex, _ = await handed_over(scene, "1f"), await handed_over(scene, "31")
    assert [row.message_id for row in await retry_parked(scene)] == [in_hex]


# -- parts that an operator took without giving them an id


@pytest.mark.parametrize("smsc_ids", [(), ("",), ("0",), ("000",), (" ",), ("777",)])
async def test_a_part_without_an_id_is_found_by_its_addresses(scene: Scene, smsc_ids: tuple[str, ...]) -> None:
    message_id = await handed_over(scene, "")
    assert await scene.receive(scene.report(smsc_ids, source=OTHER_PHONE)) == [PARKED]
    assert await scene.receive(scene.report(smsc_ids, destination="AlifSarmoya")) == [PARKED]
    assert await scene.receive(scene.report(smsc_ids, ACCEPTED)) == [Settled(message_id, (1,), ACCEPTED)]
    assert await scene.receive(scene.report(smsc_ids)) == [Settled(message_id, (1,), DELIVERED)]
    assert await scene.count("unnamed_part") == 0


async def test_of_two_messages_without_ids_the_echoed_reference_tells(scene: Scene) -> None:
    first, second = await handed_over(scene, ""), await handed_over(scene, "0")
    assert await scene.receive(scene.report()) == [PARKED]
    for message_id in (second, first):
        reference = user_message_reference(message_id, 1)
        [settled] = await scene.receive(scene.report(reference=reference))
        assert (settled.message_id, settled.became) == (message_id, DELIVERED)


async def test_of_two_messages_without_ids_the_date_of_submission_tells(scene: Scene) -> None:
    """To the minute, give or take what clocks differ by."""
    early = await scene.claimed()
    await scene.record(early, Accepted(1, ""), age=600)
    late = await handed_over(scene, "")
    ten_minutes_ago = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
    [settled] = await scene.receive(scene.report(operator_submitted_at=ten_minutes_ago))
    assert settled.message_id == early.message_id
    [settled] = await scene.receive(scene.report(operator_submitted_at=ten_minutes_ago))
    assert settled.message_id == late  # the only one left


@pytest.mark.parametrize("year", [1, 9999])
async def test_a_date_that_an_earlier_version_parked_may_lie_at_an_end_of_the_calendar(scene: Scene, year: int) -> None:
    for _ in range(2):
        await handed_over(scene, "")
    date = datetime(year, 12 if year > 1 else 1, 31 if year > 1 else 1, tzinfo=UTC)
    assert await scene.receive(scene.report("", operator_submitted_at=date)) == [PARKED]
    assert await retry_parked(scene) == [PARKED]


async def test_parts_of_one_message_without_ids_are_interchangeable(scene: Scene) -> None:
    claim = await scene.claimed(parts=3)
    await scene.record(claim, *(Accepted(part, "") for part in (1, 2, 3)))
    settled = [(await scene.receive(scene.report(state=state)))[0] for state in (DELIVERED, UNDELIVERABLE, DELIVERED)]
    assert [row.parts for row in settled] == [(1,), (2,), (3,)]
    assert settled[-1].became is UNDELIVERABLE and await scene.state(claim.message_id) is UNDELIVERABLE


async def test_while_another_message_is_on_its_way_the_addresses_prove_nothing(scene: Scene) -> None:
    message_id = await handed_over(scene, "")
    other = await scene.claimed()
    assert await scene.receive(scene.report("777")) == [PARKED]
    await scene.record(other, Accepted(1, "778"))
    assert [row.message_id for row in await retry_parked(scene)] == [message_id]


async def test_a_late_answer_without_an_id_is_found_by_its_addresses_too(scene: Scene) -> None:
    claim = await unanswered(scene)
    late = LateAnswer(claim.message_id, scene.operator, scene.link, 1, claim.try_number, "")
    await record_late_answers(scene.db, [late], scene.wait)
    [settled] = await scene.receive(scene.report("777"))
    assert (settled.message_id, settled.became) == (claim.message_id, DELIVERED)


async def test_parts_of_one_message_without_ids_whose_receipts_come_together(scene: Scene) -> None:
    claim = await scene.claimed(parts=3)
    await scene.record(claim, *(Accepted(part, "") for part in (1, 2, 3)))
    settled = await scene.receive(scene.report(), scene.report(), scene.report())
    assert [row.parts for row in settled] == [(1,), (2,), (3,)]
    assert await scene.state(claim.message_id) is DELIVERED


async def test_parts_without_ids_whose_receipts_come_over_two_processes(scene: Scene, second: Database) -> None:
    for number in range(10):
        phone = f"99290000010{number}"
        claim = await scene.claimed(parts=2, phone=phone)
        await scene.record(claim, Accepted(1, ""), Accepted(2, ""))
        reports = [scene.report(source=phone)]
        await asyncio.gather(*(settle_receipts(db, reports, scene.wait) for db in (scene.db, second)))
        assert await scene.state(claim.message_id) is DELIVERED


@pytest.mark.parametrize("together", [True, False])
async def test_a_receipt_names_the_part_that_had_no_id(scene: Scene, together: bool) -> None:
    """Its next receipts are known by that id; those of its neighbour are the other ones."""
    claim = await scene.claimed(parts=2)
    await scene.record(claim, Accepted(1, ""), Accepted(2, "0"))
    reports = [scene.report(id_, state) for state in (ENROUTE, DELIVERED) for id_ in ("778", "0777")]
    batches = [reports] if together else [[report] for report in reports]
    settled = [row for batch in batches for row in await scene.receive(*batch)]
    assert [row.parts for row in settled] == [(1,), (2,), (1,), (2,)]
    assert await scene.state(claim.message_id) is DELIVERED
    assert await scene.count("unnamed_part") == 0


async def test_a_repeated_receipt_is_not_given_to_the_next_message_without_an_id(scene: Scene) -> None:
    first = await handed_over(scene, "")
    await scene.receive(scene.report("777"))
    second = await handed_over(scene, "")
    assert [row.message_id for row in await scene.receive(scene.report("777"))] == [first]
    assert await scene.state(second) is ENROUTE


@pytest.mark.parametrize("mode", [IdMode.LEARN, IdMode.RAW, IdMode.HEX_DEC, IdMode.DEC_HEX])
async def test_a_name_is_found_again_in_every_mode(scene: Scene, mode: IdMode) -> None:
    message_id = await handed_over(scene, "")
    for state in (ACCEPTED, DELIVERED):
        [settled] = await scene.receive(scene.report("00777", state, id_mode=mode))
        assert (settled.message_id, settled.became) == (message_id, state)


async def test_a_second_try_without_an_id_beside_a_first_one_that_had_none(scene: Scene) -> None:
    """One part was taken at once, the other at its second try: both receipts are theirs."""
    claim = await scene.claimed(parts=2)
    await scene.record(claim, Accepted(1, ""), Uncertain(2, "time-out"))
    await scene.bring_due()
    await stage_due(scene.db, 10)
    [again] = await scene.claim()
    await scene.record(again, Accepted(2, ""))
    settled = [(await scene.receive(scene.report()))[0] for _ in range(2)]
    assert [row.parts for row in settled] == [(1,), (2,)]
    assert await scene.state(claim.message_id) is DELIVERED


async def test_late_answers_without_ids_for_a_whole_text_are_one_submit(scene: Scene) -> None:
    whole_texts(scene)
    claim = await unanswered(scene, parts=2)
    answers = [LateAnswer(claim.message_id, scene.operator, scene.link, part, claim.try_number, "") for part in (1, 2)]
    await record_late_answers(scene.db, answers, scene.wait)
    assert await scene.receive(scene.report()) == [Settled(claim.message_id, (1, 2), DELIVERED)]


# -- how old they are


async def test_the_final_receipt_of_each_part_is_as_old_as_its_submit(scene: Scene) -> None:
    """Once; what it says before, and what it says again, is of no age."""
    claim = await scene.claimed(parts=2)
    await scene.record(claim, Accepted(1, "p1"), Accepted(2, "p2"), age=5.0)
    reports = [scene.report("p1", ACCEPTED), scene.report("p1"), scene.report("p1"), scene.report("p2", UNDELIVERABLE)]
    settled = await scene.receive(*reports)
    assert [row.age is None or row.age // 1 for row in settled] == [True, 5, True, 5]
    assert {(row.kind, row.alone) for row in settled} == {((SmsType.COMMON, 1), False)}
    assert [row.age for row in await scene.receive(scene.report("p2"))] == [None]


@pytest.mark.parametrize(("written", "mode"), [("a1", IdMode.RAW), ("161", IdMode.HEX_DEC)])
async def test_its_age_is_known_whichever_way_it_is_matched(scene: Scene, written: str, mode: IdMode) -> None:
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, "a1"), age=5.0)
    [settled] = await scene.receive(scene.report(written, id_mode=mode))
    assert settled.message_id == claim.message_id and settled.age is not None and 5 <= settled.age < 60
    assert (settled.kind, settled.alone) == ((SmsType.COMMON, 1), True)


async def test_its_age_is_known_where_its_part_is_found_by_addresses(scene: Scene) -> None:
    taken = await scene.claimed()
    await scene.record(taken, Accepted(1, ""), age=5.0)
    [of_taken] = await scene.receive(scene.report())
    held = await scene.claimed()
    await scene.record(held, TIME_OUT, age=7.0)
    [of_held] = await scene.receive(scene.report())
    assert [(row.message_id, row.age and row.age // 1, row.alone) for row in (of_taken, of_held)] == [
        (taken.message_id, 5, True),
        (held.message_id, 7, False),
    ]


@pytest.mark.parametrize(("before", "age"), [(2, 3), (9, 0)])
async def test_a_parked_receipt_is_as_old_as_it_was_when_it_came(scene: Scene, before: int, age: int) -> None:
    """And of no age where it was ahead of the submit's answer."""
    claim = await scene.claimed(parts=2)
    assert await scene.receive(scene.report("p1")) == [PARKED]
    await scene.record(claim, Accepted(1, "p1"), Accepted(2, "p2"), age=5.0)
    await scene.execute("update parked_receipt set received_at = now() - make_interval(secs => $1)", before)
    known = RECEIVED_AFTER.spreads.get(("tcell", "common_normal"))
    counted = 0 if known is None else sum(known.counts)
    [settled] = await retry_parked(scene)
    assert settled.parts == (1,) and settled.age is not None and settled.age // 1 == age
    assert sum(RECEIVED_AFTER.spreads["tcell", "common_normal"].counts) == counted + 1


# -- order, duplicates, states


async def test_receipts_in_any_order(scene: Scene) -> None:
    """Whether they come together or one by one."""
    for smsc_id, together in (("a1", True), ("a2", False)):
        message_id = await handed_over(scene, smsc_id)
        states = (DELIVERED, ENROUTE, ACCEPTED, UNDELIVERABLE, DELIVERED)
        reports = [scene.report(smsc_id, state) for state in states]
        batches = [reports] if together else [[report] for report in reports]
        settled = [row for batch in batches for row in await scene.receive(*batch)]
        assert [row.became for row in settled] == [DELIVERED, None, None, None, None]
        assert await scene.state(message_id) is DELIVERED
        assert [row.against for row in settled] == [None, None, None, DELIVERED, None]
    assert await scene.count("receipt") == 8 and await scene.count("parked_receipt") == 0


async def test_what_an_operator_repeats_is_kept_once(scene: Scene) -> None:
    message_id = await handed_over(scene, "a1")
    for report in (scene.report("a1", None, raw_state="BUFFRED"), scene.report("a1"), scene.report("a1", error="027")):
        await scene.receive(report, report)
        await scene.receive(report)
    rows = "select array_agg(raw_state || ' ' || error order by received_at, error) from receipt where message_id = $1"
    assert await scene.value(rows, message_id) == ["BUFFRED 000", "DELIVRD 000", "DELIVRD 027"]


async def test_of_what_comes_together_the_first_counts(scene: Scene) -> None:
    message_id = await handed_over(scene, "1000001")
    reports = [scene.report("1000001", state=state) for state in (EXPIRED, DELIVERED, EXPIRED)]
    settled = await scene.receive(*reports)
    assert [(row.message_id, row.became, row.against) for row in settled] == [
        (message_id, EXPIRED, None),
        (message_id, None, EXPIRED),
        (message_id, None, None),
    ]
    assert await scene.state(message_id) is EXPIRED


async def test_accepted_and_then_delivered(scene: Scene) -> None:
    message_id = await handed_over(scene, "a1")
    await scene.receive(scene.report("a1", ACCEPTED))
    assert await scene.state(message_id) is ACCEPTED and await scene.places(message_id) == {"awaiting"}
    assert (await scene.row(message_id))["done_at"] is None
    await scene.receive(scene.report("a1", DELIVERED))
    assert await scene.state(message_id) is DELIVERED and await scene.places(message_id) == set()


async def test_a_receipt_that_says_nothing_changes_nothing(scene: Scene) -> None:
    """UNKNOWN, or a word of the operator's own: it is kept, and a better one is awaited."""
    message_id = await handed_over(scene, "a1")
    assert await scene.receive(scene.report("a1", None, raw_state="UNKNOWN")) == [Settled(message_id, (1,), None)]
    assert await scene.state(message_id) is ENROUTE and await scene.places(message_id) == {"awaiting"}
    assert await scene.value("select state is null and raw_state = 'UNKNOWN' from receipt")


async def test_a_late_receipt_corrects_unknown_and_nothing_else(scene: Scene) -> None:
    message_id = await handed_over(scene, "a1")
    await scene.execute("update awaiting set due = now(); update message set receipt_due = now()")
    await scene.execute("update awaiting set due = (select receipt_due from message)")
    await give_up_unanswered(scene.db, 10)
    gave_up = await scene.row(message_id)
    assert gave_up["state"] == UNKNOWN and gave_up["done_at"] is not None
    await scene.receive(scene.report("a1", ACCEPTED))
    assert await scene.state(message_id) is UNKNOWN
    await scene.receive(scene.report("a1", DELIVERED), scene.report("a1", REJECTED))
    corrected = await scene.row(message_id)
    assert corrected["state"] == DELIVERED and corrected["done_at"] > gave_up["done_at"]


async def test_parts_are_settled_each(scene: Scene) -> None:
    claim = await scene.claimed(parts=3)
    await scene.record(claim, *(Accepted(part, f"p{part}") for part in (1, 2, 3)))
    assert await scene.receive(scene.report("p3")) == [Settled(claim.message_id, (3,), None)]
    assert await scene.states(claim.message_id) == [ENROUTE, ENROUTE, DELIVERED]
    settled = await scene.receive(scene.report("p1"), scene.report("p2", UNDELIVERABLE), scene.report("p2"))
    assert [row.became for row in settled] == [None, UNDELIVERABLE, None]  # the worst wins
    assert await scene.states(claim.message_id) == [DELIVERED, UNDELIVERABLE, DELIVERED]
    assert await scene.places(claim.message_id) == set()


async def test_one_id_for_all_parts_is_one_receipt_for_all(scene: Scene) -> None:
    """message_payload: the operator got one submit_sm and tells of it once."""
    claim = await scene.claimed(parts=3)
    await scene.record(claim, *(Accepted(part, "whole") for part in (1, 2, 3)))
    assert await scene.receive(scene.report("whole")) == [Settled(claim.message_id, (1, 2, 3), DELIVERED)]


async def test_a_part_that_another_link_does_not_cut_any_more_is_no_trouble(scene: Scene) -> None:
    claim = await unanswered(scene, parts=3)
    late = LateAnswer(claim.message_id, scene.operator, scene.link, 3, 1, "third")
    await scene.bring_due()
    await stage_due(scene.db, 10)
    [again] = await scene.claim()
    await record_late_answers(scene.db, [late], scene.wait)
    await scene.record(again, Accepted(1, "x"), Accepted(2, "y"))
    await scene.receive(scene.report("third"), scene.report("x"), scene.report("y"))
    assert await scene.state(claim.message_id) is DELIVERED


# -- receipts that come first, or that nobody knows


async def test_a_receipt_ahead_of_its_answer_is_parked_and_matched(scene: Scene) -> None:
    claim = await scene.claimed()
    assert await scene.receive(scene.report("00A1")) == [PARKED]
    assert await parked_due(scene.db, 10) == []  # in a second
    early = await scene.record(claim, Accepted(1, "a1"))
    assert early == [await scene.value("select parked_id from parked_receipt")]
    settled = await settle_parked(scene.db, early, scene.directory, scene.wait)
    assert settled == [Settled(claim.message_id, (1,), DELIVERED)]
    assert await scene.state(claim.message_id) is DELIVERED and await scene.count("parked_receipt") == 0
    assert await settle_parked(scene.db, early, scene.directory, scene.wait) == []


async def test_a_parked_receipt_keeps_the_time_of_its_arrival(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.receive(scene.report("a1"))
    arrived = await scene.value("update parked_receipt set received_at = now() - interval '9 s' returning received_at")
    await scene.record(claim, Accepted(1, "a1"))
    assert [row.message_id for row in await retry_parked(scene)] == [claim.message_id]
    assert await scene.value("select received_at from receipt") == arrived


@pytest.mark.parametrize(("came", "age"), [(9, 11), (30, 0)])
async def test_a_message_was_done_when_its_parked_receipt_came(scene: Scene, came: int, age: int) -> None:
    """Not when it was matched; nor before the submit, where it was ahead of that. All who time it agree."""
    claim = await scene.claimed()
    await scene.receive(scene.report("a1"))
    await scene.execute("update parked_receipt set received_at = now() - make_interval(secs => $1)", came)
    await scene.record(claim, Accepted(1, "a1"), age=20.0)
    told: list[Settled] = []
    await scene.execute("update parked_receipt set next_try_at = now()")
    due = await parked_due(scene.db, 100)
    [settled] = await settle_parked(scene.db, due, scene.directory, scene.wait, lambda _, settled: told.extend(settled))
    row = await scene.row(claim.message_id)
    received_at = await scene.value("select received_at from receipt")
    assert row["done_at"] == max(received_at, row["submitted_at"])
    assert (row["done_at"] - row["submitted_at"]).total_seconds() == pytest.approx(age, abs=1)
    assert settled.age == pytest.approx(age, abs=1)
    [about] = [one.about for one in told]
    assert about is not None and about.age == pytest.approx(age, abs=1)


async def test_a_message_of_parts_was_done_when_the_last_receipt_came(scene: Scene) -> None:
    """Though that of another part was matched after it."""
    claim = await scene.claimed(parts=2)
    await scene.receive(scene.report("p1"))
    await scene.execute("update parked_receipt set received_at = now() - interval '50 s'")
    await scene.record(claim, Accepted(1, "p1"), Accepted(2, "p2"), age=100.0)
    await scene.receive(scene.report("p2"))
    await scene.execute("update receipt set received_at = received_at - interval '20 s'")
    last = await scene.value("select received_at from receipt")
    await retry_parked(scene)
    row = await scene.row(claim.message_id)
    assert (row["state"], row["done_at"]) == (DELIVERED, last)


async def test_an_unknown_receipt_stays_parked_with_all_it_said(scene: Scene) -> None:
    said = scene.report(("t\\v", 'q"x,{}', "1f"), EXPIRED, network_error=b"\x03\x00\x1b", reference=9, source="x'y")
    assert await scene.receive(said) == [PARKED]
    waits = []
    for _ in range(4):
        waits.append(await scene.value("select extract(epoch from next_try_at - now())::float8 from parked_receipt"))
        assert await retry_parked(scene) == [PARKED]
    assert waits == sorted(waits) and waits[0] <= 1 and 4 < waits[3] <= 8
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, "t\\v"))
    await scene.execute("update message set phone = $1", "x'y")
    [settled] = await retry_parked(scene)
    assert settled.message_id == claim.message_id
    assert await scene.value("select (state, network_error) from receipt") == (EXPIRED, b"\x03\x00\x1b")


async def test_a_parked_receipt_is_read_as_its_link_writes_ids(scene: Scene) -> None:
    operator = scene.directory.value.operators[scene.operator]
    link = replace(operator.links[0], id_mode=IdMode.HEX_DEC)
    operators = {**scene.directory.value.operators, scene.operator: replace(operator, links=(link,))}
    scene.directory.value = replace(scene.directory.value, operators=operators)
    silent = scene.report("59113978", source="", destination="", id_mode=IdMode.HEX_DEC)
    assert await scene.receive(silent) == [PARKED]
    message_id = await handed_over(scene, "38601fa")
    assert [row.message_id for row in await retry_parked(scene)] == [message_id]


async def test_two_processes_try_a_parked_receipt_once(scene: Scene, second: Database) -> None:
    await scene.receive(scene.report("a1"))
    claim = await scene.claimed()
    early = await scene.record(claim, Accepted(1, "a1"))
    both = await asyncio.gather(
        *(settle_parked(db, early, scene.directory, scene.wait) for db in (scene.db, second) * 4)
    )
    assert sum(len(settled) for settled in both) == 1 and await scene.count("receipt") == 1


# -- receipts for what was never answered


async def test_the_echoed_reference_settles_an_uncertain_part(scene: Scene) -> None:
    first, second = await unanswered(scene), await unanswered(scene)
    echo = user_message_reference(second.message_id, 1)
    [settled] = await scene.receive(scene.report("new", UNDELIVERABLE, reference=echo))
    assert settled == Settled(second.message_id, (1,), UNDELIVERABLE)
    assert await scene.places(second.message_id) == set()  # it is not sent again
    assert await scene.places(first.message_id) == {"staged"} and await scene.state(first.message_id) is ENROUTE


async def test_a_reference_of_another_message_settles_nothing(scene: Scene) -> None:
    claim = await unanswered(scene)
    other = user_message_reference(claim.message_id, 2)
    assert await scene.receive(scene.report("new", reference=other)) == [PARKED]
    assert await scene.receive(scene.report("new", reference=other - 1, source=OTHER_PHONE)) == [PARKED]


async def test_addresses_that_fit_one_uncertain_part_settle_it(scene: Scene) -> None:
    claim = await unanswered(scene)
    [settled] = await scene.receive(scene.report("new", destination=SENDER.lower()))
    assert settled == Settled(claim.message_id, (1,), DELIVERED)
    assert await scene.places(claim.message_id) == set()
    assert await scene.receive(scene.report("newer")) == [PARKED]  # it is uncertain no more


async def test_addresses_as_they_were_sent_fit_too(scene: Scene) -> None:
    claim = await unanswered(scene)
    [settled] = await scene.receive(scene.report("new", source=SENDER, destination=PHONE))
    assert settled.message_id == claim.message_id


async def test_addresses_that_do_not_fit_settle_nothing(scene: Scene) -> None:
    claim = await unanswered(scene)
    for changes in (
        {"source": OTHER_PHONE},
        {"destination": "AlifSarmoya"},
        {"destination": ""},
        {"source": "", "destination": ""},
        {"source": "900000001"},  # seven digits alike are no proof here
        {"operator_id": scene.other_operator},
    ):
        assert await scene.receive(scene.report("new", **changes)) == [PARKED]
    assert await scene.places(claim.message_id) == {"staged"}


async def test_addresses_that_fit_two_uncertain_parts_settle_none(scene: Scene) -> None:
    first, second = await unanswered(scene), await unanswered(scene)
    assert await scene.receive(scene.report("new")) == [PARKED]
    echo = user_message_reference(first.message_id, 1)
    await scene.receive(scene.report("newer", reference=echo))
    # Now there is one that it can mean.
    assert [row.message_id for row in await retry_parked(scene)] == [second.message_id]


async def test_two_tries_of_one_part_are_one_part(scene: Scene) -> None:
    claim = await unanswered(scene)
    await scene.bring_due()
    await stage_due(scene.db, 10)
    [again] = await scene.claim()
    await scene.record(again, TIME_OUT)
    assert [row.message_id for row in await scene.receive(scene.report("new"))] == [claim.message_id]


async def test_a_receipt_that_may_belong_to_a_message_on_its_way_is_not_given_to_another(scene: Scene) -> None:
    """A second code for the same number: its receipt comes before its answer, while the first one is uncertain."""
    uncertain = await unanswered(scene, sms_type=SmsType.OTP)
    second = await scene.claimed(sms_type=SmsType.OTP)
    assert await scene.receive(scene.report("s2")) == [PARKED]
    early = await scene.record(second, Accepted(1, "s2"))
    [settled] = await settle_parked(scene.db, early, scene.directory, scene.wait)
    assert settled.message_id == second.message_id
    assert await scene.state(uncertain.message_id) is ENROUTE and await scene.places(uncertain.message_id) == {"staged"}


async def test_any_word_of_the_operator_on_an_uncertain_part_stops_its_repeat(scene: Scene) -> None:
    """It has the message: that is all one needs to know."""
    for state in (ENROUTE, ACCEPTED, None):
        claim = await unanswered(scene)
        await scene.receive(scene.report(f"new{state}", state))
        assert await scene.places(claim.message_id) == {"awaiting"}
        assert await scene.state(claim.message_id) is (state or ENROUTE)


@pytest.mark.parametrize("smsc_ids", ["new", ()])
@pytest.mark.parametrize("together", [True, False])
async def test_after_its_first_receipt_an_uncertain_part_is_known(
    scene: Scene, smsc_ids: str | tuple[()], together: bool
) -> None:
    claim = await unanswered(scene)
    reports = [scene.report(smsc_ids, state) for state in (ENROUTE, ACCEPTED, DELIVERED)]
    for batch in [reports] if together else [[report] for report in reports]:
        await scene.receive(*batch)
    assert await scene.state(claim.message_id) is DELIVERED
    assert await scene.count("unnamed_part") == 0 and await scene.count("parked_receipt") == 0


async def test_a_part_that_got_its_id_is_not_found_by_addresses_any_more(scene: Scene) -> None:
    """Also where the receipt that named it is repeated at once."""
    await unanswered(scene)
    await scene.receive(scene.report("new", ENROUTE), scene.report("new", ENROUTE))
    assert await scene.count("unnamed_part") == 0
    assert await scene.receive(scene.report("newer")) == [PARKED]


async def test_a_message_that_is_on_its_way_may_have_the_same_reference(scene: Scene) -> None:
    """There are but 65,536 of them."""
    first = await unanswered(scene)
    await scene.execute("select setval('message_id', $1, false)", first.message_id + 65_536)
    second = await scene.claimed()
    reference = user_message_reference(second.message_id, 1)
    assert reference == user_message_reference(first.message_id, 1)
    assert await scene.receive(scene.report("b", reference=reference)) == [PARKED]
    await scene.record(second, Accepted(1, "b"))
    assert [row.message_id for row in await retry_parked(scene)] == [second.message_id]


async def test_a_receipt_may_echo_the_reference_of_an_earlier_version(scene: Scene) -> None:
    """The reference that was sent is kept with the part; how the next ones are made does not matter to it."""
    first, second = await unanswered(scene), await unanswered(scene)
    await scene.execute("update uncertain_part set reference = (message_id + part) % 65536")
    echo = (second.message_id + 1) % 65_536
    assert await scene.receive(scene.report("new", reference=echo)) == [Settled(second.message_id, (1,), DELIVERED)]
    assert await scene.state(first.message_id) is ENROUTE


async def test_an_id_in_another_base_proves_nothing_while_another_message_is_on_its_way(scene: Scene) -> None:
    """The receipt is ahead of its answer, and 10 read as hexadecimal is the id of an older message."""
    old = await handed_over(scene, "16")
    new = await scene.claimed()
    assert await scene.receive(scene.report("10")) == [PARKED]
    await scene.record(new, Accepted(1, "10"))
    assert [row.message_id for row in await retry_parked(scene)] == [new.message_id]
    assert await scene.state(old) is ENROUTE


async def test_a_receipt_stops_the_repeat_of_its_part_alone(scene: Scene) -> None:
    claim = await scene.claimed(parts=3)
    await scene.record(claim, Accepted(1, "a"), Uncertain(2, "time-out"), Uncertain(3, "time-out"))
    echo = user_message_reference(claim.message_id, 2)
    assert await scene.receive(scene.report("new", reference=echo)) == [Settled(claim.message_id, (2,), None)]
    assert await scene.value("select parts_left from staged") == [3]
    await scene.bring_due()
    await stage_due(scene.db, 10)
    await scene.receive(scene.report("newer", ENROUTE, reference=echo + 1))  # while it waits for its turn
    assert await scene.places(claim.message_id) == {"awaiting"}
    assert await scene.states(claim.message_id) == [ENROUTE, DELIVERED, ENROUTE]


async def test_a_repeat_that_is_claimed_goes_back_without_the_part_that_was_taken(scene: Scene) -> None:
    claim = await unanswered(scene, parts=2)
    await scene.bring_due()
    await stage_due(scene.db, 10)
    [again] = await scene.claim()
    await scene.receive(scene.report("new", ENROUTE, reference=user_message_reference(claim.message_id, 1)))
    await scene.record(again, Unsent(1), Unsent(2))
    [third] = await scene.claim()
    assert third.open_parts == (2,)
    await scene.receive(scene.report("newer", ENROUTE, reference=user_message_reference(claim.message_id, 2)))
    await scene.record(third, Unsent(2))
    assert await scene.places(claim.message_id) == {"awaiting"}


async def test_a_whole_text_that_was_never_answered_is_one_submit(scene: Scene) -> None:
    """message_payload again: one submit_sm carried all parts, and one receipt settles them."""
    whole_texts(scene)
    by_address, by_echo = await unanswered(scene, parts=2), await unanswered(scene, parts=2, phone=OTHER_PHONE)
    echo = user_message_reference(by_echo.message_id, 1)
    settled = await scene.receive(scene.report("x"), scene.report("y", source=OTHER_PHONE, reference=echo))
    assert settled == [
        Settled(by_address.message_id, (1, 2), DELIVERED), Settled(by_echo.message_id, (1, 2), DELIVERED),
    ]  # fmt: skip
    assert await scene.count("staged") == 0


# -- storing


async def test_many_at_once_are_answered_in_their_order(scene: Scene) -> None:
    known = [await handed_over(scene, f"k{number}") for number in range(5)]
    reports = [scene.report(f"{kind}{number}") for number in range(5) for kind in "kn"]
    settled = await scene.receive(*reports)
    assert [row.message_id for row in settled] == [id_ for message_id in known for id_ in (message_id, None)]


async def test_receipts_that_were_stored_without_our_knowing_come_again_and_do_no_harm(scene: Scene, dsn: str) -> None:
    message_id = await handed_over(scene, "a1")
    async with network_to(dsn) as network:
        through = await Database.open(network.dsn)
        network.on("commit", Cut.AFTER)
        with pytest.raises(OutcomeUnknown):
            await settle_receipts(through, [scene.report("a1"), scene.report("unknown")], scene.wait)
        await through.close()
    assert await scene.state(message_id) is DELIVERED
    again = await scene.receive(scene.report("a1"), scene.report("unknown"))
    assert [row.became for row in again] == [None, None] and await scene.state(message_id) is DELIVERED


async def test_receipts_of_the_same_messages_on_two_processes(scene: Scene, second: Database) -> None:
    claims = [await scene.claimed(parts=2) for _ in range(20)]
    await scene.record_all(
        [scene.decided(claim, *(Accepted(part, f"{claim.message_id}.{part}") for part in (1, 2))) for claim in claims]
    )
    one = [scene.report(f"{claim.message_id}.1") for claim in claims]
    two = [scene.report(f"{claim.message_id}.2") for claim in reversed(claims)]
    settled = await asyncio.gather(settle_receipts(scene.db, one, scene.wait), settle_receipts(second, two, scene.wait))
    assert sum(row.became is DELIVERED for rows in settled for row in rows) == 20
    assert await scene.ids("message", "state = 2") == [claim.message_id for claim in claims]


async def test_messages_from_subscribers_are_kept_whole(scene: Scene) -> None:
    await store_inbound(scene.db, [Inbound(scene.operator, scene.link, PHONE, "4545", b"\x00\x01pdu")] * 2)
    row = "(operator_id, link_id, source, destination, pdu)"
    assert await scene.value(f"select {row} from inbound") == (
        scene.operator,
        scene.link,
        PHONE,
        "4545",
        b"\x00\x01pdu",
    )
    assert await scene.count("inbound") == 2
