"""From JSON to a request: the fast path, the lenient one, and that they agree."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payk.domain.errors import Code, Field, Rejection
from payk.intake import Request
from payk.web.api.reading import read_bulk, read_message
from payk.web.api.slices import Slices
from payk.web.api.splitting import BULK_ITEMS, ITEM_OCTETS
from payk.web.problems import Problem

DOCUMENTED = Request(phone_number="992900900900", text="Привет", sender_address="AlifBank", sms_type=2)
BODY = {"PhoneNumber": "992900900900", "Text": "Привет", "SenderAddress": "AlifBank", "SmsType": 2}


def read(**members: Any) -> Request:
    return read_message(json.dumps(members).encode())


def read_items(body: bytes) -> list[Request | Rejection]:
    async def read_all() -> list[Request | Rejection]:
        async with Slices().work() as work:
            return list(await read_bulk(body, work))

    return asyncio.run(read_all())


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(BODY).encode(),
        json.dumps(BODY, ensure_ascii=False, indent=2).encode(),
        b"\xef\xbb\xbf" + json.dumps(BODY).encode(),
        json.dumps({**BODY, "Unknown": [1, {"a": None}]}).encode(),
        json.dumps({name.lower(): value for name, value in BODY.items()}).encode(),
        json.dumps(
            {"phone_number": "992900900900", "TEXT": "Привет", "Sender_Address": "AlifBank", "smsType": 2}
        ).encode(),
        json.dumps({**BODY, "PhoneNumber": 992900900900, "SmsType": "Otp"}).encode(),
        json.dumps({**BODY, "SmsType": 2.0, "Priority": None, "SmsLabel": "", "ExpiresIn": " "}).encode(),
    ],
)
def test_every_spelling_of_a_message_reads_the_same(body: bytes) -> None:
    assert read_message(body) == DOCUMENTED


def test_the_fast_path_reads_every_member() -> None:
    whole = {
        **BODY,
        "Priority": 2,
        "ScheduledAt": "2025-02-17T10:20:30Z",
        "ExpiresIn": 60,
        "SmsLabel": "spring",
        "ClientMessageId": "order-17",
    }
    expected = Request("992900900900", "Привет", "AlifBank", 2, 2, "2025-02-17T10:20:30Z", 60, "spring", "order-17")
    assert read_message(json.dumps(whole).encode()) == expected
    assert read_message(json.dumps({**whole, "x": 1}).encode()) == expected


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"Text": "a", "text": "b"}', "b"),
        (b'{"text": "a", "Text": "b"}', "b"),
        (b'{"Text": "a", "text": "b", "Text": "c"}', "c"),
        (b'{"Text": "a", "Text": "b"}', "b"),
        (b'{"Text": "a", "text": null}', None),
        (b'{"text": null, "TEXT": "", "Text": "b"}', "b"),
    ],
)
def test_of_two_spellings_the_last_wins(body: bytes, text: str | None) -> None:
    assert read_message(body).text == text


@pytest.mark.parametrize(
    ("value", "number"),
    [(2, 2), ("2", 2), (" 2 ", 2), ("+2", 2), ("-2", -2), (2.0, 2), ("2.0", 2), ("2.", 2), (10**400, None)],
)
def test_integers_may_come_as_strings_and_floats(value: Any, number: int | None) -> None:
    request = read(ExpiresIn=value, x=0)
    assert request.unreadable == ()
    assert request.expires_in == number if number is not None else (request.expires_in or 0) > 10**300


@pytest.mark.parametrize("value", [1.5, "1.5", "two", "1e3", "٢", True, False, [2], {"a": 2}, "0x2", "--2", "9" * 5000])
def test_what_is_no_integer_is_told(value: Any) -> None:
    request = read(ExpiresIn=value, x=0)
    assert [(r.code, r.field) for r in request.unreadable] == [(Code.EXPIRES_IN_INVALID, Field.EXPIRES_IN)]
    assert request.expires_in is None


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SmsType", "Common", 1),
        ("SmsType", "otp", 2),
        ("SmsType", " BATCH ", 3),
        ("Priority", "Low", 0),
        ("Priority", "normal", 1),
        ("Priority", "HIGH", 2),
    ],
)
def test_types_and_priorities_may_come_by_name(name: str, value: str, expected: int) -> None:
    request = read(**{name: value})
    assert expected in (request.sms_type, request.priority)


@pytest.mark.parametrize(("name", "attribute"), [("ClientMessageId", "client_message_id"), ("SmsLabel", "sms_label")])
def test_names_may_come_as_integers(name: str, attribute: str) -> None:
    assert getattr(read(**{name: 17}), attribute) == "17"
    assert getattr(read(**{name: 17.0}), attribute) == "17"


UNREADABLE = [
    ("PhoneNumber", Code.PHONE_NUMBER_INVALID),
    ("Text", Code.TEXT_INVALID),
    ("SenderAddress", Code.SENDER_ADDRESS_INVALID),
    ("Priority", Code.PRIORITY_INVALID),
    ("SmsType", Code.SMS_TYPE_INVALID),
    ("ScheduledAt", Code.SCHEDULED_AT_INVALID),
    ("ExpiresIn", Code.EXPIRES_IN_INVALID),
    ("SmsLabel", Code.JSON_INVALID),
    ("ClientMessageId", Code.JSON_INVALID),
]


@pytest.mark.parametrize(("name", "code"), UNREADABLE)
@pytest.mark.parametrize("value", [True, [], {}, {"a": 1}, 1.5])
def test_a_value_of_the_wrong_type_has_the_code_of_its_field(name: str, code: Code, value: Any) -> None:
    assert [(r.code, r.field) for r in read(**{name: value}).unreadable] == [(code, name)]


def test_a_huge_integer_is_cut_and_never_an_error() -> None:
    body = b'{"ExpiresIn": ' + b"9" * 20_000 + b', "x": ' + b"-9" + b"9" * 20_000 + b"}"
    assert (read_message(body).expires_in or 0) > 10**300


def test_half_of_an_emoji_reaches_the_rule_of_its_field() -> None:
    assert read_message(b'{"Text": "a\\ud83d"}').text == "a\ud83d"
    assert [item.text for item in read_items(b'[{"Text": "a"}, {"Text": "\\ud83d"}, {"text": "b"}]')] == [  # type: ignore[union-attr]
        "a",
        "\ud83d",
        "b",
    ]


NO_JSON = [
    b"",
    b" ",
    b"\xef\xbb\xbf",
    b"{",
    b"}",
    b"{]",
    b'{"Text": }',
    b'{"Text": "a",}',
    b'{"Text": "a"} {}',
    b'{"Text": "a"} x',
    b"{'Text': 'a'}",
    b'{Text: "a"}',
    b'{"Text": NaN}',
    b'{"ExpiresIn": Infinity}',
    b'{"ExpiresIn": -Infinity}',
    b'{"ExpiresIn": 01}',
    b'{"Text": "a\x01"}',
    b'{"Text": "\\x"}',
    b'{"Text": "\xff"}',
    b'{"Text": "\xed\xa0\x80"}',
    b'{"Text": "\xd0"}',
    '{"Text": "a"}'.encode("utf-16"),
    b"PhoneNumber=992900900900&Text=a",
    b"<sms/>",
    b"[" * 100_000,
    b'{"x": ' * 50_000,
    b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b"\x00",
]


@pytest.mark.parametrize("body", NO_JSON, ids=lambda body: repr(body[:24]))
def test_what_is_no_json_is_refused_as_such(body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        read_message(body)
    assert refused.value.code is Code.JSON_INVALID
    with pytest.raises(Problem) as refused:
        read_items(b"[" + body + b"]" if body.strip(b" \xef\xbb\xbf") else body)
    assert refused.value.code is Code.JSON_INVALID
    assert refused.value.detail.isprintable()


@pytest.mark.parametrize("body", [b"[]", b'[{"Text": "a"}]', b'"a"', b"1", b"null", b"true"])
def test_a_single_message_is_one_object(body: bytes) -> None:
    with pytest.raises(Problem, match="object") as refused:
        read_message(body)
    assert refused.value.code is Code.JSON_INVALID


@pytest.mark.parametrize("body", [b"{}", b'{"Text": "a"}', b'"a"', b"1", b"null", b'"\\ud800"'])
def test_a_bulk_is_an_array(body: bytes) -> None:
    with pytest.raises(Problem, match="array") as refused:
        read_items(body)
    assert refused.value.code is Code.JSON_INVALID


@pytest.mark.parametrize("body", [b"[]", b" [ ] ", b"\xef\xbb\xbf[]"])
def test_a_bulk_may_be_empty(body: bytes) -> None:
    assert read_items(body) == []


@pytest.mark.parametrize("cut", [b"", b', {"Text": "\\ud83d"}'])
def test_an_item_that_is_no_object_is_refused_alone(cut: bytes) -> None:
    items = read_items(b'[{"Text": "a"}, 1, null, "x", [], true, {"text": "b"}' + cut + b"]")
    assert [isinstance(item, Rejection) for item in items[:7]] == [False, True, True, True, True, True, False]
    assert {item.code for item in items if isinstance(item, Rejection)} == {Code.JSON_INVALID}


@pytest.mark.parametrize("cut", [b"1", b'"\\ud83d"'])
def test_a_bulk_has_at_most_50_000_items(cut: bytes) -> None:
    assert len(read_items(b"[" + b",".join([cut] * BULK_ITEMS) + b"]")) == BULK_ITEMS
    with pytest.raises(Problem, match="50,000") as refused:
        read_items(b"[" + b",".join([cut] * (BULK_ITEMS + 1)) + b"]")
    assert refused.value.code is Code.PAYLOAD_TOO_LARGE


@pytest.mark.parametrize("tail", [b"]", b', "\\ud83d"]'])
def test_an_item_is_as_large_as_a_message_may_be_and_a_larger_one_is_refused_alone(tail: bytes) -> None:
    largest = b'{"Text": "%b"}' % (b"a" * (ITEM_OCTETS - 12))
    assert len(largest) == ITEM_OCTETS
    first, second, third = read_items(b"[" + largest + b",%b ," % largest.replace(b":", b": ") + largest + tail)[:3]
    assert isinstance(second, Rejection)
    assert second.code is Code.PAYLOAD_TOO_LARGE
    assert "262,144 octets" in second.detail
    assert told(first) == told(third) == told(read_message(largest))


@pytest.mark.parametrize("tail", [b"", b"]", b",", b"}", b"]]", b"] x", b",]"])
def test_a_bulk_that_ends_wrong_is_refused_after_its_items(tail: bytes) -> None:
    body = b'[{"Text": "\\ud83d"}' + tail
    if tail == b"]":
        assert len(read_items(body)) == 1
        return
    with pytest.raises(Problem) as refused:
        read_items(body)
    assert refused.value.code is Code.JSON_INVALID


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
NAMES = st.sampled_from([*(field.value for field in Field), "text", "sms_type", "PHONENUMBER", "Other"])
ANY_MESSAGE = st.dictionaries(NAMES, ANY_JSON)


@given(st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_any_octets_are_a_message_or_a_problem(body: bytes) -> None:
    codes: set[Any] = {Code.JSON_INVALID}
    for read_it in (read_message, read_items):
        try:
            read_it(body)
        except Problem as problem:
            codes.add(problem.code)
    assert codes == {Code.JSON_INVALID}


def told(request: Request | Rejection) -> Any:
    """A request in a form that compares: rejections by code and field."""
    assert isinstance(request, Request)
    broken = [(rejection.code, rejection.field) for rejection in request.unreadable]
    return replace(request, unreadable=()), broken


@given(ANY_MESSAGE)
@example({"PhoneNumber": ""})
@example({"Text": "a", "ClientMessageId": " \u2003"})
def test_any_members_read_alike_alone_in_a_bulk_and_beside_half_an_emoji(members: dict[str, Any]) -> None:
    body = json.dumps(members).encode()
    alone = told(read_message(body))
    assert [told(item) for item in read_items(b"[" + body + b"]")] == [alone]
    assert told(next(iter(read_items(b"[" + body + b', {"x": "\\ud83d"}]')))) == alone
