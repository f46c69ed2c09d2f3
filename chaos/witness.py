"""The way to the operators, and an independent witness of what is submitted over it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Any

import psutil

from chaos.records import Session, Submit
from chaos.relay import Network, Relay
from chaos.wire import BIND_ANSWERS, BINDS, SUBMIT_SM, SUBMIT_SM_RESP, Frame, Stream, number_and_part

__all__ = ["OperatorNetwork", "Witness"]


class Witness:
    """Notes every session and every submit_sm of all operators. `senders` gives the pids that may hold sessions."""

    def __init__(self, senders: Callable[[], Collection[int]]) -> None:
        self._senders = senders
        self.sessions: list[Session] = []
        self.submits: list[Submit] = []

    def session(self, operator: str, port: int) -> Session:
        """A new one, from this port of the client's."""
        session = Session(operator, self._owner(port), time.time())
        self.sessions.append(session)
        return session

    def holders(self) -> set[int | None]:
        """The processes that hold a bind now."""
        return {session.pid for session in self.sessions if session.bound_at and session.ended_at is None}

    def _owner(self, port: int) -> int | None:
        for pid in self._senders():
            try:
                connections = psutil.Process(pid).net_connections("tcp4")
            except psutil.Error:  # it has just ended
                continue
            if any(connection.laddr and connection.laddr.port == port for connection in connections):
                return pid
        return None


class OperatorNetwork(Network):
    """Listens in place of an operator. `operator_port` is where that really listens; it may change."""

    def __init__(self, operator: str, witness: Witness) -> None:
        super().__init__()
        self.operator = operator
        self.witness = witness
        self.operator_port = 0
        self.port = 0

    async def listen(self) -> asyncio.Server:
        server = await asyncio.get_running_loop().create_server(lambda: OperatorRelay(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def connect(self, protocol: Callable[[], asyncio.Protocol]) -> asyncio.BaseTransport:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(protocol, "127.0.0.1", self.operator_port)
        return transport


class OperatorRelay(Relay):
    """A session. What is submitted on it is noted before anything else."""

    def __init__(self, network: OperatorNetwork) -> None:
        super().__init__(network)
        self._operator = network
        self._there, self._back = Stream(), Stream()
        self._open: dict[int, Submit] = {}
        self._submits = network.witness.submits
        self.session: Any = None

    def opened(self) -> None:
        self.session = self._operator.witness.session(self._operator.operator, self.peername()[1])

    def from_client(self, data: bytes) -> bytes:
        now = time.time()
        for frame in self._there.feed(data):
            if frame.command_id == SUBMIT_SM:
                self._submitted(frame, now)
            elif frame.command_id in BINDS:
                self.session.asked_at = now
        return data

    def from_server(self, data: bytes) -> bytes:
        for frame in self._back.feed(data):
            if frame.command_id == SUBMIT_SM_RESP:
                submit = self._open.pop(frame.sequence_number, None)
                if submit is not None:
                    submit.status = frame.command_status
            elif frame.command_id in BIND_ANSWERS and not frame.command_status:
                self.session.bound_at = time.time()
        return data

    def ended(self) -> None:
        self.session.ended_at = time.time()

    def _submitted(self, frame: Frame, now: float) -> None:
        phone, part = number_and_part(frame.octets)
        submit = Submit(now, self.session, phone, part)
        self._submits.append(submit)
        self._open[frame.sequence_number] = submit
