"""`payk label` against a running site: shown, watched, paused, resumed, cancelled."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import pytest

from payk.domain.message import MessageState
from payk.store.database import Database
from payk.store.report_folding import Labels, fold
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


async def become(centre: Centre, state: MessageState) -> None:
    async with centre.db.connection() as connection:
        await connection.execute("delete from waiting")
        await connection.execute("update message set state = $1, submitted_at = now(), done_at = now()", int(state))


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
