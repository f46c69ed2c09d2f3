"""A customer's HTTP server that is told of receipts, as cheap as it can be: `python -m bench.peers.callbacks`.

The first line that it writes is `port N`; then for each line that it reads, how many requests it has answered whose
path is that line. It ends with its input.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from bench.figure import CannotRun

__all__ = ["Customer", "main"]

_ROOT: Final = Path(__file__).parents[2]
_START: Final = 30.0  # seconds
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass(slots=True)
class Customer:
    """That server in a process of its own."""

    process: Process
    port: int

    @classmethod
    async def start(cls) -> Customer:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.peers.callbacks", stdin=PIPE, stdout=PIPE, cwd=_ROOT
        )
        assert process.stdout is not None
        first = (await asyncio.wait_for(process.stdout.readline(), _START)).decode().split()
        if first[:1] != ["port"]:
            raise CannotRun("the customer of the benchmark did not start")
        return cls(process, int(first[1]))

    async def told(self, path: str) -> int:
        """Requests of that path so far."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{path}\n".encode())
        return int(await self.process.stdout.readline())

    async def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


class _Calls(asyncio.Protocol):
    """One connection. Requests are GETs, which end with their head."""

    def __init__(self, told: Counter[bytes]) -> None:
        self._told = told
        self._rest = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for request in requests:
            self._told[request.split(b" ", 2)[1].partition(b"?")[0]] += 1
        if requests:
            self._transport.write(_ANSWER * len(requests))


async def _run() -> None:
    told: Counter[bytes] = Counter()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Calls(told), "127.0.0.1", 0)
    sys.stdout.write(f"port {server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    questions = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    async for line in questions:
        sys.stdout.write(f"{told[line.strip()]}\n")
        sys.stdout.flush()


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run())


if __name__ == "__main__":
    main()
