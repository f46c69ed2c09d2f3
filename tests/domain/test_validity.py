"""ScheduledAt in every spelling, its horizon, and ExpiresIn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from payk.domain.errors import Code, Field, Rejection
from payk.domain.validity import due_at, lifetime, parse_instant

AT = datetime(2025, 2, 17, 10, 20, 30, tzinfo=UTC)
NOW = datetime(2025, 2, 17, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2025-02-17T10:20:30Z", AT),
        ("2025-02-17T10:20:30", AT),
        ("2025-02-17 10:20:30", AT),
        ("2025-02-17t10:20:30z", AT),
        (" 2025-02-17T10:20:30Z ", AT),
        ("2025-02-17T15:20:30+05:00", AT),
        ("2025-02-17T15:20:30+0500", AT),
        ("2025-02-17T15:20:30+05", AT),
        ("2025-02-17 15:20:30 +05:00", AT),
        ("2025-02-17T06:50:30-03:30", AT),
        ("2025-02-17T10:20:30-00:00", AT),
        ("2025-02-17T10:20Z", AT.replace(second=0)),
        ("2025-02-17 10:20", AT.replace(second=0)),
        ("2025-02-17T10:20:30.1Z", AT.replace(microsecond=100_000)),
        ("2025-02-17T10:20:30.12", AT.replace(microsecond=120_000)),
        ("2025-02-17T10:20:30.123Z", AT.replace(microsecond=123_000)),
        ("2025-02-17T10:20:30.1234567+00:00", AT.replace(microsecond=123_456)),
        ("2025-02-17T10:20:30.123456789Z", AT.replace(microsecond=123_456)),
        ("2025-02-17T10:20:30,5Z", AT.replace(microsecond=500_000)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_every_spelling_of_an_instant_is_read(raw: str, expected: datetime) -> None:
    assert parse_instant(raw) == expected


@pytest.mark.parametrize("offset", ["", "Z", "+00:00", "+05:00", "+1400", "-05:00", "-12:00"])
def test_the_first_instant_of_dotnet_is_the_past_with_any_offset(offset: str) -> None:
    assert due_at(parse_instant(f"0001-01-01T00:00:00{offset}"), NOW) is None


@pytest.mark.parametrize("raw", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"])
def test_the_last_instant_is_too_far_with_any_offset(raw: str) -> None:
    with pytest.raises(Rejection) as refused:
        due_at(parse_instant(raw), NOW)
    assert refused.value.code is Code.SCHEDULED_AT_TOO_FAR


@pytest.mark.parametrize(
    "raw",
    [
        "tomorrow",
        "2025-02-17",
        "10:20:30",
        "1739787630",
        "17.02.2025 10:20:30",
        "2025-02-30T10:20:30Z",
        "2025-13-01T10:20:30Z",
        "2025-02-17T24:00:00Z",
        "2025-02-17T10:60:00Z",
        "2025-02-17T10:20:61Z",
        "2025-02-17T10:20:30.1234567890Z",
        "2025-02-17T10:20:30.Z",
        "2025-02-17T10:20:30+24:00",
        "2025-02-17T10:20:30+05:60",
        "2025-02-17T10:20:30+5",
        "2025-02-17T10:20:30ZZ",
        "0000-01-01T00:00:00Z",
        "٢٠٢٥-02-17T10:20:30Z",
        "2025-02-17T10:20:30Z\n2025",
        "\ud800",
    ],
)
def test_what_is_no_instant_is_refused(raw: str) -> None:
    with pytest.raises(Rejection) as refused:
        parse_instant(raw)
    assert (refused.value.code, refused.value.field) == (Code.SCHEDULED_AT_INVALID, Field.SCHEDULED_AT)
    refused.value.detail.encode()


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(seconds=-1), timedelta(days=-4000)])
def test_the_present_and_the_past_mean_at_once(ahead: timedelta) -> None:
    assert due_at(NOW + ahead, NOW) is None


@pytest.mark.parametrize("ahead", [timedelta(milliseconds=1), timedelta(seconds=5), timedelta(days=366)])
def test_the_future_is_due_then(ahead: timedelta) -> None:
    assert due_at(NOW + ahead, NOW) == NOW + ahead


def test_more_than_366_days_ahead_is_too_far() -> None:
    with pytest.raises(Rejection) as refused:
        due_at(NOW + timedelta(days=366, microseconds=1), NOW)
    assert (refused.value.code, refused.value.field) == (Code.SCHEDULED_AT_TOO_FAR, Field.SCHEDULED_AT)


@pytest.mark.parametrize(
    ("expires_in", "expected"),
    [(0, 0), (1, 1), (2_592_000, 2_592_000), (2_592_001, 2_592_000), (10**400, 2_592_000)],
)
def test_expires_in_is_at_most_30_days(expires_in: int, expected: int) -> None:
    assert lifetime(expires_in) == expected


def test_a_negative_expires_in_is_refused() -> None:
    with pytest.raises(Rejection) as refused:
        lifetime(-1)
    assert (refused.value.code, refused.value.field) == (Code.EXPIRES_IN_INVALID, Field.EXPIRES_IN)
