"""POST /api/v1/sms and POST /api/v1/sms/bulk."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from payk import tracing
from payk.clock import Clock
from payk.domain.errors import Code, Rejection
from payk.intake import BulkResult, Intake, ItemRefusal, Request
from payk.metrics.catalogue import REFUSALS
from payk.store.accept import Inserted
from payk.store.errors import StoreUnavailable
from payk.store.kept_answers import KeptAnswer
from payk.web.admission import Admission
from payk.web.answers import REPEATED, Answer
from payk.web.api.body import BULK, SINGLE, receive_body, unpack_body
from payk.web.api.idempotency import idempotency_key
from payk.web.api.reading import read_bulk, read_message
from payk.web.api.slices import Slices
from payk.web.exchange import Exchange
from payk.web.problems import Problem, problem_of

__all__ = ["Sending"]

_encode = msgspec.json.Encoder().encode


class Sending:
    """Takes messages. An answer is out `answer_timeout` seconds after the last octet of the body at the latest."""

    def __init__(self, intake: Intake, admission: Admission, clock: Clock, answer_timeout: float) -> None:
        self._intake = intake
        self._admission = admission
        self._clock = clock
        self._answer_timeout = answer_timeout
        self._slices = Slices()
        """In which bulks are unpacked and split."""

    async def one(self, exchange: Exchange) -> Answer:
        """Take one message; answered only after it is durably stored."""
        return await (_traced(exchange, self._one) if tracing.is_on() else self._one(exchange))

    async def bulk(self, exchange: Exchange) -> Answer:
        """Take many messages in one transaction; bad ones do not spoil good ones, unless the client is set so."""
        return await (_traced(exchange, self._bulk) if tracing.is_on() else self._bulk(exchange))

    async def _one(self, exchange: Exchange) -> Answer:
        client = await self._admission.client(exchange)
        key = idempotency_key(exchange)
        packed = await receive_body(exchange, SINGLE)
        deadline = self._clock.monotonic() + self._answer_timeout
        body = await unpack_body(exchange, packed, SINGLE)
        request = read_message(body)
        request.request_id, request.trace = exchange.request_id, exchange.trace
        exchange.storing = True
        with exchange.caller:
            once = None if key is None else await self._intake.once(client, "/api/v1/sms", key, body, _taken)
            taken = await self._intake.accept(request, client, deadline, once)
        if isinstance(taken, KeptAnswer):
            return _repeated(taken)
        return Answer(200, _taken(taken), headers=REPEATED if taken.repeated else ())

    async def _bulk(self, exchange: Exchange) -> Answer:
        client = await self._admission.client(exchange)
        key = idempotency_key(exchange)
        packed = await receive_body(exchange, BULK)
        deadline = self._clock.monotonic() + self._answer_timeout
        answer = partial(_bulk_taken, with_ids=_wants_ids(exchange.scope["query_string"]))
        exchange.storing = True
        with exchange.caller:
            body, requests = await self._read_bulk(exchange, packed, deadline)
            once = None if key is None else await self._intake.once(client, "/api/v1/sms/bulk", key, body, answer)
            del packed, body  # up to 64 MiB each, and the items are copies
            taken = await self._intake.accept_bulk(_named(requests, exchange), client, deadline, once)
        if isinstance(taken, KeptAnswer):
            return _repeated(taken)
        for code, count in Counter(refusal.rejections[0].code for refusal in taken.refusals).items():
            REFUSALS.add("api", str(code), amount=count)
        return Answer(200, answer(taken))

    async def _read_bulk(
        self, exchange: Exchange, packed: bytes, deadline: float
    ) -> tuple[bytes, Iterator[Request | Rejection]]:
        """The body and what it asks for. Raises Problem, and StoreUnavailable once `deadline` is over."""
        try:
            async with asyncio.timeout(deadline - self._clock.monotonic()):
                body = await unpack_body(exchange, packed, BULK, self._slices)
                async with self._slices.work() as work:
                    return body, await read_bulk(body, work)
        except TimeoutError as exc:
            raise StoreUnavailable("the time to answer in was used up by reading the body") from exc


async def _traced(exchange: Exchange, handle: Callable[[Exchange], Awaitable[Answer]]) -> Answer:
    """The answer, with a span of it, which its messages are traced by."""
    told = {"http.request.method": exchange.method, "url.path": exchange.path, "payk.request_id": exchange.request_id}
    span = tracing.request(f"{exchange.method} {exchange.path}", exchange.headers, **told)
    exchange.trace = span.context
    try:
        answer = await handle(exchange)
    except Exception as error:
        problem = problem_of(error)
        span.answered(problem.status, str(problem.code))
        raise
    except BaseException:  # the caller hung up, or the server stops
        span.answered(499)
        raise
    span.answered(answer.status)
    return answer


def _named(requests: Iterator[Request | Rejection], exchange: Exchange) -> Iterator[Request | Rejection]:
    """The items of a bulk, each with what the request goes by."""
    for request in requests:
        if isinstance(request, Request):
            request.request_id, request.trace = exchange.request_id, exchange.trace
        yield request


def _repeated(kept: KeptAnswer) -> Answer:
    return Answer(200, kept.octets, headers=REPEATED)


def _taken(row: Inserted) -> bytes:
    return b'{"MessageId":"%d","MessageResult":"OK","MessageError":false}' % row.message_id


class _Refused(msgspec.Struct, rename="pascal", gc=False):
    """One of the Rejections. There may be 50,000 at a time: made as dicts they take three times as long."""

    index: int
    code: Code
    detail: str


def _refused(refusal: ItemRefusal) -> _Refused:
    first, *others = refusal.rejections
    detail = " ".join([first.detail, *(other.detail for other in others)]) if others else first.detail
    return _Refused(refusal.index, first.code, detail)


def _bulk_taken(result: BulkResult, *, with_ids: bool) -> bytes:
    """The answer of a bulk. Raises Problem (AllMessagesRejected) when nothing was taken because of refusals."""
    taken = [row for row in result.inserted if row is not None]
    rejections = [_refused(refusal) for refusal in result.refusals]
    if rejections and not taken:
        members: dict[str, Any] = {"Added": 0, "Rejected": len(rejections), "Rejections": rejections}
        raise Problem(Code.ALL_MESSAGES_REJECTED, _why_none(rejections, len(result.inserted)), members=members)
    answer: dict[str, Any] = {"Added": len(taken)}
    if rejections:
        answer |= {"Rejected": len(rejections), "Rejections": rejections}
    if with_ids:
        answer["MessageIds"] = [None if row is None else str(row.message_id) for row in result.inserted]
    repeated = sum(row.repeated for row in taken)
    if repeated:
        answer["Repeated"] = repeated
    return _encode(answer)


def _why_none(rejections: Sequence[_Refused], items: int) -> str:
    if len(rejections) < items:
        return f"{len(rejections)} of {items} messages break rules, and this client's bulks are all-or-nothing."
    return "Every message of this request breaks rules; Rejections names them."


def _wants_ids(query: bytes) -> bool:
    """Whether the query string says MessageIds=true; names match as those of members do."""
    if not query:
        return False
    return any(
        name.replace("_", "").lower() == "messageids" and value.strip().lower() in ("true", "1")
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    )
