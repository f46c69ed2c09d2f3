"""Traces by OpenTelemetry, if the environment asks for them: a span for the request that brought a message, one for
each submit of a part, one for each receipt, in whichever processes that is.

What stands here is all that others need, and imports nothing of OpenTelemetry; `sdk.py` does, once traces begin. While
they are off everybody asks `is_on` once a batch, or a request, and that is all.

The context of a message is 24 octets, trace id and span id of its request. It is stored with the message, null while
traces are off or its request is not sampled: whoever sent the request chose the trace id, so nothing could derive it.
The id of a submit's span is derived, from the context, the message, the part and the attempt: so the span of a receipt
can link to it without a row that says what it was.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from threading import Thread
from typing import Any, Final, Protocol

from payk.logs import get_logger

__all__ = ["RequestSpan", "begin", "end", "is_on", "record", "request", "submit_id"]

log = get_logger("tracing")

LAST_CHANCE: Final = 1.5
"""Seconds that a process which ends gives the collector for what is still to be exported."""


class RequestSpan(Protocol):
    """The span of a request that is being answered."""

    context: bytes | None
    """What its messages carry; None where it is not sampled."""

    def answered(self, status: int, code: str | None = None, **attributes: Any) -> None:
        """It was, with this HTTP status; `code` of an error."""


class _Spans(Protocol):
    def request(self, name: str, headers: Mapping[bytes, bytes], attributes: Mapping[str, Any]) -> RequestSpan: ...

    def record(
        self,
        name: str,
        context: bytes,
        begun: int,
        ended: int,
        attributes: Mapping[str, Any],
        *,
        error: str | None,
        span_id: int | None,
        link_to: int | None,
    ) -> None: ...

    def flush(self) -> None: ...


_spans: _Spans | None = None


def is_on() -> bool:
    """Whether there are any."""
    return _spans is not None


def begin(environment: Mapping[str, str] | None = None) -> None:
    """Begin, if the environment asks for it, as the specification of OpenTelemetry names its variables.

    Whatever is wrong with them, or missing, is a line of the log: messages go on without traces.
    """
    global _spans
    environment = os.environ if environment is None else environment
    if _spans is not None or not _asked_for(environment):
        return
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in (None, "", "http/protobuf"):
        log.warning("no traces: they are exported as http/protobuf alone", protocol=protocol)
        return
    try:
        from payk.tracing.sdk import Spans

        _spans = Spans()
    except ImportError as error:
        log.warning("no traces: pip install 'payk[tracing]'", missing=error.name)
    except Exception as error:  # noqa: BLE001 - whatever the SDK makes of its variables
        log.warning("no traces: the SDK does not take its variables", error=str(error).partition("\n")[0])
    else:
        log.info("traces begin")


def end() -> None:
    """Export what is left, LAST_CHANCE seconds at most."""
    global _spans
    if _spans is not None:
        thread = Thread(target=_spans.flush, name="last traces", daemon=True)
        _spans = None
        thread.start()
        thread.join(LAST_CHANCE)


def request(name: str, headers: Mapping[bytes, bytes], **attributes: Any) -> RequestSpan:
    """A request came; its `traceparent` is honoured. Only while `is_on`."""
    assert _spans is not None
    return _spans.request(name, headers, attributes)


def record(
    name: str,
    context: bytes,
    begun: int,
    ended: int,
    attributes: Mapping[str, Any],
    *,
    error: str | None = None,
    span_id: int | None = None,
    link_to: int | None = None,
) -> None:
    """Something happened to a message, from `begun` to `ended` in nanoseconds since 1970. Only while `is_on`."""
    if _spans is not None:
        told = {key: value for key, value in attributes.items() if value is not None}
        _spans.record(name, context, begun, ended, told, error=error, span_id=span_id, link_to=link_to)


def submit_id(context: bytes, message_id: int, part: int, attempt: int) -> int:
    """The id of the span of a submit."""
    named = b"%b %d %d %d" % (context, message_id, part, attempt)
    return int.from_bytes(hashlib.sha256(named).digest()[:8], "big") or 1


def _asked_for(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = environment.get("OTEL_TRACES_EXPORTER", "").strip()
    if exporters:
        return "otlp" in [exporter.strip() for exporter in exporters.split(",")]
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return any(environment.get(name, "").strip() for name in names)
