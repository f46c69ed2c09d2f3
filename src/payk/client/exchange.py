"""One call of the API with its retries, without I/O: a generator that says what to do next.

It yields a Call (send it, give back the response or the error that httpx raised) or a Pause (wait), and returns the
response that counts. `Client` and `AsyncClient` only carry the steps out, so both behave the same.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4, uuid5

import httpx

from payk.client.answer import (
    read_bulk,
    read_cancellation,
    read_held,
    read_label,
    read_page,
    read_preview,
    read_sent,
    read_status,
    read_statuses,
    read_timeline,
    retry_after,
)
from payk.client.errors import ConnectionFailed
from payk.client.listing import MessageFilter, MessagePage
from payk.client.message import Message
from payk.client.preview import Preview
from payk.client.result import BulkResult, Cancellation, LabelProgress, SentMessage, Status
from payk.client.timeline import Timeline

__all__ = [
    "Call",
    "Pause",
    "bulk_steps",
    "cancel_label_steps",
    "cancel_many_steps",
    "cancel_steps",
    "events_steps",
    "hold_steps",
    "label_steps",
    "page_steps",
    "poll_pauses",
    "preview_steps",
    "send_steps",
    "status_steps",
    "statuses_steps",
]

_KEY = re.compile("[!-~]{1,255}")
_IDS = UUID("6d4dd7c3-4f7a-4a0e-9c53-7a0a4a1f2b6e")
"""The namespace of ids that follow from idempotency keys."""

AGAIN = frozenset({429, 502, 503, 504})
"""HTTP statuses that are tried again. 502 is a proxy in front of a centre that is just being restarted."""
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
"""Seconds. A centre that asks for more (a used-up quota) is not waited for: the caller gets the error at once."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request."""

    method: str
    path: str
    content: bytes | None = None
    idempotency_key: str | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of this request alone."""
        return {} if self.idempotency_key is None else {"Idempotency-Key": self.idempotency_key}


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


def send_steps(message: Message, retries: int, idempotency_key: str | None = None) -> Generator[Any, Any, SentMessage]:
    """POST /api/v1/sms. ValueError for what is no idempotency key."""
    message = _identified(message, idempotency_key, "one")
    call = Call("POST", "/api/v1/sms", _json(message.body()), _checked(idempotency_key))
    response = yield from _attempts(call, retries)
    return read_sent(response, message.client_message_id or "")


def bulk_steps(
    messages: Sequence[Message], retries: int, idempotency_key: str | None = None
) -> Generator[Any, Any, BulkResult]:
    """POST /api/v1/sms/bulk. ValueError for what is no idempotency key."""
    identified = [_identified(message, idempotency_key, str(place)) for place, message in enumerate(messages)]
    body = _json([message.body() for message in identified])
    call = Call("POST", "/api/v1/sms/bulk?MessageIds=true", body, _checked(idempotency_key))
    response = yield from _attempts(call, retries)
    return read_bulk(response)


def status_steps(message_id: str | int, retries: int) -> Generator[Any, Any, Status]:
    """GET /api/v1/sms/{id}."""
    response = yield from _attempts(Call("GET", _path(message_id)), retries)
    return read_status(response)


def events_steps(message_id: str | int, retries: int) -> Generator[Any, Any, Timeline]:
    """GET /api/v1/sms/{id}/events."""
    response = yield from _attempts(Call("GET", f"{_path(message_id)}/events"), retries)
    return read_timeline(response)


def statuses_steps(message_ids: Iterable[str | int], retries: int) -> Generator[Any, Any, dict[str, Status]]:
    """POST /api/v1/sms/status."""
    body = _json({"MessageIds": [str(each) for each in message_ids]})
    response = yield from _attempts(Call("POST", "/api/v1/sms/status", body), retries)
    return read_statuses(response)


def page_steps(search: MessageFilter, cursor: str | None, limit: int, retries: int) -> Generator[Any, Any, MessagePage]:
    """GET /api/v1/sms."""
    parameters = search.parameters() | {"Limit": str(limit)} | ({} if cursor is None else {"Cursor": cursor})
    response = yield from _attempts(Call("GET", f"/api/v1/sms?{urlencode(parameters)}"), retries)
    return read_page(response)


def preview_steps(message: Message, retries: int) -> Generator[Any, Any, Preview]:
    """POST /api/v1/sms/preview."""
    response = yield from _attempts(Call("POST", "/api/v1/sms/preview", _json(message.body())), retries)
    return read_preview(response)


def cancel_steps(message_id: str | int, retries: int) -> Generator[Any, Any, Status]:
    """DELETE /api/v1/sms/{id}."""
    response = yield from _attempts(Call("DELETE", _path(message_id)), retries)
    return read_status(response)


def cancel_many_steps(message_ids: Iterable[str | int], retries: int) -> Generator[Any, Any, Cancellation]:
    """POST /api/v1/sms/cancel with MessageIds."""
    response = yield from _attempts(_command("cancel", {"MessageIds": [str(each) for each in message_ids]}), retries)
    return read_cancellation(response)


def cancel_label_steps(label: str, retries: int) -> Generator[Any, Any, Cancellation]:
    """POST /api/v1/sms/cancel with SmsLabel."""
    response = yield from _attempts(_command("cancel", {"SmsLabel": label}), retries)
    return read_cancellation(response)


def hold_steps(what: Literal["pause", "resume"], label: str, retries: int) -> Generator[Any, Any, int]:
    """POST /api/v1/sms/pause and /resume."""
    response = yield from _attempts(_command(what, {"SmsLabel": label}), retries)
    return read_held(response)


def label_steps(label: str, retries: int) -> Generator[Any, Any, LabelProgress]:
    """GET /api/v1/reports/labels with SmsLabel."""
    call = Call("GET", f"/api/v1/reports/labels?SmsLabel={quote(label, safe='')}")
    response = yield from _attempts(call, retries)
    return read_label(response)


def poll_pauses() -> Iterator[float]:
    """Seconds between two looks at a status: short at first, then every 2 s."""
    pause = 0.1
    while True:
        yield pause
        pause = min(pause * 1.5, 2.0)


def _path(message_id: str | int) -> str:
    return f"/api/v1/sms/{quote(str(message_id), safe='')}"


def _command(name: str, body: object) -> Call:
    """Under a key of its own: an attempt whose answer was lost is answered when it is repeated."""
    return Call("POST", f"/api/v1/sms/{name}", _json(body), str(uuid4()))


def _identified(message: Message, idempotency_key: str | None, place: str) -> Message:
    """The message with a ClientMessageId: what makes a repeated request harmless.

    Under an idempotency key the body is the same whenever the call is repeated, so the id follows from the key.
    """
    if message.client_message_id:
        return message
    own = uuid4() if idempotency_key is None else uuid5(_IDS, f"{place} {idempotency_key}")
    return replace(message, client_message_id=str(own))


def _checked(idempotency_key: str | None) -> str | None:
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise ValueError("an idempotency key consists of 1 to 255 visible ASCII characters")
    return idempotency_key


def _json(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _attempts(call: Call, retries: int) -> Generator[Any, Any, httpx.Response]:
    for attempt in range(retries + 1):
        answer: httpx.Response | httpx.RequestError = yield call
        pause = _pause_before_retry(answer, attempt)
        if pause is not None and attempt < retries:
            yield Pause(pause)
            continue
        if isinstance(answer, httpx.RequestError):
            address = answer.request.url.copy_with(raw_path=b"")
            if isinstance(answer, httpx.LocalProtocolError):  # it quotes the header that cannot be sent: maybe the key
                raise ConnectionFailed(f"nothing can be sent to the SMS centre at {address}: a header is wrong")
            reason = str(answer) or type(answer).__name__
            raise ConnectionFailed(f"no answer from the SMS centre at {address}: {reason}") from answer
        return answer
    raise ValueError("retries is a count of at least 0")


def _pause_before_retry(answer: httpx.Response | httpx.RequestError, attempt: int) -> float | None:
    """Seconds until the next attempt, None where another one is no use."""
    own = FIRST_PAUSE * (1 << attempt) * random.uniform(0.5, 1)
    if isinstance(answer, httpx.RequestError):
        return own
    asked = retry_after(answer) or 0.0
    if answer.status_code not in AGAIN or asked > LONGEST_PAUSE:
        return None
    return max(asked, own)
