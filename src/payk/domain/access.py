"""Who may do what in the management of a centre: roles, permissions, and the caller that has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["BOUND_ROLES", "PERMISSIONS", "Actor", "Permission", "Principal", "PrincipalKind", "Role"]


class Permission(StrEnum):
    """A kind of act on a kind of thing."""

    READ_REGISTRY = "read-registry"
    """See clients, keys (never shown), senders, operators, links, routes and changes."""
    CHANGE_CLIENTS = "change-clients"
    CHANGE_LIMITS = "change-limits"
    """Limits, balances and blocked numbers."""
    CHANGE_KEYS = "change-keys"
    REQUEST_SENDERS = "request-senders"
    APPROVE_SENDERS = "approve-senders"
    CHANGE_OPERATORS = "change-operators"
    """Operators and links."""
    CHANGE_ROUTES = "change-routes"
    READ_TRAFFIC = "read-traffic"
    """See processes, links, queues, parked receipts and counters as they are now."""
    READ_METRICS = "read-metrics"
    """Scrape the figures of every process: volumes by operator, of all clients together."""
    CONTROL_TRAFFIC = "control-traffic"
    """Hold, release and cancel what waits; drain and resume."""
    READ_MESSAGES = "read-messages"
    """Search messages and see what became of them, without their texts."""
    READ_TEXTS = "read-texts"
    """Read a text; each time is recorded."""
    FORGET_NUMBERS = "forget-numbers"
    IMPORT_MESSAGES = "import-messages"
    """Take over statuses of messages that another centre sent, and drop them."""
    MANAGE_USERS = "manage-users"
    """Users, their sessions and tokens."""
    READ_AUDIT = "read-audit"


class Role(StrEnum):
    """What somebody is to the centre."""

    ADMIN = "admin"
    OPERATOR = "operator"
    CLIENT_MANAGER = "client-manager"
    CLIENT_VIEWER = "client-viewer"


_VIEWER = frozenset({Permission.READ_REGISTRY, Permission.READ_MESSAGES, Permission.READ_TRAFFIC})

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.OPERATOR: frozenset(
        {
            *(Permission.READ_REGISTRY, Permission.READ_TRAFFIC, Permission.READ_MESSAGES, Permission.CONTROL_TRAFFIC),
            *(Permission.CHANGE_OPERATORS, Permission.CHANGE_ROUTES, Permission.READ_METRICS),
        }
    ),
    Role.CLIENT_MANAGER: _VIEWER | {Permission.CHANGE_KEYS, Permission.REQUEST_SENDERS, Permission.READ_TEXTS},
    Role.CLIENT_VIEWER: _VIEWER,
}
"""The one table of what a role may do; docs/security.md shows it."""

BOUND_ROLES = frozenset({Role.CLIENT_MANAGER, Role.CLIENT_VIEWER})
"""Roles of those who belong to one client: they may do it of that client alone."""


class PrincipalKind(StrEnum):
    """How somebody proved who it is."""

    USER = "user"
    TOKEN = "token"
    LOCAL = "local"
    """On the database itself, from the command line."""
    CLIENT = "client"
    """A client, by a key of the public API; it is no principal of the management."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something, as the audit log keeps it."""

    kind: PrincipalKind
    name: str
    id: int = 0
    """Of the user, the token or the client; 0 where it is none of them."""
    address: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who manages: a user with a session, a service token, or who works on the database itself."""

    kind: PrincipalKind
    id: int
    name: str
    role: Role
    client_id: int | None = None
    """The one client that it belongs to; None = it belongs to the centre."""
    scopes: frozenset[Permission] | None = None
    """What a token is for; it narrows the role. None = all of that."""
    session: int | None = None

    def __post_init__(self) -> None:
        if (self.role in BOUND_ROLES) is not (self.client_id is not None):
            raise ValueError(f"{self.role} {'needs a' if self.role in BOUND_ROLES else 'is bound to no'} client")

    def may(self, permission: Permission) -> bool:
        """Whether it may do this at all, of its own client at least."""
        return permission in PERMISSIONS[self.role] and (self.scopes is None or permission in self.scopes)

    def allows(self, permission: Permission, client_id: int | None = None) -> bool:
        """Whether it may do this of a client, or (None) of what is no client's."""
        return self.may(permission) and (self.client_id is None or client_id == self.client_id)

    def actor(self, address: str = "", request_id: str = "") -> Actor:
        """As the audit log keeps it."""
        return Actor(self.kind, self.name, self.id, address, request_id)
