"""command_status: the classes, told a second time and by class, so that a slip in the table is seen."""

from __future__ import annotations

import pytest

from payk.smpp import CommandId, CommandStatus, StatusClass, Tag, Tlv, classify, status_name
from payk.smpp.status import STATUS_CLASSES

CLASSES = {
    StatusClass.OK: {0x00},
    StatusClass.PERMANENT: {
        0x0A, 0x0B, 0x0C, 0x11, 0x13, 0x45, 0x65, 0x66, 0x67, 0xFE, 0x103, 0x10D, 0x10E, 0x10F,
    },
    StatusClass.PERMANENT_CONFIG: {
        0x01, 0x02, 0x06, 0x07, 0x15, 0x33, 0x34, 0x40, 0x42, 0x43, 0x44, 0x48, 0x49, 0x50, 0x51, 0x54, 0x55,
        0x61, 0x62, 0x63, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0x100, 0x101, 0x104, 0x105, 0x106, 0x107, 0x108, 0x109,
        0x10A, 0x10B, 0x10C, 0x110, 0x111, 0x112,
    },
    StatusClass.TEMPORARY: {0x08, 0x64, 0x102},
    StatusClass.TEMPORARY_TWICE: {0xFF},
    StatusClass.THROTTLE: {0x14, 0x58},
    StatusClass.LINK: {0x03, 0x04, 0x05},
    StatusClass.BIND: {0x0D, 0x0E, 0x0F, 0x53},
}  # fmt: skip


@pytest.mark.parametrize(("expected", "code"), [(cls, code) for cls, codes in CLASSES.items() for code in codes])
def test_class_of_a_submits_answer(expected: StatusClass, code: int) -> None:
    assert classify(code) is expected


def test_every_named_code_has_a_class() -> None:
    assert set().union(*CLASSES.values()) == set(CommandStatus) == STATUS_CLASSES.keys()


@pytest.mark.parametrize("code", [0x09, 0x22, 0x47, 0xC5, 0x113, 0x3FF, 0x400, 0x4FF, 0x601, 0xFFFFFFFF])
def test_codes_of_no_table_are_permanent_and_keep_their_number(code: int) -> None:
    assert classify(code) is StatusClass.PERMANENT
    assert status_name(code) == f"0x{code:08X}"


@pytest.mark.parametrize(
    ("code", "name"),
    [(0, "ESME_ROK"), (0x58, "ESME_RTHROTTLED"), (0x08, "ESME_RSYSERR"), (0xFF, "ESME_RUNKNOWNERR")],
)
def test_names(code: int, name: str) -> None:
    assert status_name(code) == name


def test_a_links_overrides_win_except_over_success() -> None:
    overrides = {0x400: StatusClass.THROTTLE, 0x45: StatusClass.TEMPORARY, 0x00: StatusClass.PERMANENT}
    assert classify(0x400, overrides=overrides) is StatusClass.THROTTLE
    assert classify(0x45, overrides=overrides) is StatusClass.TEMPORARY
    assert classify(0x00, overrides=overrides) is StatusClass.OK
    assert classify(0x0B, overrides=overrides) is StatusClass.PERMANENT


@pytest.mark.parametrize(
    ("reason", "expected"),
    [(b"\0", "PERMANENT"), (b"\1", "PERMANENT"), (b"\2", "PERMANENT"), (b"\3", "TEMPORARY"), (b"", "PERMANENT")],
)
def test_a_delivery_failure_is_temporary_if_its_reason_is(reason: bytes, expected: str) -> None:
    assert classify(0xFE, (Tlv(Tag.DELIVERY_FAILURE_REASON, reason),)) is StatusClass[expected]


def test_what_the_answer_is_to_matters_for_two_codes() -> None:
    assert classify(0x02, answer=CommandId.GENERIC_NACK) is StatusClass.LINK
    assert classify(0x02, answer=CommandId.SUBMIT_SM_RESP) is StatusClass.PERMANENT_CONFIG
    assert classify(0x08, answer=CommandId.BIND_TRANSCEIVER_RESP) is StatusClass.LINK
    assert classify(0x08, answer=CommandId.SUBMIT_SM_RESP) is StatusClass.TEMPORARY
