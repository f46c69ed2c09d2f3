"""Running processes follow the registry: within a second, and through whatever happens to their connections."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from payk.domain.access import Actor, PrincipalKind
from payk.domain.account import Client
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.message import Lane, SmsType, label_key
from payk.domain.operator import Link, Operator
from payk.metrics.catalogue import REGISTRY_NOT_UNDERSTOOD
from payk.registry import follow
from payk.registry.errors import DirectoryError
from payk.registry.follow import Follower, load
from payk.registry.own_traffic import pause_label, resume_label
from payk.registry.taken import without
from payk.registry.traffic import Chosen, hold, release
from payk.store.database import Database
from payk.store.errors import StoreUnavailable
from payk.store.queries import sql
from payk.store.registry import EVERY_NUMBER, read_held, read_taken

from .conftest import Applies


class Changes:
    """The directories a follower came to, as they come."""

    def __init__(self, current: CurrentDirectory) -> None:
        self.current = current
        self.seen: asyncio.Queue[Directory] = asyncio.Queue()

    async def next(self, within: float = 1.0) -> Directory:
        async with asyncio.timeout(within):
            return await self.seen.get()


@asynccontextmanager
async def following(db: Database) -> AsyncIterator[Changes]:
    changes = Changes(CurrentDirectory(await load(db)))
    follower = Follower(db, changes.current)
    follower.on_change.append(changes.seen.put_nowait)
    task = asyncio.create_task(follower.run())
    try:
        yield changes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def listeners(dsn: str) -> int:
    """The backends of this database that LISTEN, seen from outside."""
    connection = await asyncpg.connect(dsn)
    try:
        return int(
            await connection.fetchval(
                "select count(*) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid() and query ilike 'listen %'"
            )
        )
    finally:
        await connection.close()


async def until_listeners_are(dsn: str, number: int) -> None:
    for _ in range(250):
        if await listeners(dsn) == number:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{await listeners(dsn)} connections listen, not {number}")


async def test_a_change_is_followed_within_a_second(database: Database, applies: Applies) -> None:
    async with following(database) as changes:
        await applies({"client": [{"name": "demo"}]})
        directory = await changes.next()
        assert [client.name for client in directory.clients.values()] == ["demo"]
        assert changes.current.value is directory
        await applies({"client": [{"name": "demo", "max_parts": 3}]})
        assert [client.max_parts for client in (await changes.next()).clients.values()] == [3]
        assert changes.seen.empty()


async def test_an_announced_change_needs_no_polling(
    database: Database, dsn: str, applies: Applies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "POLL", 60.0)
    async with following(database) as changes:
        await until_listeners_are(dsn, 1)
        await applies({"client": [{"name": "demo"}]})
        assert (await changes.next()).version == 1


async def test_a_change_without_an_announcement_is_found(database: Database) -> None:
    async with following(database) as changes:
        async with database.transaction() as connection:
            await connection.execute("insert into client (name) values ('quiet')")
            await connection.execute("update registry_version set version = version + 1")
        assert [client.name for client in (await changes.next()).clients.values()] == ["quiet"]


async def test_terminated_connections_are_survived(database: Database, dsn: str, applies: Applies) -> None:
    outside = await asyncpg.connect(dsn)
    terminate = (
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    async with following(database) as changes:
        for number in range(3):
            await until_listeners_are(dsn, 1)
            before = changes.current.value
            await outside.execute(terminate)
            assert changes.current.value is before
            await until_listeners_are(dsn, 1)
            await applies({"client": [{"name": f"c{number}"}]})
            assert len((await changes.next()).clients) == number + 1
    await outside.close()


async def test_a_database_that_is_away_for_a_while(dsn: str, server_url: str) -> None:
    """Nobody may connect for longer than a few looks; what is known stays in force, and then all goes on."""
    database = await Database.open(dsn)
    outside = await asyncpg.connect(dsn)
    other = await asyncpg.connect(server_url)
    async with following(database) as changes:
        await until_listeners_are(dsn, 1)
        before = changes.current.value
        name = await outside.fetchval("select current_database()")
        await other.execute(f'alter database "{name}" allow_connections false')
        await outside.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        await outside.execute("insert into payk.client (name) values ('meanwhile')")
        await outside.execute("update payk.registry_version set version = version + 1")
        with pytest.raises(TimeoutError):
            await changes.next(within=1.5)
        assert changes.current.value is before
        await other.execute(f'alter database "{name}" allow_connections true')
        assert [client.name for client in (await changes.next(within=10.0)).clients.values()] == ["meanwhile"]
    await outside.close()
    await other.close()
    await database.close()


async def test_stopping_leaves_no_listener_behind(database: Database, dsn: str) -> None:
    async with following(database):
        await until_listeners_are(dsn, 1)
    await until_listeners_are(dsn, 0)


async def test_rows_of_a_newer_payk_do_not_take_the_directory_away(database: Database, applies: Applies) -> None:
    link = {"host": "a.tj", "port": 1, "system_id": "x", "password": "x"}
    await applies({"operator": [{"name": "tcell", "link": [link]}]})
    async with following(database) as changes:
        async with database.transaction() as connection:
            await connection.execute("""update link set options = options || '{"long_text": "morse", "new_key": 1}'""")
            await connection.execute("update registry_version set version = version + 1")
        with pytest.raises(DirectoryError, match="link tcell-1: long_text 'morse' is not known to this Payk"):
            await load(database)
        with pytest.raises(TimeoutError):
            await changes.next(within=1.0)
        assert changes.current.value.version == 1
        await applies({"operator": [{"name": "tcell", "link": [{"long_text": "sar"}]}]})
        assert (await changes.next()).version == 3


async def large_registry(database: Database) -> None:
    """10,000 clients, 100,000 senders, 30,000 keys, 5,000 plain routes and as many with conditions."""
    async with database.transaction() as connection:
        await connection.execute("insert into client (name) select 'client ' || n from generate_series(1, 10000) n")
        await connection.execute(
            "insert into sender (client_id, name)"
            " select client_id, 'Sender ' || n from client, generate_series(1, 10) n"
        )
        await connection.execute(
            "insert into api_key (sha256, client_id)"
            " select sha256((name || n)::bytea), client_id from client, generate_series(1, 3) n"
        )
        await connection.execute("insert into operator (name) values ('tcell')")
        await connection.execute("insert into queue (operators) select array[operator_id] from operator")
        await connection.execute(
            "insert into route (prefix, queue_id)"
            " select (10000 + n)::text, queue_id from queue, generate_series(1, 5000) n"
        )
        await connection.execute(
            "insert into conditional_route (prefix, client_id, sms_type, queue_id, options)"
            " select '992', client_id, 1 + client_id % 3, queue_id, '{\"weights\": {\"tcell\": 1}}'"
            " from queue, client where client_id <= 5000"
        )
        await connection.execute("update sender set operators = (select operators from queue) where name = 'Sender 1'")
        await connection.execute("analyze")


async def test_ten_thousand_clients_and_five_thousand_routes_load_quickly_and_let_others_in_between(
    database: Database,
) -> None:
    await large_registry(database)
    started = time.perf_counter()
    loading = asyncio.create_task(load(database))
    longest, last = 0.0, started
    while not loading.done():
        await asyncio.sleep(0)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    directory = await loading
    assert (len(directory.clients), len(directory.keys)) == (10_000, 30_000)
    assert directory.routes.choose("1234567") is not None
    assert sum(1 for _ in directory.routes) == 10_000
    assert sum(len(client.senders) for client in directory.clients.values()) == 100_000
    # Measured 0.2 s and 0.02 s; the bounds leave room for a machine that is busy otherwise.
    assert time.perf_counter() - started < 5.0
    assert longest < 1.0


@asynccontextmanager
async def busy_loop() -> AsyncIterator[None]:
    """Every turn of the loop takes 5 ms, as where there is much to do."""

    async def keep_busy() -> None:
        while True:
            end = time.perf_counter() + 0.005
            while time.perf_counter() < end:
                pass
            await asyncio.sleep(0)

    busy = asyncio.create_task(keep_busy())
    try:
        yield
    finally:
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)


async def within_a_second(come: Callable[[], bool]) -> None:
    async with asyncio.timeout(1.0):
        while not come():
            await asyncio.sleep(0)


def client_of(directory: Directory, name: str) -> Client:
    return next(client for client in directory.clients.values() if client.name == name)


def key(client: str, number: int) -> bytes:
    """The digest of a key in the large registry."""
    return hashlib.sha256(f"{client}{number}".encode()).digest()


async def test_what_is_taken_away_is_refused_within_a_second_however_large_the_registry_is(
    database: Database, applies: Applies
) -> None:
    await large_registry(database)
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    def in_force() -> Directory:
        return changes.current.value

    def changed_key(**options: Any) -> dict[str, Any]:
        return {"client": [{"name": "client 1", "key": [{"sha256": key("client 1", 2).hex(), **options}]}]}

    async with following(database) as changes, busy_loop():
        await applies(
            {"client": [{"name": "client 1", "key": [{"sha256": key("client 1", 1).hex(), "revoked": True}]}]}
        )
        await within_a_second(lambda: key("client 1", 1) not in in_force().keys)
        assert changes.seen.empty(), "the whole is loaded later"
        await applies(changed_key(expires_at=tomorrow.isoformat(timespec="seconds")))
        await within_a_second(lambda: in_force().keys[key("client 1", 2)].expires_at is not None)
        await applies(changed_key(allow_from=["10.0.0.0/8"]))
        await within_a_second(lambda: in_force().keys[key("client 1", 2)].allow_from == (ip_network("10.0.0.0/8"),))
        await applies({"client": [{"name": "client 2", "enabled": False}]})
        await within_a_second(lambda: not client_of(in_force(), "client 2").enabled)
        await applies({"client": [{"name": "client 3", "sender": [{"name": "sender 4", "status": "withdrawn"}]}]})
        await within_a_second(lambda: "sender 4" not in client_of(in_force(), "client 3").senders)
        ends = [{"name": "Sender 5", "expires_at": tomorrow.isoformat(timespec="seconds")}]
        await applies({"client": [{"name": "client 3", "sender": ends}]})
        await within_a_second(lambda: "sender 5" in client_of(in_force(), "client 3").sender_expiry)
    assert len(client_of(in_force(), "client 3").senders) == 9
    assert len(in_force().keys) == 29_999


async def test_operators_links_and_routes_are_left_within_a_second_however_large_the_registry_is(
    database: Database, applies: Applies
) -> None:
    await large_registry(database)
    access = {"host": "127.0.0.1", "port": 1, "system_id": "payk", "password": "payk"}
    links = [{"name": "spare-1", **access}, {"name": "spare-2", **access}]
    special = {"prefix": "992", "client": "client 6000", "sender": "Sender 2", "operators": ["spare"]}
    await applies({"operator": [{"name": "spare", "link": links}], "route": [special]})

    def in_force() -> Directory:
        return changes.current.value

    def spare() -> Operator:
        return next(operator for operator in in_force().operators.values() if operator.name == "spare")

    def link(name: str) -> Link:
        return next(link for link in spare().links if link.name == name)

    def carried(phone: str, client: str = "client 9000", sender: str = "") -> bool:
        return in_force().routes.choose(phone, client_of(in_force(), client).client_id, sender) is not None

    def of_link(name: str, **options: Any) -> dict[str, Any]:
        return {"operator": [{"name": "spare", "link": [{"name": name, **options}]}]}

    async with following(database) as changes, busy_loop():
        await applies(of_link("spare-1", draining=True))
        await within_a_second(lambda: link("spare-1").draining)
        assert changes.seen.empty(), "the whole is loaded later"
        await applies(of_link("spare-1", draining=False))
        await within_a_second(lambda: not link("spare-1").draining)
        await applies(of_link("spare-2", enabled=False))
        await within_a_second(lambda: {found.name for found in in_force().links().values()} == {"spare-1"})
        await applies({"operator": [{"name": "spare", "draining": True}]}, force=True)
        await within_a_second(lambda: spare().draining)
        await applies({"operator": [{"name": "spare", "enabled": False}]})
        await within_a_second(lambda: not spare().enabled)
        assert in_force().links() == {}
        assert carried("100011") and carried("992900000001", "client 6000", "sender 2")
        await applies({"route": [{"prefix": "10001", "enabled": False}]})
        await within_a_second(lambda: not carried("100011"))
        await applies({"route": [{**special, "sender": "sender 2", "enabled": False}]})
        await within_a_second(lambda: not carried("992900000001", "client 6000", "sender 2"))
    assert carried("100021")
    assert sum(1 for _ in in_force().routes) == 10_001


async def test_what_was_disabled_is_told_of_routes_of_every_kind_and_of_nothing_else(
    database: Database, applies: Applies
) -> None:
    conditions: list[dict[str, Any]] = [
        {"prefix": "992", "client": "demo"},
        {"prefix": "992", "client": "demo", "sender": "Shop", "sms_type": "otp"},
        {"prefix": "992", "sender": "Shop"},
        {"prefix": "", "sms_type": "otp"},
    ]
    plain: list[dict[str, Any]] = [{"prefix": ""}, {"prefix": "992"}, {"prefix": "7"}, {"prefix": "48"}]
    routes = [{**route, "operators": ["tcell"]} for route in (*plain, *conditions)]
    await applies({"client": [{"name": "demo"}], "operator": [{"name": "tcell"}], "route": routes})
    await applies({"route": [{"prefix": "48", "enabled": False}]})
    known = await load(database)
    number = {(route.prefix, *route.conditions): route.route_id for route in known.routes}
    await applies({"route": [{"prefix": "", "enabled": False}, {"prefix": "7", "price": "0.01"}]})
    gone = [conditions[1], {**conditions[2], "sender": "SHOP"}, conditions[3]]
    await applies({"route": [{**route, "enabled": False} for route in gone]})
    [client_id] = known.clients
    assert {row.number for row in (await read_taken(database, known.version)).carriers} == {
        number["", None, None, None],
        number["992", client_id, "shop", SmsType.OTP],
        number["992", None, "shop", None],
        number["", None, None, SmsType.OTP],
    }


async def test_the_lines_of_a_change_are_gone_through_once_however_many_they_are(database: Database) -> None:
    await large_registry(database)
    async with database.transaction() as connection:
        await connection.execute(
            "insert into registry_change (version, author, difference) select 1, 'test', jsonb_build_object('changes',"
            " jsonb_agg(jsonb_build_object('sign', '~', 'kind', 'route', 'name', prefix))) from route"
        )
        await connection.execute("update registry_version set version = 1")
        await connection.execute("update route set enabled = false where prefix = '10007'")
        statement = sql("registry.taken_away").replace("$1", "0").replace("$2", f"'{EVERY_NUMBER}'")
        plan = [row[0] for row in await connection.fetch(f"explain (analyze, costs off, timing off) {statement}")]
        [lines] = [line for line in plan if "Function Scan" in line]
        assert "rows=5000.00 loops=1)" in lines
        assert not [line for line in plan if re.search(r"Scan .* on route .*loops=\d{3}", line)]
        [gone] = await connection.fetch("select route_id from route where not enabled")
    assert [row.number for row in (await read_taken(database, 0)).carriers] == [gone["route_id"]]


async def test_what_cannot_be_read_in_time_is_loaded_with_the_whole(
    database: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can read the changes for as long as it takes; the rest of the registry everybody can."""
    for name, reads in (("read_held", read_held), ("read_taken", read_taken)):
        monkeypatch.setattr(follow, name, partial(reads, timeout=0.05))
    outside = await asyncpg.connect(dsn)
    with capture_logs() as lines:
        async with following(database) as changes, outside.transaction():
            await outside.execute("lock table payk.registry_change in access exclusive mode")
            async with database.transaction() as connection:
                await connection.execute("insert into client (name) values ('new')")
                await connection.execute("update registry_version set version = version + 1")
            assert [client.name for client in (await changes.next()).clients.values()] == ["new"]
    await outside.close()
    assert {"log_level": "warning", "version": 1} in [
        {name: line.get(name) for name in ("log_level", "version")}
        for line in lines
        if line["event"] == "what was taken away could not be read"
    ]


