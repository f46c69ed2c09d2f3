"""The record: one JSON line per submit_sm and receipt."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from payk.simulator import StartError
from payk.simulator.record import Line, Record
from payk.smpp import Tag, Tlv
from tests.simulator.client import bound, submit_sm
from tests.simulator.conftest import Start

MOMENT = datetime(2025, 11, 24, 10, 15, 59, tzinfo=UTC)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def recorded(path: Path, amount: int) -> list[dict[str, Any]]:
    """The lines of a running operator, as soon as there are so many."""
    async with asyncio.timeout(5):
        while len(path.read_bytes().splitlines()) < amount:
            await asyncio.sleep(0.02)
    return lines(path)


def a_line(text: bytes = b"hello") -> Line:
    return Line.of(submit_sm("992900900900", short_message=text), time=MOMENT, bind=1, message_id="42", status=0)


def test_a_line_says_everything_about_a_submit(tmp_path: Path) -> None:
    record = Record(tmp_path / "record.jsonl")
    pdu = submit_sm(
        "992900900900",
        service_type="WAP",
        esm_class=0x40,
        data_coding=8,
        priority_flag=2,
        validity_period="000002000000000R",
        short_message=bytes.fromhex("050003070201041f"),
        tlvs=(Tlv.of(Tag.USER_MESSAGE_REFERENCE, 517),),
    )
    record.add(Line.of(pdu, time=MOMENT, bind=3, message_id=None, status=0x58))
    record.close()
    assert lines(tmp_path / "record.jsonl") == [
        {
            "kind": "submit_sm",
            "time": "2025-11-24T10:15:59.000000+00:00",
            "bind": 3,
            "source": "AlifBank",
            "destination": "992900900900",
            "esm_class": 0x40,
            "data_coding": 8,
            "octets": "050003070201041f",
            "id": None,
            "status": 0x58,
            "registered_delivery": 1,
            "validity_period": "000002000000000R",
            "reference": 517,
            "priority_flag": 2,
            "service_type": "WAP",
            "source_ton": 5,
            "source_npi": 0,
            "dest_ton": 1,
            "dest_npi": 1,
        }
    ]


def test_octets_may_come_as_message_payload(tmp_path: Path) -> None:
    payload = Tlv(Tag.MESSAGE_PAYLOAD, b"long")
    line = Line.of(submit_sm("1", short_message=b"", tlvs=(payload,)), time=MOMENT, bind=1, message_id="1", status=0)
    assert line.octets == b"long".hex()


def test_a_record_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    for text in (b"one", b"two"):
        record = Record(path)
        record.add(a_line(text))
        record.close()
    assert [line["octets"] for line in lines(path)] == [b"one".hex(), b"two".hex()]


def test_half_a_line_of_a_killed_run_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    path.write_bytes(b'{"kind": "submit_')
    record = Record(path)
    record.add(a_line())
    record.close()
    torn, whole = path.read_text().splitlines()
    assert torn == '{"kind": "submit_'
    assert json.loads(whole)["id"] == "42"


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"--record: .*missing.record\.jsonl cannot be written: No such file"):
        Record(tmp_path / "missing" / "record.jsonl")


def test_a_full_disk_ends_the_record_and_nothing_else() -> None:
    record = Record(Path("/dev/full"))
    record.add(a_line())
    record.flush()
    record.add(a_line())
    record.flush()
    record.close()


async def test_lines_are_on_the_disk_while_the_operator_runs(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    simulator = await start(record=path)
    async with bound(simulator) as customer:
        response = await customer.submit("992000000000")
        await customer.receipt()
        submit, receipt = await recorded(path, 2)
    assert (submit["kind"], receipt["kind"]) == ("submit_sm", "receipt")
    assert submit["id"] == receipt["id"] == response.message_id
    assert (submit["status"], receipt["status"]) == (0, 0)
    assert (submit["bind"], receipt["bind"]) == (1, 1)
    assert (receipt["source"], receipt["destination"]) == ("992000000000", "AlifBank")
    assert (receipt["state"], receipt["attempt"], receipt["esm_class"]) == ("DELIVRD", 1, 4)
    assert datetime.fromisoformat(submit["time"]) <= datetime.fromisoformat(receipt["time"])
    assert bytes.fromhex(receipt["octets"]).startswith(b"id:" + response.message_id.encode())


async def test_the_id_is_the_same_in_both_lines_if_receipts_write_it_otherwise(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    simulator = await start(record=path, ids="hex-dec")
    async with bound(simulator) as customer:
        response = await customer.submit("992000000000")
        await customer.receipt()
        submit, receipt = await recorded(path, 2)
    assert submit["id"] == receipt["id"] == response.message_id


async def test_what_was_never_answered_has_no_status(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    simulator = await start(record=path)
    async with bound(simulator, response_timeout=0.1) as customer:
        assert await customer.submit("992000000011") is None
        (line,) = await recorded(path, 1)
    assert (line["id"], line["status"]) == (None, None)


async def test_an_answer_that_came_too_late_counts_as_never_given(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    simulator = await start(record=path, latency=200)
    async with bound(simulator, response_timeout=0.05) as customer:
        assert await customer.submit("992000000006") is None
    (line,) = await recorded(path, 1)
    assert line["id"] is not None  # taken all the same
    assert line["status"] is None


async def test_answers_still_to_come_are_recorded_by_a_stop(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    simulator = await start('[[rule]]\ndestination = "447*"\nanswer_after = 0', record=path, latency=60_000)
    async with bound(simulator) as customer:
        customer.ask(submit_sm("992000000000"))
        customer.ask(submit_sm("992000000007"))
        await customer.submit("447700900123")
    await simulator.stop()
    recorded = {line["destination"]: line["status"] for line in lines(path)}
    assert recorded == {"447700900123": 0, "992000000000": None, "992000000007": None}


async def test_a_receipt_that_was_not_answered_has_a_line_for_each_attempt(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    simulator = await start(record=path)
    async with bound(simulator, acknowledge=lambda _: 0x65) as customer:
        await customer.submit("992000000000")
        _, refused = await recorded(path, 2)
    assert (refused["status"], refused["attempt"]) == (0x65, 1)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    older = tmp_path / "older.jsonl"
    older.touch(mode=0o644)
    older.chmod(0o644)
    for path in (tmp_path / "new.jsonl", older):
        Record(path).close()
        assert path.stat().st_mode & 0o777 == 0o600
