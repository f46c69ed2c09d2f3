"""Tables as files: CSV that spreadsheets open, and XLSX; written a row at a time in a memory that does not grow."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import IO, Any, Final, Protocol
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec

__all__ = ["Buffer", "Cell", "CsvTable", "JsonTable", "Table", "Writable", "XlsxTable"]

Cell = str | int | float | datetime | None

SHEET_ROWS: Final = 1_000_000
"""Rows of one sheet; XLSX has room for 1,048,576."""
SHEET_OCTETS: Final = 2**30
"""And octets, packed less: beyond 2**31 archives are of a kind that not every spreadsheet opens."""
CELL_MOST: Final = 32_767
"""Characters of a cell."""
_FORMULA: Final = re.compile(r'^(?=[=+\-@\t\r])|(?<=[;\t\r\n])(?="*[=+\-@])')
"""Where a spreadsheet takes what follows for a formula: a cell begins there. It does behind `;` too in Excel with the
settings of Russia and many others, whatever stands in quotes. Whoever writes a label must not write a formula."""
_QUOTED: Final = re.compile('[",;\t\r\n]')
"""Texts that stand in quotes: RFC 4180 asks for it, or some spreadsheet would part them."""

_encode = msgspec.json.Encoder().encode


class Writable(Protocol):
    """What a table is written to."""

    def write(self, octets: bytes, /) -> int:
        """Take octets; how many."""


class Buffer(io.RawIOBase):
    """What was written since it was last taken."""

    def __init__(self) -> None:
        self._octets = bytearray()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, octets: Any) -> int:
        """Take octets."""
        self._octets += octets
        return len(octets)

    def taken(self) -> bytes:
        """They are gone here."""
        octets = bytes(self._octets)
        self._octets.clear()
        return octets


class Table(Protocol):
    """A file that is being written; `close` comes after the last row."""

    def write(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Add rows."""

    def close(self) -> None:
        """Write what is left."""

    def drop(self) -> None:
        """Give up amid it."""


