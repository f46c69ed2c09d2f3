"""`payk trace`: what tshark makes of the file, and what never stands in it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg

from tests.end_to_end.payk import Centre, Operator, Payk, registry
from tests.end_to_end.program import Program
from tests.requires import require_program

PAGE = (Path(__file__).parents[2] / "docs" / "observe.md").read_text("utf-8")
PASSWORD = "s3cr3tpw"
TEXT = "Geheimnis 4711"
LONG = "Тайна дома " * 10
HEAD = 24
"""Octets of a file without packets."""
SUBMIT, SUBMIT_RESP, DELIVER, DELIVER_RESP, BIND, BIND_RESP = (
    0x4, 0x8000_0004, 0x5, 0x8000_0005, 0x9, 0x8000_0009)  # fmt: skip
FIELDS = (
    "tcp.srcport", "tcp.dstport", "smpp.command_id", "smpp.sequence_number", "smpp.command_status",
    "smpp.destination_addr", "smpp.source_addr", "smpp.message", "smpp.message_id", "smpp.password", "smpp.system_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pdu:
    """As tshark reads it."""

    sent: bool
    fields: Mapping[str, str]

    @property
    def command(self) -> int:
        return int(self.fields["smpp.command_id"], 0)

    @property
    def sequence(self) -> int:
        return int(self.fields["smpp.sequence_number"], 0)

    @property
    def text(self) -> bytes:
        return bytes.fromhex(self.fields["smpp.message"].replace(":", ""))


async def decoded(file: Path, port: int) -> list[Pdu]:
    """The PDUs of a capture; nothing in it may be malformed, or odd to TCP."""
    tshark = require_program("tshark", "tshark")
    given = ("-r", str(file), "-d", f"tcp.port=={port},smpp")
    checks = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")

    async def run(*arguments: str) -> list[str]:
        done = await asyncio.to_thread(
            subprocess.run, [tshark, *given, *checks, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    odd = "_ws.malformed || tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0 || !smpp"
    assert await run("-Y", odd) == []
    names = [word for name in FIELDS for word in ("-e", name)]
    rows = [line.split("\t") for line in await run("-T", "fields", *names)]
    whole = [dict(zip(FIELDS, row, strict=True)) for row in rows]
    return [Pdu(int(fields["tcp.dstport"]) == port, fields) for fields in whole if fields["smpp.command_id"]]


def unanswered(pdus: list[Pdu]) -> Counter[tuple[int, int, bool]]:
    """Requests of a message without an answer in the other direction, with its number: command, number, direction."""
    asked = Counter((pdu.command, pdu.sequence, pdu.sent) for pdu in pdus if pdu.command in (SUBMIT, DELIVER))
    told = Counter(
        (pdu.command - SUBMIT_RESP + SUBMIT, pdu.sequence, not pdu.sent)
        for pdu in pdus
        if pdu.command in (SUBMIT_RESP, DELIVER_RESP)
    )
    return asked - told


async def until_it_sees(trace: Program, file: Path, centre: Centre, number: str) -> None:
    """Messages are sent until the first stands in the file."""
    deadline = time.monotonic() + 60
    while not file.exists() or file.stat().st_size <= HEAD:
        assert trace.runs and time.monotonic() < deadline, trace.stderr
        await centre.wait_for(await centre.send(number, Text="."), within=30)


async def until_it_holds(trace: Program, file: Path, operator: Operator, enough: Callable[[list[Pdu]], bool]) -> None:
    """The file has enough, and the answer to each of its requests."""
    deadline = time.monotonic() + 60
    while True:
        assert trace.runs and time.monotonic() < deadline, trace.stderr
        with suppress(subprocess.CalledProcessError):  # it was amid a write
            pdus = await decoded(file, operator.port)
            if not unanswered(pdus) and enough(pdus):
                return
        await asyncio.sleep(0.5)


def receipt_of(text: bytes, pdus: list[Pdu]) -> bool:
    """Whether the receipt of the message with this text is among them."""
    asked = {pdu.sequence for pdu in pdus if pdu.command == SUBMIT and pdu.text == text}
    named = {pdu.fields["smpp.message_id"] for pdu in pdus if pdu.command == SUBMIT_RESP and pdu.sequence in asked}
    receipts = [pdu.text for pdu in pdus if pdu.command == DELIVER]
    return any(f"id:{name} ".encode() in receipt for name in named for receipt in receipts)


async def ended(trace: Program) -> int:
    """By Ctrl-C, in order; how many PDUs it says that it wrote."""
    trace.process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(trace.process.wait, 30) == 0, trace.stderr
    return int(await trace.line(r"^(\d+) PDUs in "))


async def running(payk: Payk) -> tuple[Operator, Centre]:
    operator = await payk.simulate("--password", PASSWORD)
    await payk.apply(registry(operator.port).replace('password = "payk"', f'password = "{PASSWORD}"'))
    return operator, await payk.serve()


async def test_a_link_masked(payk_on_server: Payk) -> None:
    payk = payk_on_server
    operator, centre = await running(payk)
    file = payk.folder / "link.pcap"
    file.write_bytes(b"")  # one that was there, for all to read
    file.chmod(0o644)
    trace = payk.start("trace", "--link", "tcell-1", "--seconds", "600", "-o", str(file))
    await until_it_sees(trace, file, centre, "992900900901")
    for fields in ({"Text": TEXT}, {"Text": LONG}):
        await centre.wait_for(await centre.send("992900900902", **fields), within=30)
    await until_it_holds(trace, file, operator, bool)  # a message is Delivered before its receipt is answered
    await operator.program.stop()  # and the link is bound anew
    await payk.simulate("--password", PASSWORD, port=operator.port)
    await centre.wait_for(await centre.send("992900900903", Text=TEXT), within=60)
    await until_it_holds(
        trace, file, operator, lambda pdus: any(pdu.fields["smpp.source_addr"] == "992900****03" for pdu in pdus)
    )
    count = await ended(trace)

    assert file.stat().st_mode & 0o777 == 0o600
    pdus = await decoded(file, operator.port)
    assert len(pdus) == count
    of_messages = [pdu for pdu in pdus if pdu.command in (SUBMIT, DELIVER)]
    assert not unanswered(pdus)
    binds = [pdu for pdu in pdus if pdu.command == BIND]
    assert binds and {(pdu.fields["smpp.password"], pdu.fields["smpp.system_id"]) for pdu in binds} == {
        ("****", "payk")
    }
    for pdu in of_messages:
        ours = pdu.fields["smpp.destination_addr" if pdu.sent else "smpp.source_addr"]
        assert re.fullmatch(r"992900\*\*\*\*0[123]", ours), ours
        assert pdu.fields["smpp.source_addr" if pdu.sent else "smpp.destination_addr"] == "AlifBank"
    submits = [pdu for pdu in of_messages if pdu.sent]
    assert b"x" * len(TEXT) in {pdu.text for pdu in submits}
    segments = [pdu.text for pdu in submits if pdu.text[:3] == b"\x05\x00\x03"]
    assert len(segments) == 2 and all(set(text[6:]) <= {0, ord("x")} for text in segments)
    receipts = [pdu.text for pdu in of_messages if not pdu.sent]
    assert all(b"stat:DELIVRD" in text and b"err:000" in text for text in receipts)
    octets = file.read_bytes()
    for hidden in (PASSWORD, TEXT, "4711", "992900900902", *LONG.split()):
        assert hidden.encode() not in octets and hidden.encode("utf-16-be") not in octets


async def test_a_number_on_every_link_with_what_is_said_by_an_api_elsewhere(payk_on_server: Payk) -> None:
    """The process that is asked holds no link."""
    payk = payk_on_server
    operator, centre = await running(payk)
    door = payk.start("serve", "--roles", "admin", PAYK_PORT="0", PAYK_ADMIN_PORT="0")
    url = await door.line(r"^management +(https?://\S+)")
    token = (await payk.done("token", "create", "test", "--role", "admin")).strip()
    file = payk.folder / "number.pcap"
    shown = ("--texts", "--whole-numbers")
    trace = payk.start(
        *("trace", "--number", "992900900902", "--seconds", "600", "-o", str(file), *shown),
        PAYK_ADMIN_URL=url,
        PAYK_ADMIN_TOKEN=token,
    )
    await until_it_sees(trace, file, centre, "992900900902")
    for number in ("992900900903", "992900900902"):
        await centre.wait_for(await centre.send(number, Text=TEXT), within=30)
    await until_it_holds(trace, file, operator, partial(receipt_of, TEXT.encode()))
    await ended(trace)
    pdus = await decoded(file, operator.port)
    assert not unanswered(pdus)
    assert {pdu.command for pdu in pdus} == {SUBMIT, SUBMIT_RESP, DELIVER, DELIVER_RESP}
    numbers = {pdu.fields["smpp.destination_addr" if pdu.sent else "smpp.source_addr"] for pdu in pdus}
    assert numbers - {""} == {"992900900902"}
    assert TEXT.encode() in {pdu.text for pdu in pdus if pdu.command == SUBMIT}

    entries = await payk.done("audit", "list", "--json")
    [entry] = [line for line in entries.splitlines() if "trace.begin" in line]
    assert '"texts": true' in entry and "992900****02" in entry and "992900900902" not in entry


async def test_what_the_page_says(payk_on_server: Payk) -> None:
    payk = payk_on_server
    operator, centre = await running(payk)
    section = PAGE[PAGE.index("## Tracing a link") :]
    [commands] = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[:1]
    link, number, tshark = commands.strip().splitlines()
    for command in (link, number):
        words = command.split()
        file = payk.folder / words[words.index("-o") + 1]
        trace = payk.start(*words[1:])
        await until_it_sees(trace, file, centre, "992900900900")
        assert await ended(trace) > 0
    await decoded(payk.folder / "tcell-1.pcap", operator.port)
    own = tshark.replace("2775", str(operator.port))
    done = await asyncio.to_thread(
        subprocess.run, ["bash", "-c", own], cwd=payk.folder, capture_output=True, text=True, check=True
    )
    assert "Submit_sm" in done.stdout and "SMPP" in done.stdout


async def test_what_cannot_be_traced(payk_on_server: Payk) -> None:
    payk = payk_on_server
    await payk.apply(registry(1))
    for arguments, said in (
        (("--link", "nothing"), 'There is no link "nothing"'),
        (("--number", "abc"), "number"),
        ((), "--link NAME or --number NUMBER"),
        (("--link", "x", "--number", "992900900900"), "--link NAME or --number NUMBER"),
        (("--link", "tcell-1", "--seconds", "601"), "600"),
    ):
        done = await payk.run("trace", *arguments, "-o", "no.pcap")
        assert done.returncode in (1, 2) and said in done.stderr, done.stderr
    assert not (payk.folder / "no.pcap").exists()
    idle = await payk.run("trace", "--link", "tcell-1", "--seconds", "1", "-o", "idle.pcap")
    assert (idle.returncode, idle.stdout) == (0, "0 PDUs in idle.pcap\n") and "no process holds it" in idle.stderr


async def test_ctrl_c_ends_it_in_order_and_leaves_nothing(payk_on_server: Payk, dsn: str) -> None:
    payk = payk_on_server
    operator, centre = await running(payk)
    file = payk.folder / "short.pcap"
    trace = payk.start("trace", "--link", "tcell-1", "--seconds", "600", "-o", str(file))
    await until_it_sees(trace, file, centre, "992900900900")
    count = await ended(trace)
    assert trace.stderr == ""
    assert len(await decoded(file, operator.port)) == count > 0
    connection = await asyncpg.connect(dsn)
    left = "select (select count(*) from payk.link_trace) + (select count(*) from payk.link_trace_piece)"
    assert await connection.fetchval(left) == 0
    await connection.close()


class Scripted:
    """A management API with one trace. The first question for a page waits until it is `released`; then there is one
    PDU on each of so many `pages`, and none on those behind."""

    def __init__(self, pages: int) -> None:
        self.asked, self.released = asyncio.Event(), asyncio.Event()
        self._left = pages

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            request = await reader.readuntil(b"\r\n\r\n")
            if request.startswith(b"POST"):
                await reader.readexactly(int(re.findall(rb"(?i)content-length: (\d+)", request)[0]))
                status, body = 201, {"trace_id": 1, "held_by": 1}
            else:
                self.asked.set()
                await self.released.wait()
                status, body = 200, self._page()
            octets = json.dumps(body).encode()
            head = f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {len(octets)}\r\n"
            writer.write(head.encode() + b"Connection: close\r\n\r\n" + octets)
            await writer.drain()
        writer.close()

    def _page(self) -> dict[str, object]:
        seen = {"at": 1, "link": "tcell-1", "stream": "1", "sent": True, "pdu": "00000010000000150000000000000001"}
        seen |= {"ours": ["127.0.0.1", 1], "theirs": ["127.0.0.1", 2775]}
        self._left -= 1
        return {"items": [seen] * (self._left >= 0), "next": 1, "goes_on": True, "lost": 0, "full": False}


@asynccontextmanager
async def traced_by(payk: Payk, scripted: Scripted) -> AsyncIterator[Program]:
    """The command, that waits for its first page."""
    server = await asyncio.start_server(scripted.answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    trace = payk.start(
        *("trace", "--link", "tcell-1", "-o", "scripted.pcap"), PAYK_ADMIN_URL=url, PAYK_ADMIN_TOKEN="payk_x"
    )
    await asyncio.wait_for(scripted.asked.wait(), 60)
    yield trace
    scripted.released.set()
    server.close()


async def test_all_that_was_seen_before_ctrl_c_is_in_the_file(payk: Payk) -> None:
    scripted = Scripted(pages=5)
    async with traced_by(payk, scripted) as trace:
        trace.process.send_signal(signal.SIGINT)
        scripted.released.set()
        assert await asyncio.to_thread(trace.process.wait, 30) == 0, trace.stderr
        assert trace.stdout == "5 PDUs in scripted.pcap\n"


async def test_it_can_be_ended_while_the_server_does_not_answer(payk: Payk) -> None:
    async with traced_by(payk, Scripted(pages=0)) as trace:
        trace.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(trace.process.wait, 30) == 2
        assert trace.stderr == "payk: no answer within 10 s: what was not told by then is missing in scripted.pcap\n"


async def test_a_second_signal_ends_it_at_once(payk: Payk) -> None:
    for second in (signal.SIGTERM, signal.SIGINT):
        async with traced_by(payk, Scripted(pages=0)) as trace:
            trace.process.send_signal(signal.SIGINT)
            deadline = time.monotonic() + 8
            while trace.runs:  # the first one may not be taken yet when the second comes
                assert time.monotonic() < deadline
                await asyncio.sleep(0.2)
                trace.process.send_signal(second)
            assert trace.process.returncode != 0 and "Traceback" not in trace.stderr
