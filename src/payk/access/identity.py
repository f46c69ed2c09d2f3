"""What users and tokens may be called, and which roles there are for them."""

from __future__ import annotations

import re
from typing import Final

from payk.access.errors import ValueInvalid
from payk.domain.access import BOUND_ROLES, Role
from payk.store.access import AccessChange

__all__ = ["check_name", "client_of_role", "role_named"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@+-]{0,63}")


def check_name(name: str) -> None:
    """Raise ValueInvalid unless this may be the name of a user or a token."""
    if not _NAME.fullmatch(name) or name != name.strip():
        raise ValueInvalid(
            "name",
            f"{name[:80]!r} cannot be one",
            "allowed are 1 to 64 Latin letters, digits, blanks and . _ @ + -, the first a letter or a digit",
        )


def role_named(role: str) -> Role:
    """The role of a name. ValueInvalid."""
    try:
        return Role(role)
    except ValueError:
        raise ValueInvalid("role", f"{role[:80]!r} is none", f"allowed are {', '.join(Role)}") from None


async def client_of_role(change: AccessChange, role: Role, client: str | None) -> int | None:
    """The number of the client that a role is bound to. ValueInvalid where it needs one, or needs none."""
    if role not in BOUND_ROLES:
        if client is not None:
            bound = ", ".join(sorted(BOUND_ROLES))
            raise ValueInvalid("client", f"the role {role} is of no client", f"leave it out, or take one of {bound}")
        return None
    if client is None:
        raise ValueInvalid("client", f"the role {role} is of one client", "name the client")
    number = await change.client(client)
    if number is None:
        raise ValueInvalid("client", f"there is no client {client[:80]!r}", "name one that is there")
    return number
