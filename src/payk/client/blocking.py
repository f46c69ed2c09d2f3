"""The SDK for programs that wait."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeVar

import httpx

from payk.client.errors import WaitTimeout
from payk.client.exchange import (
    Call,
    Pause,
    bulk_steps,
    cancel_label_steps,
    cancel_many_steps,
    cancel_steps,
    events_steps,
    hold_steps,
    label_steps,
    page_steps,
    poll_pauses,
    preview_steps,
    send_steps,
    status_steps,
    statuses_steps,
)
from payk.client.listing import EVERY_MESSAGE, MessageFilter, MessagePage, StoredMessage
from payk.client.message import Message
from payk.client.preview import Preview
from payk.client.result import BulkResult, Cancellation, LabelProgress, SentMessage, Status
from payk.client.timeline import Timeline
from payk.client.transport import transport_options

__all__ = ["Client"]

Result = TypeVar("Result")


class Client:
    """A connection to the SMS centre. Use it as a context manager, or call `close`; threads may share it.

    `url` as `https://sms.example.com`. `timeout` is the time in seconds that one attempt may take (the centre answers
    within 5). A lost connection and the answers 429, 502, 503 and 504 are tried again, `retries` times, after the time
    the centre asks for; every message carries a client_message_id, so that no repetition sends it twice.
    """

    def __init__(self, url: str, api_key: str, *, timeout: float = 10.0, retries: int = 4) -> None:
        self._http = httpx.Client(**transport_options(url, api_key, timeout))
        self._retries = retries

    def send(self, message: Message, *, idempotency_key: str | None = None) -> SentMessage:
        """Hand over one message. Returns once the centre has stored it; raises PaykError.

        A call that is repeated with the same `idempotency_key` within 12 hours gets the same answer and sends nothing
        twice; with another message it is a BadRequest.
        """
        return self._run(send_steps(message, self._retries, idempotency_key))

    def send_bulk(self, messages: Sequence[Message], *, idempotency_key: str | None = None) -> BulkResult:
        """Hand over many messages (at most 50,000) at once. Bad ones are named in the result and spoil no good one.

        `idempotency_key` as of `send`. Raises AllRejected where none was taken, and any other PaykError.
        """
        return self._run(bulk_steps(messages, self._retries, idempotency_key))

    def status(self, message_id: str | int) -> Status:
        """The status of a message. Raises NotFound for an id that is not of this client, and any other PaykError."""
        return self._run(status_steps(message_id, self._retries))

    def events(self, message_id: str | int) -> Timeline:
        """What happened to a message, and when. Raises NotFound as `status` does, and any other PaykError."""
        return self._run(events_steps(message_id, self._retries))

    def statuses(self, message_ids: Iterable[str | int]) -> dict[str, Status]:
        """The statuses of up to 1,000 messages, by id, without those of others. Raises PaykError."""
        return self._run(statuses_steps(message_ids, self._retries))

    def page(
        self, search: MessageFilter = EVERY_MESSAGE, *, cursor: str | None = None, limit: int = 100
    ) -> MessagePage:
        """Up to `limit` (1 to 1,000) messages of this client, newest first, older than `cursor`. Raises PaykError."""
        return self._run(page_steps(search, cursor, limit, self._retries))

    def messages(self, search: MessageFilter = EVERY_MESSAGE, *, limit: int = 1_000) -> Iterator[StoredMessage]:
        """All messages of this client, or all that `search` names, newest first; `limit` are asked for at once."""
        cursor: str | None = None
        while True:
            page = self.page(search, cursor=cursor, limit=limit)
            yield from page.messages
            if page.cursor is None:
                return
            cursor = page.cursor

    def cancel(self, message_id: str | int) -> Status:
        """Cancel a message; its status, Deleted, also where it was cancelled before.

        Raises AlreadySent where an operator has it, may have it or is just getting it, NotFound as `status` does, and
        any other PaykError.
        """
        return self._run(cancel_steps(message_id, self._retries))

    def cancel_many(self, message_ids: Iterable[str | int]) -> Cancellation:
        """Cancel messages (at most 50,000) by their ids; those of others count for nothing. Raises PaykError."""
        return self._run(cancel_many_steps(message_ids, self._retries))

    def cancel_label(self, label: str) -> Cancellation:
        """Cancel what waits under a label, up to now. Raises PaykError."""
        return self._run(cancel_label_steps(label, self._retries))

    def pause(self, label: str) -> int:
        """Hold back what waits under a label, and what will, until `resume`; how many wait. Raises PaykError."""
        return self._run(hold_steps("pause", label, self._retries))

    def resume(self, label: str) -> int:
        """Let go what `pause` keeps under a label; how many messages it kept. Raises PaykError."""
        return self._run(hold_steps("resume", label, self._retries))

    def preview(self, message: Message) -> Preview:
        """What would become of a message, whatever rules it breaks; nothing is sent. Raises PaykError."""
        return self._run(preview_steps(message, self._retries))

    def label(self, label: str) -> LabelProgress:
        """How the messages of a label stand. Raises NotFound where it has none, and any other PaykError."""
        return self._run(label_steps(label, self._retries))

    def watch(self, message_id: str | int, timeout: float | None = None) -> Iterator[Status]:
        """The status now and at every change of state, to the final one. Raises WaitTimeout after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        last: Status | None = None
        for pause in poll_pauses():
            status = self.status(message_id)
            if last is None or status.state is not last.state:
                yield status
            if status.state.is_final:
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimeout(status)
            last = status
            time.sleep(pause if deadline is None else max(0.0, min(pause, deadline - time.monotonic())))

    def wait(self, message_id: str | int, timeout: float | None = 60.0) -> Status:
        """Wait for the final state. Raises WaitTimeout after `timeout` seconds; None = wait as long as it takes."""
        *_, last = self.watch(message_id, timeout)
        return last

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, steps: Generator[Any, Any, Result]) -> Result:
        answer: httpx.Response | httpx.RequestError | None = None
        while True:
            try:
                step: Call | Pause = steps.send(answer)
            except StopIteration as done:
                result: Result = done.value
                return result
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                answer = None
                continue
            try:
                answer = self._http.request(step.method, step.path, content=step.content, headers=step.headers)
            except httpx.RequestError as exc:
                answer = exc
