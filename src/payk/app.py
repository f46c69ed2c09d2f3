"""The composition root: settings -> database -> engines in one TaskGroup, and the order in which they start and stop.

Start: sockets (a taken port is known before anything runs), database, schema, directory, incarnation, then maintenance,
dispatch and the doors. Stop (SIGTERM or SIGINT): the doors close first, so that nothing new is accepted; links drain
and unbind; the last outcomes are written; leases are given back; the database goes last.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import secrets
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import uvloop

from payk.clock import Clock
from payk.dispatch import Dispatcher, DispatchOptions
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.operator import IdMode, Link
from payk.domain.receipt import ReceiptWait
from payk.intake import Intake
from payk.logs import get_logger
from payk.maintenance import all_duties, keep
from payk.registry.change import apply as apply_file
from payk.registry.demo import ensure_demo
from payk.registry.errors import RegistryError
from payk.registry.file import load as load_file
from payk.registry.follow import Follower
from payk.registry.follow import load as load_directory
from payk.registry.secrets import SecretBox
from payk.settings import Role, Settings
from payk.simulator import Simulator, SimulatorError, SimulatorOptions
from payk.store.accept import GroupCommit
from payk.store.database import Database
from payk.store.embedded import EmbeddedError, EmbeddedPostgres
from payk.store.errors import StoreError
from payk.store.listening import tell
from payk.store.migrations import check_schema, clock_difference
from payk.store.migrations import migrate as migrate_schema
from payk.store.processes import Incarnation, live_roles
from payk.store.receipts import LearnedIdMode, learned_id_modes
from payk.store.statuses import StatusReader
from payk.store.timeline import TimelineReader
from payk.store.upkeep import ensure_partitions
from payk.web.health import Readiness
from payk.web.server import HttpServer, ListenError, listen
from payk.web.site import ManagementSite, PublicOptions, PublicSite

__all__ = ["StartError", "apply", "check", "migrate", "opened", "run", "secret_key", "serve", "up"]

log = get_logger("app")

DOOR_PATIENCE = 6
"""Seconds that requests under way get when the process stops."""
CLOCK_TOLERANCE = 2.0
"""Seconds that this machine's clock may differ from the database's before `payk check` complains."""
LINK_PATIENCE = 3.0
"""Seconds that `payk check` gives an operator to take a connection."""


class StartError(Exception):
    """The command cannot do its work; str() is what to tell, one line per reason."""


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a command on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_told(coroutine))


async def _told(coroutine: Coroutine[Any, Any, None]) -> None:
    """What stops a command before it began becomes a StartError."""
    try:
        await coroutine
    except (EmbeddedError, ListenError, RegistryError, StoreError) as error:
        raise StartError(str(error)) from error


# -- what every command stands on -------------------------------------------------------------------------------------


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Database, EmbeddedPostgres | None]]:
    """The database: the given one, else the embedded one of PAYK_HOME, started if need be and stopped at the end."""
    async with AsyncExitStack() as stack:
        embedded = None
        if settings.database_url is not None:
            dsn = settings.database_url.get_secret_value()
        else:
            embedded = EmbeddedPostgres(settings.home)
            dsn = await embedded.attach_or_start()
            stack.push_async_callback(embedded.stop)
        db = await Database.open(dsn)
        stack.push_async_callback(db.close)
        yield db, embedded


def secret_key(settings: Settings, *, trying: bool = False) -> bytes:
    """PAYK_SECRET_KEY, else the file secret-key of PAYK_HOME.

    The file is made with an embedded database and for `payk up` only: several hosts on one database must share a key.
    """
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    file = settings.home / "secret-key"
    if (trying or settings.database_url is None) and not file.exists():
        _write_secret(file, secrets.token_hex(32))
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        raise StartError(f"no secret key: set PAYK_SECRET_KEY to 64 hex digits, or write them to {file}") from None
    except (OSError, ValueError) as error:
        raise StartError(f"{file} cannot be read as 64 hex digits: {error}") from error
    if len(key) != 32:
        raise StartError(f"{file} should hold 64 hex digits, it holds {2 * len(key)}")
    return key


def _write_secret(file: Path, content: str) -> None:
    """Write a file that only we may read, whole or not at all; one that another process writes meanwhile wins."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened_file:
        opened_file.write(content + "\n")
        opened_file.flush()
        os.fsync(descriptor)
    with suppress(FileExistsError):
        os.link(unfinished, file)
    unfinished.unlink()


