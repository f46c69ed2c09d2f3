"""Optional parameters by the table, and reading whatever came."""

from __future__ import annotations

import pytest

from payk.smpp import LocalError, Tag, Tlv, find_tlv, tlv_int, tlv_text
from payk.smpp.tlv import TLV_TABLE, tlv_oddities


def test_the_table_has_every_tag() -> None:
    assert TLV_TABLE.keys() == set(Tag)


SIZES = {
    (1, 1): {
        *(0x0005, 0x0006, 0x0007, 0x000D, 0x000E, 0x000F, 0x0019, 0x0030, 0x0201, 0x0205, 0x020D, 0x020E, 0x020F),
        *(0x0210, 0x0302, 0x0304, 0x0420, 0x0421, 0x0422, 0x0425, 0x0426, 0x0427, 0x0428, 0x0501, 0x0611, 0x1201),
        0x1380,
    },
    (2, 2): {0x0008, 0x0204, 0x020A, 0x020B, 0x020C, 0x1203, 0x1383},
    (4, 4): {0x0017},
    (1, 2): {0x0010},
    (1, 4): {0x1204},
    (0, 1): {0x130C},
    (1, 256): {0x001D},
    (1, 65): {0x001E},
    (2, 23): {0x0202, 0x0203},
    (3, 3): {0x0423},
    (0, 65): {0x0303, 0x060D, 0x060E},
    (4, 19): {0x0381},
    (0, 1024): {0x060B},
    (6, 6): {0x060F, 0x0610},
    (10, 10): {0x0612},
    (1, 5): {0x0613},
    (0, 65535): {0x0424},
}
"""Told a second time and by size, so that a slip in the table is seen."""


def test_the_sizes_of_the_table() -> None:
    assert {int(tag): (row.smallest, row.largest) for tag, row in TLV_TABLE.items()} == {
        tag: size for size, tags in SIZES.items() for tag in tags
    }


@pytest.mark.parametrize(
    ("tag", "value", "octets"),
    [
        (Tag.USER_MESSAGE_REFERENCE, 7, b"\0\7"),
        (Tag.QOS_TIME_TO_LIVE, 3600, b"\0\0\x0e\x10"),
        (Tag.MESSAGE_STATE, 2, b"\2"),
        (Tag.RECEIPTED_MESSAGE_ID, "77", b"77\0"),
        (Tag.MESSAGE_PAYLOAD, b"text", b"text"),
        (Tag.NETWORK_ERROR_CODE, b"\3\0\1", b"\3\0\1"),
        (Tag.ALERT_ON_MESSAGE_DELIVERY, b"", b""),
    ],
)
def test_written_by_the_table(tag: Tag, value: int | str | bytes, octets: bytes) -> None:
    assert Tlv.of(tag, value) == Tlv(tag, octets)


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (Tag.MESSAGE_STATE, 256),
        (Tag.MESSAGE_STATE, -1),
        (Tag.MESSAGE_STATE, "2"),
        (Tag.RECEIPTED_MESSAGE_ID, 77),
        (Tag.RECEIPTED_MESSAGE_ID, "7" * 65),
        (Tag.RECEIPTED_MESSAGE_ID, "Алиф"),
        (Tag.NETWORK_ERROR_CODE, b"\3\0"),
        (Tag.MESSAGE_PAYLOAD, b"x" * 65536),
    ],
)
def test_what_does_not_fit_is_refused(tag: Tag, value: int | str | bytes) -> None:
    with pytest.raises(LocalError):
        Tlv.of(tag, value)


def test_the_first_of_repeated_ones_counts() -> None:
    tlvs = (Tlv(Tag.MESSAGE_STATE, b"\2"), Tlv(Tag.MESSAGE_STATE, b"\5"))
    assert find_tlv(tlvs, Tag.MESSAGE_STATE) == b"\2"
    assert tlv_int(tlvs, Tag.MESSAGE_STATE) == 2


@pytest.mark.parametrize(
    ("octets", "number"), [(b"", None), (b"\1", 1), (b"\1\2", 0x102), (b"\0\0\0\5", 5), (bytes(5), None)]
)
def test_integers_are_read_in_the_width_of_any_integer(octets: bytes, number: int | None) -> None:
    assert tlv_int((Tlv(Tag.SOURCE_TELEMATICS_ID, octets),), Tag.SOURCE_TELEMATICS_ID) == number


@pytest.mark.parametrize(("octets", "text"), [(b"", ""), (b"77\0", "77"), (b"77", "77"), (b"7\0junk", "7")])
def test_text_ends_at_its_nul_or_its_length(octets: bytes, text: str) -> None:
    assert tlv_text((Tlv(Tag.RECEIPTED_MESSAGE_ID, octets),), Tag.RECEIPTED_MESSAGE_ID) == text


def test_absent_ones_are_none() -> None:
    assert find_tlv((), 1) is tlv_int((), 1) is tlv_text((), 1) is None


@pytest.mark.parametrize("tag", [Tag.SOURCE_TELEMATICS_ID, Tag.MS_VALIDITY])
def test_the_sizes_of_both_versions_are_no_oddity(tag: Tag) -> None:
    assert list(tlv_oddities([Tlv(tag, b"\1")])) == list(tlv_oddities([Tlv(tag, b"\0\1")])) == []
