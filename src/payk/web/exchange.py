"""One request while it is being answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.types import Receive, Scope

from payk.domain.account import Client
from payk.web.answers import Answer, Header
from payk.web.caller import Caller

__all__ = ["Exchange"]


class Exchange:
    """What the handlers of a request share. `headers` by lower-case name; of a header sent twice the last counts."""

    __slots__ = (
        "answer", "body_asked", "caller", "client", "headers", "idempotency_key", "is_status", "message_id", "method",
        "path", "rate_headers", "receive", "request_id", "scope", "storing", "trace",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, request_id: str) -> None:
        self.scope = scope
        self.receive = receive
        self.request_id = request_id
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.caller: Caller = scope["state"]["caller"]
        self.answer: Callable[[Answer, str], Awaitable[None]] = scope["state"]["answer"]
        self.client: Client | None = None
        """Who is calling, once the key is known."""
        self.rate_headers: Sequence[Header] = ()
        """What its answer says of the rate that its client is limited to."""
        self.idempotency_key: bytes | None = None
        """What the caller named the request by, to repeat it safely."""
        self.message_id = ""
        """The id in the path, as written."""
        self.is_status = False
        """Whether the status of one message is asked for: its answers have CommandStatus, errors included."""
        self.body_asked = False
        """Whether the caller was let to send the body."""
        self.trace: bytes | None = None
        """Context of its trace (payk.tracing); None where there is none."""
        self.storing = False
        """Whether something of this request may already have gone to the store."""