# -- commands ----------------------------------------------------------------------------------------------------------


async def migrate(settings: Settings, first_message_id: int | None) -> None:
    """Bring the schema up to this version."""
    async with opened(settings) as (db, _):
        done = await migrate_schema(db, first_message_id=first_message_id)
    for step in done:
        print(f"ran migration {step.number:04d} {step.name}")
    if not done:
        print("the schema is up to date")


async def apply(settings: Settings, file: Path, dry_run: bool) -> None:
    """Make the registry what a file says and print the difference."""
    content = load_file(file, os.environ)
    async with opened(settings) as (db, _):
        await check_schema(db)
        author = f"payk apply {file.name} by {os.environ.get('USER') or os.getuid()}"
        difference = await apply_file(db, SecretBox(secret_key(settings)), content, author=author, dry_run=dry_run)
    for line in difference.lines():
        print(line)


async def check(settings: Settings, file: Path | None) -> bool:
    """Look at settings, database, schema, clock, key and links, print a line on each; whether all is well."""
    findings: list[tuple[bool, str]] = [(True, "settings are readable")]
    try:
        async with opened(settings) as (db, _):
            findings += await _check_database(settings, db, file)
    except (EmbeddedError, StoreError) as error:
        findings.append((False, f"database: {error}"))
    for fine, finding in findings:
        print(f"{'ok   ' if fine else 'FAIL '} {finding}")
    return all(fine for fine, _ in findings)


async def _check_database(settings: Settings, db: Database, file: Path | None) -> list[tuple[bool, str]]:
    findings = [(True, "database answers")]
    try:
        await check_schema(db)
        findings.append((True, "schema is up to date"))
    except StoreError as error:
        return [*findings, (False, f"schema: {error}")]
    ahead = await clock_difference(db)
    findings.append((abs(ahead) < CLOCK_TOLERANCE, f"clock differs from the database's by {ahead:+.3f} s"))
    try:
        box = SecretBox(secret_key(settings))
        if file is not None:
            await apply_file(db, box, load_file(file, os.environ), author="payk check", dry_run=True)
            findings.append((True, f"{file} can be applied"))
        findings += await _check_links(await load_directory(db), box, await learned_id_modes(db))
    except (RegistryError, StartError) as error:
        findings += [(False, line) for line in str(error).splitlines()]
    return findings


async def _check_links(
    directory: Directory, box: SecretBox, learned: Mapping[int, LearnedIdMode]
) -> list[tuple[bool, str]]:
    findings = []
    for link in directory.links().values():
        where = f"link {link.name} at {link.host}:{link.port}"
        try:
            box.open(link.password)
            async with asyncio.timeout(LINK_PATIENCE):
                _, writer = await asyncio.open_connection(link.host, link.port)
            writer.close()
        except RegistryError as error:
            findings.append((False, f"{where}: {error}"))
        except (OSError, TimeoutError) as error:
            findings.append((False, f"{where} is not reachable: {str(error) or 'no answer'}"))
        else:
            findings.append((True, f"{where} is reachable; {_ids_of(link, learned.get(link.link_id))}"))
    return findings


