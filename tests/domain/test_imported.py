"""Rows of another centre's statuses, as they come out of spreadsheets, databases and editors."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from payk.domain.imported import ImportedMessage, ImportProblems, ImportReader, ImportRefused
from payk.domain.message import MessageState

NOW = datetime(2026, 11, 20, tzinfo=UTC)
AT, DONE = datetime(2025, 2, 17, 10, 20, 30, tzinfo=UTC), datetime(2025, 2, 17, 10, 22, tzinfo=UTC)
HEADING = "MessageId,Client,MessageState,DateSubmitted,DateDone\n"
ROW = "123861959,demo,Delivered,2025-02-17T10:20:30,2025-02-17T10:22:00\n"
MESSAGE = ImportedMessage(123_861_959, 7, MessageState.DELIVERED, AT, DONE)


def reader() -> ImportReader:
    return ImportReader({"demo": 7, "Алиф": 8, 'a "quoted", one': 9}, 200_000_000, NOW)


def read(*lines: str) -> tuple[list[ImportedMessage], list[str]]:
    """Messages and problems."""
    rows = reader()
    found = rows.read(lines)
    rows.end()
    return [row.message for row in found.values()], list(rows.problems.lines())


@pytest.mark.parametrize(
    "lines",
    [
        (HEADING, ROW),
        (HEADING, ROW.rstrip("\n")),
        (HEADING.replace("\n", "\r\n"), ROW.replace("\n", "\r\n")),
        (HEADING, "\n", ROW, "  \r\n"),
        ("sep=,\n", HEADING, ROW),
        (HEADING.replace(",", ";"), ROW.replace(",", ";")),
        (HEADING.replace(",", "\t"), ROW.replace(",", "\t")),
        (HEADING.upper(), ROW),
        ("message_id,client,message_state,date_submitted,date_done\n", ROW),
        (HEADING, ROW.replace("Delivered", "2")),
        (HEADING, ROW.replace("Delivered", "DELIVERED")),
        (HEADING, ROW.replace("T", " ")),
        (HEADING, ROW.replace("10:20:30", "10:20:30Z")),
        (HEADING, ROW.replace("10:20:30", "15:20:30+05:00")),
        ('"MessageId";"Client";"MessageState";"DateSubmitted";"DateDone"\n', ROW.replace(",", ";")),
        (HEADING, '"123861959","demo","Delivered","2025-02-17T10:20:30","2025-02-17T10:22:00"\n'),
        (HEADING, " 123861959 , demo,Delivered , 2025-02-17T10:20:30,2025-02-17T10:22:00\n"),
        (
            "DateDone;Text;Client;DateSubmitted;MessageState;MessageId\n",
            '2025-02-17T10:22:00;"x; y";demo;2025-02-17T10:20:30;Delivered;123861959\n',
        ),
    ],
)
def test_forms_of_the_same_row(lines: tuple[str, ...]) -> None:
    assert read(*lines) == ([MESSAGE], [])


def test_names_of_clients_are_taken_as_they_are() -> None:
    rows = [ROW.replace("demo", "Алиф"), '5,"a ""quoted"", one",0,2025-02-17T10:20:30,\n']
    messages, problems = read(HEADING, *rows)
    assert [message.client_id for message in messages] == [8, 9]
    assert problems == []


@pytest.mark.parametrize("nothing", ["", "NULL", '""', "0001-01-01T00:00:00", " "])
def test_a_message_that_is_not_done(nothing: str) -> None:
    messages, problems = read(HEADING, f"5,demo,Enroute,2025-02-17T10:20:30,{nothing}\n")
    assert (messages, problems) == ([ImportedMessage(5, 7, MessageState.ENROUTE, AT, None)], [])


@pytest.mark.parametrize("state", MessageState)
def test_every_state_by_name_and_by_number(state: MessageState) -> None:
    messages, _ = read(
        HEADING, f"5,demo,{state.label},2025-02-17T10:20:30,\n", f"6,demo,{int(state)},2025-02-17T10:20:30,\n"
    )
    assert [message.state for message in messages] == [state, state]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("", None),
        ("1,demo,Delivered,2025-02-17T10:20:30", "4 fields where the heading has 5"),
        ("1,demo,Delivered,2025-02-17T10:20:30,,", "6 fields where the heading has 5"),
        ("x" * 65_536, "1 fields where the heading has 5"),
        ('1,"demo,Delivered,2025-02-17T10:20:30,', "a quotation mark is not closed in its line"),
        ('1,"de"mo,Delivered,2025-02-17T10:20:30,', "a quotation mark is not closed in its line"),
        ("abc,demo,2,2025-02-17T10:20:30,", "MessageId 'abc' is not valid: digits"),
        ("-5,demo,2,2025-02-17T10:20:30,", "MessageId '-5' is not valid"),
        ("0,demo,2,2025-02-17T10:20:30,", "MessageId '0' is not valid"),
        ("1.5,demo,2,2025-02-17T10:20:30,", "MessageId '1.5' is not valid"),
        ("١٢,demo,2,2025-02-17T10:20:30,", "MessageId '١٢' is not valid"),
        ("\0,demo,2,2025-02-17T10:20:30,", "MessageId '\0' is not valid"),
        ("9" * 30 + ",demo,2,2025-02-17T10:20:30,", "MessageId '999999999999999999999999999999' is not valid"),
        ("200000000,demo,2,2025-02-17T10:20:30,", "MessageId 200000000 is not allowed: ids from 200000000 on"),
        ("1,,2,2025-02-17T10:20:30,", "Client is empty"),
        ("1,demo,Sent,2025-02-17T10:20:30,", "MessageState 'Sent' is not valid: None, Enroute, "),
        ("1,demo,9,2025-02-17T10:20:30,", "MessageState '9' is not valid"),
        ("1,demo,,2025-02-17T10:20:30,", "MessageState '' is not valid"),
        ("1,demo,2,,", "DateSubmitted '' is not valid: UTC, such as 2025-02-17T10:20:30"),
        ("1,demo,2,17.02.2025 10:20:30,", "DateSubmitted '17.02.2025 10:20:30' is not valid"),
        ("1,demo,2,2025-02-30T10:20:30,", "DateSubmitted '2025-02-30T10:20:30' is not valid"),
        ("1,demo,2,0001-01-01T00:00+05,", "DateSubmitted '0001-01-01T00:00+05' is not valid"),
        ("1,demo,2,0001-01-01T00:00:00,", "DateSubmitted '0001-01-01T00:00:00' is not valid: a time in the past"),
        ("1,demo,2,2027-01-01T00:00:00,", "DateSubmitted '2027-01-01T00:00:00' is not valid: a time in the past"),
        ("1,demo,2,2025-02-17T10:20:30,soon", "DateDone 'soon' is not valid"),
        ("1,demo,2,2025-02-17T10:20:30,2025-02-15T10:20:30", "DateDone lies more than a day before DateSubmitted"),
        ("1,demo,1,2025-02-17T10:20:30,2025-02-17T10:20:30", "DateDone is for final states; Enroute is none"),
    ],
)
def test_a_bad_row_is_told_by_its_line_and_spoils_no_other(row: str, problem: str | None) -> None:
    messages, problems = read(HEADING, f"{row}\n", ROW)
    assert messages == [MESSAGE]
    assert len(problems) == (problem is not None)
    for told in problems:
        assert told.startswith(f"line 2: {problem}")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((), "the file is empty; its first line must name MessageId, Client"),
        (("sep=;\n",), "the file is empty"),
        (("\n", HEADING), "line 1: the heading must name"),
        ((ROW,), "it lacks MessageId, Client, MessageState, DateSubmitted, DateDone"),
        ((HEADING.replace("Client,", ""), ROW), "separated by comma, semicolon or tab; it lacks Client"),
        ((HEADING.replace("DateDone", "DateDone,CLIENT"), ROW), "line 1: the heading names Client more than once"),
        (("PK\x03\x04\udc8a\0\0",), "it lacks MessageId"),
        (('"MessageId,Client\n',), "it lacks MessageId"),
    ],
)
def test_a_file_without_its_heading_is_refused_as_a_whole(lines: tuple[str, ...], told: str) -> None:
    with pytest.raises(ImportRefused) as refused:
        read(*lines)
    assert told in str(refused.value)


def test_an_unknown_client_is_told_once() -> None:
    rows = [f"{number},stranger,2,2025-02-17T10:20:30,\n" for number in range(1, 2_000)]
    broken = "5000,\udcc0\udcea,2,2025-02-17T10:20:30,\n"
    _, problems = read(HEADING, *rows[:500], ROW, broken, *rows[500:])
    hint = "(not in the encoding of the file; --encoding names another)"
    assert problems == [
        "client 'stranger' is unknown: 1999 rows, the first in line 2",
        f"client '??' is unknown: 1 rows, the first in line 503 {hint}",
    ]


def test_the_same_id_twice() -> None:
    messages, problems = read(HEADING, ROW, ROW, ROW.replace("Delivered", "Expired"))
    assert messages == [MESSAGE]
    assert problems == ["line 4: line 2 says otherwise of MessageId 123861959"]


def test_of_many_problems_a_hundred_are_told() -> None:
    problems = ImportProblems()
    for line in range(1, 1_001):
        problems.note(line, "bad")
        problems.note_client(line, f"client {line}")
    told = list(problems.lines())
    assert problems.count == 2_000
    assert len(told) == 201
    assert told[-1] == "and 1800 rows more"


def test_lines_come_a_few_at_a_time() -> None:
    rows, lines = (
        reader(),
        ["sep=,\n", HEADING, *(f"{number},demo,2,2025-02-17T10:20:30,\n" for number in range(1, 26))],
    )
    found = [len(rows.read(lines[start : start + 10])) for start in range(0, 40, 10)]
    rows.end()
    assert found == [8, 10, 7, 0]
    assert (rows.rows, rows.line) == (25, 27)
    rows.read([ROW, "x\n"])
    assert list(rows.problems.lines()) == ["line 29: 1 fields where the heading has 5"]
