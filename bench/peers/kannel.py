"""Kannel, an SMS gateway in C: bearerbox and smsbox of Debian's package, in a folder and on ports of their own."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from bench.figure import CannotRun
from bench.rig import SENDER, Operator
from bench.traffic import TEXT

__all__ = ["PENDING_SUBMITS", "Kannel", "Ports", "configuration", "sends"]

PENDING_SUBMITS: Final = 200
"""What is best for Kannel of 10, 50, 100, 200 and 500 (docs/performance.md)."""

_START: Final = 30.0  # seconds to come up
_END: Final = 20.0
_LOOK: Final = 0.1

_CONFIGURATION: Final = """\
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = bench
smsbox-port = {smsbox}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-level = 3
log-file = {folder}/bearerbox.log
dlr-storage = internal
{store}
group = smsc
smsc = smpp
smsc-id = bench
host = 127.0.0.1
port = {operator}
smsc-username = kannel
smsc-password = kannel
system-type = ""
transceiver-mode = true
max-pending-submits = {pending_submits}
source-addr-ton = 5
source-addr-npi = 0
dest-addr-ton = 1
dest-addr-npi = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-level = 3
log-file = {folder}/smsbox.log

group = sendsms-user
username = bench
password = bench
max-messages = 1
"""

_STORE: Final = """\
store-type = file
store-location = {folder}/store
"""

_SENDS: Final = """
local path = [[{path}]]
local sent = 0
function request()
    sent = sent + 1
    return wrk.format("GET", path .. string.format("%07d", sent % 10000000))
end
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where bearerbox listens for its administrator and for smsbox, and smsbox for requests."""

    admin: int
    smsbox: int
    sendsms: int

    @classmethod
    def free(cls) -> Ports:
        """Three that nobody listens on now; Kannel does not choose its own."""
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            for each in (one, two, three):
                each.bind(("127.0.0.1", 0))
            return cls(*(each.getsockname()[1] for each in (one, two, three)))


def configuration(
    folder: Path, ports: Ports, operator: int, *, stored: bool = False, pending_submits: int = PENDING_SUBMITS
) -> str:
    """One link to the operator at that port, without a limit of its rate.

    What is under way is in memory alone, which is Kannel's default and its fastest, or in a file too if `stored`.
    """
    return _CONFIGURATION.format(
        folder=folder, admin=ports.admin, smsbox=ports.smsbox, sendsms=ports.sendsms, operator=operator,
        pending_submits=pending_submits, store=_STORE.format(folder=folder) if stored else "",
    )  # fmt: skip


def sends(folder: Path, prefix: str, reports: int, report_to: str | None) -> Path:
    """A script that makes wrk send single messages, each to a number of its own.

    `reports` is Kannel's dlr-mask, and `report_to` the URL that it calls with them.
    """
    query = {
        "username": "bench", "password": "bench", "from": SENDER, "coding": "2", "charset": "UTF-8", "text": TEXT,
        "dlr-mask": str(reports),
    }  # fmt: skip
    if report_to is not None:
        query["dlr-url"] = report_to
    script = folder / "sends.lua"
    script.write_text(
        _SENDS.format(path=f"/cgi-bin/sendsms?{urlencode(query, quote_via=quote, safe='')}&to={prefix}90")
    )
    return script


@dataclass(frozen=True, slots=True)
class Kannel:
    """Running, and bound to the operator. `url` is that of its HTTP interface."""

    folder: Path
    url: str

    @classmethod
    @asynccontextmanager
    async def open(
        cls, operator: Operator, *, stored: bool = False, pending_submits: int = PENDING_SUBMITS
    ) -> AsyncIterator[Kannel]:
        """Raises CannotRun where it does not come up."""
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="payk-bench-kannel-")))
            ports = Ports.free()
            settings = folder / "kannel.conf"
            settings.write_text(
                configuration(folder, ports, operator.port, stored=stored, pending_submits=pending_submits)
            )
            binds = (await operator.ask("counts"))["binds"]
            bearerbox = await _start("bearerbox", settings)
            stack.push_async_callback(_end, bearerbox)
            await _listening(bearerbox, "bearerbox", folder, ports.smsbox)
            smsbox = await _start("smsbox", settings)
            stack.push_async_callback(_end, smsbox)
            await _listening(smsbox, "smsbox", folder, ports.sendsms)
            deadline = time.monotonic() + _START
            while (await operator.ask("counts"))["binds"] == binds:
                if time.monotonic() > deadline:
                    raise CannotRun(f"Kannel did not bind to the operator: {_last_words(folder, 'bearerbox')}")
                await asyncio.sleep(_LOOK)
            yield cls(folder, f"http://127.0.0.1:{ports.sendsms}")


async def _start(program: str, settings: Path) -> Process:
    """In the folder of its settings; it writes to its log alone."""
    return await asyncio.create_subprocess_exec(
        program, str(settings), cwd=settings.parent, stdin=DEVNULL, stdout=DEVNULL, stderr=STDOUT
    )


async def _listening(process: Process, program: str, folder: Path, port: int) -> None:
    deadline = time.monotonic() + _START
    while True:
        if process.returncode is not None or time.monotonic() > deadline:
            raise CannotRun(f"{program} of Kannel does not listen: {_last_words(folder, program)}")
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(_LOOK)


def _last_words(folder: Path, program: str) -> str:
    """The last line of its log."""
    log = folder / f"{program}.log"
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "without a word"


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _END)
    except TimeoutError:
        process.kill()
        await process.wait()
