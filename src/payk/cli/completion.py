"""What a shell offers where a name is typed: names of the server at PAYK_ADMIN_URL, else of the database.

Whoever presses the key waits for it, so nothing is started, nothing is waited for longer than PATIENCE, and what goes
wrong is no word on a terminal that is in the midst of a line.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import typer

from payk.printable import printable

__all__ = ["clients", "labels", "links", "operators", "routes", "senders", "tokens", "users"]

PATIENCE: Final = 0.4
"""Seconds for server or database."""
MOST: Final = 1_000

Completion = Callable[[typer.Context, str], list[str]]
Ask = Callable[[str, str, str, str | None], list[str]]
"""Names by kind, member of the items, beginning and client."""


def _completion(kind: str, member: str = "name", *, of_client: bool = False) -> Completion:
    """`kind`: a list of the management API and a query of store/sql/names.sql; `member` of its items is the name."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        client = ctx.params.get("client") if of_client else None
        if of_client and not client:
            return []
        found: list[str] = []
        url = ctx.params.get("url") or os.environ.get("PAYK_ADMIN_URL")
        ask: Ask | None = None
        with suppress(Exception):  # the server parts may not be installed
            ask = _of_server(url) if url else _of_database(ctx.params.get("home"))

        def look() -> None:
            with suppress(Exception):
                if ask is not None:
                    found.extend(ask(kind, member, incomplete, client))

        # A thread that may be left behind: a name that resolves to nothing holds its caller for as long as it likes.
        asked = threading.Thread(target=look, daemon=True)
        asked.start()
        asked.join(PATIENCE)
        return [name for name in found if name.startswith(incomplete) and name == printable(name)]

    return complete


def _of_database(home: str | None) -> Ask:
    import asyncio

    from payk.store.names import names_of, place_of

    # Settings are not read by payk.settings here: that takes as long as all the rest.
    dsn = place_of(os.environ.get("PAYK_DATABASE_URL"), Path(home or os.environ.get("PAYK_HOME") or ".payk"))

    def ask(kind: str, member: str, begins: str, client: str | None) -> list[str]:
        return [] if dsn is None else asyncio.run(names_of(dsn, kind, begins, client, patience=PATIENCE))

    return ask


def _of_server(url: str) -> Ask:
    # Not httpx: loading it takes longer than the answer.
    from urllib.parse import urlencode
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Here(HTTPRedirectHandler):
        """Follows no redirection: the token would go with it."""

        def redirect_request(self, *_: object) -> None:
            return None

    opener = build_opener(Here)
    headers = {"authorization": f"Bearer {os.environ.get('PAYK_ADMIN_TOKEN', '').strip()}"}

    def ask(kind: str, member: str, begins: str, client: str | None) -> list[str]:
        if kind == "labels":  # no list of theirs is cheap
            return []
        query: dict[str, str | int] = {"limit": MOST}
        if kind == "clients":
            query["part"] = begins
        if client:
            query["client"] = client
        where = f"{url.rstrip('/')}/api/admin/v1/{kind}?{urlencode(query)}"
        if not where.startswith(("http://", "https://")):  # it opens files too
            return []
        with opener.open(Request(where, headers=headers), timeout=PATIENCE) as answer:
            items = json.load(answer)["items"]
        return sorted(str(row[member]) for row in items if row.get("revoked_at") is None)

    return ask


clients = _completion("clients")
operators = _completion("operators")
links = _completion("links")
routes = _completion("routes", "route_id")
senders = _completion("senders", of_client=True)
users = _completion("users")
tokens = _completion("tokens")
labels = _completion("labels", of_client=True)
