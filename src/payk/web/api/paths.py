"""The paths of the documented API: matched without case, with or without a slash at the end, never redirected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from payk.web.answers import Answer, Stream
from payk.web.api.control import Control
from payk.web.api.events import Timelines
from payk.web.api.listing import Listing
from payk.web.api.preview import Previewing
from payk.web.api.send import Sending
from payk.web.api.status import Statuses
from payk.web.exchange import Exchange

__all__ = ["Handler", "Methods", "SmsPaths"]

Handler = Callable[[Exchange], Awaitable[Answer | Stream]]
Methods = Mapping[str, Handler]

_ROOT = "/api/v1/sms"


class SmsPaths:
    """Finds what answers a path under /api/v1/sms."""

    def __init__(
        self,
        sending: Sending,
        listing: Listing,
        statuses: Statuses,
        timelines: Timelines,
        control: Control,
        previewing: Previewing,
    ) -> None:
        self._collection: Methods = {"POST": sending.one, "GET": listing.page, "HEAD": listing.page}
        # Names that stand where an id would, and are none.
        self._named: Mapping[str, Methods] = {
            "bulk": {"POST": sending.bulk},
            "cancel": {"POST": control.cancel},
            "pause": {"POST": control.pause},
            "resume": {"POST": control.resume},
            "status": {"POST": statuses.many},
            "preview": {"POST": previewing.one},
        }
        self._message: Methods = {"GET": statuses.one, "HEAD": statuses.one, "DELETE": control.cancel_one}
        self._events: Methods = {"GET": timelines.one, "HEAD": timelines.one}
        self._empty_id: Methods = {**self._collection, **self._message}

    def find(self, exchange: Exchange) -> Methods | None:
        """The methods of the path, None where nothing is there. Notes the id that the path names."""
        path = exchange.path
        if path == _ROOT:
            return self._collection
        if path[: len(_ROOT)].lower() != _ROOT:
            return None
        rest = path[len(_ROOT) :]
        if not rest:
            return self._collection
        if rest == "/":
            return self._noting_id(exchange, "", self._empty_id)
        if rest[0] != "/":
            return None
        name, slash, below = rest[1:].removesuffix("/").partition("/")
        if slash:
            return self._below_id(exchange, name, below)
        if name.lower() in self._named:
            return self._named[name.lower()]
        return self._noting_id(exchange, name, self._message)

    def _below_id(self, exchange: Exchange, message_id: str, name: str) -> Methods | None:
        if name.lower() != "events" or message_id.lower() in self._named:
            return None
        exchange.message_id = message_id
        return self._events

    def _noting_id(self, exchange: Exchange, message_id: str, methods: Methods) -> Methods:
        exchange.message_id = message_id
        exchange.is_status = exchange.method in ("GET", "HEAD")
        return methods
