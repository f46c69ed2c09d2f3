"""The operator on a socket: start, stop, the whole run of `payk simulate`."""

from __future__ import annotations

import asyncio
import os
import signal
from random import Random
from typing import Final

from payk.clock import Clock
from payk.simulator.errors import StartError
from payk.simulator.operations import Operations
from payk.simulator.options import SimulatorOptions
from payk.simulator.peer import Peer, session_options
from payk.simulator.record import Record
from payk.simulator.scenario import read_scenario
from payk.simulator.script import Script
from payk.simulator.scripted import scripted_numbers
from payk.simulator.smsc import Smsc
from payk.smpp import Admission, Role, Session
from payk.smpp_connection import SmppConnection, serve

__all__ = ["Simulator", "run"]

_GOODBYE: Final = 2.0
"""Seconds for the peers to answer our unbind."""

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Simulator:
    """A simulated operator: a real SMPP server with one account. It keeps everything in memory; what is to be kept
    after a stop is in the record."""

    def __init__(self, options: SimulatorOptions, *, clock: Clock | None = None, random: Random | None = None) -> None:
        self._options = options
        self._clock = clock or Clock()
        self._random = random or Random()
        self._session_options = session_options(options)
        self.admission = Admission(options.admission)
        """Who is let in, and how many were not."""
        self._server: asyncio.Server | None = None
        self._smsc: Smsc | None = None
        self._record: Record | None = None
        self._peers: set[Peer] = set()

    @property
    def port(self) -> int:
        """The port it listens on, also if a free one was asked for."""
        if self._server is None:
            raise RuntimeError("the operator has not been started")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def peer_errors(self) -> int:
        """How often peers broke the protocol since the start."""
        return 0 if self._smsc is None else self._smsc.peer_errors

    async def start(self) -> None:
        """Listen. Raises `ScenarioError` or `StartError`; then nothing was started."""
        options = self._options
        rules = [row.rule for row in scripted_numbers()]
        if options.scenario is not None:
            rules += read_scenario(options.scenario)
        if options.record is not None:
            self._record = Record(options.record)
        script = Script(rules, options, self._random)
        self._smsc = smsc = Smsc(options, script, self._record, clock=self._clock, random=self._random)
        operations = Operations(smsc, self._clock)
        try:
            self._server = await serve(
                options.host,
                options.port,
                lambda now: self._accept(smsc, operations, now),
                admission=self.admission,
            )
        except OSError as exc:
            await self.stop()
            # asyncio wraps the system's words in a sentence of its own; an unknown host has no errno.
            reason = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else exc.strerror
            raise StartError(
                f"cannot listen on {_address(options.host, options.port)}: {reason}; "
                "choose another --host or --port (0 = a free one)"
            ) from exc

    async def stop(self) -> None:
        """Unbind, close, write the record to its end. What waits in memory is gone. Twice is fine."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await self._say_goodbye()
            await server.wait_closed()
        if self._smsc is not None:
            self._smsc.close()
        if self._record is not None:
            self._record.close()

    def _accept(self, smsc: Smsc, operations: Operations, now: float) -> SmppConnection:
        session = Session(Role.SMSC, self._session_options, now)
        peer = Peer(smsc, operations, self._options, session, on_closed=self._peers.discard)
        self._peers.add(peer)
        return peer.connection

    async def _say_goodbye(self) -> None:
        """Unbind from every peer; those that have not gone after `_GOODBYE` are cut."""
        peers = list(self._peers)
        for peer in peers:
            peer.connection.unbind()
        gone = [asyncio.create_task(peer.connection.wait_closed()) for peer in peers]
        if gone:
            await asyncio.wait(gone, timeout=_GOODBYE)
        for peer in peers:
            peer.connection.abort()
        await asyncio.gather(*gone)


async def run(options: SimulatorOptions) -> None:
    """The operator until SIGTERM, SIGINT or cancellation; a line on standard output says where it listens.

    Raises what `Simulator.start` raises.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    simulator = Simulator(options)
    await simulator.start()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stopped.set)
    try:
        print(f"operator listens on {_address(options.host, simulator.port)}", flush=True)
        await stopped.wait()
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
        await simulator.stop()


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
