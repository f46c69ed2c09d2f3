"""The table of codes."""

from __future__ import annotations

import pytest

from payk.domain.errors import ERRORS, Code, Field, quoted

STATUSES = {
    400: {
        *("JsonInvalid", "MessageIdInvalid", "AllMessagesRejected", "IdempotencyKeyInvalid", "HttpInvalid"),
        "ParameterInvalid",
        *("PhoneNumberRequired", "PhoneNumberInvalid", "PhoneNumberNotRoutable"),
        *("TextRequired", "TextInvalid", "TextTooLong"),
        *("SenderAddressRequired", "SenderAddressTooLong", "SenderAddressInvalid"),
        *("PriorityInvalid", "SmsTypeRequired", "SmsTypeInvalid", "ScheduledAtInvalid", "ScheduledAtTooFar"),
        *("ExpiresInInvalid", "SmsLabelTooLong", "ClientMessageIdTooLong"),
    },
    401: {"Unauthorized"},
    403: {
        "BalanceInsufficient",
        "ClientSuspended",
        "DestinationNotAllowed",
        "IpAddressNotAllowed",
        "PhoneNumberBlocked",
        "PriorityNotAllowed",
        "SenderAddressNotAllowed",
        "SmsTypeNotAllowed",
    },
    404: {"MessageNotFound", "PathNotFound"},
    405: {"MethodNotAllowed"},
    408: {"RequestTimeout"},
    409: {"IdempotencyKeyReused", "MessageAlreadySent"},
    413: {"PayloadTooLarge"},
    429: {"NumberLimitExceeded", "QuotaExceeded", "RateLimitExceeded"},
    500: {"InternalError"},
    503: {"ServiceUnavailable", "QueueFull"},
    504: {"OutcomeUnknown"},
}
"""Written out from docs/en/api.md, "Errors"."""


def test_every_code_has_its_documented_status() -> None:
    by_status: dict[int, set[str]] = {}
    for code, kind in ERRORS.items():
        by_status.setdefault(kind.status, set()).add(code.value)
    assert by_status == STATUSES
    assert set(ERRORS) == set(Code)


def test_408_429_and_503_are_retryable_and_nothing_else() -> None:
    assert {kind.status for kind in ERRORS.values() if kind.retryable} == {408, 429, 503}


def test_the_fields_are_in_the_documented_order() -> None:
    assert list(Field) == [
        *("PhoneNumber", "Text", "SenderAddress", "Priority", "SmsType", "ScheduledAt", "ExpiresIn", "SmsLabel"),
        "ClientMessageId",
    ]


@pytest.mark.parametrize(
    ("value", "expected"), [("Foo", "'Foo'"), ("x" * 50, f"'{'x' * 40}...'"), ("a\ud800b", "'a?b'"), ("", "''")]
)
def test_a_quotation_is_short_and_encodable(value: str, expected: str) -> None:
    assert quoted(value) == expected
