"""What is found out about the whole centre."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from payk.clock import Clock
from payk.domain.account import Client
from payk.domain.hold import Hold, Holds, Selection
from payk.domain.limits import Limits
from payk.domain.message import SmsType
from payk.maintenance import all_duties
from payk.maintenance.figures import FRESH, CentreFigures
from payk.metrics import catalogue as c
from payk.store import queues
from payk.store.claims import LABELS_SHOWN, present_flows
from payk.store.database import Database
from payk.store.wakeups import Flow
from tests.access.conftest import MovedClock
from tests.store.rows import add_client
from tests.store.scene import Scene


def figures_of(scene: Scene, clock: Clock | None = None) -> CentreFigures:
    return CentreFigures(scene.db, scene.directory, clock or Clock(), 10)


async def test_what_waits_is_told_by_the_first_operator_and_lane(scene: Scene) -> None:
    other = await add_client(scene.db, "other")
    await scene.accept(3, sms_type=SmsType.OTP)
    await scene.claim(1)
    await scene.accept(2, sms_type=SmsType.BATCH)
    await scene.execute("update message set accepted_at = now() - interval '1 hour' where sms_type = 3")
    await scene.execute(
        "insert into waiting (message_id, client_id, label_key, queue_id, lane, rank) values (1, $1, 0, $2, 4, 1)",
        other,
        scene.queue,
    )
    await scene.accept(5, sms_type=SmsType.BATCH, scheduled_at=datetime.now(UTC) + timedelta(days=1))
    figures = figures_of(scene)
    assert await figures.run_once() == 0
    waiting = figures.readings[c.CENTRE_QUEUE_MESSAGES]
    assert waiting["tcell", "otp", "waiting"] == 2
    assert waiting["tcell", "otp", "in_flight"] == 1
    assert waiting["tcell", "batch", "waiting"] == 3  # of both clients
    assert waiting["tcell", "batch", "staged"] == 5
    oldest = figures.readings[c.CENTRE_QUEUE_OLDEST]
    assert oldest["tcell", "batch"] == pytest.approx(3600, abs=30)
    assert oldest["tcell", "otp"] < 30


async def test_it_looks_for_flows_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many wait and how long the oldest does come of the same look."""
    looks: list[int] = []

    async def counted(db: Database, labels: int = LABELS_SHOWN) -> dict[Flow, int]:
        looks.append(labels)
        return await present_flows(db, labels)

    monkeypatch.setattr(queues, "present_flows", counted)
    await scene.accept(3)
    figures = figures_of(scene)
    await figures.run_once()
    assert looks == [LABELS_SHOWN]
    assert figures.readings[c.CENTRE_QUEUE_OLDEST].keys() == {("tcell", "common_normal")}


async def test_what_people_keep_back_is_not_late(scene: Scene) -> None:
    """A client that pauses its own codes, or one that is suspended, gets nobody out of bed."""
    other = await add_client(scene.db, "other")
    await scene.accept(1, sms_type=SmsType.OTP, label="paused")
    await scene.execute("update message set accepted_at = now() - interval '1 hour'")
    later = await scene.accept(1, sms_type=SmsType.OTP, label="paused not")
    await scene.execute("update message set accepted_at = now() - interval '1 minute' where message_id = $1", later[0])
    directory, figures = scene.directory.value, figures_of(scene)

    async def oldest() -> float | None:
        await figures.run_once()
        return figures.readings[c.CENTRE_QUEUE_OLDEST].get(("tcell", "otp"))

    assert await oldest() == pytest.approx(3600, abs=30)
    [client_id] = [each for each in directory.clients if each != other]
    hold = Hold(1, Selection(client_id, label="paused"), datetime.now(UTC))
    scene.directory.value = replace(directory, holds=Holds([hold]))
    assert await oldest() == pytest.approx(60, abs=30)
    suspended = replace(directory.clients[client_id], enabled=False)
    scene.directory.value = replace(directory, clients={**directory.clients, client_id: suspended})
    assert await oldest() is None
    assert figures.readings[c.CENTRE_QUEUE_MESSAGES]["tcell", "otp", "waiting"] == 2  # they are told as waiting


async def test_what_is_finite(scene: Scene) -> None:
    figures = figures_of(scene)
    await figures.run_once()
    found = figures.readings
    assert found[c.CENTRE_IDS_USED][()] == pytest.approx(100_000_000 / 2**31, rel=0.01)
    assert found[c.CENTRE_REPORT_DIFFERENCES][()] == 0
    size = found[c.CENTRE_DATABASE_BYTES][()]
    assert 1_000_000 < size == await scene.value("select pg_database_size(current_database())")
    await scene.accept(3)
    ahead = found[c.CENTRE_PARTITION_IDS]
    assert set(ahead) == {("message",), ("receipt",)}
    assert all(10_000_000 < ids <= 30_000_000 for ids in ahead.values())
    await scene.execute("select setval('message_id', last_value + 1000) from message_id")
    await figures.run_once()
    assert figures.readings[c.CENTRE_PARTITION_IDS]["message",] == ahead["message",] - 1002
    assert figures.readings[c.CENTRE_REPORT_DIFFERENCES][()] == 1  # of three messages alike
    await scene.execute("create table filling as select repeat('x', 1000) from generate_series(1, 2000)")
    await figures.run_once()
    assert figures.readings[c.CENTRE_DATABASE_BYTES][()] >= size + 2_000_000
    days = {table: seconds / 86_400 for (table,), seconds in found[c.CENTRE_PARTITION_SECONDS].items()}
    assert 3 < days["idempotency"] <= 4
    assert 6 < days["receipt_key"] <= 12


async def test_prepaid_clients_with_little_left_are_counted(scene: Scene) -> None:
    clients = dict(scene.directory.value.clients)
    for number, amount in enumerate((99_999, 100_000, None)):
        client_id = await add_client(scene.db, f"prepaid {number}")
        clients[client_id] = Client(client_id, f"prepaid {number}", limits=Limits(prepaid=True))
        if amount is not None:
            await scene.execute("insert into client_balance (client_id, amount) values ($1, $2)", client_id, amount)
    scene.directory.value = replace(scene.directory.value, clients=clients)
    figures = figures_of(scene)
    await figures.run_once()
    assert figures.readings[c.CENTRE_LOW_BALANCES] == {(): 2}  # 9.9999 and nothing at all


async def test_operators_links_and_processes(scene: Scene) -> None:
    figures = figures_of(scene)
    await figures.run_once()
    found = figures.readings
    names = {operator.name for operator in scene.directory.value.operators.values()}
    assert found[c.CENTRE_OPERATOR_SICK] == {(name,): False for name in names}
    assert found[c.CENTRE_PARKED] == {(name,): 0 for name in names}
    assert {operator for operator, _ in found[c.CENTRE_LINK_BINDS]} == names
    assert sum(found[c.CENTRE_PROCESSES].values()) >= 1


async def test_who_lost_the_duty_tells_no_more(scene: Scene) -> None:
    clock = MovedClock()
    figures = figures_of(scene, clock)
    assert figures.readings == {}
    await figures.run_once()
    assert figures.readings
    clock.ahead = FRESH
    assert figures.readings == {}


async def test_it_is_a_duty(scene: Scene) -> None:
    figures = figures_of(scene)
    duties = all_duties(scene.db, scene.directory, Random(1), rules=scene.rules, wait=scene.wait, figures=figures)
    assert duties[0].name == "figures"
    assert await duties[0].run_once() == 0
    assert figures.readings
