"""What becomes of a submit_sm, decided without a socket."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from payk.simulator import SimulatorOptions, scripted_numbers
from payk.simulator import script as script_module
from payk.simulator.rule import AT_ONCE, DELIVERED_SOON, Fate, Rule
from payk.simulator.script import Script
from payk.smpp import CommandStatus, SubmitSm, Tag, Tlv
from tests.simulator.client import submit_sm


def script(*rules: Rule, **options: Any) -> Script:
    return Script([*(row.rule for row in scripted_numbers()), *rules], SimulatorOptions(**options), Random(7))


def statuses(of: Script, pdu: SubmitSm, submits: int) -> list[int | None]:
    return [of.fate(pdu, 0, 0.0).status for _ in range(submits)]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("992000000000", [0, 0]),
        ("992000000007", [0x0B, 0x0B]),
        ("992000000008", [0x58, 0x58, 0, 0x58, 0x58, 0]),
        ("992000000009", [0x08, 0, 0x08, 0]),
        ("992000000011", [None, None, None]),
        ("992000000014", [None, None, None]),
        ("992000000015", [0x0A, 0x0A]),
        ("+992000000015", [0x0A, 0x0A]),
        ("992900900900", [0, 0]),
    ],
)
def test_submits_of_one_message_are_answered_in_turn(number: str, expected: list[int | None]) -> None:
    assert statuses(script(), submit_sm(number), len(expected)) == expected


def test_other_numbers_are_delivered_after_a_tenth_of_a_second_to_one() -> None:
    fate = script().fate(submit_sm("992900900900"), 0, 0.0)
    assert fate == DELIVERED_SOON
    assert (fate.receipts[0].earliest, fate.receipts[0].latest) == (0.1, 1.0)


@pytest.mark.parametrize(
    "other",
    [
        {"short_message": b"another text"},
        {"source_addr": "AlifSarmoya"},
        {"short_message": b"", "tlvs": (Tlv(Tag.MESSAGE_PAYLOAD, b"another text"),)},
    ],
)
def test_each_message_is_counted_on_its_own(other: dict[str, Any]) -> None:
    of = script()
    assert statuses(of, submit_sm("992000000008"), 2) == [0x58, 0x58]
    assert statuses(of, submit_sm("992000000008", **other), 3) == [0x58, 0x58, 0]
    assert statuses(of, submit_sm("992000000008"), 1) == [0]


def test_parts_of_a_long_message_are_counted_on_their_own() -> None:
    of = script()
    parts = [
        submit_sm("992000000009", esm_class=0x40, short_message=bytes([5, 0, 3, 7, 2, number]) + b"same")
        for number in (1, 2)
    ]
    assert [statuses(of, part, 1) for part in parts + parts] == [[8], [8], [0], [0]]


def test_what_is_counted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_module, "MESSAGES_REMEMBERED", 2)
    of = script()
    messages = [submit_sm("992000000009", short_message=text) for text in (b"1", b"2", b"3")]
    assert [statuses(of, message, 1) for message in messages] == [[8], [8], [8]]
    assert [statuses(of, message, 1) for message in messages[1:]] == [[0], [0]]
    assert statuses(of, messages[0], 1) == [8]  # forgotten


def test_the_more_exact_rule_counts() -> None:
    of = script(
        Rule("*", Fate(1)),
        Rule("9929*", Fate(2)),
        Rule("992901*", Fate(3)),
        Rule("992901000000", Fate(4)),
        Rule("992000000000", Fate(5)),  # a file's rule goes before a scripted number
    )
    numbers = ("447700900123", "992911000000", "992901000001", "992901000000", "992000000000", "992000000001")
    assert [of.fate(submit_sm(number), 0, 0.0).status for number in numbers] == [1, 2, 3, 4, 5, 0]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"destination_addr": ""}, 0x0B),
        ({"destination_addr": "+"}, 0x0B),
        ({"destination_addr": "99290090O900"}, 0x0B),
        ({"destination_addr": "992 900900900"}, 0x0B),
        ({"destination_addr": "99290090090\xb2"}, 0x0B),
        ({"destination_addr": "1" * 16}, 0x0B),
        ({"destination_addr": "1" * 15}, 0),
        ({"destination_addr": "+" + "1" * 15}, 0),
        ({"destination_addr": "1122"}, 0),
        ({"source_addr": ""}, 0x0A),
        ({"source_addr": "A" * 16}, 0x0A),
        ({"source_addr": "A" * 15}, 0),
        ({"source_addr": "+" + "9" * 15}, 0),
    ],
)
def test_addresses_must_be_such_that_reach_a_telephone(fields: dict[str, str], status: int) -> None:
    pdu = SubmitSm(**{"source_addr": "AlifBank", "destination_addr": "992900900900", **fields})
    assert script().fate(pdu, 0, 0.0).status == status


def test_what_is_unfit_takes_nothing_of_the_rate() -> None:
    of = script(rate=1)
    assert of.fate(submit_sm(""), 0, 0.0).status == 0x0B
    assert of.fate(submit_sm("992000000000"), 0, 0.0).status == 0


def test_no_more_than_the_rate_is_taken_in_any_second() -> None:
    of = script(rate=3)
    pdu = submit_sm("992000000000")
    times = [0.0, 0.2, 0.4, 0.6, 0.99, 1.0, 1.1, 1.2, 1.3, 1.45]
    answers = [of.fate(pdu, 0, time).status for time in times]
    assert answers == [0, 0, 0, 0x58, 0x58, 0, 0x58, 0, 0x58, 0]


def test_more_unanswered_submits_than_the_window_are_throttled() -> None:
    of = script(window=2)
    pdu = submit_sm("992000000000")
    assert [of.fate(pdu, unanswered, 0.0).status for unanswered in (0, 1, 2, 3)] == [0, 0, 0x58, 0x58]


def test_chance_strikes_its_share_of_the_submits() -> None:
    of = script(refuse=0.2, throttle=0.3, lose=0.1)
    drawn = Counter(statuses(of, submit_sm("992900900900"), 10_000))
    shares = {status: amount / 10_000 for status, amount in drawn.items()}
    assert shares == pytest.approx({0x45: 0.2, 0x58: 0.3, None: 0.1, 0: 0.4}, abs=0.02)


@pytest.mark.parametrize(
    ("option", "status"),
    [("refuse", CommandStatus.ESME_RSUBMITFAIL), ("throttle", CommandStatus.ESME_RTHROTTLED), ("lose", None)],
)
def test_a_share_of_one_strikes_every_number_without_a_rule(option: str, status: int | None) -> None:
    of = script(**{option: 1})
    assert set(statuses(of, submit_sm("992900900900"), 100)) == {status}
    assert of.fate(submit_sm("992000000000"), 0, 0.0) == AT_ONCE


RINVEXPIRY, RINVSCHED = CommandStatus.ESME_RINVEXPIRY, CommandStatus.ESME_RINVSCHED


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("validity_period", "000002000000000R", 0),
        ("validity_period", "251124101500000+", 0),
        ("validity_period", "251124101500", 0),  # two short forms are seen
        ("validity_period", "251124101500-00", 0),
        ("validity_period", "000002000000000r", RINVEXPIRY),
        ("validity_period", "251324101500000+", RINVEXPIRY),  # a 13th month
        ("validity_period", "251124101500049+", RINVEXPIRY),  # more than twelve hours from UTC
        ("validity_period", "25112410150", RINVEXPIRY),
        ("schedule_delivery_time", "251124101500008-", 0),
        ("schedule_delivery_time", "251124101500", 0),
        ("schedule_delivery_time", "tomorrow at noon", RINVSCHED),
        ("schedule_delivery_time", "250230101500000+", RINVSCHED),
    ],
)
def test_times_must_be_such_as_can_be_read(field: str, value: str, status: int) -> None:
    assert script().fate(submit_sm("992000000000", **{field: value}), 0, 0.0).status == status
