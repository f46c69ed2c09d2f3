"""The database is away: 503 or 504 in time, the truth about what was taken, and recovery by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from payk.domain.receipt import ReceiptWait
from payk.maintenance.reports import fold_once
from payk.registry.traffic import continue_holds
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.holds import unfinished_holds
from payk.web.site import PublicOptions
from tests.web.answers import problem
from tests.web.centre import MESSAGE, Centre, centre_on, store_registry
from tests.web.wire import State, Wire, wire_to

ANSWER_TIMEOUT = 1.5


@pytest.fixture
async def wire(dsn: str, tmp_path: Path) -> AsyncIterator[Wire]:
    async with wire_to(dsn, tmp_path) as relay:
        yield relay


@pytest.fixture
async def centre(wire: Wire) -> AsyncIterator[Centre]:
    """A centre whose way to the database is `wire`."""
    db = await Database.open(wire.dsn)
    async with centre_on(db, PublicOptions(answer_timeout=ANSWER_TIMEOUT)) as running:
        yield running
    await db.close()


async def timed(answer: Any) -> tuple[Any, float]:
    started = time.monotonic()
    return await answer, time.monotonic() - started


async def until_it_works(centre: Centre) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await centre.count()
            except StoreError:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.mark.parametrize("state", [State.CUT, State.SILENT])
async def test_every_request_is_answered_in_time_and_nothing_is_taken(centre: Centre, wire: Wire, state: State) -> None:
    assert (await centre.send(MESSAGE)).status_code == 200
    wire.become(state)
    for _ in range(2):
        answers = await asyncio.gather(
            timed(centre.send(MESSAGE)),
            timed(centre.bulk([MESSAGE, MESSAGE])),
            timed(centre.http.get("/api/v1/sms/100000000")),
            timed(centre.http.get("/api/v1/sms/100000000/events")),
        )
        for response, seconds in answers:
            assert problem(response, "ServiceUnavailable")["Retryable"] is True
            assert seconds < ANSWER_TIMEOUT + 0.5
    assert answers[2][0].json()["CommandStatus"] == "ServiceUnavailable"
    wire.become(State.OPEN)
    await until_it_works(centre)
    assert await centre.count() == 1
    assert (await centre.send(MESSAGE)).status_code == 200


async def test_while_the_database_is_known_to_be_away_the_answer_comes_within_3_s(wire: Wire) -> None:
    db = await Database.open(wire.dsn)
    async with centre_on(db) as centre:  # 5 s to answer in
        wire.become(State.CUT)
        await timed(centre.send(MESSAGE))
        assert db.away
        for body in (MESSAGE, {**MESSAGE, "ClientMessageId": "a"}):
            response, seconds = await timed(centre.send(body))
            problem(response, "ServiceUnavailable")
            assert seconds < 3
    await db.close()


async def test_messages_are_taken_while_a_duty_fails(database: Database) -> None:
    """A table of reports that somebody renamed stops the reports, and nothing else of the process."""
    async with centre_on(database) as centre:
        assert (await centre.send(MESSAGE)).status_code == 200
        async with database.connection() as connection:
            await connection.execute("alter table report_count rename to report_count_of_old")
        for body in (MESSAGE, {**MESSAGE, "SmsType": 1}):
            with pytest.raises(StoreError):
                await fold_once(database)
            assert (await centre.send(body)).status_code == 200
            assert (await centre.bulk([body, body])).status_code == 200


async def test_refusals_need_no_database(centre: Centre, wire: Wire) -> None:
    wire.become(State.CUT)
    problem(await centre.send({}), "PhoneNumberRequired")
    problem(await centre.http.get("/api/v1/sms/x"), "MessageIdInvalid")
    assert (await centre.bulk([])).json() == {"Added": 0}


WITH_ID = {**MESSAGE, "ClientMessageId": "order-17"}
KEY = {"Idempotency-Key": "request-17"}
FORGETFUL = {"client": 6}


@pytest.mark.parametrize(
    ("path", "body", "options", "retryable"),
    [
        ("/api/v1/sms", MESSAGE, {}, False),
        ("/api/v1/sms", WITH_ID, {}, True),
        ("/api/v1/sms", WITH_ID, FORGETFUL, False),
        ("/api/v1/sms", MESSAGE, KEY, True),
        ("/api/v1/sms", MESSAGE, KEY | FORGETFUL, True),
        ("/api/v1/sms/bulk", [WITH_ID, {**WITH_ID, "ClientMessageId": "order-18"}], {}, True),
        ("/api/v1/sms/bulk", [WITH_ID, MESSAGE], {}, False),
        ("/api/v1/sms/bulk", [WITH_ID, MESSAGE], KEY, True),
    ],
)
async def test_a_commit_that_is_not_confirmed_is_504(
    centre: Centre, wire: Wire, path: str, body: Any, options: dict[str, Any], retryable: bool
) -> None:
    wire.become(State.LOSE_COMMIT)
    response, seconds = await timed(centre.send(body, path=path, **options))
    answer = problem(response, "OutcomeUnknown")
    assert answer["Retryable"] is retryable
    assert "Idempotency-Key or ClientMessageId" in answer["Detail"]
    assert seconds < ANSWER_TIMEOUT + 0.5


@pytest.mark.parametrize(("path", "body"), [("/api/v1/sms", WITH_ID), ("/api/v1/sms/bulk", [WITH_ID])])
@pytest.mark.parametrize("headers", [{}, KEY], ids=["id", "key"])
async def test_the_repeat_of_an_unconfirmed_request_finds_it(
    centre: Centre, wire: Wire, path: str, body: Any, headers: dict[str, str]
) -> None:
    wire.become(State.LOSE_COMMIT)
    problem(await centre.send(body, path=path, **headers), "OutcomeUnknown")
    wire.become(State.OPEN)
    await until_it_works(centre)
    again = await centre.send(body, path=path, **headers)
    assert again.status_code == 200
    if path == "/api/v1/sms" or headers:
        assert again.headers["x-payk-repeated"] == "true"
    else:
        assert again.json()["Repeated"] == 1
    assert await centre.count() == 1


async def test_without_a_database_it_is_not_known_what_is_kept(centre: Centre, wire: Wire) -> None:
    """A refusal would say that nothing was taken, and with a key that is not sure."""
    wire.become(State.CUT)
    problem(await centre.send({}, **KEY), "ServiceUnavailable")
    problem(await centre.bulk([{}], **KEY), "ServiceUnavailable")


LABEL, IDS = {"SmsLabel": "spring"}, {"MessageIds": ["100000000"]}


async def test_commands_and_questions_are_answered_in_time_too(centre: Centre, wire: Wire) -> None:
    await store_registry(centre.db)
    assert (await centre.send(MESSAGE | {"SmsLabel": "spring"})).status_code == 200
    wire.become(State.CUT)
    commands = [("cancel", LABEL), ("cancel", IDS), ("pause", LABEL), ("resume", LABEL), ("status", IDS)]
    answers = await asyncio.gather(
        timed(centre.http.delete("/api/v1/sms/100000000")),
        timed(centre.http.get("/api/v1/sms")),
        timed(centre.send(MESSAGE, path="/api/v1/sms/preview")),
        *(timed(centre.send(body, path=f"/api/v1/sms/{name}")) for name, body in commands),
        *(timed(centre.send(body, path=f"/api/v1/sms/{name}", **KEY)) for name, body in commands),
    )
    for response, seconds in answers:
        assert problem(response, "ServiceUnavailable")["Retryable"] is True
        assert seconds < ANSWER_TIMEOUT + 0.5
    wire.become(State.OPEN)
    await until_it_works(centre)
    assert (await centre.http.get("/api/v1/sms/100000000")).json()["MessageState"] == "None"


@pytest.mark.parametrize("headers", [{}, KEY], ids=["bare", "key"])
@pytest.mark.parametrize(("name", "body"), [("cancel", IDS), ("cancel", LABEL), ("pause", LABEL)])
async def test_a_command_that_is_not_confirmed_may_be_repeated(
    centre: Centre, wire: Wire, name: str, body: Any, headers: dict[str, str]
) -> None:
    await store_registry(centre.db)
    assert (await centre.send(MESSAGE | {"SmsLabel": "spring"})).status_code == 200
    wire.become(State.LOSE_COMMIT)
    response, seconds = await timed(centre.send(body, path=f"/api/v1/sms/{name}", **headers))
    answer = problem(response, "OutcomeUnknown")
    assert answer["Retryable"] is True and "what was done stays done" in answer["Detail"]
    assert seconds < ANSWER_TIMEOUT + 0.5
    wire.become(State.OPEN)
    await until_it_works(centre)
    if body is LABEL and name == "cancel":  # it is under way: the duty does it, and another one waits for that
        while await continue_holds(centre.db, ReceiptWait()) or await unfinished_holds(centre.db):
            await asyncio.sleep(0.05)
    again = await centre.send(body, path=f"/api/v1/sms/{name}", **headers)
    assert again.status_code == 200
    state = (await centre.http.get("/api/v1/sms/100000000")).json()["MessageState"]
    assert state == ("None" if name == "pause" else "Deleted")


async def test_a_message_whose_cancel_is_not_confirmed_may_be_cancelled_again(centre: Centre, wire: Wire) -> None:
    assert (await centre.send(MESSAGE)).status_code == 200
    wire.become(State.LOSE_COMMIT)
    assert problem(await centre.http.delete("/api/v1/sms/100000000"), "OutcomeUnknown")["Retryable"] is True
    wire.become(State.OPEN)
    await until_it_works(centre)
    assert (await centre.http.delete("/api/v1/sms/100000000")).json()["MessageState"] == "Deleted"
