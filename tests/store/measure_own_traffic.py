"""What a client's pause, resume and cancel of a label take: `python -m tests.store.measure_own_traffic [MESSAGES]`.

A database as `payk up` starts it (every COMMIT on the disk) holds MESSAGES that wait under the label, and as many of
another label beside them. The lines of what was cancelled go to standard error.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Final, TypeVar

from payk.domain.access import Actor, PrincipalKind
from payk.domain.account import Client
from payk.domain.message import label_key
from payk.logs import configure
from payk.outcome_log import OutcomeLog
from payk.registry.own_traffic import cancel_label, pause_label, resume_label
from payk.store.database import Database
from payk.store.ending import OnEnded
from payk.store.holds import Counts, read_holds
from payk.store.migrations import migrate
from tests.homes import shared_server
from tests.store.scene import Scene, scene_on

Result = TypeVar("Result")

SEED: Final = """
with taken as (
    insert into message (message_id, accepted_at, client_id, queue_id, sms_type, priority, parts, phone, sender,
                         label, text)
    select nextval('message_id'), now(), $2, $3, 3, 1, 1, '99290' || lpad(n::text, 7, '0'), 'AlifBank', $4, 'hello'
    from generate_series(1, $1::integer) n returning message_id
)
insert into waiting (message_id, client_id, label_key, queue_id, lane, rank)
select message_id, $2, $5, $3, 4, 1 from taken
"""


async def fill(scene: Scene, count: int) -> None:
    async with scene.db.connection(timeout=600) as connection:
        await connection.execute("set statement_timeout = 0")
        for label in ("spring", "autumn"):
            await connection.execute(SEED, count, scene.client, scene.queue, label, label_key(label))
        await connection.execute("vacuum analyze")


async def timed(what: str, work: Awaitable[Result]) -> None:
    began = time.monotonic()
    result = await work
    print(f"{what}: {(time.monotonic() - began) * 1_000:,.0f} ms, {result}")


async def whole_cancel(scene: Scene, label: str, on_ended: OnEnded | None, demo: Client, actor: Actor) -> Counts:
    """Says on the way how soon it was in force: from then on dispatchers pass over what is left."""
    began = time.monotonic()
    cancelling = asyncio.create_task(cancel_label(scene.db, demo, label, scene.wait, on_ended, actor=actor, timeout=60))
    while not await read_holds(scene.db):
        await asyncio.sleep(0)
    print(f"cancel, until it is in force: {(time.monotonic() - began) * 1_000:,.0f} ms")
    return await cancelling


async def measure(url: str, count: int) -> None:
    db = await Database.open(url)
    await migrate(db)
    scene = await scene_on(db)
    await fill(scene, count)
    demo, actor = Client(scene.client, "demo"), Actor(PrincipalKind.CLIENT, "demo")
    print(f"{count:,} messages under the label, {count:,} beside them")
    await timed("pause, with its count", pause_label(db, demo, "spring", actor=actor, timeout=60))
    await timed("resume, with its count", resume_label(db, demo, "spring", actor=actor, timeout=60))
    cancelled = "cancel, until nothing of it can leave and nothing of it is left"
    await timed(cancelled, whole_cancel(scene, "spring", None, demo, actor))
    configure("json", "info", "all")
    told = OutcomeLog(scene.directory, "web").on_ended
    await timed(f"{cancelled}, with a line for each", whole_cancel(scene, "autumn", told, demo, actor))
    await db.close()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as folder, shared_server(Path(folder) / "server", {}) as url:
        asyncio.run(measure(url, count))


if __name__ == "__main__":
    main()
