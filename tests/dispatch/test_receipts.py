"""What operators send by themselves is stored first and acknowledged then, whatever it holds."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from string import ascii_letters
from typing import Any

import pytest
from structlog.testing import capture_logs

from payk.clock import Clock
from payk.dispatch import receipts
from payk.dispatch.receipts import ReceiptRecorder
from payk.domain.directory import CurrentDirectory
from payk.domain.message import MessageState
from payk.domain.operator import IdMode
from payk.domain.outcome import Accepted
from payk.domain.receipt import ReceiptReport
from payk.links import Delivery
from payk.metrics.catalogue import LAST_RECEIPT
from payk.smpp import CommandStatus, DataSm, DeliverSm, EsmClass, Tag, Tlv, encode_receipt_text
from payk.smpp import MessageState as WireState
from payk.store.database import Database
from payk.store.receipts import learned_id_modes, settle_parked
from tests.store.proxy import Network
from tests.store.scene import PHONE, SENDER, Scene

OK, LATER, NEVER = CommandStatus.ESME_ROK, CommandStatus.ESME_RX_T_APPN, CommandStatus.ESME_RX_R_APPN
DATES = {"submit_date": "2502171020", "done_date": "2502171020"}


def receipt(smsc_id: str, *tlvs: Tlv, **fields: Any) -> DeliverSm:
    text = encode_receipt_text(smsc_id, WireState.DELIVERED, **DATES)
    fields = {"source_addr": PHONE, "destination_addr": SENDER, "short_message": text, **fields}
    return DeliverSm(esm_class=EsmClass.RECEIPT, tlvs=tlvs, **fields)


class Recording:
    """A recorder at work; `take` waits for the answer to what it is given."""

    def __init__(self, recorder: ReceiptRecorder, link: int) -> None:
        self.recorder = recorder
        self.link = link

    def give(self, pdu: DeliverSm | DataSm, octets: bytes = b"", link: int | None = None) -> asyncio.Future[int]:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.recorder.take(Delivery(link or self.link, 1, pdu, octets, answer.set_result))
        return answer

    async def take(self, *pdus: DeliverSm | DataSm) -> list[int]:
        async with asyncio.timeout(30):
            return list(await asyncio.gather(*(self.give(pdu) for pdu in pdus)))


async def at_once() -> None:
    """No outcomes are waited for."""


@asynccontextmanager
async def recording(db: Database, directory: CurrentDirectory, scene: Scene) -> AsyncIterator[Recording]:
    recorder = ReceiptRecorder(db, directory, scene.wait, at_once, Clock())
    task = asyncio.create_task(recorder.run())
    try:
        yield Recording(recorder, scene.link)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def handed_over(scene: Scene, smsc_id: str) -> int:
    claim = await scene.claimed()
    await scene.record(claim, Accepted(1, smsc_id))
    return claim.message_id


async def test_the_answer_follows_the_commit(scene: Scene) -> None:
    message_id = await handed_over(scene, "a1")
    async with recording(scene.db, scene.directory, scene) as centre:
        async with scene.db.transaction() as other:
            await other.execute("select from message for update")
            answer = centre.give(receipt("a1"))
            await asyncio.sleep(0.15)
            assert not answer.done()
        assert await answer == OK and await scene.state(message_id) is MessageState.DELIVERED


async def test_an_unknown_receipt_is_acknowledged_and_parked(scene: Scene) -> None:
    async with recording(scene.db, scene.directory, scene) as centre:
        assert await centre.take(receipt("stranger")) == [OK]
    assert await scene.count("parked_receipt") == 1


async def test_parked_receipts_are_tried_when_their_answer_comes(scene: Scene) -> None:
    claim = await scene.claimed()
    async with recording(scene.db, scene.directory, scene) as centre:
        await centre.take(receipt("a1"))
        centre.recorder.try_parked(await scene.record(claim, Accepted(1, "A1")))
        async with asyncio.timeout(30):
            while await scene.state(claim.message_id) is not MessageState.DELIVERED:
                await asyncio.sleep(0.01)


async def test_only_receipts_whose_submit_is_found_count_as_the_last(scene: Scene) -> None:
    """Parked ones tell nothing of any message: an operator whose ids never fit has stopped sending receipts."""
    LAST_RECEIPT.values.clear()
    claim = await scene.claimed()
    began = scene.db.now().timestamp()
    async with recording(scene.db, scene.directory, scene) as centre:
        await centre.take(receipt("a1"), receipt("stranger"))
        assert LAST_RECEIPT.values == {}
        centre.recorder.try_parked(await scene.record(claim, Accepted(1, "A1")))
        async with asyncio.timeout(30):
            while not LAST_RECEIPT.values:
                await asyncio.sleep(0.01)
        parked_until = LAST_RECEIPT.values[("tcell",)]
        assert parked_until >= began
        await handed_over(scene, "b2")
        await centre.take(receipt("stranger"))
        assert LAST_RECEIPT.values == {("tcell",): parked_until}
        await centre.take(receipt("B2"))
        assert LAST_RECEIPT.values[("tcell",)] > parked_until


async def test_messages_from_subscribers_are_kept_as_they_came(scene: Scene) -> None:
    text = DeliverSm(source_addr=PHONE, destination_addr="4545", short_message=b"id:1 stat:DELIVRD")
    async with recording(scene.db, scene.directory, scene) as centre:
        assert await centre.give(text, b"\x00\x01octets") == OK
        assert await centre.give(DataSm(source_addr=PHONE, destination_addr="4545"), b"more") == OK
    assert await scene.value("select array_agg(pdu order by inbound_id) from inbound") == [b"\x00\x01octets", b"more"]
    assert await scene.count("parked_receipt") == 0


def with_link(scene: Scene, **settings: Any) -> CurrentDirectory:
    """The scene's directory, its first operator's link set otherwise."""
    directory = scene.directory.value
    operator = directory.operators[scene.operator]
    changed = replace(operator, links=(replace(operator.links[0], **settings),))
    return CurrentDirectory(replace(directory, operators={**directory.operators, scene.operator: changed}))


async def test_by_text_alone_a_receipt_is_one_only_if_its_id_is_known(scene: Scene) -> None:
    """Else it is what a subscriber wrote, perhaps to forge a receipt: kept as a message, and never matched later."""
    message_id = await handed_over(scene, "a1")
    unnamed = await handed_over(scene, "")
    known, stranger = b"id:A1 stat:DELIVRD err:000", b"id:b7 stat:DELIVRD err:000"
    async with recording(scene.db, with_link(scene, text_receipts=True), scene) as centre:
        taken = [
            centre.give(DeliverSm(source_addr=source, destination_addr=SENDER, short_message=text), octets)
            for source, text, octets in (
                (PHONE, known, b"known"),
                (PHONE, stranger, b"stranger"),
                ("992918888888", known, b"somebody else"),
            )
        ]
        assert await asyncio.gather(*taken) == [OK, OK, OK]
    assert await scene.state(message_id) is MessageState.DELIVERED
    assert await scene.state(unnamed) is MessageState.ENROUTE
    assert await scene.count("parked_receipt") == 0
    assert set(await scene.value("select array_agg(pdu) from inbound")) == {b"stranger", b"somebody else"}


async def test_how_ids_relate_is_learned_kept_and_remembered(scene: Scene) -> None:
    for smsc_id in ("1f", "2f"):
        await handed_over(scene, smsc_id)
    async with recording(scene.db, scene.directory, scene) as centre:
        await centre.take(receipt("31"))
        async with asyncio.timeout(30):
            while not await learned_id_modes(scene.db):
                await asyncio.sleep(0.01)
    assert (await learned_id_modes(scene.db))[scene.link].mode is IdMode.HEX_DEC
    in_hex, _ = await handed_over(scene, "3f"), await handed_over(scene, "63")
    async with recording(scene.db, scene.directory, scene) as centre:
        await centre.take(receipt("63"))  # both were answered, to the same number: what was learned decides
        assert await scene.state(in_hex) is MessageState.DELIVERED


async def test_a_pinned_mode_teaches_nothing(scene: Scene) -> None:
    await handed_over(scene, "1f")
    async with recording(scene.db, with_link(scene, id_mode=IdMode.HEX_DEC), scene) as centre:
        await centre.take(receipt("31"))
    assert await learned_id_modes(scene.db) == {}


async def test_dates_are_read_in_the_time_zone_of_the_link(scene: Scene) -> None:
    await handed_over(scene, "a1")
    async with recording(scene.db, with_link(scene, receipt_timezone="Asia/Dushanbe"), scene) as centre:
        await centre.take(receipt("a1"), receipt("stranger"))
    done = datetime(2025, 2, 17, 5, 20, tzinfo=UTC)
    assert await scene.value("select (done_date, operator_done_at) from receipt") == ("2502171020", done)
    assert await scene.value("select (operator_submitted_at, operator_done_at) from parked_receipt") == (done, done)


async def test_a_final_receipt_against_the_first_is_told_and_changes_nothing(scene: Scene) -> None:
    message_id = await handed_over(scene, "a1")
    text = encode_receipt_text("a1", WireState.UNDELIVERABLE, err="027", **DATES)
    with capture_logs() as lines:
        async with recording(scene.db, scene.directory, scene) as centre:
            assert await centre.take(receipt("a1")) == [OK]
            assert await centre.take(receipt("", short_message=text)) == [OK]
    [line] = [line for line in lines if line["event"] == "receipt contradicts a final one"]
    assert (line["message_id"], line["final"], line["says"], line["error"]) == (
        message_id, "Delivered", "UNDELIV", "027",
    )  # fmt: skip
    assert await scene.state(message_id) is MessageState.DELIVERED
    assert await scene.value("select array_agg(error order by received_at) from receipt") == ["000", "027"]


async def test_an_intermediate_notification_ends_no_message(scene: Scene) -> None:
    """The operator goes on trying, whatever it calls the try that failed; the timeline tells what it said."""
    message_id = await handed_over(scene, "a1")
    tried = encode_receipt_text("a1", WireState.UNDELIVERABLE, err="027", **DATES)
    notification = replace(receipt("a1", short_message=tried), esm_class=EsmClass.INTERMEDIATE_NOTIFICATION)
    async with recording(scene.db, scene.directory, scene) as centre:
        assert await centre.take(notification) == [OK]
        assert await scene.state(message_id) is MessageState.ENROUTE
        assert await scene.places(message_id) == {"awaiting"}
        assert await scene.value("select (state, raw_state, error) from receipt") == (1, "UNDELIV", "027")
        assert await centre.take(receipt("a1"), notification) == [OK, OK]
    assert await scene.state(message_id) is MessageState.DELIVERED
    assert (await scene.row(message_id))["reason"] is None


ODD = {  # receipts of the message with the id a1, and of strangers
    "wide reference": receipt("a1", Tlv(Tag.USER_MESSAGE_REFERENCE, b"\xff" * 9)),
    "wide reference of a stranger": receipt("a2", Tlv(Tag.USER_MESSAGE_REFERENCE, b"\xff" * 9)),
    "octets of any kind": receipt("a1\x00", source_addr="\x00\xff'\\{\"", destination_addr="\x00"),
    "text of any kind": receipt("a1", short_message=b"id:a1 stat:DELIVRD err:\xff done date:\x80\\ text:\x00\xd8"),
    "long network error": receipt("a1", Tlv(Tag.NETWORK_ERROR_CODE, bytes(range(256)))),
    "no id": receipt("", Tlv(Tag.MESSAGE_STATE, b"\x02")),
    "no text": receipt("", Tlv(Tag.RECEIPTED_MESSAGE_ID, b"a1\0"), Tlv(Tag.MESSAGE_STATE, b"\x02"), short_message=b""),
    "unknown state": receipt("a1", Tlv(Tag.MESSAGE_STATE, b"\xfe")),
}


async def test_odd_receipts_are_taken(scene: Scene) -> None:
    async with recording(scene.db, scene.directory, scene) as centre:
        for name, pdu in ODD.items():
            message_id = await handed_over(scene, "a1")
            assert (name, await centre.take(pdu, receipt("a1"))) == (name, [OK, OK])
            assert await scene.state(message_id) is MessageState.DELIVERED


async def test_one_that_cannot_be_stored_spoils_no_neighbour(scene: Scene) -> None:
    message_id = await handed_over(scene, "a1")
    smsc_id = "".join(Random(1).choices(ascii_letters, k=60_000))  # no index takes that
    endless = Tlv(Tag.MESSAGE_PAYLOAD, b"id:" + smsc_id.encode() + b" stat:DELIVRD")
    pdus = [receipt("b1"), receipt("", endless, short_message=b""), receipt("a1"), receipt("c1")]
    async with recording(scene.db, scene.directory, scene) as centre:
        assert await centre.take(*pdus) == [OK, NEVER, OK, OK]
    assert await scene.state(message_id) is MessageState.DELIVERED


def dated(smsc_id: str, submitted: str, done: str = "2502171020", **fields: Any) -> DeliverSm:
    text = encode_receipt_text(smsc_id, WireState.DELIVERED, submit_date=submitted, done_date=done)
    return receipt("", **{"short_message": text} | fields)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Dushanbe", "America/Los_Angeles"])
@pytest.mark.parametrize(
    "date", ["00010101000000", "000101010000", "99991231235959", "99123123595948+", "000101000000048-"]
)
async def test_a_date_at_an_end_of_the_calendar_costs_nothing(scene: Scene, date: str, zone: str) -> None:
    """0001-01-01 is what .NET writes where it knows no date. Receipts by addresses are told apart by these."""
    first, second = await handed_over(scene, ""), await handed_over(scene, "")
    async with recording(scene.db, with_link(scene, receipt_timezone=zone), scene) as centre:
        assert await centre.take(dated("a1", date, date), dated("", date, date)) == [OK, OK]
    assert {await scene.state(first), await scene.state(second)} == {MessageState.ENROUTE}, "either could be meant"
    assert await scene.count("parked_receipt") == 2


async def test_a_time_zone_that_is_not_known_here_costs_the_dates_alone(scene: Scene) -> None:
    message_id = await handed_over(scene, "a1")
    async with recording(scene.db, with_link(scene, receipt_timezone="Asia/Nowhere"), scene) as centre:
        assert await centre.take(receipt("a1")) == [OK]
    assert await scene.state(message_id) is MessageState.DELIVERED
    assert await scene.value("select (done_date, operator_done_at) from receipt") == ("2502171020", None)


async def test_what_a_defect_keeps_from_being_read_is_kept_as_it_came(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended the session, and came again with the next one."""

    def broken(*_: Any, **__: Any) -> None:
        raise Defect

    monkeypatch.setattr("payk.dispatch.receipts.parse_receipt", broken)
    async with recording(scene.db, scene.directory, scene) as centre:
        assert await centre.give(receipt("a1"), b"octets") == OK
    assert await scene.value("select array_agg(pdu) from inbound") == [b"octets"]


