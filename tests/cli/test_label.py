"""`payk label` against a running site: shown, watched, paused, resumed, cancelled."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from payk.domain.message import MessageState
from payk.domain.states import FINAL
from payk.store.database import Database
from payk.store.report_folding import Labels, fold
from tests.cli.terminal import Screen, Terminal
from tests.web.answers import problem
from tests.web.centre import Centre, centre_on, key_of


async def payk(centre: Centre, *arguments: str, code: int = 0) -> str:
    """The output of a command line towards the centre."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "payk", "label", *arguments),
        env={**os.environ, "PAYK_URL": f"http://127.0.0.1:{centre.server.port}", "PAYK_API_KEY": key_of(1)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(90):
        out, errors = await process.communicate()
    assert process.returncode == code, errors.decode()
    return (out if code == 0 else errors).decode()


@pytest.fixture
async def sale(database: Database) -> Any:
    """Five messages with a label."""
    async with centre_on(database) as centre:
        async with database.connection() as connection:
            await connection.execute("insert into client (client_id, name) overriding system value values (1, 'demo')")
        body = {
            "PhoneNumber": "992900900900",
            "Text": "x",
            "SenderAddress": "AlifBank",
            "SmsType": 1,
            "SmsLabel": "sale",
        }
        assert (await centre.bulk([body] * 5)).status_code == 200
        yield centre


async def become(centre: Centre, state: MessageState, count: int = 5) -> None:
    """So many of those that wait."""
    async with centre.db.connection() as connection:
        gone = "delete from waiting where message_id in (select message_id from waiting limit $1) returning message_id"
        ids = [row["message_id"] for row in await connection.fetch(gone, count)]
        changed = (
            "update message set state = $1, submitted_at = now(), done_at = case when $3 then now() end"
            " where message_id = any($2)"
        )
        await connection.execute(changed, int(state), ids, state in FINAL)


@pytest.fixture
async def terminal() -> AsyncIterator[Terminal]:
    terminal = Terminal()
    yield terminal
    await terminal.close()


async def watched(centre: Centre, terminal: Terminal, *arguments: str) -> None:
    """A command on a terminal, towards the centre."""
    await terminal.run(
        *(sys.executable, "-m", "payk", "label", *arguments),
        environment={**os.environ, "PAYK_URL": f"http://127.0.0.1:{centre.server.port}", "PAYK_API_KEY": key_of(1)},
    )


def is_whole(screen: Screen) -> bool:
    """Whether the picture stands there to its last line; the one before it is wiped first."""
    return any("messages a second" in line for line in screen.lines)


def counts(screen: Screen) -> dict[str, int]:
    """Its table."""
    names, values = screen.lines[2].split(), screen.lines[3].split()
    return dict(zip(names, map(int, values), strict=True))


def bar(screen: Screen) -> tuple[str, str, str]:
    """What is drawn of the bar: as done, and as left; and the styles of both, which differ."""
    cells = screen.styles(1)[: len(screen.lines[1])]
    style = cells[0][1]
    done = "".join(letter for letter, its in cells if its == style)
    left = "".join(letter for letter, its in cells if its != style)
    assert screen.lines[1] == done + left
    return done, left, style


async def test_it_is_shown_paused_resumed_and_cancelled(sale: Centre) -> None:
    told = json.loads(await payk(sale, "sale", "--json"))
    assert (told["SmsLabel"], told["Planned"], told["Queued"], told["Held"]) == ("sale", 5, 5, 0)
    assert "5 held back" in await payk(sale, "sale", "pause")
    told = json.loads(await payk(sale, "sale", "--json"))
    assert (told["Held"], told["Queued"]) == (5, 0)
    assert "5 let go" in await payk(sale, "sale", "resume")
    ids = [
        each["MessageId"] for each in (await sale.http.get("/api/v1/reports/messages?SmsLabel=sale")).json()["Messages"]
    ]
    assert (await sale.send({"MessageIds": ids}, path="/api/v1/sms/cancel")).json() == {"Cancelled": 5, "TooLate": 0}
    assert "0 cancelled, 0 too late" in await payk(sale, "sale", "cancel")
    text = await payk(sale, "sale")
    assert "5 of 5 came to an end" in text
    assert "cancelled" in text


async def test_it_is_watched_to_the_end(sale: Centre) -> None:
    watching = asyncio.create_task(payk(sale, "sale", "--watch"))
    await asyncio.sleep(0)
    await become(sale, MessageState.DELIVERED)
    lines = (await watching).splitlines()
    assert lines[-1].startswith("5 planned: 0 scheduled, 0 held, 0 queued, 0 submitted, 5 delivered, 0 failed")


async def test_on_a_terminal_the_bar_grows_until_all_have_come_to_an_end(sale: Centre, terminal: Terminal) -> None:
    await watched(sale, terminal, "sale", "--watch")
    await terminal.shows(is_whole)
    screen = terminal.screen
    assert screen.lines[0] == "sale  0 of 5 came to an end"
    nothing_done, none_left, of_left = bar(screen)
    assert (nothing_done, none_left) == ("━" * 60, "")  # all of it in one style, that of what is left
    assert counts(screen) == {"Scheduled": 0, "Held": 0, "Queued": 5, "Submitted": 0, "Delivered": 0, "Failed": 0}
    assert not screen.cursor_shown

    await become(sale, MessageState.DELIVERED, 2)
    await become(sale, MessageState.ENROUTE, 1)
    await terminal.shows(lambda screen: is_whole(screen) and screen.lines[0] == "sale  2 of 5 came to an end")
    done, left, of_done = bar(screen)
    assert (done, left) == ("━" * 24, "╺" + "━" * 35)  # two fifths of it
    assert of_done != of_left == screen.styles(1)[59][1]
    assert counts(screen) == {"Scheduled": 0, "Held": 0, "Queued": 2, "Submitted": 1, "Delivered": 2, "Failed": 0}

    assert (await sale.send({"SmsLabel": "sale"}, path="/api/v1/sms/pause")).status_code == 200
    await terminal.shows(lambda screen: is_whole(screen) and counts(screen)["Held"] == 2)
    left_over = (await sale.http.get("/api/v1/reports/messages?SmsLabel=sale&State=None")).json()["Messages"]
    ids = {"MessageIds": [each["MessageId"] for each in left_over]}
    assert (await sale.send(ids, path="/api/v1/sms/cancel")).json() == {"Cancelled": 2, "TooLate": 0}
    await terminal.shows(lambda screen: "  2  Deleted  cancelled" in screen.lines)
    async with sale.db.connection() as connection:
        await connection.execute("update message set state = 2, done_at = now() where state = 1")
    assert await terminal.ended() == 0
    assert screen.lines[0] == "sale  5 of 5 came to an end"
    done, left, of_all = bar(screen)
    assert (done, left) == ("━" * 60, "") and of_all not in (of_done, of_left)
    assert counts(screen) == {"Scheduled": 0, "Held": 0, "Queued": 0, "Submitted": 0, "Delivered": 3, "Failed": 2}
    assert screen.cursor_shown
    assert sum("came to an end" in line for line in screen.lines) == 1  # drawn over, not below each other


async def test_whoever_stops_watching_with_ctrl_c_gets_the_terminal_back(sale: Centre, terminal: Terminal) -> None:
    await watched(sale, terminal, "sale", "--watch")
    await terminal.shows(is_whole)
    terminal.type(b"\x03")
    assert await terminal.ended() == 130
    assert terminal.screen.cursor_shown
    assert "payk: no longer watched; it goes on" in terminal.screen.lines
    assert json.loads(await payk(sale, "sale", "--json"))["Queued"] == 5


async def test_a_label_that_is_not_told_apart_is_shown_too(sale: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    await become(sale, MessageState.DELIVERED)
    while await fold(sale.db, Labels(0, 0)):
        pass
    told = json.loads(await payk(sale, "sale", "--json"))
    assert (told["Planned"], told["Delivered"], told["OtherLabels"], "AtLeast" in told) == (5, 5, True, False)
    answer = await sale.http.get("/api/v1/reports?SmsLabel=sale")
    problem(answer, "ParameterInvalid")
    assert "counted among other labels" in answer.text
    monkeypatch.setattr("payk.store.reports.LOOKS_MAX", 3)
    assert json.loads(await payk(sale, "sale", "--json"))["AtLeast"] is True
    assert "of at least 3 came to an end" in await payk(sale, "sale")
    assert "it cannot be told when all have come to an end" in await payk(sale, "sale", "--watch", code=1)


async def test_a_label_without_messages_is_one_line(sale: Centre) -> None:
    assert await payk(sale, "nobody", code=1) == (
        "payk: MessageNotFound: This client has no messages with this SmsLabel.\n"
    )
