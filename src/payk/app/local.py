"""Whoever runs a command on the database itself: one spelling wherever changes and the audit log name him."""

from __future__ import annotations

import getpass
import os
import socket
from typing import Final

from payk.domain.access import Actor, PrincipalKind

__all__ = ["local_actor", "local_name"]

_LONGEST: Final = 200


def local_name() -> str:
    """`user@host`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no such user on this machine
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"[:_LONGEST].encode("utf-8", "replace").decode()


def local_actor() -> Actor:
    """The same as the audit log names it."""
    return Actor(PrincipalKind.LOCAL, local_name())
