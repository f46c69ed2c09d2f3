"""The connections to PostgreSQL: a pool, transactions with a deadline, and one place that translates errors.

Every verb of the store runs in `Database.transaction` or `Database.connection`. A statement that fails or outlasts its
deadline costs its connection: the server rolls back what was open, so "surely nothing was written" is true. Only a
COMMIT that was sent and never confirmed leaves a doubt, and that doubt has a name of its own, OutcomeUnknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import asyncpg

from payk.clock import Clock
from payk.store.begun_ahead import BegunAhead
from payk.store.errors import OutcomeUnknown, RuleBroken, StoreBusy, StoreError, StoreRefused, StoreUnavailable
from payk.store.last_commits import LastCommits
from payk.store.wakeups import Wakeups

__all__ = ["Connection", "Database", "Readable", "affected", "lock_timeout"]

Connection = asyncpg.pool.PoolConnectionProxy

SESSION = {
    "search_path": "payk",
    "application_name": "payk",
    "timezone": "UTC",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
    # Every hot query looks rows up by key, a batch of keys at a time. With stale statistics the planner takes a hash
    # join over a whole partition for that, and a cached plan keeps it; a nested loop over the index is always right.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # A plan that was made while a table was empty reads all of it, and is kept while a million messages come in.
    "enable_seqscan": "off",
    "jit": "off",
    # For the same reason no value is worth a plan of its own; to plan anew for each batch costs a tenth of its work.
    "plan_cache_mode": "force_generic_plan",
}

CONNECT_TIMEOUT = 2.0
ROLLBACK_TIMEOUT = 1.0
NO_ROOM = "No space left on device"
AWAY_PAUSE = 0.5
"""Seconds after a failed connect in which callers are refused at once instead of queueing up behind it."""


UNAVAILABLE = (
    OSError,  # includes TimeoutError and every ConnectionError
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutdown, crash, cancelled by statement_timeout
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # a primary that became a standby
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InternalClientError,
)
BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
SLOW = (TimeoutError, asyncpg.QueryCanceledError)
"""One statement took too long; that says nothing of the others."""


def translate(error: Exception) -> Exception:
    """The StoreError for what asyncpg or the socket raised; a defect of our own stays what it is."""
    if isinstance(error, BUSY):
        return StoreBusy(_told(error))
    if isinstance(error, UNAVAILABLE):
        return StoreUnavailable(_told(error))
    if isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError):
        return StoreUnavailable(_told(error))
    if isinstance(error, asyncpg.InterfaceError):
        return StoreRefused(_told(error))
    if isinstance(error, asyncpg.PostgresError):
        return _kind_of(error)(_told(error))
    return error


def _kind_of(error: asyncpg.PostgresError) -> type[StoreError]:
    """What an error is that the server answered: where trying again would give the same, it is about the data: data
    exceptions, broken constraints, limits (classes 22, 23, 54).

    A row that has no partition yet is neither; it goes in when the partition is made.
    """
    sqlstate = error.sqlstate or ""
    if isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None:
        return StoreUnavailable
    if sqlstate.startswith("23"):
        return RuleBroken
    return StoreRefused if sqlstate.startswith(("22", "54")) else StoreUnavailable


def _is_of_one_statement(error: Exception) -> bool:
    """Whether an error says nothing of other statements: this one took too long, or the server knew no way to do it, as
    where somebody renamed a table. Whoever else asks does not suffer by it.
    """
    answered = isinstance(error, asyncpg.PostgresError) and not isinstance(error, UNAVAILABLE)
    return answered or isinstance(error, SLOW)


def _is_for_want_of_room(error: Exception) -> bool:
    """Whether the server's disk is full; of a connection that it cannot take it says so by the text alone."""
    return isinstance(error, asyncpg.PostgresError) and (
        isinstance(error, asyncpg.DiskFullError) or NO_ROOM in str(error)
    )


def _told(error: Exception) -> str:
    """What may be told of an error: not its DETAIL, nor the value after an argument's number, for those quote texts."""
    first = (str(error) or type(error).__name__).splitlines()[0]
    return first.partition(": ")[0] if isinstance(error, ValueError) else first


def affected(tag: str) -> int:
    """How many rows a statement changed, by what the server said of it (`DELETE 7`)."""
    return int(tag.rsplit(" ", 1)[-1])


