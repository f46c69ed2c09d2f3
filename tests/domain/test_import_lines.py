"""Octets of a file as lines, however they come: in one piece, one by one, and with what no editor should write."""

from __future__ import annotations

import codecs
from collections.abc import Iterable

import pytest

from payk.domain.import_lines import LINE_MAX, ImportLines
from payk.domain.imported import ImportRefused


def cut(pieces: Iterable[bytes], encoding: str | None = None) -> list[str]:
    lines = ImportLines(encoding)
    found = [line for piece in pieces for line in lines.feed(piece)]
    return found + lines.feed(b"", final=True)


def one_by_one(octets: bytes) -> Iterable[bytes]:
    return (octets[at : at + 1] for at in range(len(octets)))


@pytest.mark.parametrize(
    ("octets", "encoding", "lines"),
    [
        (b"", None, []),
        (b"a", None, ["a"]),
        (b"\n", None, ["\n"]),
        (b"a,b\nc,d\n", None, ["a,b\n", "c,d\n"]),
        (b"a\r\nb\rc\n\r", None, ["a\r\n", "b\r", "c\n", "\r"]),
        (codecs.BOM_UTF8 + "Алиф\nx".encode(), None, ["Алиф\n", "x"]),
        ("Алиф\r\nx".encode("utf-16"), None, ["Алиф\r\n", "x"]),
        (codecs.BOM_UTF16_BE + "Алиф\n".encode("utf-16-be"), None, ["Алиф\n"]),
        ("Алиф\n".encode("cp1251"), "cp1251", ["Алиф\n"]),
        (b"a\xffb\n\xd0", None, ["a\udcffb\n", "\udcd0"]),
        ("one\u2028still one\x0band\x85that\n".encode(), None, ["one\u2028still one\x0band\x85that\n"]),
    ],
)
def test_the_same_lines_come_of_the_same_octets(octets: bytes, encoding: str | None, lines: list[str]) -> None:
    assert cut([octets], encoding) == lines
    assert cut(one_by_one(octets), encoding) == lines
    assert cut([octets[:3], octets[3:]], encoding) == lines


def test_of_a_line_without_an_end_little_is_kept() -> None:
    pieces = [b"x" * 100_000] * 50 + [b"\n", b"next\n"]
    lines = ImportLines()
    found = []
    for piece in pieces:
        found += lines.feed(piece)
        assert len(lines._left) <= LINE_MAX + 1
    assert [len(line) for line in found] == [LINE_MAX, 5]
    assert [len(line) for line in cut([b"".join(pieces)])] == [LINE_MAX, 5]
    assert cut([b"x" * LINE_MAX, b"\r", b"\nnext"]) == ["x" * LINE_MAX, "next"]


@pytest.mark.parametrize(
    "encoding",
    [
        "klingon",
        "base64",
        "rot13",
        "undefined",
        "a\0b",
        "",
        "utf-7",
        "unicode_escape",
        "raw_unicode_escape",
        "idna",
        "punycode",
        "iso2022_jp",
    ],
)
def test_what_is_no_encoding_of_files_is_refused(encoding: str) -> None:
    with pytest.raises(ImportRefused, match="no such encoding here; utf-8, utf-16 and cp1251 are some"):
        ImportLines(encoding)


def test_what_cannot_be_read_so_is_refused_behind_what_could() -> None:
    lines = ImportLines("utf-8-sig")
    assert lines.feed(b"a\n") == ["a\n"]
    other = ImportLines("utf-16-le")
    with pytest.raises(ImportRefused, match="behind line 0 it cannot be read: "):
        other.feed(b"a", final=True)


@pytest.mark.parametrize("name", ["windows-1251", "CP866", "koi8-r", "mac_cyrillic", "latin1", "utf8", "UTF-16LE"])
def test_encodings_go_by_any_of_their_names(name: str) -> None:
    assert cut(one_by_one("a\nb\n".encode(name)), name) == ["a\n", "b\n"]
