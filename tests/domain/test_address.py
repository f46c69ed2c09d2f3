"""Phone numbers in their normal form, and sender names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from payk.domain.account import Client
from payk.domain.address import check_sender_fits, normalise_phone, registered_sender
from payk.domain.errors import Code, Field, Rejection

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
CLIENT = Client(1, "demo", senders={"alifbank": "AlifBank", "olami ashyo": "Olami Ashyo", "4545": "4545"})


@pytest.mark.parametrize(
    "raw",
    [
        "992900900900",
        "+992900900900",
        "00992900900900",
        " 992 900 900 900 ",
        "+992 (90) 090-09-00",
        "992.900.900.900",
        "+ 992 900900900",
        "(00)992-900-900-900",
        "992\u00a0900\u202f900900",
        "992900900900\r\n",
    ],
)
def test_every_spelling_of_a_number_has_one_form(raw: str) -> None:
    assert normalise_phone(raw) == "992900900900"


@pytest.mark.parametrize("raw", ["1234567", "123456789012345", "+79161234567", "447911123456"])
def test_numbers_of_other_countries_have_7_to_15_digits(raw: str) -> None:
    assert normalise_phone(raw) == raw.removeprefix("+")


@pytest.mark.parametrize(
    "raw",
    [
        "123456",
        "1234567890123456",
        "0900900900",
        "+0992900900900",
        "000992900900900",
        "++992900900900",
        "992900900900x",
        "992-900/900-900",
        "٩٩٢٩٠٠٩٠٠٩٠٠",
        "\uff19\uff19\uff12900900900",
        "+",
        "00",
        "()",
        "AlifBank",
        "9929009009\u0000",
        "\ud800",
    ],
)
def test_what_is_no_number_is_refused(raw: str) -> None:
    with pytest.raises(Rejection) as refused:
        normalise_phone(raw)
    assert (refused.value.code, refused.value.field) == (Code.PHONE_NUMBER_INVALID, Field.PHONE_NUMBER)
    refused.value.detail.encode()


@pytest.mark.parametrize("raw", ["99290090090", "9929009009000", "+992123456", "992123456"])
def test_country_992_has_twelve_digits(raw: str) -> None:
    with pytest.raises(Rejection, match="12 digits"):
        normalise_phone(raw)


@pytest.mark.parametrize(
    ("raw", "country", "expected"),
    [
        ("900900900", "992", "992900900900"),
        ("90-090-09-00", "992", "992900900900"),
        ("992123456", "992", "992992123456"),
        ("992900900900", "992", "992900900900"),
        ("+447911123456", "992", "447911123456"),
        ("9161234567", "7", "79161234567"),
    ],
)
def test_a_number_of_the_national_length_gets_the_default_country(raw: str, country: str, expected: str) -> None:
    assert normalise_phone(raw, country) == expected


@pytest.mark.parametrize("raw", ["+900900900", "00900900900"])
def test_a_number_written_as_international_is_never_national(raw: str) -> None:
    assert normalise_phone(raw, "992") == "900900900"


def test_a_national_number_does_not_begin_with_zero() -> None:
    with pytest.raises(Rejection):
        normalise_phone("090090090", "992")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("AlifBank", "AlifBank"), ("ALIFBANK", "AlifBank"), ("olami ashyo", "Olami Ashyo"), ("4545", "4545")],
)
def test_a_sender_is_sent_as_registered(raw: str, expected: str) -> None:
    assert registered_sender(raw, CLIENT, lambda: NOW) == expected


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("SixteenLettersXY", Code.SENDER_ADDRESS_TOO_LONG),
        ("Alif@Bank", Code.SENDER_ADDRESS_INVALID),
        (" AlifBank", Code.SENDER_ADDRESS_INVALID),
        ("AlifBank ", Code.SENDER_ADDRESS_INVALID),
        ("Алиф", Code.SENDER_ADDRESS_INVALID),
        ("Alif\nBank", Code.SENDER_ADDRESS_INVALID),
        ("AlifBank\n", Code.SENDER_ADDRESS_INVALID),
        ("Alif\x7f", Code.SENDER_ADDRESS_INVALID),
        ("Alif\ud800", Code.SENDER_ADDRESS_INVALID),
        ("FifteenLettersX", Code.SENDER_ADDRESS_NOT_ALLOWED),
        ("Foo", Code.SENDER_ADDRESS_NOT_ALLOWED),
    ],
)
def test_a_sender_that_breaks_a_rule_is_refused(raw: str, code: Code) -> None:
    with pytest.raises(Rejection) as refused:
        registered_sender(raw, CLIENT, lambda: NOW)
    assert (refused.value.code, refused.value.field) == (code, Field.SENDER_ADDRESS)
    refused.value.detail.encode()


def test_an_approval_ends_at_its_moment() -> None:
    client = Client(1, "demo", senders={"shop": "Shop"}, sender_expiry={"shop": NOW})
    assert registered_sender("SHOP", client, lambda: NOW - timedelta(seconds=1)) == "Shop"
    with pytest.raises(Rejection) as refused:
        registered_sender("SHOP", client, lambda: NOW)
    assert refused.value.code is Code.SENDER_ADDRESS_NOT_ALLOWED
    assert refused.value.detail == "The approval of SenderAddress 'SHOP' ended 2026-11-01T12:00:00 UTC."


def test_the_detail_of_a_foreign_sender_counts_the_names() -> None:
    with pytest.raises(Rejection) as refused:
        registered_sender("Foo", Client(1, "demo", senders={"a": "A", "b": "B"}), lambda: NOW)
    assert refused.value.detail == "SenderAddress 'Foo' is not among the 2 names registered for client 'demo'."


@pytest.mark.parametrize(("sender", "alnum_max"), [("AlifSarmoya", 11), ("123456789012345", 11), ("A" * 15, 15)])
def test_an_operator_carries_senders_up_to_its_limit_and_digits_always(sender: str, alnum_max: int) -> None:
    check_sender_fits(sender, alnum_max, "tcell")


def test_a_sender_longer_than_the_operator_carries_is_refused() -> None:
    with pytest.raises(Rejection) as refused:
        check_sender_fits("Olami Ashyo 2", 11, "tcell")
    assert refused.value.code is Code.SENDER_ADDRESS_TOO_LONG
    assert "tcell" in refused.value.detail
    assert "11" in refused.value.detail