def _csv_cell(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            text = _FORMULA.sub("'", cell)
            return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
        case datetime():
            return cell.isoformat(timespec="seconds")
        case _:
            return str(cell)


class CsvTable:
    """RFC 4180, UTF-8 with a byte order mark, without which Excel reads Cyrillic as something else.

    Where a spreadsheet would take a text, or what follows a `;`, a tab or the end of a line in it, for a formula, an
    apostrophe stands in front of that.
    """

    def __init__(self, file: Writable, head: Sequence[str]) -> None:
        self._text = io.TextIOWrapper(
            file,  # type: ignore[type-var]  # it is written to, and nothing else
            "utf-8-sig", errors="replace", newline="", write_through=True,
        )  # fmt: skip
        self.write([head])

    def write(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Add rows."""
        for row in rows:
            self._text.write(",".join(map(_csv_cell, row)) + "\r\n")

    def close(self) -> None:
        """Leave the file, which is not closed."""
        self._text.detach()

    drop = close


class JsonTable:
    """An object with one member, a list of rows as objects by the names of the columns."""

    def __init__(self, file: Writable, name: str, columns: Sequence[str]) -> None:
        self._file = file
        self._columns = columns
        self._between = b""
        file.write(b'{"%b": [' % name.encode())

    def write(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Add rows."""
        for row in rows:
            members = dict(zip(self._columns, map(_json_cell, row), strict=True))
            self._file.write(self._between + _encode(members))
            self._between = b",\n"

    def close(self) -> None:
        """Write what is left."""
        self._file.write(b"]}")

    def drop(self) -> None:
        """There is nothing but the file."""


class XlsxTable:
    """A workbook (ECMA-376) with a sheet for each million rows; texts are texts, and times are times on the wall of
    their zone.

    Each row is written at once, to what need not be a file: a sheet is an entry of the archive, its size behind it.
    """

    def __init__(self, file: Writable, head: Sequence[str]) -> None:
        self._out = _Out(file)
        self._book = ZipFile(self._out, "w", ZIP_DEFLATED)  # type: ignore[call-overload]  # it needs no more
        self._head = head
        self._letters = [_letters(column) for column in range(len(head))]
        self._sheets = 0
        self._sheet: IO[bytes] | None = None
        self._row = SHEET_ROWS
        self._octets = 0

    def write(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Add rows."""
        for row in rows:
            if self._row >= SHEET_ROWS or self._octets >= SHEET_OCTETS:
                self._next_sheet()
            self._add(row)

    def _add(self, row: Sequence[Cell], style: str = "") -> None:
        assert self._sheet is not None  # a sheet was begun
        self._row += 1
        cells = (
            _cell(f"{letters}{self._row}", cell, style)
            for letters, cell in zip(self._letters, row, strict=True)
            if cell is not None
        )
        self._octets += self._sheet.write(f'<row r="{self._row}">{"".join(cells)}</row>'.encode("utf-8", "replace"))

    def _next_sheet(self) -> None:
        self._end_sheet()
        self._sheets += 1
        self._sheet = self._book.open(f"xl/worksheets/sheet{self._sheets}.xml", "w")
        self._sheet.write(_SHEET_BEGINS % len(self._head))
        self._row = self._octets = 0
        self._add(self._head, _BOLD)

    def _end_sheet(self) -> None:
        if self._sheet is not None:
            self._sheet.write(b"</sheetData></worksheet>")
            self._sheet.close()

    def close(self) -> None:
        """Write what is left."""
        if self._sheet is None:
            self._next_sheet()
        self._end_sheet()
        for name, text in _parts(self._sheets).items():
            self._book.writestr(name, _XML + text)
        self._book.close()

    def drop(self) -> None:
        """Give up amid it; else the archive would be ended when nobody holds it any more."""
        self._out.drop()
        if self._sheet is not None:
            self._sheet.close()
        self._book.close()


class _Out:
    """Where an archive goes: it can only be written on. Dropped, it takes no more."""

    def __init__(self, file: Writable) -> None:
        self._file: Writable | None = file

    def write(self, octets: bytes) -> int:
        if self._file is not None:
            self._file.write(octets)
        return len(octets)

    def flush(self) -> None:
        """Nothing is held back."""

    def drop(self) -> None:
        self._file = None


_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATED: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_KIND: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_TIME, _BOLD = ' s="1"', ' s="2"'
"""Cell formats, by their places in _STYLES."""
_STYLES: Final = (
    f'<styleSheet xmlns="{_MAIN}">'
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy-mm-dd hh:mm:ss"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
_SHEET_BEGINS: Final = (
    f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
    '<cols><col min="1" max="%d" width="16" customWidth="1"/></cols><sheetData>'
).encode()
_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - of a wall
_UNWRITABLE: Final = re.compile("_(?=x[0-9A-Fa-f]{4}_)|[\\x00-\\x08\\x0b-\\x1f\\ufffe\\uffff]")
"""Characters that XML has not, or reads as others; and what begins their spelling _xHHHH_ (ECMA-376, 22.9.2.19)."""


def _parts(sheets: int) -> dict[str, str]:
    """What a workbook is beside its sheets, by the names of the parts."""
    numbers = range(1, sheets + 1)
    overrides = "".join(
        f'<Override PartName="/xl/{name}.xml" ContentType="{_KIND}.{kind}+xml"/>'
        for name, kind in [
            ("workbook", "sheet.main"),
            ("styles", "styles"),
            *((f"worksheets/sheet{n}", "worksheet") for n in numbers),
        ]
    )
    relations = "".join(
        f'<Relationship Id="rId{number}" Type="{_RELATED}/{kind}" Target="{target}"/>'
        for number, kind, target in [
            *((n, "worksheet", f"worksheets/sheet{n}.xml") for n in numbers),
            (sheets + 1, "styles", "styles.xml"),
        ]
    )
    named = "".join(f'<sheet name="Sheet{n}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers)
    book = f'<Relationship Id="rId1" Type="{_RELATED}/officeDocument" Target="xl/workbook.xml"/>'
    return {
        "xl/styles.xml": _STYLES,
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATED}"><sheets>{named}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{book}</Relationships>',
        "[Content_Types].xml": (
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f"{overrides}</Types>"
        ),
    }


def _cell(place: str, cell: Cell, style: str) -> str:
    if isinstance(cell, str):
        text = _UNWRITABLE.sub(lambda found: f"_x{ord(found[0]):04X}_", cell[:CELL_MOST])
        return f'<c r="{place}"{style} t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'
    if isinstance(cell, datetime):
        days = (cell.replace(tzinfo=None) - _EPOCH) / timedelta(days=1)
        return f'<c r="{place}"{_TIME}><v>{days!r}</v></c>'
    return f'<c r="{place}"{style}><v>{cell!r}</v></c>'


def _letters(column: int) -> str:
    """A to Z, AA to ZZ: the first is 0."""
    above, last = divmod(column, 26)
    return (_letters(above - 1) if above else "") + chr(ord("A") + last)


def _json_cell(cell: Cell) -> Any:
    return cell.isoformat(timespec="milliseconds") if isinstance(cell, datetime) else cell
