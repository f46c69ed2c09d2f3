"""Traces ask for nothing while they are off, and stop nobody where something is missing."""

from __future__ import annotations

import subprocess
import sys


def ran(program: str) -> subprocess.CompletedProcess[str]:
    head = "import sys\nfrom payk import logs, tracing\nlogs.configure('json', 'info')\n"
    return subprocess.run([sys.executable, "-c", head + program], capture_output=True, text=True, check=True)


def test_off_neither_sdk_nor_exporter_is_imported() -> None:
    done = ran(
        "import payk.app\ntracing.begin({'OTEL_SERVICE_NAME': 'x'})\n"
        "loaded = [name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))]\n"
        "print(tracing.is_on(), loaded)"
    )
    assert (done.stdout, done.stderr) == ("False []\n", "")


def test_without_the_extra_a_line_says_so() -> None:
    done = ran(
        "sys.modules['opentelemetry'] = None\n"
        "tracing.begin({'OTEL_EXPORTER_OTLP_ENDPOINT': 'http://127.0.0.1:9'})\nprint(tracing.is_on())"
    )
    assert done.stdout == "False\n" and "payk[tracing]" in done.stderr and done.stderr.count("\n") == 1


def test_the_span_of_a_submit_is_known_from_what_it_is_of() -> None:
    done = ran(
        "keys = ((1, 1, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1), (1, 1, 1))\n"
        "ids = {tracing.submit_id(bytes(24), *key) for key in keys}\n"
        "print(len(ids), all(0 < one < 2**64 for one in ids))"
    )
    assert done.stdout == "4 True\n"


def test_nothing_of_the_callers_headers_is_told() -> None:
    done = ran(
        "import logging\nlogging.basicConfig()\n"
        "tracing.begin({'OTEL_EXPORTER_OTLP_ENDPOINT': 'http://127.0.0.1:9'})\n"
        "parent = b'00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'\n"
        "odd = {b'traceparent': parent, b'tracestate': b'Geheimnis 4711,,=\\xff'}\n"
        "for headers in (odd, {b'traceparent': b'Geheimnis'}):\n"
        "    print(tracing.request('POST', headers).context[:16].hex())"
    )
    own, other = done.stdout.split()
    assert own == "0af7651916cd43dd8448eb211c80319c" != other
    assert "Geheimnis" not in done.stderr
