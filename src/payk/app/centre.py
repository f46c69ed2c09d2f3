"""The centre itself: settings -> database -> engines in one TaskGroup, and the order in which they start and stop.

Start: sockets (a taken port is known before anything runs), database, schema, directory, incarnation, then maintenance,
dispatch and the doors. Stop (SIGTERM or SIGINT): the doors close first, so that nothing new is accepted; links drain
and unbind; the last outcomes are written; leases are given back; the database goes last.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import socket
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from payk import tracing
from payk.access import Access, Tokens, Users
from payk.app.disks import Disks
from payk.app.figures import ProcessFigures
from payk.app.opening import StartError, opened
from payk.app.secrets import SealingFollower, digest_keys, unlocked
from payk.clock import Clock
from payk.dispatch import Dispatcher, DispatchOptions
from payk.domain.directory import CurrentDirectory
from payk.domain.queue_limit import QueueLimit
from payk.domain.receipt import ReceiptWait
from payk.intake import Intake, QueueDepth
from payk.logs import get_logger
from payk.maintenance import all_duties, keep
from payk.maintenance.figures import CentreFigures
from payk.metrics.family import Readings
from payk.registry.blocking import NumberDigest
from payk.registry.follow import Follower
from payk.registry.follow import load as load_directory
from payk.registry.key_use import keep_key_use
from payk.registry.secrets import SecretBox
from payk.sealing import KeyRing, TextSeal
from payk.settings import Role, Settings
from payk.store.accept import GroupCommit
from payk.store.continuity import look
from payk.store.database import Database
from payk.store.embedded import EmbeddedPostgres
from payk.store.errors import StoreError
from payk.store.health import operator_health
from payk.store.incarnation import Incarnation
from payk.store.listening import tell
from payk.store.migrations import check_schema
from payk.store.processes import live_roles
from payk.store.rates import SharedRates
from payk.store.statuses import StatusReader
from payk.store.timeline import TimelineReader
from payk.store.upkeep import ensure_partitions
from payk.store.watch import DatabaseWatch
from payk.web.admin.management import Management
from payk.web.health import Readiness
from payk.web.limits import HttpLimits
from payk.web.metrics import MetricsPage
from payk.web.server import HttpServer, listen
from payk.web.site import ManagementSite, PublicOptions, PublicSite
from payk.web.tls import ServerTls

__all__ = ["Doors", "address", "announce", "listen_at_doors", "run_centre", "serve", "server_tls", "stop_signal"]

log = get_logger("app")

FILES_BESIDE = 256
"""Open files besides connections over HTTP: of the database, of operators, of the log."""
DOOR_PATIENCE = 6
"""Seconds that requests under way get when the process stops."""


async def serve(settings: Settings, roles: frozenset[Role]) -> None:
    """Run roles until SIGTERM or SIGINT."""
    stop = stop_signal()
    doors = listen_at_doors(settings, roles)
    async with opened(settings) as (db, embedded):
        await check_schema(db)
        await run_centre(settings, roles, db, embedded, doors, stop, announce)


def stop_signal() -> asyncio.Event:
    """An event that SIGTERM, SIGINT and the end of our terminal set; a second signal changes nothing."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        loop.add_signal_handler(signal.SIGHUP, stop.set)
    return stop


@dataclass(frozen=True, slots=True)
class Doors:
    """Sockets that listen before anything else starts; connections wait in them until the centre runs."""

    api: Any
    admin: Any
    api_tls: ServerTls | None
    admin_tls: ServerTls | None


def listen_at_doors(settings: Settings, roles: frozenset[Role]) -> Doors:
    """Raises ListenError and TlsError."""
    api_tls = server_tls(settings.tls_certificate, settings.tls_key, "PAYK_TLS")
    admin_tls = server_tls(settings.admin_tls_certificate, settings.admin_tls_key, "PAYK_ADMIN_TLS")
    api = listen(settings.host, settings.port) if Role.API in roles else None
    return Doors(api, listen(settings.admin_host, settings.admin_port), api_tls, admin_tls)


def server_tls(certificate: Path | None, key: Path | None, names: str) -> ServerTls | None:
    """TLS where it is configured. StartError where half of it is, and TlsError."""
    if certificate is not None and key is not None:
        return ServerTls(certificate, key)
    if certificate is None and key is None:
        return None
    raise StartError(f"{names}_CERTIFICATE and {names}_KEY go together: set both or neither")


