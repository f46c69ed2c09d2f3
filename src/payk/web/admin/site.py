"""The management API as one application, and its description."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from fastapi import Depends, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from payk import __version__
from payk.web.admin import (
    audit,
    changes,
    clients,
    health,
    imported,
    limits,
    messages,
    numbers,
    operators,
    reports,
    routes,
    traces,
    traffic,
    users,
)
from payk.web.admin.errors import answer_errors
from payk.web.admin.given import check_texts, expects_what_has_an_etag, takes_no_body
from payk.web.admin.management import Management, known_principal
from payk.web.limits import IF_SLOW

__all__ = ["ROOT", "ManagementApi"]

ROOT: Final = "/api/admin/v1"
BODY_MAX: Final = 2**20
"""Octets of a body."""
FILES: Final[Mapping[str, int | None]] = {
    f"{ROOT}/apply": 64 * 2**20,
    f"{ROOT}/blocks/import": 32 * 2**20,
    f"{ROOT}{imported.PATH}": None,
}
"""What takes a file in place of JSON, and its octets at most; None: it is worked on while it comes."""
_NOT_KEPT: Final = (b"cache-control", b"no-store")

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "MessageResult": {"type": "string", "description": "The code."},
        "MessageError": {"const": True},
        "Title": {"type": "string"},
        "Status": {"type": "integer"},
        "Detail": {"type": "string"},
        "Errors": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
        "Retryable": {"type": "boolean"},
        "RequestId": {"type": "string"},
    },
    "required": ["MessageResult", "MessageError", "Title", "Status", "Detail", "Errors", "Retryable", "RequestId"],
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": title, "content": {"application/json": {"schema": _PROBLEM}}}
    for status, title in {
        400: "What was sent is wrong; Errors names each field, the rule and what would be allowed.",
        401: "No valid token.",
        403: "The caller may not do this.",
        404: "There is no such thing, or it is not the caller's to see.",
        405: "The path does not take this method.",
        409: "It exists already, or this cannot be done as things stand; ForceRequired: only with ?force=true.",
        412: "It has changed since it was read (If-Match).",
        413: "The body is too large.",
        429: "Too many attempts, or an earlier report of the caller is still being made.",
        503: "The database cannot be reached, or too many reports are being made; Detail says what stays, if anything.",
        504: "The connection to the database was lost while it confirmed: it may be done, or not.",
    }.items()
}


class ManagementApi:
    """An ASGI application that answers below ROOT."""

    def __init__(self, parts: Management) -> None:
        self.application = FastAPI(
            title="Payk management",
            version=__version__,
            description="What is configured, what runs, and who may change it. Every path takes a bearer token.",
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            responses=_REFUSALS,
        )
        self.application.state.management = parts
        pages = (
            *(clients, limits, operators, routes, changes, messages, imported, numbers, reports, traffic, traces),
            *(health, users, audit),
        )
        for page in pages:
            checks = [Depends(check_texts), Depends(expects_what_has_an_etag), Depends(takes_no_body)]
            self.application.include_router(page.router, prefix=ROOT, dependencies=checks)
        self.application.add_middleware(_KnownFirst)
        answer_errors(self.application)

    def description(self) -> dict[str, Any]:
        """Its OpenAPI document."""
        document = self.application.openapi()
        for methods in document["paths"].values():
            for operation in methods.values():
                operation["responses"].pop("422", None)  # what cannot be understood is 400 here
                operation.setdefault("security", [{"token": []}])
        document["components"].setdefault("securitySchemes", {})["token"] = {"type": "http", "scheme": "bearer"}
        return document

    async def __call__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        """Answer one request; whatever a page raises has been answered and logged by then."""
        # Paths as they were written: a name may hold a slash (payk.web.admin.management.Name).
        path = scope["raw_path"].decode("latin-1").partition("?")[0]
        own = {**scope, "path": path, "state": {**scope["state"], "request_id": request_id}}
        most: int | None = BODY_MAX
        if path == f"{ROOT}{imported.PATH}":
            scope[IF_SLOW] = imported.TAKEN_STAYS
        if path in FILES:
            most = FILES[path]
        else:  # the body is JSON whatever Content-Type says, as on the other site
            kept = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
            own["headers"] = [*kept, (b"content-type", b"application/json")]

        async def answer(event: Message) -> None:
            if event["type"] == "http.response.start":
                own_headers = [*event["headers"], (b"x-request-id", request_id.encode()), _NOT_KEPT]
                if event["status"] == 204:  # there is nothing to have a type
                    own_headers = [(name, value) for name, value in own_headers if name != b"content-type"]
                event["headers"] = own_headers
            await send(event)

        with suppress(Exception):  # ServerErrorMiddleware raises again what it has answered
            await self.application(own, receive if most is None else _bounded(receive, most), answer)


class _KnownFirst:
    """Finds out who is calling before anything of a body is read: what nobody known sends costs no memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (scope["method"], scope["path"]) != ("POST", f"{ROOT}/session"):  # logging in
            request = Request(scope)
            request.state.principal = await known_principal(request)
        await self._app(scope, receive, send)


def _bounded(receive: Receive, most: int) -> Receive:
    """The body, no more than `most` octets of it: then HTTPException 413."""
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        event = await receive()
        taken += len(event.get("body", b""))
        if taken > most:
            raise HTTPException(413, f"The body has more than {most:,} octets.")
        return event

    return bounded
