"""Tables as files: CSV that spreadsheets open, and XLSX; written a row at a time in a memory that does not grow."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import IO, Any, Final, Protocol

import xlsxwriter

__all__ = ["Cell", "CsvTable", "Table", "XlsxTable"]

Cell = str | int | float | datetime | None

SHEET_ROWS: Final = 1_000_000
"""Rows of one sheet; XLSX has room for 1,048,576."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula where a cell begins with it; whoever writes a label must not write one."""


class Table(Protocol):
    """A file that is being written; `close` comes after the last row."""

    def write(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Add rows."""

    def close(self) -> None:
        """Write what is left."""

    def drop(self) -> None:
        """Give up amid it."""


def _plain(cell: Cell) -> Any:
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(_FORMULA) else cell
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="seconds")
    return cell


class CsvTable:
    """RFC 4180, UTF-8 with a byte order mark, without which Excel reads Cyrillic as something else.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """

    def __init__(self, file: IO[bytes], head: Sequence[str]) -> None:
        self._text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="", write_through=True)
        self._writer = csv.writer(self._text)
        self._writer.writerow(head)

    def write(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Add rows."""
        self._writer.writerows([_plain(cell) for cell in row] for row in rows)

    def close(self) -> None:
        """Leave the file, which is not closed."""
        self._text.detach()

    def drop(self) -> None:
        """There is nothing but the file."""


class XlsxTable:
    """A workbook with a sheet for each million rows; texts are texts, and times are times on the wall of their zone."""

    def __init__(self, file: IO[bytes], head: Sequence[str]) -> None:
        self._rows = tempfile.TemporaryDirectory(prefix="payk-report-")  # where rows wait until the book is whole
        self._book = xlsxwriter.Workbook(
            file,
            {
                "tmpdir": self._rows.name,
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "remove_timezone": True,
            },
        )
        self._time = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._bold = self._book.add_format({"bold": True})
        self._head = head
        self._row = SHEET_ROWS
        self._sheet: Any = None

    def write(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Add rows."""
        for row in rows:
            if self._row >= SHEET_ROWS:
                self._next_sheet()
            for column, cell in enumerate(row):
                if isinstance(cell, str):
                    self._sheet.write_string(self._row, column, cell[:32_767])
                elif isinstance(cell, datetime):
                    self._sheet.write_datetime(self._row, column, cell, self._time)
                elif cell is not None:
                    self._sheet.write_number(self._row, column, cell)
            self._row += 1

    def _next_sheet(self) -> None:
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, len(self._head) - 1, 16)
        for column, name in enumerate(self._head):
            self._sheet.write_string(0, column, name, self._bold)
        self._row = 1

    def close(self) -> None:
        """Write the file."""
        if self._sheet is None:
            self._next_sheet()
        self._book.close()
        self._rows.cleanup()

    def drop(self) -> None:
        """Leave nothing behind of a file that will not be whole."""
        self._book.fileclosed = True  # else it would be written when nobody holds it any more
        self._rows.cleanup()
