"""What the pages of the management API work with, and who is calling."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from pydantic import AfterValidator

from payk.access import Access, Tokens, Users
from payk.domain.access import Actor, Permission, Principal
from payk.domain.directory import CurrentDirectory
from payk.domain.management_errors import ManagementCode
from payk.domain.receipt import ReceiptWait
from payk.domain.recipient_zone import DUSHANBE
from payk.outcome_log import OutcomeLog
from payk.registry.blocking import NumberDigest
from payk.registry.errors import RegistryError
from payk.registry.secrets import SecretBox
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.web.caller import Network, caller_address
from payk.web.problems import Problem
from payk.web.reports import Reports

__all__ = [
    "Address",
    "Authenticate",
    "Caller",
    "Known",
    "Management",
    "Name",
    "Parts",
    "RequestId",
    "known_principal",
    "management",
]

Authenticate = Callable[[str, str], Awaitable[Principal | None]]
"""Who a bearer token, sent from an address, belongs to; None where nobody."""

Name = Annotated[str, AfterValidator(unquote)]
"""A name in a path: paths come to the pages as they were written, so that a name may hold a slash."""


@dataclass(frozen=True, slots=True)
class Management:
    """The parts that pages share."""

    db: Database
    secret_box: SecretBox
    names: CurrentDirectory
    """The directory, for what clients, operators and links are called; empty in a command that could not load it."""
    access: Access
    users: Users
    tokens: Tokens
    open_text: Callable[[str, str], str]
    """Makes the text of a message of what is stored and its number (payk.sealing.TextSeal.open)."""
    number_digest: NumberDigest
    receipt_wait: ReceiptWait
    authenticate: Authenticate
    """As Access does it, unless it is somebody on the database itself."""
    trusted_proxies: tuple[Network, ...] = ()
    zone: ZoneInfo = DUSHANBE
    """Where recipients live whose number does not tell."""
    room: str = "web"
    """Whom the log names of messages that end."""
    not_loaded: RegistryError | StoreError | None = None
    """Why a command could not load the directory."""
    reports: Reports = field(init=False)
    outcome_log: OutcomeLog = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reports", Reports(self.db))
        object.__setattr__(self, "outcome_log", OutcomeLog(self.names, self.room))

    @property
    def directory(self) -> CurrentDirectory:
        """The directory in force. Raises whatever kept a command from loading it."""
        if self.not_loaded is not None:
            raise self.not_loaded
        return self.names


def management(request: Request) -> Management:
    """The parts, of the application that answers `request`."""
    parts: Management = request.app.state.management
    return parts


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, from where, under which request."""

    principal: Principal
    address: str
    request_id: str

    @property
    def author(self) -> str:
        """As changes name who made them."""
        return self.principal.name

    @property
    def actor(self) -> Actor:
        """As the audit log names who did it."""
        return self.principal.actor(self.address, self.request_id)

    def check(self, permission: Permission, client_id: int | None = None) -> None:
        """Raise Problem (Forbidden) unless the caller may do this, of that client or of what is nobody's."""
        if not self.principal.allows(permission, client_id):
            raise self._forbidden(permission)

    def check_kind(self, permission: Permission) -> None:
        """Raise Problem (Forbidden) unless the caller may do this at all, of a client of its own at least."""
        if not self.principal.may(permission):
            raise self._forbidden(permission)

    def _forbidden(self, permission: Permission) -> Problem:
        detail = f"{self.principal.name} may not do this: it takes the permission {permission}."
        return Problem(ManagementCode.FORBIDDEN, detail)


def _address(request: Request) -> str:
    return caller_address(request.scope, management(request).trusted_proxies)


def _request_id(request: Request) -> str:
    found: str = request.state.request_id
    return found


Address = Annotated[str, Depends(_address)]
RequestId = Annotated[str, Depends(_request_id)]


async def known_principal(request: Request) -> Principal:
    """Whoever's token the request carries. Raises Problem (Unauthorized), TooManyFailures and StoreError."""
    parts = management(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    principal = (
        await parts.authenticate(token.strip(), _address(request)) if scheme.lower() == "bearer" and token else None
    )
    if principal is None:
        raise Problem(
            ManagementCode.UNAUTHORIZED,
            "The header Authorization must carry `Bearer` and a token: it is missing, unknown, expired or revoked.",
            headers=[(b"www-authenticate", b"Bearer")],
        )
    return principal


async def _caller(request: Request, address: Address, request_id: RequestId) -> Caller:
    """Raises as known_principal, unless that was asked before the body was read."""
    principal = getattr(request.state, "principal", None) or await known_principal(request)
    return Caller(principal, address, request_id)


Known = Annotated[Caller, Depends(_caller)]
Parts = Annotated[Management, Depends(management)]
