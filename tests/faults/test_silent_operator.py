"""An operator that takes the TCP connection and says nothing: told by the log, and nobody else feels it.

Three degrees: not even an answer to the bind, no answer to a message after it, and none to enquire_link. What a session
does then is shown in tests/smpp and tests/hostile; here, what is written down, and that the next operator carries on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from payk.domain.message import MessageState, SmsType
from payk.domain.retry import RetryRules
from payk.links import Timing
from payk.store.database import Database
from tests.dispatch.centre import accept, configure, running_centre, running_operator
from tests.hostile.link_stage import link
from tests.links.raw_smsc import answer_to, raw_operator, read_pdu

BIND_TIMEOUT = 1.0
NUMBERS = [f"9929{number:08}" for number in range(20)]


class Mute:
    """Answers the first `binds` binds, and reads what else comes. It says nothing more."""

    def __init__(self, *, binds: int = 0) -> None:
        self._binds = binds
        self.connections = 0
        self.heard: Counter[int] = Counter()
        """How many PDUs of each command_id."""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            request = await read_pdu(reader)
            command = int.from_bytes(request[4:8], "big")
            self.heard[command] += 1
            if command == BIND_TRANSCEIVER and self.heard[command] <= self._binds:
                writer.write(answer_to(request))


BIND_TRANSCEIVER, SUBMIT_SM = 0x09, 0x04


def down(lines: list[Any]) -> list[tuple[str, str]]:
    """Of which link sessions ended, or never began, and why."""
    return [(line["link"], line["error"]) for line in lines if line["event"] == "bind down"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links wait less for the answer to a bind than the 10 s of real ones."""
    monkeypatch.setattr("payk.links.link.Timing", partial(Timing, bind=BIND_TIMEOUT))


async def test_no_answer_to_the_bind(database: Database, tmp_path: Path) -> None:
    """It is tried again and again, and never counts as up: the next operator carries everything, at once."""
    mute = Mute()
    with capture_logs() as lines:
        async with raw_operator(mute.talk) as port, running_operator(tmp_path, "babilon") as babilon:
            await configure(database, {"tcell": {"port": port}, "babilon": {"port": babilon.port}})
            async with running_centre(database) as centre:
                await centre.bound()
                await accept(database, *NUMBERS, sms_type=SmsType.OTP)
                await centre.all_become(MessageState.DELIVERED, within=15)
                async with asyncio.timeout(30):
                    while len(down(lines)) < 2:
                        await asyncio.sleep(0.05)
            assert await babilon.times_submitted() == dict.fromkeys(NUMBERS, 1)
    assert set(down(lines)) == {("tcell-1", f"not bound within {BIND_TIMEOUT:g} s")}
    [up] = [line["link"] for line in lines if line["event"] == "bind up"]
    assert up == "babilon-1"
    assert mute.heard[BIND_TRANSCEIVER] >= 2 and mute.heard[SUBMIT_SM] == 0


async def test_no_answer_after_the_bind(database: Database, tmp_path: Path) -> None:
    """A window without an answer ends its session; what was in it is uncertain, the rest goes the other way at once."""
    mute = Mute(binds=1)
    window = 4
    with capture_logs() as lines:
        async with raw_operator(mute.talk) as port, running_operator(tmp_path, "babilon") as babilon:
            silent = {"port": port, "response_timeout": 1, "window": window}
            await configure(database, {"tcell": silent, "babilon": {"port": babilon.port}})
            async with running_centre(database, rules=RetryRules(retry_for=600, uncertain_hold=3)) as centre:
                await centre.bound(2)
                await accept(database, *NUMBERS, sms_type=SmsType.COMMON)
                query = "select count(*) = $1 from message where state = $2"
                rest = len(NUMBERS) - window
                await centre.wait_for(query, rest, int(MessageState.DELIVERED), within=15)
                assert mute.heard[SUBMIT_SM] == window
                await centre.all_become(MessageState.DELIVERED, within=30)  # by the policy: once more, after the hold
                assert await centre.value("select count(*) from uncertain_part") == window
            assert await babilon.times_submitted() == dict.fromkeys(NUMBERS, 1)
    first, *others = down(lines)
    assert first == ("tcell-1", f"{window} requests in a row without an answer")
    assert set(others) <= {("tcell-1", f"not bound within {BIND_TIMEOUT:g} s")}


async def test_no_answer_to_enquire_link() -> None:
    """Nor a message to be answered: it is asked, and then left."""
    async with link(enquire_interval=0.15) as stage:
        wire = await stage.bound()
        await wire.to_the_end()
        await stage.bench.until(lambda: down(stage.logs))
        assert down(stage.logs) == [("tcell-1", "the peer is silent")]
