"""docs/texts.md says what the code does: capacities, letters, worked examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from payk.text import PLAIN, ConcatMethod, Encoding, Language, Spelling, capacity_of, cost_of, gsm, plain, transliterate
from payk.text.gsm_tables import DEFAULT_ALPHABET, DEFAULT_EXTENSION

PAGE = (Path(__file__).parents[2] / "docs" / "texts.md").read_text("utf-8")
LETTERS = "абвгғдеёжзиӣйкқлмнопрстуӯфхҳцчҷшщъыьэюяіїєґўңөү"


def tables() -> list[list[list[str]]]:
    """The tables of the page in order, each as rows of cells, the row of dashes left out."""
    found = re.findall(r"(?:^\|.*\n?)+", PAGE, re.MULTILINE)
    return [[cells(line) for line in table.splitlines() if not re.fullmatch(r"[|-]+", line)] for table in found]


def cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def table_of(*header: str) -> list[list[str]]:
    (table,) = [table[1:] for table in tables() if tuple(table[0][: len(header)]) == header]
    return table


EXAMPLES = [table[1:] for table in tables() if table[0][0] == "Spelling"]


def test_the_capacities() -> None:
    whole, *by_method = table_of("Header of a part (`long_text` of the operator's link)")
    assert whole[1:] == [str(capacity_of(encoding, ConcatMethod.UDH8, 1)) for encoding in Encoding]
    assert [re.findall(r"`(\w+)`", row[0])[0] for row in by_method] == list(ConcatMethod)
    for name, row in zip(ConcatMethod, by_method, strict=True):
        if name is not ConcatMethod.PAYLOAD:
            assert row[1:] == [str(capacity_of(encoding, name, 2)) for encoding in Encoding]


def test_what_a_character_takes() -> None:
    plain_letters, others, extension, *_ = table_of("Characters")
    named = {
        septets: set("".join(re.findall(r"`([^`]+)`", "".join(row[0] for row in rows)))) - {" "}
        for septets, rows in (("1", (plain_letters, others)), ("2", (extension,)))
    }
    letters_digits_space = {one for one in DEFAULT_ALPHABET if one.isascii() and (one.isalnum() or one.isspace())}
    assert named["1"] == set(DEFAULT_ALPHABET) - letters_digits_space - {"\x1b"}
    assert named["2"] == set(DEFAULT_EXTENSION.values()) - {"\f"}
    assert [row[1] for row in (plain_letters, others, extension)] == ["1", "1", "2"]


def test_one_letter_turns_one_part_into_three() -> None:
    for stranger in ("ғ", "№", "\u00a0"):
        assert cost_of("a" * 160).as_is.parts == 1
        assert cost_of("a" * 159 + stranger).as_is.parts == 3


def test_the_plain_characters() -> None:
    for characters, plainer in table_of("Character", "Plain"):
        for character in characters.split():
            assert plain(character) == plainer
            assert character in PLAIN
    assert not gsm.is_encodable(plain("\u200b")) and not gsm.is_encodable(plain("\u00ad"))


def test_the_letters() -> None:
    rows = {letter: (russian, tajik) for letter, russian, tajik in table_of("Letter")}
    for letter in LETTERS:
        latin = (transliterate(letter, Language.RUSSIAN), transliterate(letter, Language.TAJIK))
        if letter in rows:
            assert latin == rows[letter]
        else:
            assert latin[0] == latin[1]
            assert latin[0].isascii() and len(latin[0]) == 1


def test_there_are_three_examples() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_are_true(example: list[list[str]]) -> None:
    (text,) = [row[1] for row in example if row[0] == f"`{Spelling.AS_IS}`"]
    shown = [
        [
            f"`{choice.spelling}`",
            choice.text,
            choice.encoding,
            str(choice.parts),
            str(choice.units),
            str(choice.units_left),
        ]
        for choice in cost_of(text).choices
    ]
    assert shown == example
