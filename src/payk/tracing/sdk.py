"""The side of OpenTelemetry: its SDK, which reads its own variables, and its exporter of OTLP over HTTP."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from payk import __version__

__all__ = ["Spans"]

_TRACE_ID: Final = 16
_CARRIED: Final = (b"traceparent",)
"""Not `tracestate`: what is wrong with one the propagator writes to the log, octet by octet."""
_FLUSH_MS: Final = 1_400


class _Ids(RandomIdGenerator):
    """Random ids, but for a span whose id was settled before it began."""

    settled: int | None = None

    def generate_span_id(self) -> int:
        return super().generate_span_id() if self.settled is None else self.settled


class _Request:
    """As payk.tracing.RequestSpan."""

    def __init__(self, span: Span) -> None:
        self._span = span
        known = span.get_span_context()
        self.context = (
            known.trace_id.to_bytes(_TRACE_ID, "big") + known.span_id.to_bytes(8, "big")
            if span.is_recording()
            else None
        )

    def answered(self, status: int, code: str | None = None, **attributes: Any) -> None:
        self._span.set_attributes({"http.response.status_code": status, **attributes})
        if code is not None:
            self._span.set_attribute("error.type", code)
        if status >= 500:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class Spans:
    """As payk.tracing asks for them. A thread of the SDK exports them; what it cannot keep up with it drops."""

    def __init__(self) -> None:
        self._ids = _Ids()
        self._provider = TracerProvider(
            resource=_resource(), id_generator=self._ids, shutdown_on_exit=False
        )  # at its exit the process does not wait for a collector that is gone
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("payk", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def request(self, name: str, headers: Mapping[bytes, bytes], attributes: Mapping[str, Any]) -> _Request:
        carried = {key.decode(): headers[key].decode("latin-1") for key in _CARRIED if key in headers}
        parent = self._propagator.extract(carried)
        return _Request(self._tracer.start_span(name, parent, SpanKind.SERVER, attributes))

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
    ) -> None:
        trace_id, parent_id = int.from_bytes(context[:_TRACE_ID], "big"), int.from_bytes(context[_TRACE_ID:], "big")
        parent = set_span_in_context(NonRecordingSpan(_context(trace_id, parent_id)))
        links = [] if link_to is None else [Link(_context(trace_id, link_to))]
        kind = SpanKind.CONSUMER if link_to is not None else SpanKind.CLIENT
        self._ids.settled = span_id
        try:
            span = self._tracer.start_span(name, parent, kind, attributes, links, begun)
        finally:
            self._ids.settled = None
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, error))
        span.end(ended)

    def flush(self) -> None:
        self._provider.force_flush(_FLUSH_MS)


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _resource() -> Resource:
    """What the variables say, and who this is where they do not say it."""
    given = Resource.create({"service.instance.id": f"{socket.gethostname()}:{os.getpid()}"})
    if str(given.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        given = given.merge(Resource({SERVICE_NAME: "payk", "service.version": __version__}))
    return given