def lock_timeout(wait: float | None) -> int:
    """Seconds to wait for a lock as the server's setting takes them: milliseconds, 0 = without end (None)."""
    return 0 if wait is None else max(1, int(wait * 1000))


async def _keep_session(connection: asyncpg.Connection) -> None:
    """No RESET between uses: no verb changes the session, and a round trip a use would be a tax on each."""


class Readable(Protocol):
    """What gives connections to read on: a Database, each as things are then; or a Snapshot of one."""

    def connection(self, timeout: float = 10.0) -> AbstractAsyncContextManager[Connection]: ...


class Snapshot:
    """A database as it was at one moment, whatever is changed meanwhile: for one reader at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def connection(self, timeout: float = 10.0) -> AsyncIterator[Connection]:
        """The connection that has it; the whole of the snapshot has its own deadline."""
        yield self._connection


class Database:
    """A pool of connections to one database. Safe to share between all tasks of one event loop."""

    def __init__(self, dsn: str, pool: asyncpg.Pool, clock: Clock) -> None:
        self._dsn = dsn
        self._pool = pool
        self._clock = clock
        self._away_until: float | None = None
        self._why_away = ""
        self._full_at = float("-inf")
        self._epoch = clock.now().timestamp() - clock.monotonic()  # the server's clock when our monotonic was 0
        self._begun_ahead = BegunAhead(partial(self._part_with, keep=True))
        self.wakeups = Wakeups()
        self.last_commits = LastCommits()

    @classmethod
    async def open(cls, dsn: str, *, max_connections: int = 16, clock: Clock | None = None) -> Database:
        """Connect. Raises StoreUnavailable with one line when that fails."""
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=0,
                max_size=max_connections,
                timeout=CONNECT_TIMEOUT,
                max_inactive_connection_lifetime=0,
                statement_cache_size=256,
                max_cached_statement_lifetime=0,
                server_settings=SESSION,
                reset=_keep_session,
            )
            # No floor of idle connections: asyncpg would complain at length whenever the database is away.
            async with pool.acquire(timeout=CONNECT_TIMEOUT):
                pass
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            hint = " (a pooler? Payk needs PostgreSQL itself)" if "startup parameter" in str(error) else ""
            raise StoreUnavailable(f"the database cannot be reached: {error or type(error).__name__}{hint}") from error
        return cls(dsn, pool, clock or Clock())

    async def close(self) -> None:
        """Close every connection; those still in use after 5 s are cut."""
        try:
            async with asyncio.timeout(5):
                await self._begun_ahead.end()
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def dedicated(self) -> asyncpg.Connection:
        """A connection outside the pool, for its caller alone to use and to terminate. StoreUnavailable."""
        try:
            return await asyncpg.connect(self._dsn, timeout=CONNECT_TIMEOUT, server_settings=SESSION)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise self._noted(error) from error

    @property
    def away(self) -> bool:
        """Known to be unreachable: the last attempt failed and none has succeeded since."""
        return self._away_until is not None

    @property
    def why_away(self) -> str:
        """What the last attempt that failed found; empty where the database is not known to be away."""
        return self._why_away if self.away else ""

    def connections(self) -> dict[str, int]:
        """How many there are, by state: used, idle, and unopened ones that may still be opened."""
        size, idle = self._pool.get_size(), self._pool.get_idle_size()
        return {"used": size - idle, "idle": idle, "unopened": self._pool.get_max_size() - size}

    def was_full_since(self, moment: float) -> bool:
        """Whether the server refused something for want of room after `moment` (Clock.monotonic)."""
        return self._full_at > moment

    def tell_time(self, clock: float, *, at: float) -> None:
        """The server's clock showed `clock`, seconds of the epoch, at `at` (Clock.monotonic)."""
        self._epoch = clock - at

    def now(self) -> datetime:
        """The present by the server's clock as it was told last, by ours until then: what processes compare."""
        return datetime.fromtimestamp(self._epoch + self._clock.monotonic(), UTC)

    @asynccontextmanager
    async def connection(self, timeout: float = 10.0) -> AsyncIterator[Connection]:
        """A connection in autocommit. StoreUnavailable, StoreBusy or StoreRefused; after `timeout` s the first."""
        deadline = asyncio.get_running_loop().time() + timeout
        async with self._acquired(deadline) as connection, asyncio.timeout_at(deadline):
            yield connection

    @asynccontextmanager
    async def snapshot(self, timeout: float = 60.0) -> AsyncIterator[Snapshot]:
        """The database as it is now, to be read in several statements. As `connection`."""
        async with self.connection(timeout) as connection:
            await connection.execute("begin isolation level repeatable read, read only")
            yield Snapshot(connection)
            await connection.execute("commit")

    @asynccontextmanager
    async def transaction(
        self, timeout: float = 10.0, *, lock_wait: float | None = None, ahead: bool = False
    ) -> AsyncIterator[Connection]:
        """A connection inside BEGIN and COMMIT. As `connection`, and OutcomeUnknown when COMMIT got no answer.

        With `lock_wait` a statement that waits longer for a lock, in seconds, ends it with StoreBusy. With `ahead` the
        COMMIT begins the next one too, for verbs that will be back at once: a round trip less while callers wait. For
        the one that finds itself begun now() is the moment when that COMMIT was sent.
        """
        assert lock_wait is None or not ahead  # what was begun ahead was begun without
        begin = "begin" if lock_wait is None else f"begin; set local lock_timeout = {lock_timeout(lock_wait)}"
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        begun = self._begun_ahead.take() if ahead else None
        async with self._acquired(deadline, begun, keep=ahead) as connection:
            async with asyncio.timeout_at(deadline):
                if connection is not begun:
                    await connection.execute(begin)
                yield connection
            try:
                # A COMMIT that has begun is given a moment even where the verb used its time up.
                async with asyncio.timeout_at(max(deadline, loop.time() + 0.5)):
                    await connection.execute("commit; begin" if ahead else "commit")
            except (*UNAVAILABLE, asyncpg.InterfaceError) as error:
                raise OutcomeUnknown from error

    @asynccontextmanager
    async def _acquired(
        self, deadline: float, begun: Connection | None = None, *, keep: bool = False
    ) -> AsyncIterator[Connection]:
        connection = begun or await self._acquire(deadline)
        try:
            yield connection
        except BaseException as error:
            # A server whose disk is full may not be able to take another connection.
            await self._part_with(connection, keep=isinstance(error, asyncpg.DiskFullError))
            if not isinstance(error, Exception):
                raise
            noted = translate(error) if _is_of_one_statement(error) else self._noted(error)
            if noted is error:
                raise
            raise noted from error
        if keep:
            self._begun_ahead.keep(connection)
        else:
            await self._release(connection)

    async def _acquire(self, deadline: float) -> Connection:
        now = self._clock.monotonic()
        if self._away_until is not None and now < self._away_until:
            raise StoreUnavailable("the database is away")
        try:
            async with asyncio.timeout_at(deadline) as patience:
                connection = await self._pool.acquire()
        except Exception as error:
            if patience.expired():
                raise StoreUnavailable("no connection to the database became free in time") from error
            raise self._noted(error) from error
        self._away_until = None
        return connection

    def _noted(self, error: Exception) -> Exception:
        translated = translate(error)
        if _is_for_want_of_room(error):
            self._full_at = self._clock.monotonic()  # what needs no room is done all the same
        elif type(translated) is StoreUnavailable:
            self._away_until, self._why_away = self._clock.monotonic() + AWAY_PAUSE, str(translated)
        return translated

    async def _part_with(self, connection: Connection, *, keep: bool) -> None:
        """Give back a connection with a transaction open: closed, for that then ends at the server too, or rolled back,
        with `keep` and if the server answers.
        """
        kept = False
        try:
            if keep:
                with suppress(*UNAVAILABLE, asyncpg.PostgresError, asyncpg.InterfaceError):
                    async with asyncio.timeout(ROLLBACK_TIMEOUT):
                        await connection.execute("rollback")
                        kept = True
        finally:
            if not kept:
                self._drop(connection)
            await self._release(connection)

    @staticmethod
    def _drop(connection: Connection) -> None:
        # Rolls back at the server, and never waits for one that does not answer.
        with suppress(asyncpg.InterfaceError):  # the pool has taken a lost connection back already
            connection.terminate()

    async def _release(self, connection: Connection) -> None:
        await self._pool.release(connection)
