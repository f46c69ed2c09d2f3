"""What a log line looks like, and what never gets into one. Each case logs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from payk.logs import mask


def logged(program: str, style: str = "json", level: str = "info") -> list[str]:
    """The lines that a program writes to standard error."""
    head = (
        f"import logging\nfrom payk import logs\nlogs.configure({style!r}, {level!r})\nlog = logs.get_logger('web')\n"
    )
    done = subprocess.run([sys.executable, "-c", head + program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_a_line() -> None:
    (line,) = logged("log.info('accepted', message_id=7, seconds=0.5)")
    event = json.loads(line)
    assert list(event)[:4] == ["at", "level", "room", "event"]
    assert event.pop("at").endswith("Z")
    assert event == {"level": "info", "room": "web", "event": "accepted", "message_id": 7, "seconds": 0.5}


def test_a_request_id_is_on_every_line_of_its_request() -> None:
    lines = logged(
        "with logs.bound_contextvars(request_id='r1'):\n"
        "    log.info('one')\n"
        "    logging.getLogger('asyncio').error('two')\n"
        "log.info('three')\n"
    )
    assert [json.loads(line).get("request_id") for line in lines] == ["r1", "r1", None]


def test_lines_for_the_eye() -> None:
    (line,) = logged("log.warning('link down', link='tcell-1')", style="console")
    assert "link down" in line
    assert "link=tcell-1" in line
    assert "\x1b" not in line


def test_below_the_level_nothing_is_written() -> None:
    lines = logged("log.info('a'); logging.getLogger('x').info('b'); log.error('c')", level="warning")
    assert [json.loads(line)["event"] for line in lines] == ["c"]


def test_lines_of_libraries() -> None:
    lines = logged(
        "logging.getLogger('uvicorn.access').info('GET /')\n"
        "logging.getLogger('uvicorn.error').info('Started server process')\n"
        "logging.getLogger('uvicorn.error').warning('Invalid HTTP request received.')\n"
        "logging.getLogger('asyncio').warning('%s was slow', 'x')\n"
    )
    assert [(json.loads(line)["room"], json.loads(line)["event"]) for line in lines] == [
        ("uvicorn.error", "Invalid HTTP request received."),
        ("asyncio", "x was slow"),
    ]


def test_secrets_are_blanked() -> None:
    (line,) = logged(
        "log.info('x', text='Your code: 12345', password='p', api_key='k', phone=logs.mask('992900900900'))"
    )
    event = json.loads(line)
    assert (event["text"], event["password"], event["api_key"]) == ("(hidden)", "(hidden)", "(hidden)")
    assert event["phone"] == "992900****00"


@pytest.mark.parametrize("style", ["json", "console"])
def test_an_exception_tells_the_first_line_of_its_message_only(style: str) -> None:
    lines = logged(
        "try:\n"
        "    try:\n"
        "        raise ValueError('refused\\nDETAIL:  Failing row contains (Your code: 12345).')\n"
        "    except ValueError as error:\n"
        "        raise ExceptionGroup('several', [KeyError('a\\nSECRET')]) from error\n"
        "except ExceptionGroup:\n"
        "    log.exception('broke')\n",
        style,
    )
    whole = "\n".join(lines)
    assert "ValueError: refused" in whole
    assert "ExceptionGroup: several" in whole
    assert "line" in whole
    assert "12345" not in whole


def test_an_exception_that_is_its_own_cause_is_written() -> None:
    lines = logged(
        "try:\n    error = OSError('x')\n    raise error from error\nexcept OSError:\n    log.exception('broke')\n"
    )
    assert "OSError: x" in json.loads(lines[0])["exception"]


def test_a_reader_that_is_gone_stops_nothing() -> None:
    program = (
        "import os, sys\nfrom payk import logs\nlogs.configure('json', 'info')\n"
        "r, w = os.pipe(); os.close(r); os.dup2(w, 2)\n"
        "logs.get_logger('web').info('lost')\nimport logging; logging.getLogger('x').error('lost')\nprint('alive')\n"
        "sys.stdout.flush(); os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "alive\n"


def test_a_reader_that_stands_still_holds_up_no_outcome_and_is_told_what_it_missed() -> None:
    """40 MB of lines beside a pipe that nobody reads; then somebody does."""
    program = (
        "import sys, time\nfrom payk import logs\nlogs.configure('json', 'info', 'all')\n"
        "class Line(logs.Line):\n    number: int\n    filling: str = ''\n"
        "lines = logs.ManyLines('dispatch', 'outcome')\nhead = lines.head('ordinary')\nbegan = time.monotonic()\n"
        "for batch in range(40):\n    lines.write([Line(*head, 1000 * batch + n, 'x' * 900) for n in range(1000)])\n"
        "print(time.monotonic() - began, flush=True)\nsys.stdin.readline()\nlines.write([Line(*head, 40_000)])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        assert float(process.stdout.readline()) < 5
        read = [json.loads(process.stderr.readline()) for _ in range(5_000)]
        process.stdin.write("\n")
        process.stdin.close()
        read += [json.loads(line) for line in process.stderr]
    numbers = [line["number"] for line in read if line["event"] == "outcome"]
    dropped = [line["lines"] for line in read if line["event"] == "lines dropped"]
    assert numbers == sorted(numbers)
    assert dropped and len(numbers) + sum(dropped) in (40_000, 40_001)
    assert len(numbers) > 10_000


def test_what_a_line_costs_can_be_measured() -> None:
    """The figures are the machine's; that off costs next to nothing is not."""
    program = [sys.executable, "-m", "tests.cli.measure_outcome_log"]
    done = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    costs = {tuple(line.split()[:3]): float(line.split()[3]) for line in done.stdout.splitlines()}
    assert costs.keys() == {
        (style, which, what)
        for style, which in (("json", "off"), ("json", "all"), ("console", "all"))
        for what in ("submitted", "received", "ended")
    }
    assert all(cost < 0.2 for (_, which, _), cost in costs.items() if which == "off")
    assert all(cost < 20 for (style, which, _), cost in costs.items() if (style, which) == ("json", "all"))


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("992900900900", "992900****00"),
        ("123456789012345", "123456*******45"),
        ("1234567", "1****67"),
        ("12345", "****5"),
        ("8888", "****"),
        ("", ""),
    ],
)
def test_mask(number: str, shown: str) -> None:
    assert mask(number) == shown


STALLED = """
import sys
from payk.logs import Line, ManyLines, configure, get_logger

class Padded(Line):
    pad: str = ""

configure("json", "info", "all")
lines = ManyLines("dispatch", "outcome")
lines.write([Padded(*lines.head("ordinary"), "x" * 200)] * 2_000)
for number in range(50):
    get_logger("web").info("request refused", number=number)
print("went on", flush=True)
"""


def test_a_reader_that_fell_behind_with_outcomes_holds_up_no_other_line() -> None:
    """Nobody reads standard error while it is written to; then all of it is there, in order."""
    process = subprocess.Popen(
        [sys.executable, "-c", STALLED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "went on\n"  # hangs where a line waits for the reader
    _, errors = process.communicate(timeout=30)
    lines = [json.loads(line) for line in errors.splitlines()]
    assert [line["event"] for line in lines] == ["outcome"] * 2_000 + ["request refused"] * 50
