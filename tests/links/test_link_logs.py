"""What a link writes to the log, and what it never does."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from payk.smpp import CommandStatus
from tests.links.smsc import link_to, message, operator, refuse


async def test_a_bind_is_told_by_link_number_and_code_name() -> None:
    script = [CommandStatus.ESME_RSYSERR, 0]
    with capture_logs() as lines:
        async with operator(on_bind=lambda smsc, pdu: script.pop(0)) as smsc, link_to(smsc, binds=[4]) as bench:
            await bench.bound()
            await bench.link.stop()
    told = [line for line in lines if line["event"] in {"bind up", "bind down"}]
    assert [line["event"] for line in told] == ["bind down", "bind up"]
    assert all((line["link"], line["bind"]) == ("tcell-1", 4) for line in told)
    assert (told[0]["error"], told[0]["trouble"], told[0]["log_level"]) == ("ESME_RSYSERR", "broken", "warning")
    assert 0.5 <= told[0]["retry_in"] <= 1


async def test_a_refused_account_is_an_error() -> None:
    with capture_logs() as lines:
        async with operator(on_bind=lambda smsc, pdu: CommandStatus.ESME_RINVPASWD) as smsc, link_to(smsc) as bench:
            await bench.until(lambda: bench.changes)
    assert [line["log_level"] for line in lines if line["event"] == "bind down"] == ["error"]


async def test_a_password_longer_than_the_standard_is_a_warning() -> None:
    with capture_logs() as lines:
        async with operator() as smsc, link_to(smsc, password="sixteen-letters!") as bench:
            await bench.bound()
    assert [line["characters"] for line in lines if "password" in line["event"]] == [16]


async def test_a_lasting_refusal_is_told_once_per_status() -> None:
    with capture_logs() as lines:
        async with operator(on_submit=refuse(CommandStatus.ESME_RINVSRCADR)) as smsc, link_to(smsc) as bench:
            await bench.bound()
            for number in range(10):
                bench.link.submit(message(number))
            await bench.until(lambda: len(bench.results) == 10)
    assert [line["status"] for line in lines if "refuses" in line["event"]] == ["ESME_RINVSRCADR"]


@pytest.mark.parametrize(
    ("status", "level"),
    [
        (CommandStatus.ESME_RINVSRCADR, "warning"),
        (CommandStatus.ESME_RINVSRCTON, "error"),  # our encoding or configuration is at fault: somebody must act
        (0x0401, "error"),  # nobody knows what it means
    ],
)
async def test_a_refusal_that_somebody_must_see_to_is_an_error(status: int, level: str) -> None:
    with capture_logs() as lines:
        async with operator(on_submit=refuse(status)) as smsc, link_to(smsc) as bench:
            await bench.bound()
            bench.link.submit(message())
            await bench.until(lambda: bench.results)
    assert [line["log_level"] for line in lines if "refuses" in line["event"]] == [level]


async def test_no_text_number_or_password_is_written() -> None:
    with capture_logs() as lines:
        async with (
            operator(on_submit=refuse(CommandStatus.ESME_RTHROTTLED, 1)) as smsc,
            link_to(smsc, password="sixteen-letters!", charset_map={0: "gsm"}) as bench,
        ):
            await bench.bound()
            bench.link.submit(message(text="Kod: 9876"))
            bench.link.submit(message(text="Код: 9876"))
            await bench.until(lambda: len(bench.results) == 2)
            smsc.drop()
            await bench.bound(0)
    written = repr(lines)
    assert "throttled" in written
    assert not [secret for secret in ("9876", "992900900", "sixteen") if secret in written]