def _ids_of(link: Link, learned: LearnedIdMode | None) -> str:
    """How the ids in its receipts relate to those in its answers, in words."""
    if link.id_mode is not IdMode.LEARN:
        return f"ids in receipts: {link.id_mode}, pinned"
    if learned is None:
        return "ids in receipts: none matched yet"
    return f"ids in receipts: {learned.mode}, learned {learned.since:%Y-%m-%d %H:%M} UTC"


async def serve(settings: Settings, roles: frozenset[Role]) -> None:
    """Run roles until SIGTERM or SIGINT."""
    stop = _stop_signal()
    doors = _listen(settings, roles)
    async with opened(settings) as (db, embedded):
        await check_schema(db)
        await _run_centre(settings, roles, db, embedded, doors, stop, _announce)


async def up(settings: Settings) -> None:
    """Everything for trying: database, simulated operator, demo client, all roles."""
    stop = _stop_signal()
    doors = _listen(settings, settings.roles)
    _make_home(settings)
    async with opened(settings) as (db, embedded):
        if embedded is not None and not embedded.supervises:
            raise StartError(f"Payk is already running with {settings.home}")
        await migrate_schema(db)
        box = SecretBox(secret_key(settings, trying=True))
        simulator = Simulator(SimulatorOptions(port=settings.simulator_port, record=settings.home / "simulator.jsonl"))
        try:
            await simulator.start()
        except SimulatorError as error:
            raise StartError(str(error)) from error
        try:
            key = _demo_key(settings)
            try:
                await ensure_demo(db, box, key, simulator.port)
            except RegistryError:  # somebody revoked the key that the file holds
                (settings.home / "demo-key").unlink()
                key = _demo_key(settings)
                await ensure_demo(db, box, key, simulator.port)

            def announce(doors: _Doors) -> None:
                _announce(doors)
                _welcome(settings, doors, simulator.port)

            await _run_centre(settings, settings.roles, db, embedded, doors, stop, announce)
        finally:
            await simulator.stop()


def _make_home(settings: Settings) -> None:
    """PAYK_HOME; with a database of the user's own nobody else makes it."""
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"{settings.home} cannot be made: {error.strerror}") from error


def _demo_key(settings: Settings) -> str:
    file = settings.home / "demo-key"
    if not file.exists():
        _write_secret(file, str(uuid.uuid4()))
    return file.read_text(encoding="ascii").strip()


def _stop_signal() -> asyncio.Event:
    """An event that SIGTERM, SIGINT and the end of our terminal set; a second signal changes nothing."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        loop.add_signal_handler(signal.SIGHUP, stop.set)
    return stop


@dataclass(frozen=True, slots=True)
class _Doors:
    """Sockets that listen before anything else starts; connections wait in them until the centre runs."""

    api: Any
    admin: Any


def _listen(settings: Settings, roles: frozenset[Role]) -> _Doors:
    api = listen(settings.host, settings.port) if Role.API in roles else None
    return _Doors(api, listen(settings.admin_host, settings.admin_port))


def _address(listener: Any) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _announce(doors: _Doors) -> None:
    if doors.api is not None:
        print(f"API          {_address(doors.api)}")
    print(f"management   {_address(doors.admin)}", flush=True)


def _welcome(settings: Settings, doors: _Doors, simulator_port: int) -> None:
    home = Path(os.path.relpath(settings.home))
    home = home if not str(home).startswith("..") else settings.home
    if doors.api is None:
        return
    example = {
        "PhoneNumber": "992900900900",
        "Text": "Ваш код подтверждения: 12345",
        "SenderAddress": "AlifBank",
        "SmsType": 2,
    }
    print(
        f"""operator     127.0.0.1:{simulator_port} (simulated; what it received is in {home}/simulator.jsonl)
documents    {_address(doors.api)}/docs

Send a message from a second terminal:

curl --location '{_address(doors.api)}/api/v1/sms' \\
  --header "X-Api-Key: $(cat {home}/demo-key)" --header 'Content-Type: application/json' \\
  --data '{json.dumps(example, ensure_ascii=False)}'