class Defect(Exception):
    """Something that nobody thought of."""


def with_defect(monkeypatch: pytest.MonkeyPatch, where: str, smsc_id: str) -> None:
    """What `where` names cannot bear receipts of this id."""
    module, _, name = where.rpartition(".")
    whole = getattr(importlib.import_module(module), name)

    def broken(report: ReceiptReport, *rest: Any) -> Any:
        if smsc_id in report.smsc_ids:
            raise Defect
        return whole(report, *rest)

    monkeypatch.setattr(where, broken)


async def test_a_defect_in_settling_costs_one_receipt_its_match_and_nobody_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id, unlucky = await handed_over(scene, "a1"), await handed_over(scene, "b1")
    with capture_logs() as lines:
        async with recording(scene.db, scene.directory, scene) as centre:
            with monkeypatch.context() as patch:
                with_defect(patch, "payk.store.receipts._forms", "b1")
                with_defect(patch, "payk.store.receipts._expected_mode", "b1")
                assert await centre.take(receipt("c1"), receipt("b1"), receipt("a1"), receipt("d1")) == [OK] * 4
                assert await scene.state(message_id) is MessageState.DELIVERED
                assert await scene.count("parked_receipt") == 3
                parked = await scene.value("select array_agg(parked_id order by parked_id) from parked_receipt")
                settled = await settle_parked(scene.db, parked, scene.directory, scene.wait)
                assert [one.message_id for one in settled] == [None] * 3
                assert await scene.value("select min(tries) from parked_receipt") == 1
            centre.recorder.try_parked(parked)  # by a version that bears it
            async with asyncio.timeout(30):
                while await scene.state(unlucky) is not MessageState.DELIVERED:
                    await asyncio.sleep(0.01)
    told = [line["event"] for line in lines if line["log_level"] == "error"]
    assert told == ["delivery cannot be settled, by a defect", "parked receipt cannot be settled"]


