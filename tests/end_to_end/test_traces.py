"""Spans of a message over several processes, as a collector gets them: OTLP over HTTP, decoded by its own schema."""

from __future__ import annotations

import asyncio
import gzip
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.end_to_end.payk import MESSAGE, Centre, Payk, registry

PAGE = (Path(__file__).parents[2] / "docs" / "observe.md").read_text("utf-8")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "Geheimnis 4711"
SERVER, CLIENT, CONSUMER = 2, 3, 5
"""Kinds of spans."""
ERROR = 2


@dataclass(frozen=True, slots=True)
class Got:
    """A span, with the attributes of its process."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    links: list[tuple[str, str]]
    attributes: dict[str, Any]
    process: dict[str, Any]
    status: int
    begun: int
    ended: int


@dataclass(slots=True)
class Collector:
    """What listens where OTLP goes."""

    url: str
    spans: list[Got] = field(default_factory=list)
    octets: bytes = b""

    def took(self, body: bytes) -> None:
        self.octets += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            process = _attributes(resource.resource.attributes)
            self.spans += [_got(span, process) for scope in resource.scope_spans for span in scope.spans]

    async def until(self, enough: Callable[[list[Got]], bool]) -> list[Got]:
        deadline = time.monotonic() + 60
        while not enough(self.spans):
            assert time.monotonic() < deadline, self.spans
            await asyncio.sleep(0.05)
        return self.spans


def _attributes(given: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in given}


def _got(span: Any, process: dict[str, Any]) -> Got:
    return Got(
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        _attributes(span.attributes),
        process,
        span.status.code,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
    )


@pytest.fixture
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
            found.took(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Collector(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield found
        server.shutdown()


async def two_processes(payk: Payk, collector: Collector, **environment: str) -> Centre:
    """One that accepts; another that submits and gets receipts."""
    operator = await payk.simulate()
    await payk.apply(registry(operator.port))
    wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200", **environment}
    sending = payk.start("serve", "--roles", "dispatch,maintenance", PAYK_PORT="0", PAYK_ADMIN_PORT="0", **wanted)
    await sending.line(r"^management +(\S+)")
    return await payk.serve("--roles", "api", **wanted)


async def send(centre: Centre, number: str, **headers: str) -> tuple[str, str]:
    body = MESSAGE | {"PhoneNumber": number, "Text": SECRET}
    answer = await centre.http.post("/api/v1/sms", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["MessageId"], answer.headers["x-request-id"]


async def test_a_message_over_two_processes(payk_on_server: Payk, collector: Collector) -> None:
    centre = await two_processes(payk_on_server, collector)
    before = time.time_ns()
    message_id, request_id = await send(centre, "992000000000", traceparent=f"00-{TRACE}-{PARENT}-01")
    await centre.wait_for(message_id, "Delivered")
    spans = await collector.until(lambda spans: len(spans) >= 3)
    request, submit, receipt = sorted(
        spans, key=lambda span: ["POST /api/v1/sms", "submit", "receipt"].index(span.name)
    )

    assert {span.trace_id for span in spans} == {TRACE}
    assert (request.kind, request.parent_id) == (SERVER, PARENT)
    assert request.attributes["payk.request_id"] == request_id
    assert request.attributes["http.response.status_code"] == 200
    assert (submit.kind, submit.parent_id, submit.links) == (CLIENT, request.span_id, [])
    assert (receipt.kind, receipt.parent_id, receipt.links) == (CONSUMER, request.span_id, [(TRACE, submit.span_id)])
    for span, outcome in ((submit, "submitted"), (receipt, "delivered")):
        told = {name.removeprefix("payk."): value for name, value in span.attributes.items()}
        assert {name: value for name, value in told.items() if name != "code"} == {
            "message_id": int(message_id), "client": "bank", "operator": "tcell", "link": "tcell-1", "part": 1,
            "attempt": 1, "outcome": outcome,
        }  # fmt: skip
        assert span.status != ERROR
    assert receipt.attributes["payk.code"] == "DELIVRD"
    assert before <= request.begun <= request.ended and request.begun <= submit.begun <= submit.ended <= receipt.ended
    assert {span.process["service.name"] for span in spans} == {"payk"}
    of = {span.name: span.process["service.instance.id"] for span in spans}
    assert of["submit"] == of["receipt"] != of["POST /api/v1/sms"], "two processes"
    assert SECRET.encode() not in collector.octets and b"992000000000" not in collector.octets


async def test_failures_and_several_parts(payk_on_server: Payk, collector: Collector) -> None:
    """Each part has its spans, and each receipt the link to the submit of its own part and attempt."""
    centre = await two_processes(payk_on_server, collector, OTEL_SERVICE_NAME="sms")
    refused, _ = await send(centre, "992000000007")
    retried, _ = await send(centre, "992000000009")
    long = MESSAGE | {"PhoneNumber": "992900900900", "Text": "Весенний пароль " * 6}
    answer = await centre.http.post("/api/v1/sms/bulk?MessageIds=true", json=[long])
    [parted] = answer.json()["MessageIds"]
    for message_id in (refused, retried, parted):
        await centre.wait_for(message_id, within=60)
    wrong = await centre.http.post("/api/v1/sms", json=MESSAGE | {"SenderAddress": "Nobody"})
    assert wrong.status_code == 403 or wrong.status_code == 400
    spans = await collector.until(lambda spans: len(spans) >= 4 + 1 + 3 + 4)
    assert {span.process["service.name"] for span in spans} == {"sms"}

    def of(message_id: str, name: str) -> list[Got]:
        return [s for s in spans if s.attributes.get("payk.message_id") == int(message_id) and s.name == name]

    [one] = of(refused, "submit")
    assert (one.status, one.attributes["payk.code"]) == (ERROR, "ESME_RINVDSTADR")
    first, second = sorted(of(retried, "submit"), key=lambda span: span.attributes["payk.attempt"])
    assert (first.status, second.status) == (ERROR, 0) and first.span_id != second.span_id
    assert of(retried, "receipt")[0].links == [(second.trace_id, second.span_id)]
    submits = {span.attributes["payk.part"]: span for span in of(parted, "submit")}
    receipts = {span.attributes["payk.part"]: span for span in of(parted, "receipt")}
    assert submits.keys() == receipts.keys() == {1, 2}
    for part, receipt in receipts.items():
        assert receipt.links == [(submits[part].trace_id, submits[part].span_id)]
    assert len({span.parent_id for span in [*submits.values(), *receipts.values()]}) == 1
    [failed] = [span for span in spans if span.attributes.get("error.type")]
    assert failed.attributes["error.type"] == "SenderAddressNotAllowed"


async def test_an_end_without_a_receipt_has_a_span(payk_on_server: Payk, collector: Collector) -> None:
    """Of the server that cancels or expires, and of a command that forgets."""
    wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    await payk_on_server.apply(registry(1))  # where nobody answers
    centre = await payk_on_server.serve(**wanted)
    sent = {}
    for number, outcome in enumerate(("cancelled", "expired", "forgotten")):
        body = MESSAGE | {"PhoneNumber": f"99290090090{number}", "Text": SECRET}
        body |= {"ExpiresIn": 1} if outcome == "expired" else {}
        answer = await centre.http.post("/api/v1/sms", json=body)
        sent[int(answer.json()["MessageId"])] = outcome
        if outcome == "cancelled":
            await centre.http.delete(f"/api/v1/sms/{answer.json()['MessageId']}")
    await payk_on_server.done("forget", "992900900902", "--force", **wanted)
    spans = await collector.until(lambda spans: sum(span.name == "end" for span in spans) >= 3)
    ends = {sent[span.attributes["payk.message_id"]]: span for span in spans if span.name == "end"}
    requests = {(span.trace_id, span.span_id) for span in spans if span.kind == SERVER}
    assert set(ends) == {"cancelled", "expired", "forgotten"}
    for outcome, span in ends.items():
        assert (span.trace_id, span.parent_id) in requests
        assert (span.attributes["payk.outcome"], span.attributes["payk.client"]) == (outcome, "bank")
        assert span.attributes["payk.state"] == ("Expired" if outcome == "expired" else "Deleted")
        assert (span.status == ERROR) is (outcome == "expired"), "what somebody asked for is no error"
    assert ends["cancelled"].attributes["payk.reason"] == "by its client"
    assert ends["cancelled"].process != ends["forgotten"].process
    assert SECRET.encode() not in collector.octets and b"9929009009" not in collector.octets


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
    ids=lambda given: next(iter(given)),
)
async def test_off(payk_on_server: Payk, collector: Collector, environment: dict[str, str], dsn: str) -> None:
    centre = await two_processes(payk_on_server, collector, **environment)
    message_id, _ = await send(centre, "992000000000", traceparent=f"00-{TRACE}-{PARENT}-01")
    await centre.wait_for(message_id, "Delivered")
    await centre.program.stop()
    assert collector.spans == []
    assert ("no traces" in centre.program.stderr) is ("OTEL_EXPORTER_OTLP_PROTOCOL" in environment)


async def test_whose_caller_does_not_sample_it_is_not_traced(payk_on_server: Payk, collector: Collector) -> None:
    centre = await two_processes(payk_on_server, collector)
    quiet, _ = await send(centre, "992000000000", traceparent=f"00-{TRACE}-{PARENT}-00")
    await centre.wait_for(quiet, "Delivered")
    loud, _ = await send(centre, "992000000000")
    await centre.wait_for(loud, "Delivered")
    spans = await collector.until(lambda spans: len(spans) >= 3)
    assert TRACE not in {span.trace_id for span in spans} and len({span.trace_id for span in spans}) == 1


async def test_a_collector_that_is_gone_holds_up_nothing(payk_on_server: Payk) -> None:
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    for _ in range(5):
        await centre.wait_for((await send(centre, "992000000000"))[0], "Delivered")
    await centre.program.stop()


async def test_the_command_of_the_page(payk_on_server: Payk, collector: Collector) -> None:
    section = PAGE[PAGE.index("## Traces") : PAGE.index("## Tracing a link")]
    [commands] = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    extra, serve = commands.strip().splitlines()
    assert extra == "pip install '.[server,tracing]'"  # tests/house/test_packaging.py: what that is
    variable, *words = serve.split()
    name, _, value = variable.partition("=")
    assert value == "http://127.0.0.1:4318" and words == ["payk", "serve"]
    operator = await payk_on_server.simulate()
    await payk_on_server.apply(registry(operator.port))
    centre = await payk_on_server.serve(**{name: collector.url})
    await centre.wait_for((await send(centre, "992000000000"))[0], "Delivered")
    await centre.program.stop()  # which exports what is left
    assert sorted(span.name for span in collector.spans) == ["POST /api/v1/sms", "receipt", "submit"]