Ctrl-C stops everything.""",
        flush=True,
    )


# -- the engines -------------------------------------------------------------------------------------------------------


async def _run_centre(
    settings: Settings,
    roles: frozenset[Role],
    db: Database,
    embedded: EmbeddedPostgres | None,
    doors: _Doors,
    stop: asyncio.Event,
    announce: Callable[[_Doors], None],
) -> None:
    """Run the engines of `roles` until `stop`, then stop them in order."""
    key = secret_key(settings)
    clock, random = Clock(), Random()
    await ensure_partitions(db)
    directory = CurrentDirectory(await load_directory(db))
    incarnation = Incarnation(db, clock, roles=[str(role) for role in roles], lease=settings.lease)
    await incarnation.begin()
    wait = ReceiptWait(settings.receipt_wait, settings.receipt_grace)
    rules = settings.retry_rules
    readiness = _readiness(db, settings.lease)

    async with asyncio.TaskGroup() as group:
        engines: list[asyncio.Task[None]] = []

        def start(coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
            task = group.create_task(coroutine, name=name)
            engines.append(task)
            return task

        if embedded is not None:
            start(embedded.supervise(), "database supervisor")
        start(incarnation.run(), "heartbeat")
        start(tell(db), "wake-ups")
        start(Follower(db, directory).run(), "registry follower")
        if Role.MAINTENANCE in roles:
            for duty in all_duties(db, directory, random, rules=rules, wait=wait):
                start(keep(duty, db, incarnation), f"duty {duty.name}")
        sending = None
        if Role.DISPATCH in roles:
            dispatcher = Dispatcher(
                db,
                directory,
                incarnation,
                open_password=SecretBox(key).open,
                options=DispatchOptions(rules, wait, {int(lane): weight for lane, weight in settings.weights.items()}),
                clock=clock,
                random=random,
            )
            sending = group.create_task(dispatcher.run(), name="dispatcher")
        servers = [HttpServer(ManagementSite(readiness), doors.admin, patience=DOOR_PATIENCE)]
        if doors.api is not None:
            site = _public_site(settings, group, engines, db, directory, key, clock, readiness)
            servers.append(HttpServer(site, doors.api, patience=DOOR_PATIENCE))
        serving = [group.create_task(server.run(), name="http server") for server in servers]
        _spare_collector()
        announce(doors)

        await stop.wait()
        log.info("stopping")
        for server in servers:
            server.stop()
        if sending is not None:
            sending.cancel()
        await asyncio.wait([*serving, *([sending] if sending else [])])
        for engine in engines:
            engine.cancel()
    with suppress(StoreError):  # the leases lapse by themselves
        await incarnation.end()


def _spare_collector() -> None:
    """What is loaded by now stays; messages leave no cycles behind, so looking for some less often is enough."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _public_site(
    settings: Settings,
    group: asyncio.TaskGroup,
    engines: list[asyncio.Task[None]],
    db: Database,
    directory: CurrentDirectory,
    key: bytes,
    clock: Clock,
    readiness: Readiness,
) -> PublicSite:
    commits, statuses = GroupCommit(db), StatusReader(db)
    engines += [*commits.start(group), *statuses.start(group)]
    return PublicSite(
        Intake(db, directory, commits, key, clock),
        statuses,
        TimelineReader(db),
        directory,
        readiness,
        clock,
        PublicOptions(settings.answer_timeout, settings.trusted_proxies),
    )


def _readiness(db: Database, lease: float) -> Readiness:
    """Ready = the database answers and has our schema; a role that runs nowhere is worth a warning."""

    async def ready() -> tuple[bool, list[str]]:
        try:
            await check_schema(db)
            running = await live_roles(db, lease)
        except StoreError as error:
            return False, [str(error).splitlines()[0]]
        return True, [
            f"no process with the role {role} is alive" for role in ("dispatch", "maintenance") if role not in running
        ]

    return ready