async def test_a_whole_that_cannot_be_read_is_told_of(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(database, CurrentDirectory(await load(database)))

    async def fails(db: Database) -> Directory:
        raise StoreUnavailable("canceling statement due to statement timeout")

    with monkeypatch.context() as patched:
        patched.setattr(follow, "load", fails)
        following = asyncio.create_task(follower.run())
        async with database.transaction() as connection:
            await connection.execute("update registry_version set version = version + 1")
        with capture_logs() as lines:
            await within_a_second(lambda: follower.warnings() != [])
        assert "registry could not be loaded" in [line["event"] for line in lines]
        assert "version 1 of the registry could not be read yet by this Payk" in follower.warnings()[0]
        assert follower.figures() == {REGISTRY_NOT_UNDERSTOOD: {(): True}}
    await within_a_second(lambda: follower.warnings() == [])
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


def is_loading() -> bool:
    return any(task.get_name() == "registry-load" for task in asyncio.all_tasks())


async def test_what_clients_pause_and_resume_loads_nothing_however_large_the_registry_is(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await large_registry(database)

    async def fails(db: Database) -> Directory:
        raise AssertionError("the whole is loaded")

    async with following(database) as changes:
        monkeypatch.setattr(follow, "load", fails)
        before = changes.current.value
        client = client_of(before, "client 1")
        actor = Actor(PrincipalKind.CLIENT, client.name)

        def is_paused() -> bool:
            return changes.current.value.holds.stop(client.client_id, Lane.BATCH, label_key("spring"), ())

        used = time.process_time()
        for times in range(1, 6):
            await pause_label(database, client, "spring", actor=actor, timeout=5)
            await within_a_second(is_paused)
            await resume_label(database, client, "spring", actor=actor, timeout=5)
            await within_a_second(lambda: not is_paused())
            assert changes.current.value.version == 2 * times
        print(f"{(time.process_time() - used) * 100:.1f} ms of processor time for each pause or resume")
        after = changes.current.value
        assert after.keys is before.keys and after.clients is before.clients and after.routes is before.routes
        assert not is_loading()


async def test_a_hold_together_with_another_change_loads_the_whole(database: Database, applies: Applies) -> None:
    """In any order, and whether one look finds both or each its own."""
    await applies({"client": [{"name": "demo"}]})
    for holds_first in (True, False):
        for count in (1, 2):
            known = await load(database)
            current = CurrentDirectory(known)
            follower = Follower(database, current)
            name = f"client {holds_first} {count}"
            steps = [lambda: hold(database, Chosen("demo", "spring"), author="ops")] * count
            steps.insert(0 if not holds_first else count, partial(applies, {"client": [{"name": name}]}))
            for step in steps:
                await step()
            running = asyncio.create_task(follower.run())
            version = known.version + count + 1
            await within_a_second(lambda: current.value.version == version)  # noqa: B023
            assert client_of(current.value, name).enabled
            whole = await load(database)
            assert (current.value.holds, current.value.clients) == (whole.holds, whole.clients)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_holds_are_alone_where_every_version_since_is_of_holds(database: Database, applies: Applies) -> None:
    await applies({"client": [{"name": "demo"}]})  # version 1
    placed = await hold(database, Chosen("demo", "spring"), author="ops")  # 2
    await release(database, placed.hold_id, author="ops")  # 3
    await applies({"client": [{"name": "demo", "max_parts": 3}]})  # 4
    other = await hold(database, Chosen("demo", "autumn"), author="ops")  # 5
    async with database.transaction() as connection:  # 6, of which nothing is kept
        await connection.execute("update registry_version set version = version + 1")
    assert await read_held(database, 0, 2) is None
    assert await read_held(database, 1, 4) is None
    assert await read_held(database, 4, 6) is None
    assert await read_held(database, 6, 5) is None
    for since, upto in ((1, 2), (1, 3), (2, 3), (4, 5)):
        assert [one.hold_id for one in await read_held(database, since, upto) or ()] == [other.hold_id]


async def test_what_is_resumed_with_other_settings_waits_for_the_whole(database: Database, applies: Applies) -> None:
    access = {"name": "tcell-1", "host": "a.tj", "port": 1, "system_id": "x", "password": "x", "draining": True}
    await applies({"operator": [{"name": "tcell", "draining": True, "link": [access]}]})
    known = await load(database)
    await applies({"operator": [{"name": "tcell", "draining": False, "health": False, "link": [{"window": 5}]}]})
    await applies({"operator": [{"name": "tcell", "link": [{"draining": False}]}]})
    [operator] = without(known, await read_taken(database, known.version)).operators.values()
    assert operator.draining and operator.links[0].draining


async def test_what_was_taken_away_while_the_whole_was_loaded_stays_away(database: Database, applies: Applies) -> None:
    await large_registry(database)
    async with following(database) as changes, busy_loop():
        await applies({"client": [{"name": "new"}]})
        await within_a_second(lambda: any(task.get_name() == "registry-load" for task in asyncio.all_tasks()))
        gone = key("client 7", 1)
        await applies({"client": [{"name": "client 7", "key": [{"sha256": gone.hex(), "revoked": True}]}]})
        await within_a_second(lambda: gone not in changes.current.value.keys)
        while changes.current.value.version < 2:
            await asyncio.sleep(0)
            assert gone not in changes.current.value.keys


async def test_what_is_taken_away_is_followed_where_the_rest_is_not_understood(
    database: Database, applies: Applies
) -> None:
    link = {"host": "a.tj", "port": 1, "system_id": "x", "password": "x"}
    digests = [hashlib.sha256(name).digest() for name in (b"a", b"b")]
    keys = [{"sha256": digest.hex()} for digest in digests]
    senders = [{"name": "Shop"}, {"name": "Sale"}]
    await applies(
        {"operator": [{"name": "tcell", "link": [link]}], "client": [{"name": "demo", "key": keys, "sender": senders}]}
    )
    current = CurrentDirectory(await load(database))
    follower = Follower(database, current)
    following = asyncio.create_task(follower.run())
    assert follower.warnings() == [] and follower.figures() == {REGISTRY_NOT_UNDERSTOOD: {(): False}}
    async with database.transaction() as connection:
        await connection.execute("""update link set options = options || '{"long_text": "morse"}'""")
        await connection.execute("update registry_version set version = version + 1")
    await within_a_second(lambda: follower.warnings() != [])
    [warning] = follower.warnings()
    assert follower.figures() == {REGISTRY_NOT_UNDERSTOOD: {(): True}}
    assert "version 2 of the registry is not known to this Payk, which works by version 1" in warning

    await applies({"client": [{"name": "demo", "key": [{"sha256": digests[0].hex(), "revoked": True}]}]})
    await within_a_second(lambda: [*current.value.keys] == [digests[1]])
    await applies({"client": [{"name": "demo", "sender": [{"name": "Sale", "status": "withdrawn"}]}]})
    await within_a_second(lambda: [*client_of(current.value, "demo").senders] == ["shop"])
    await applies({"client": [{"name": "demo", "enabled": False}]})
    await within_a_second(lambda: not client_of(current.value, "demo").enabled)
    assert digests[0] not in current.value.keys, "what was taken away earlier stays away"
    await applies({"client": [{"name": "demo", "enabled": True, "max_parts": 3}]})
    await within_a_second(lambda: client_of(current.value, "demo").enabled)
    assert client_of(current.value, "demo").max_parts == 20, "what is new waits for the whole"
    async with database.transaction() as connection:  # by a Payk that has other networks than this one
        await connection.execute("update api_key set allow_from = '{somewhere}' where sha256 = $1", digests[1])
    await applies({"client": [{"name": "demo", "key": [{"sha256": digests[1].hex(), "label": "till"}]}]})
    await within_a_second(lambda: not current.value.keys)

    async with database.transaction() as connection:
        await connection.execute("update api_key set allow_from = '{}'")
    await applies({"operator": [{"name": "tcell", "link": [{"long_text": "sar"}]}]})
    await within_a_second(lambda: not follower.warnings())
    assert [*current.value.keys] == [digests[1]]
    assert client_of(current.value, "demo").max_parts == 3
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
