"""What every answer of a site must look like."""

from __future__ import annotations

import json
from typing import Any

import httpx

from payk.domain.errors import ERRORS, Code

__all__ = ["problem", "raw_problem"]


def problem(response: httpx.Response, code: str) -> dict[str, Any]:
    """The body of an error answer, checked against the documented shape."""
    body: dict[str, Any] = response.json()
    assert body["MessageResult"] == code, body
    kind = ERRORS[Code(code)]
    assert (response.status_code, body["Status"], body["Title"]) == (kind.status, kind.status, kind.title)
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["x-request-id"] == body["RequestId"]
    assert (body["MessageId"], body["MessageError"]) == (None, True)
    assert isinstance(body["Errors"], dict)
    assert isinstance(body["Detail"], str)
    assert body["Detail"]
    assert body["Retryable"] in (True, False)
    if kind.status in (429, 503, 504):
        assert int(response.headers["retry-after"]) >= 1
    return body


def raw_problem(answer: bytes, code: str) -> dict[str, Any]:
    """The same for an answer read from a socket: one answer, whole."""
    head, _, content = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    return problem(httpx.Response(int(first.split()[1]), headers=headers, content=content), code)  # type: ignore[arg-type]


def raw_json(answer: bytes) -> Any:
    """The body of an answer read from a socket."""
    return json.loads(answer.partition(b"\r\n\r\n")[2])
