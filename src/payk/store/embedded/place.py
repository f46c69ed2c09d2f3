"""Where the database of one home lives, and under which account.

As an ordinary user everything lies in HOME/postgres, and the server runs as that user. PostgreSQL refuses to run as
root, so as root the server runs as the system user `payk` (made if need be), and everything lies in /var/lib/payk/ID,
because that user can rarely enter a home of root's. ID is random and kept in HOME/database-id: a removed home means a
new database, and a home that moves keeps its own. /var/lib/payk/ID/home names the home, for whoever cleans up; what
is there of a home that was removed is never deleted by us.

    base/               0700, or 0750 root:payk
      data/             the cluster; the account's, 0700
      socket/           the account's, 0700
      binaries/         the server's programs, copied (root only)
      *.conf  *.log     configuration and log; ours
      supervisor.lock  users.lock

A folder that was there before is used as it is: no mode or owner of it is ever changed.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from payk.store.embedded.errors import EmbeddedError

__all__ = ["SYSTEM_STATE", "SYSTEM_USER", "Account", "Place"]

SYSTEM_USER = "payk"
SYSTEM_STATE = Path("/var/lib/payk")

_LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432")  # unix(7): 108 bytes with the final zero
_PLAIN = re.compile(r"[\w./+@=-]+", re.ASCII)  # needs no quoting: in the configuration, in a DSN, in a list of hosts


@dataclass(frozen=True, slots=True)
class Account:
    """The account of the operating system that the server runs under."""

    name: str
    uid: int
    gid: int

    @classmethod
    def current(cls) -> Account:
        return cls._of(os.geteuid())

    @classmethod
    def system(cls) -> Account:
        """The user `payk`, made if there is none: no password, no shell, no folder."""
        with contextlib.suppress(KeyError):
            return cls._of(pwd.getpwnam(SYSTEM_USER).pw_uid)
        useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin")
        if useradd is None:
            raise EmbeddedError(f"PostgreSQL does not run as root: make a system user named {SYSTEM_USER} first")
        options = ["--system", "--user-group", "--no-create-home", "--home-dir", str(SYSTEM_STATE)]
        made = subprocess.run(
            [useradd, *options, "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            capture_output=True,
            text=True,
            check=False,
        )
        with contextlib.suppress(KeyError):  # another Payk may have been quicker: useradd's exit code decides nothing
            return cls._of(pwd.getpwnam(SYSTEM_USER).pw_uid)
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} cannot be made: {made.stderr.strip()}"
        )

    @classmethod
    def _of(cls, uid: int) -> Account:
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            raise EmbeddedError(f"user {uid} has no name in the list of users; PostgreSQL needs one") from None
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one home's database. `as_root`: we are root, and the account is another."""

    home: Path
    base: Path
    account: Account
    as_root: bool

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def log(self) -> Path:
        return self.base / "postgres.log"

    @classmethod
    def present(cls, home: Path) -> Place | None:
        """The place of a home that has one; nothing is made, and nothing of it looked into."""
        if (home / "postgres").is_dir():
            return cls(home, home / "postgres", Account.current(), as_root=False)
        file = home / "database-id"
        if not file.is_file():
            return None
        return cls(home, SYSTEM_STATE / file.read_text().strip(), Account.current(), as_root=True)

    @classmethod
    def prepare(cls, home: Path) -> Place:
        """The place of this home; what it needs is made. Raises EmbeddedError and OSError."""
        if not home.exists():
            home.parent.mkdir(parents=True, exist_ok=True)
            home.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() != 0:
            base = home / "postgres"
            base.mkdir(mode=0o700, exist_ok=True)
            return cls(home, base, Account.current(), as_root=False)
        if (home / "postgres").exists():
            uid = (home / "postgres").stat().st_uid
            raise EmbeddedError(f"{home} holds the database of user {uid}: run Payk as that user, not as root")
        return cls._prepare_as_root(home, Account.system())

    @classmethod
    def _prepare_as_root(cls, home: Path, account: Account) -> Place:
        with contextlib.suppress(FileExistsError):
            SYSTEM_STATE.mkdir()
            SYSTEM_STATE.chmod(0o755)  # whatever the umask: the account must pass
        file = home / "database-id"
        if not file.exists():
            _make_base(home, account)
        identifier = file.read_text().strip()
        base = SYSTEM_STATE / identifier
        if not re.fullmatch(r"[0-9a-f]{16}", identifier) or not base.is_dir():
            raise EmbeddedError(
                f"{file} names a database that is not in {SYSTEM_STATE}: bring it back, or remove the file for another"
            )
        (base / "home").write_text(f"{home}\n")
        return cls(home, base, account, as_root=True)

    def as_account(self) -> dict[str, Any]:
        """Arguments of `subprocess`: a program runs as the account then, and sees nothing of our environment."""
        who = {"user": self.account.uid, "group": self.account.gid, "extra_groups": []} if self.as_root else {}
        return {**who, "cwd": self.base, "env": {"PATH": os.defpath, "LANG": "C"}, "umask": 0o077}

    def make_folder(self, folder: Path) -> None:
        """A folder of the account's, closed to everybody else; FileExistsError if there is anything of that name."""
        folder.mkdir(mode=0o700)
        if self.as_root:
            os.chown(folder, self.account.uid, self.account.gid)

    def socket_folder(self) -> Path | None:
        """Where the server's socket is; None = not decided yet."""
        plain = self.base / "socket"
        if len(os.fsencode(plain)) <= _LONGEST_SOCKET_FOLDER and _PLAIN.fullmatch(str(plain)):
            return plain
        record = self.base / "socket-folder"
        return Path(record.read_text().strip()) if record.exists() else None

    def make_socket_folder(self) -> Path:
        """The folder of the socket, closed to everybody else. For the supervisor, before each start of the server.

        A base whose path is too long for a socket's address gets one with an unguessable name in /tmp, and keeps it
        while nobody else has taken the name.
        """
        folder = self.socket_folder()
        if folder is not None:
            with contextlib.suppress(FileExistsError):
                self.make_folder(folder)
            if self._is_ours(folder):
                return folder
            if folder.is_relative_to(self.base):
                raise EmbeddedError(f"{folder} is not a folder of {self.account.name}'s with mode 0700: remove it")
        folder = Path(tempfile.mkdtemp(prefix="payk-", dir="/tmp"))  # of mode 0700
        if self.as_root:
            os.chown(folder, self.account.uid, self.account.gid)
        (self.base / "socket-folder").write_text(f"{folder}\n")
        return folder

    def remove_socket_folder(self) -> None:
        """After a stop. The one in the base may stay; one in /tmp must not."""
        folder = self.socket_folder()
        if folder is not None and not folder.is_relative_to(self.base):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _is_ours(self, folder: Path) -> bool:
        found = folder.lstat()
        return stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700 and found.st_uid == self.account.uid


def _make_base(home: Path, account: Account) -> None:
    """A folder with a new id, and the file in the home that names it: last, and whole."""
    base = SYSTEM_STATE / secrets.token_hex(8)
    draft = home / f"database-id.{base.name}"
    draft.write_text(f"{base.name}\n")
    try:
        base.mkdir(mode=0o700)
        os.chown(base, 0, account.gid)
        base.chmod(0o750)
        os.link(draft, home / "database-id")
    except FileExistsError:  # another Payk was quicker; unlike a rename, a link leaves its file in place
        base.rmdir()
    finally:
        draft.unlink()