def address(listener: Any, tls: ServerTls | None = None) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "http" if tls is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def announce(doors: Doors) -> None:
    if doors.api is not None:
        print(f"API          {address(doors.api, doors.api_tls)}")
    management = address(doors.admin, doors.admin_tls)
    print(f"management   {management}\nmetrics      {management}/metrics", flush=True)


async def run_centre(
    settings: Settings,
    roles: frozenset[Role],
    db: Database,
    embedded: EmbeddedPostgres | None,
    doors: Doors,
    stop: asyncio.Event,
    announce: Callable[[Doors], None],
) -> None:
    """Run the engines of `roles` until `stop`, then stop them in order."""
    tracing.begin()
    keys = await unlocked(settings, db)
    texts = TextSeal(keys)
    clock, random = Clock(), Random()
    await ensure_partitions(db)
    directory = CurrentDirectory(await load_directory(db))
    follower = Follower(db, directory)
    incarnation = Incarnation(
        db,
        clock,
        roles=[str(role) for role in roles],
        lease=settings.lease,
        key_ids=keys.ids,
        warnings=follower.warnings,
    )
    await incarnation.begin()
    digests = await digest_keys(db, keys)
    sealing = SealingFollower(db, keys, texts)
    await sealing.look()
    centre_figures = CentreFigures(db, directory, clock, settings.low_balance)
    watch = DatabaseWatch(db, clock) if embedded is None else DatabaseWatch(db, clock, embedded.disk_is_full)
    await watch.look()
    places = {"home": settings.home} | ({} if embedded is None else {"database": embedded.place.data})
    disks = Disks(places, clock)
    await disks.look()
    wait = ReceiptWait(settings.receipt_wait, settings.receipt_grace)
    rules = settings.retry_rules
    readiness = _readiness(db, watch, follower, [tls for tls in (doors.api_tls, doors.admin_tls) if tls is not None])
    _allow_files(settings.connections)

    async with asyncio.TaskGroup() as group:
        engines: list[asyncio.Task[None]] = []

        def start(coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
            task = group.create_task(coroutine, name=name)
            engines.append(task)
            return task

        if embedded is not None:
            start(embedded.supervise(), "database supervisor")
            start(embedded.stream_wal(), "wal stream")
        start(incarnation.run(), "heartbeat")
        start(watch.run(), "database watch")
        start(disks.run(), "disks")
        start(tell(db), "wake-ups")
        start(follower.run(), "registry follower")
        start(sealing.run(), "sealing follower")
        if Role.MAINTENANCE in roles:
            for duty in all_duties(
                db,
                directory,
                random,
                rules=rules,
                wait=wait,
                retention_days=settings.retention_days,
                report_days=settings.report_days,
                ledger_days=settings.ledger_days,
                otp_text_minutes=settings.otp_text_minutes,
                figures=centre_figures,
            ):
                start(keep(duty, db, incarnation), f"duty {duty.name}")
        asked: list[Callable[[], Readings]] = [
            lambda: centre_figures.readings,
            lambda: disks.readings,
            follower.figures,
        ]
        sending = None
        if Role.DISPATCH in roles:
            dispatcher = Dispatcher(
                db,
                directory,
                incarnation,
                open_password=SecretBox(keys).open,
                open_text=texts.open,
                seal_text=texts.seal,
                options=DispatchOptions(
                    rules,
                    wait,
                    {int(lane): weight for lane, weight in settings.weights.items()},
                    ZoneInfo(settings.timezone),
                ),
                clock=clock,
                random=random,
            )
            asked.append(dispatcher.figures)
            sending = group.create_task(dispatcher.run(), name="dispatcher")
        limits = _http_limits(settings)
        access = Access(db, SecretBox(keys), clock=clock)
        figures = _figures(roles, db, watch, doors, asked)
        servers = [
            HttpServer(
                ManagementSite(
                    readiness,
                    _management(settings, db, directory, keys, texts, digests, wait, access, roles),
                    MetricsPage(figures.text, access.authenticate, clock, settings.trusted_proxies),
                ),
                doors.admin,
                patience=DOOR_PATIENCE,
                limits=limits,
                tls=doors.admin_tls,
            )
        ]
        if doors.api is not None:
            site = _public_site(settings, group, engines, db, directory, texts, digests, clock, readiness, wait)
            servers.append(HttpServer(site, doors.api, patience=DOOR_PATIENCE, limits=limits, tls=doors.api_tls))
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
    tracing.end()


def _management(
    settings: Settings,
    db: Database,
    directory: CurrentDirectory,
    keys: KeyRing,
    texts: TextSeal,
    digests: bytes,
    wait: ReceiptWait,
    access: Access,
    roles: frozenset[Role],
) -> Management | None:
    """What the management API works with, in a process with the role admin."""
    if Role.ADMIN not in roles:
        return None
    box = SecretBox(keys)
    return Management(
        db,
        box,
        directory,
        access,
        Users(db, box),
        Tokens(db),
        texts.open,
        NumberDigest(digests),
        wait,
        access.authenticate,
        settings.trusted_proxies,
        ZoneInfo(settings.timezone),
    )


def _figures(
    roles: frozenset[Role],
    db: Database,
    watch: DatabaseWatch,
    doors: Doors,
    others: Sequence[Callable[[], Readings]],
) -> ProcessFigures:
    """This process is known by its host and the port of its management listener: that stays when it is started anew."""
    tls = {"api": doors.api_tls, "management": doors.admin_tls}
    return ProcessFigures(
        db,
        watch,
        process=f"{socket.gethostname()}:{doors.admin.getsockname()[1]}",
        role="+".join(sorted(roles)),
        listeners={name: each for name, each in tls.items() if each is not None},
        others=others,
    )


def _http_limits(settings: Settings) -> HttpLimits:
    return HttpLimits(
        head_timeout=settings.head_timeout,
        body_rate=settings.body_rate,
        connections=settings.connections,
        connections_per_address=settings.connections_per_address,
        trusted_proxies=settings.trusted_proxies,
    )


def _allow_files(connections: int) -> None:
    """Every connection is an open file; many systems begin with 1,024 of them and let a process raise that itself."""
    wanted = connections + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        log.warning("PAYK_CONNECTIONS is more than this process may have", open_files=most, wanted=wanted)


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
    texts: TextSeal,
    digests: bytes,
    clock: Clock,
    readiness: Readiness,
    wait: ReceiptWait,
) -> PublicSite:
    commits, statuses = GroupCommit(db, write_texts=texts.written), StatusReader(db)
    rates = SharedRates(db, clock)
    depth = QueueDepth(db, QueueLimit(settings.queue_max), clock)
    engines += [*commits.start(group), *statuses.start(group), group.create_task(depth.run(), name="queue depth")]
    engines.append(group.create_task(rates.run(), name="rates"))

    async def ready() -> tuple[bool, list[str]]:
        is_ready, warnings = await readiness()
        return is_ready, [*warnings, *depth.warnings()]

    site = PublicSite(
        db,
        Intake(db, directory, commits, depth, digests, clock, rates, ZoneInfo(settings.timezone)),
        statuses,
        TimelineReader(db, ZoneInfo(settings.timezone)),
        directory,
        ready,
        clock,
        db.now,
        rates,
        wait,
        PublicOptions(settings.answer_timeout, settings.trusted_proxies),
    )
    engines.append(group.create_task(keep_key_use(db, site.used_keys), name="key use"))
    return site


def _readiness(db: Database, watch: DatabaseWatch, follower: Follower, tls: Sequence[ServerTls]) -> Readiness:
    """Ready = the database answers and has our schema; a role that runs nowhere, what the watch sees and that the
    registry cannot be followed is told.
    """

    async def ready() -> tuple[bool, list[str]]:
        try:
            await check_schema(db)
            running = await live_roles(db)
            held = (await look(db)).why_held
            sick = [found for found in await operator_health(db) if found.state == "sick"]
        except StoreError as error:
            return False, [str(error).splitlines()[0]]
        if held is not None:
            return False, [held]
        nowhere = [role for role in ("api", "dispatch", "maintenance") if role not in running]
        certificates = [warning for each in tls for warning in each.warnings(datetime.now(UTC))]
        return True, [
            *(f"no process with the role {role} is alive" for role in nowhere),
            *(f"operator {found.operator} is sick" for found in sick),
            *watch.warnings,
            *follower.warnings(),
            *certificates,
        ]

    return ready
