"""A real centre in every trouble that an alert is for, watched by a real Prometheus."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from payk.cli.managing import ROOT
from payk.store.embedded import EmbeddedPostgres
from tests.certificates import make_certificate
from tests.end_to_end.payk import KEY, MESSAGE, Payk, of_operator
from tests.end_to_end.program import Program
from tests.faults.disk import Disk, small_disk
from tests.observe.expressions import alerts, of_board
from tests.observe.pages import commands, run
from tests.observe.prometheus import Prometheus, quick

FAR_KEY, POOR_KEY = (f"00000000-0000-4000-8000-00000000000{number}" for number in (2, 3))
WITHIN = 90.0

REGISTRY = """
[[client]]
name = "bank"
api_keys = ["{key}"]
senders = ["AlifBank"]
[[operator]]
name = "tcell"
[[operator.link]]
name = "tcell-1"
host = "127.0.0.1"
port = {port}
system_id = "payk"
password = "payk"
[[route]]
prefix = ""
operators = ["tcell"]
"""

TROUBLES = """
[[client]]
name = "shop"
api_keys = ["{poor}"]
prepaid = true
[[client]]
name = "abroad"
[[client.key]]
key = "{far}"
allow_from = ["192.0.2.0/24"]
{operators}
"""


@dataclass(slots=True)
class Stage:
    """A centre on an embedded database, over TLS to its clients, with an operator; and who watches."""

    payk: Payk
    prometheus: Prometheus
    centre: Program
    api: str
    admin: str
    http: httpx.AsyncClient
    trusted: ssl.SSLContext
    disk: Disk | None

    async def send(self, number: str, count: int = 1, key: str = KEY, **fields: object) -> None:
        bodies = [MESSAGE | {"PhoneNumber": number, "SenderAddress": "AlifBank"} | fields for _ in range(count)]
        answer = await self.http.post("/api/v1/sms/bulk", json=bodies, headers={"X-Api-Key": key})
        assert answer.status_code == 200, answer.text

    def server(self) -> list[psutil.Process]:
        """The processes of its database."""
        return [process for process in self.payk.processes() if process.name().startswith("postgres")]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        payk = Payk(tmp_path, {"PAYK_UNCERTAIN_HOLD": "1", "PAYK_RECEIPT_WAIT": "600"})
        disks = stack.enter_context(ExitStack())
        try:
            disk: Disk | None = disks.enter_context(small_disk(payk.home))
        except pytest.skip.Exception:
            disk = None
        stack.push_async_callback(payk.close)
        certificate = make_certificate(tmp_path, "api", days=10)
        payk.environment |= {
            "PAYK_TLS_CERTIFICATE": str(certificate.certificate),
            "PAYK_TLS_KEY": str(certificate.key),
        }
        await payk.done("migrate")
        operator = await payk.simulate()
        await payk.apply(REGISTRY.format(key=KEY, port=operator.port))
        centre = payk.start("serve", PAYK_PORT="0", PAYK_ADMIN_PORT="0")
        admin = await centre.line(r"^management +http://(\S+)")
        api = await centre.line(r"^API +(https://\S+)")
        trusted = ssl.create_default_context(cafile=str(certificate.certificate))
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=api, verify=trusted, headers={"X-Api-Key": KEY}, timeout=30)
        )
        prometheus = Prometheus(tmp_path, tmp_path / "payk-token")
        stack.push_async_callback(prometheus.close)
        yield Stage(payk, prometheus, centre, api, admin, http, trusted, disk)


async def watched(stage: Stage) -> None:
    """Prometheus reads the centre, by the token that docs/observe.md makes, and nothing is wrong."""
    prometheus = stage.prometheus
    for line in commands("observe.md", "Metrics"):
        await run(line.replace("127.0.0.1:9080", stage.admin), stage.payk)
    prometheus.scrape(stage.admin)
    await prometheus.until("payk_centre_processes")
    await asyncio.sleep(2)  # rules are evaluated once a second, on what was scraped a second before
    prometheus.forget()
    await stage.send("992900900900", 3)
    await prometheus.until('payk_receipts_total{state="delivered"} >= 3')
    assert await prometheus.fired() <= {"PaykCertificateEnds"}


BY_HAND = {
    "PaykDiskFull",
    "PaykPartitionsEnd",
    "PaykIdsEnd",
    "PaykDatabaseAway",
    "PaykProcessDown",
    "PaykNoMaintenance",
}
"""Alerts of troubles that somebody makes on the machine or in the database."""


async def test_nothing_fires_on_a_healthy_centre_that_idles(stage: Stage) -> None:
    """But for its certificate, which has ten days left. What was sent to it before is long done."""
    await watched(stage)
    await asyncio.sleep(40)  # a quarter of an hour of the rules, and more
    assert await stage.prometheus.fired() <= {"PaykCertificateEnds"}


async def test_every_alert_fires_in_its_trouble_and_none_without(stage: Stage) -> None:
    prometheus = stage.prometheus
    await watched(stage)
    await into_trouble(stage)
    await guessing(stage)
    await prometheus.until_fired({rule["alert"] for rule in alerts()} - BY_HAND, WITHIN)
    empty = {panel for panel, expression in of_board() if not await prometheus.query(quick(expression))}
    assert empty == set()


async def test_every_alert_fires_that_somebody_makes_by_hand(stage: Stage) -> None:
    prometheus = stage.prometheus
    await watched(stage)
    if stage.disk is not None:
        stage.disk.fill(leave=20)
        await prometheus.until_fired({"PaykDiskFull"}, WITHIN)
        stage.disk.empty()
    await by_hand(stage, "select setval('payk.message_id', 1800000000)")  # as if 1.8 billion messages had been taken
    await prometheus.until_fired({"PaykPartitionsEnd", "PaykIdsEnd"}, WITHIN)
    frozen = stage.server()
    for process in frozen:
        process.send_signal(signal.SIGSTOP)
    try:
        await prometheus.until_fired({"PaykDatabaseAway"}, WITHIN)
    finally:
        for process in frozen:
            process.send_signal(signal.SIGCONT)
    stage.centre.kill()
    await prometheus.until_fired(BY_HAND - ({"PaykDiskFull"} if stage.disk is None else set()), WITHIN)
    rest = stage.payk.start("serve", "--roles", "maintenance", PAYK_PORT="0", PAYK_ADMIN_PORT="0")
    prometheus.scrape(await rest.line(r"^management +http://(\S+)"))
    await prometheus.until('ALERTS{alertname="PaykLinkDown", alertstate="firing", link="tcell-1"}', WITHIN)


async def into_trouble(stage: Stage) -> None:
    """All at once: each operator has a trouble of its own."""
    await by_hand(stage, "alter table payk.report_count rename to report_count_of_old")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        nobody = listener.getsockname()[1]
    mute, full = await stage.payk.simulate(), await stage.payk.simulate("--throttle", "1")
    strict = await stage.payk.simulate("--password", "another")
    operators = "".join(
        of_operator(name, port, link="response_timeout = 1", prefix=prefix)
        for name, port, prefix in (
            ("mute", mute.port, "992000000"),
            ("full", full.port, "99291"),
            ("strict", strict.port, "99292"),
            ("gone", nobody, "99293"),
        )
    )
    await stage.payk.apply(TROUBLES.format(poor=POOR_KEY, far=FAR_KEY, operators=operators))
    await stage.prometheus.until('payk_link_binds{operator="mute", state="bound"} == 1')
    await stage.prometheus.until('payk_centre_queue_messages{operator="gone"} == 0')
    await stage.send("992910000001", 5, SmsType=1)
    await stage.send("992930000001", 1)
    for _ in range(3):
        await stage.send("992000000006", 15, SmsType=1)
        await stage.prometheus.until("payk_database_reachable")
    await stage.send("992000000011", 60)
    answer = await stage.http.post("/api/v1/sms", json=MESSAGE, headers={"X-Api-Key": FAR_KEY})
    assert answer.status_code == 403, answer.text
    await stage.prometheus.until(quick('operator:payk_waiting_messages:sum{operator="gone"} offset 15m'))
    await stage.send("992930000002", 1_200, SmsType=3)  # more than a quarter of an hour before
    await by_hand(stage, "update payk.link set options = options || '{\"long_text\": \"morse\"}' where name = 'gone-1'")
    await by_hand(stage, "update payk.registry_version set version = version + 1")


async def guessing(stage: Stage) -> None:
    """Keys at one door, tokens at the other, from as many addresses as it takes: each may fail 20 times a minute. Each
    of the three reasons of the alert is a series of its own.
    """
    places = (
        (f"{stage.api}/api/v1/sms/1", "X-Api-Key", 120),
        (f"http://{stage.admin}{ROOT}/clients", "Authorization", 40),
    )
    for url, header, times in places:
        for number in range(times // 20):
            transport = httpx.AsyncHTTPTransport(verify=stage.trusted, local_address=f"127.0.0.{number + 2}")
            async with httpx.AsyncClient(transport=transport, timeout=30) as http:
                for turn in range(20):
                    answer = await http.get(url, headers={header: f"Bearer {number:02}{turn:02}"})
                    assert answer.status_code == 401, answer.text
    for door, code in (("api", "IpAddressNotAllowed"), ("api", "Unauthorized"), ("management", "Unauthorized")):
        alert = f'alertname="PaykKeyLeaked", alertstate="firing", door="{door}", code="{code}"'
        await stage.prometheus.until(f"last_over_time(ALERTS{{{alert}}}[{WITHIN:.0f}s])", WITHIN)


async def by_hand(stage: Stage, statement: str) -> None:
    """Somebody does something to the database that nobody should."""
    server = EmbeddedPostgres(stage.payk.home)
    connection = await asyncpg.connect(await server.attach_or_start())
    await connection.execute(statement)
    await connection.close()
    await server.stop()
