"""How full the queue may get for which messages."""

from __future__ import annotations

from contextlib import suppress

import pytest

from payk.domain.message import SmsType
from payk.domain.queue_limit import QueueFull, QueueLimit

OTP, COMMON, BATCH = SmsType.OTP, SmsType.COMMON, SmsType.BATCH


@pytest.mark.parametrize(
    ("most", "sms_type", "last"),
    [
        (100, BATCH, 80),
        (100, COMMON, 95),
        (100, OTP, 100),
        (20_000_000, BATCH, 16_000_000),
        (20_000_000, COMMON, 19_000_000),
        (20_000_000, OTP, 20_000_000),
        (7, BATCH, 5),
        (7, COMMON, 6),
        (7, OTP, 7),
        (1, BATCH, 0),
        (1, OTP, 1),
    ],
)
def test_the_last_message_of_a_type_and_the_first_that_is_refused(most: int, sms_type: SmsType, last: int) -> None:
    limit = QueueLimit(most)
    limit.check(last, {sms_type})
    with pytest.raises(QueueFull) as full:
        limit.check(last + 1, {sms_type})
    assert full.value.sms_type is sms_type


@pytest.mark.parametrize(
    ("sms_types", "last", "refused"),
    [({OTP, COMMON}, 95, COMMON), ({OTP, BATCH}, 80, BATCH), ({COMMON, BATCH}, 80, BATCH), ({*SmsType}, 80, BATCH)],
)
def test_a_mixed_request_has_a_place_where_each_of_its_types_has(
    sms_types: set[SmsType], last: int, refused: SmsType
) -> None:
    limit = QueueLimit(100)
    limit.check(last, sms_types)
    for depth in (last + 1, 100, 1_000):
        with pytest.raises(QueueFull) as full:
            limit.check(depth, sms_types)
        assert full.value.sms_type is refused


def test_a_queue_fills_one_by_one_to_its_end() -> None:
    limit, depth = QueueLimit(100), 0
    counts = dict.fromkeys(SmsType, 0)
    for sms_type in (BATCH, COMMON, OTP):
        for _ in range(100):
            with suppress(QueueFull):
                limit.check(depth + 1, {sms_type})
                depth += 1
                counts[sms_type] += 1
    assert counts == {BATCH: 80, COMMON: 15, OTP: 5}


@pytest.mark.parametrize(
    ("depth", "was", "filling"),
    [(79, False, False), (80, False, True), (100, False, True), (79, True, True), (75, True, True), (74, True, False)],
)
def test_a_queue_that_is_filling_is_so_until_it_has_drained(depth: int, was: bool, filling: bool) -> None:
    assert QueueLimit(100).is_filling(depth, was=was) is filling
