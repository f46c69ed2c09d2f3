"""What a site answers a request with, and how it goes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import Send

__all__ = ["JSON", "Answer", "Header", "send_answer"]

Header = tuple[bytes, bytes]

JSON = b"application/json; charset=utf-8"


@dataclass(slots=True)
class Answer:
    """A whole response; `headers` come on top of content-type, content-length and x-request-id."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: Sequence[Header] = ()


async def send_answer(send: Send, answer: Answer, request_id: str) -> None:
    """Hand `answer` to the server."""
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(answer.body)),
        (b"x-request-id", request_id.encode()),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
