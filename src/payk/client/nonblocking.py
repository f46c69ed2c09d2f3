"""The SDK for asyncio programs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Generator, Iterable, Sequence
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

__all__ = ["AsyncClient"]

Result = TypeVar("Result")


class AsyncClient:
    """As `Client`, for asyncio: use it as `async with`, or await `close`; tasks may share it."""

    def __init__(self, url: str, api_key: str, *, timeout: float = 10.0, retries: int = 4) -> None:
        self._http = httpx.AsyncClient(**transport_options(url, api_key, timeout))
        self._retries = retries

    async def send(self, message: Message, *, idempotency_key: str | None = None) -> SentMessage:
        """Hand over one message. Returns once the centre has stored it; raises PaykError.

        A call that is repeated with the same `idempotency_key` within 12 hours gets the same answer and sends nothing
        twice; with another message it is a BadRequest.
        """
        return await self._run(send_steps(message, self._retries, idempotency_key))

    async def send_bulk(self, messages: Sequence[Message], *, idempotency_key: str | None = None) -> BulkResult:
        """Hand over many messages (at most 50,000) at once. Bad ones are named in the result and spoil no good one.

        `idempotency_key` as of `send`. Raises AllRejected where none was taken, and any other PaykError.
        """
        return await self._run(bulk_steps(messages, self._retries, idempotency_key))

    async def status(self, message_id: str | int) -> Status:
        """The status of a message. Raises NotFound for an id that is not of this client, and any other PaykError."""
        return await self._run(status_steps(message_id, self._retries))

    async def events(self, message_id: str | int) -> Timeline:
        """What happened to a message, and when. Raises NotFound as `status` does, and any other PaykError."""
        return await self._run(events_steps(message_id, self._retries))

    async def statuses(self, message_ids: Iterable[str | int]) -> dict[str, Status]:
        """The statuses of up to 1,000 messages, by id, without those of others. Raises PaykError."""
        return await self._run(statuses_steps(message_ids, self._retries))

    async def page(
        self, search: MessageFilter = EVERY_MESSAGE, *, cursor: str | None = None, limit: int = 100
    ) -> MessagePage:
        """Up to `limit` (1 to 1,000) messages of this client, newest first, older than `cursor`. Raises PaykError."""
        return await self._run(page_steps(search, cursor, limit, self._retries))

    async def messages(
        self, search: MessageFilter = EVERY_MESSAGE, *, limit: int = 1_000
    ) -> AsyncIterator[StoredMessage]:
        """All messages of this client, or all that `search` names, newest first; `limit` are asked for at once."""
        cursor: str | None = None
        while True:
            page = await self.page(search, cursor=cursor, limit=limit)
            for message in page.messages:
                yield message
            if page.cursor is None:
                return
            cursor = page.cursor

    async def cancel(self, message_id: str | int) -> Status:
        """Cancel a message; its status, Deleted, also where it was cancelled before.

        Raises AlreadySent where an operator has it, may have it or is just getting it, NotFound as `status` does, and
        any other PaykError.
        """
        return await self._run(cancel_steps(message_id, self._retries))

    async def cancel_many(self, message_ids: Iterable[str | int]) -> Cancellation:
        """Cancel messages (at most 50,000) by their ids; those of others count for nothing. Raises PaykError."""
        return await self._run(cancel_many_steps(message_ids, self._retries))

    async def cancel_label(self, label: str) -> Cancellation:
        """Cancel what waits under a label, up to now. Raises PaykError."""
        return await self._run(cancel_label_steps(label, self._retries))

    async def pause(self, label: str) -> int:
        """Hold back what waits under a label, and what will, until `resume`; how many wait. Raises PaykError."""
        return await self._run(hold_steps("pause", label, self._retries))

    async def resume(self, label: str) -> int:
        """Let go what `pause` keeps under a label; how many messages it kept. Raises PaykError."""
        return await self._run(hold_steps("resume", label, self._retries))

    async def preview(self, message: Message) -> Preview:
        """What would become of a message, whatever rules it breaks; nothing is sent. Raises PaykError."""
        return await self._run(preview_steps(message, self._retries))

    async def label(self, label: str) -> LabelProgress:
        """How the messages of a label stand. Raises NotFound where it has none, and any other PaykError."""
        return await self._run(label_steps(label, self._retries))

    async def watch(self, message_id: str | int, timeout: float | None = None) -> AsyncIterator[Status]:
        """The status now and at every change of state, to the final one. Raises WaitTimeout after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        last: Status | None = None
        for pause in poll_pauses():
            status = await self.status(message_id)
            if last is None or status.state is not last.state:
                yield status
            if status.state.is_final:
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimeout(status)
            last = status
            await asyncio.sleep(pause if deadline is None else max(0.0, min(pause, deadline - time.monotonic())))

    async def wait(self, message_id: str | int, timeout: float | None = 60.0) -> Status:
        """Wait for the final state. Raises WaitTimeout after `timeout` seconds; None = wait as long as it takes."""
        return [status async for status in self.watch(message_id, timeout)][-1]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, steps: Generator[Any, Any, Result]) -> Result:
        answer: httpx.Response | httpx.RequestError | None = None
        while True:
            try:
                step: Call | Pause = steps.send(answer)
            except StopIteration as done:
                result: Result = done.value
                return result
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                answer = None
                continue
            try:
                answer = await self._http.request(step.method, step.path, content=step.content, headers=step.headers)
            except httpx.RequestError as exc:
                answer = exc