async def test_a_defect_that_all_receipts_of_an_operator_meet_is_not_looked_for_in_each(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await handed_over(scene, "a1")
    settled, looks = receipts.settle_receipts, 0

    async def counted(*values: Any, **options: Any) -> Any:
        nonlocal looks
        looks += 1
        return await settled(*values, **options)

    monkeypatch.setattr("payk.dispatch.receipts.settle_receipts", counted)
    with capture_logs() as lines:
        async with recording(scene.db, scene.directory, scene) as centre:
            with monkeypatch.context() as patch:
                with_defect(patch, "payk.store.receipts._forms", "b1")
                with_defect(patch, "payk.store.receipts._expected_mode", "b1")
                assert await centre.take(*[receipt("b1")] * 200, receipt("a1")) == [OK] * 201
            assert looks < 60
            parked = await scene.value("select array_agg(parked_id) from parked_receipt")
            centre.recorder.try_parked(parked)
            async with asyncio.timeout(30):
                while await scene.state(message_id) is not MessageState.DELIVERED:
                    await asyncio.sleep(0.01)
    told = [line["event"] for line in lines if line["log_level"] == "error"]
    assert told.count("delivery cannot be settled, by a defect") < 2 * receipts.DEFECTS_ALONE


async def test_a_receipt_that_can_be_neither_settled_nor_parked_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise Defect

    monkeypatch.setattr("payk.dispatch.receipts.settle_receipts", broken)
    monkeypatch.setattr("payk.dispatch.receipts.store_inbound", broken)
    async with recording(scene.db, with_link(scene, text_receipts=True), scene) as centre:
        assert await centre.take(receipt("a1")) == [OK]
        forged = DeliverSm(source_addr=PHONE, destination_addr="4545", short_message=b"id:a1 stat:DELIVRD")
        assert await centre.take(forged) == [NEVER], "anybody can send such a text: it does not wait for its id"
        assert await centre.take(replace(forged, short_message=b"hello")) == [NEVER]
        monkeypatch.setattr("payk.dispatch.receipts.park_receipts", broken)
        assert await centre.take(receipt("a1"), receipt("b1")) == [NEVER, NEVER]
    assert await scene.count("parked_receipt") == 1


async def test_a_defect_in_telling_of_receipts_undoes_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise Defect

    first, second = await handed_over(scene, "a1"), await handed_over(scene, "b1")
    monkeypatch.setattr("payk.dispatch.receipts.count_receipts", broken)
    async with recording(scene.db, scene.directory, scene) as centre:
        assert await centre.take(receipt("a1")) == [OK]
        assert await centre.take(receipt("b1")) == [OK]
    assert await scene.state(first) is await scene.state(second) is MessageState.DELIVERED


async def test_what_cannot_be_stored_now_is_asked_for_later(scene: Scene, network: Network, through: Database) -> None:
    async with recording(through, scene.directory, scene) as centre:
        await network.down()
        subscriber = DeliverSm(source_addr=PHONE, destination_addr="4545", short_message=b"hello")
        assert await centre.take(receipt("a1"), subscriber) == [LATER, LATER]
        await network.up()
        await asyncio.sleep(0.6)  # a database that was away is asked again after half a second
        assert await centre.take(receipt("a1"), subscriber) == [OK, OK]


async def test_a_link_that_is_not_known_here_yet_asks_for_later(scene: Scene) -> None:
    async with recording(scene.db, CurrentDirectory(), scene) as centre:
        assert await centre.take(receipt("a1")) == [LATER]
