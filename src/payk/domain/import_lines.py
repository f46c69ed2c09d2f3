"""Octets of a file as they come, as lines of text: UTF-8, UTF-16 with its mark, or an encoding that is named.

Which are named is limited to those of files of text: others, such as utf-7, may hold back all that comes.
"""

from __future__ import annotations

import codecs
import io
import re

from payk.domain.imported import ImportRefused

__all__ = ["LINE_MAX", "ImportLines"]

LINE_MAX = 65_536
"""Characters: no file of rows has longer lines."""
_ENCODINGS = re.compile(
    r"ascii|utf-8|utf-8-sig|utf-(16|32)(-[bl]e)?|(cp|iso8859-)\d+|koi8-[rtu]|mac-[a-z0-9]+|kz1048|ptcp154"
)
"""By the names that Python has for them. Each holds back a few octets at the most."""
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class ImportLines:
    """Cuts octets into lines with their ends. Of one that is longer than LINE_MAX no more than that is kept, and it is
    no row. What cannot be decoded is kept apart (surrogateescape), and told where it is needed.

    Raises ImportRefused where it is no encoding of files, or where the octets cannot be read as it.
    """

    def __init__(self, encoding: str | None = None) -> None:
        self._encoding = encoding
        self._decoder: codecs.IncrementalDecoder | None = None
        self._begun = b""
        """Octets that are too few to tell the encoding by."""
        self._left = ""
        """Of the line that has not ended, no more than LINE_MAX of it."""
        self._count = 0
        if encoding is not None:
            _check(encoding)

    def feed(self, octets: bytes, *, final: bool = False) -> list[str]:
        """The lines that end in `octets`; with `final` the last one too."""
        if self._decoder is None:
            self._begun += octets
            if len(self._begun) < 2 and not final:
                return []
            octets, self._begun = self._begun, b""
            self._decoder = self._decoder_for(octets)
        try:
            text = self._decoder.decode(octets, final)
        except UnicodeError as error:
            raise ImportRefused(f"behind line {self._count} it cannot be read: {error}") from error
        return self._cut(text, final=final)

    def _decoder_for(self, octets: bytes) -> codecs.IncrementalDecoder:
        encoding = self._encoding or ("utf-16" if octets[:2] in _MARKS else "utf-8-sig")
        return codecs.getincrementaldecoder(encoding)("surrogateescape")

    def _cut(self, text: str, *, final: bool) -> list[str]:
        # Apart from str.splitlines, which knows more ends of lines than files do.
        lines = list(io.StringIO(self._left + text, newline=""))
        self._left = ""
        if lines and not final and not lines[-1].endswith("\n"):  # "\r" too: "\n" may follow
            self._left = lines.pop()
            if len(self._left) > LINE_MAX:
                self._left = self._left[:LINE_MAX] + self._left[-1:]
        self._count += len(lines)
        return [line if len(line) <= LINE_MAX else line[:LINE_MAX] for line in lines]


def _check(encoding: str) -> None:
    try:
        known = _ENCODINGS.fullmatch(codecs.lookup(encoding).name)
    except (LookupError, ValueError):  # ValueError: it holds NUL
        known = None
    if known is None:
        rule = "no such encoding here; utf-8, utf-16 and cp1251 are some"
        raise ImportRefused(f"encoding {encoding[:40]}: {rule}")
