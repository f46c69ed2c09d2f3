"""The other end of the operator's connections: a customer that keeps everything it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from payk.simulator import Simulator
from payk.smpp import (
    Bind,
    BindRefused,
    BindTransceiver,
    Bound,
    Closed,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    Event,
    Request,
    RequestReceived,
    RequestUncertain,
    Response,
    ResponseReceived,
    Role,
    Session,
    SessionOptions,
    SubmitSm,
    UnbindReceived,
)
from payk.smpp_connection import SmppConnection, connect

WAIT = 10.0
"""Seconds after which a test gives up."""


class Customer:
    """One bound connection. ``acknowledge`` gives the status that answers a deliver_sm; None: no answer."""

    def __init__(self) -> None:
        self.connection: SmppConnection
        self.bound: asyncio.Future[Bound | BindRefused] = asyncio.get_running_loop().create_future()
        self.receipts: asyncio.Queue[Any] = asyncio.Queue()
        """Each a deliver_sm or a data_sm."""
        self.log: list[str] = []
        """Receipts and answers in the order of their arrival."""
        self.closed = asyncio.Event()
        self.unbound_by_peer = False
        self.acknowledge: Callable[[DeliverSm | DataSm], int | None] = lambda _: 0
        self._answers: dict[int, asyncio.Future[Response | None]] = {}
        self._tokens = count()

    def ask(self, pdu: Request) -> asyncio.Future[Response | None]:
        """Send a request; its answer, or None if there is none."""
        token = next(self._tokens)
        answer = self._answers[token] = asyncio.get_running_loop().create_future()
        self.connection.send_request(pdu, token)
        return answer

    async def submit(self, destination: str, **fields: Any) -> Any:
        """Submit one message, by default with a receipt; its submit_sm_resp, or None."""
        return await asyncio.wait_for(self.ask(submit_sm(destination, **fields)), WAIT)

    async def answer(self, pdu: Request) -> Any:
        """Send a request; its answer."""
        return await asyncio.wait_for(self.ask(pdu), WAIT)

    async def receipt(self) -> Any:
        return await asyncio.wait_for(self.receipts.get(), WAIT)

    async def leave(self) -> None:
        self.connection.unbind()
        await asyncio.wait_for(self.closed.wait(), WAIT)

    def on_event(self, connection: SmppConnection, event: Event) -> None:
        match event:
            case Bound() | BindRefused():
                self.bound.set_result(event)
            case ResponseReceived(token, _, response, _):
                self.log.append(type(response).__name__)
                self._answers[token].set_result(response)
            case RequestUncertain(token, _, _):
                self._answers[token].set_result(None)
            case RequestReceived(DeliverSm() | DataSm() as pdu):
                self.log.append(type(pdu).__name__)
                self.receipts.put_nowait(pdu)
                status = self.acknowledge(pdu)
                if status is not None:
                    response = DeliverSmResp if isinstance(pdu, DeliverSm) else DataSmResp
                    connection.send_response(pdu, response(command_status=status))
            case UnbindReceived():
                self.unbound_by_peer = True
            case Closed():
                self.closed.set()


def submit_sm(destination: str, **fields: Any) -> SubmitSm:
    """A message of the bank to a subscriber."""
    bank = {
        "source_addr_ton": 5,
        "source_addr": "AlifBank",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "registered_delivery": 1,
        "short_message": b"code 1234",
    }
    return SubmitSm(destination_addr=destination, **{**bank, **fields})


async def dial(
    simulator: Simulator | int,
    bind: Bind | None = None,
    *,
    response_timeout: float = 30.0,
    acknowledge: Callable[[DeliverSm | DataSm], int | None] = lambda _: 0,
) -> Customer:
    """Connect, to an operator or a port of this machine, and bind; the outcome is in ``bound``."""
    port = simulator if isinstance(simulator, int) else simulator.port
    customer = Customer()
    customer.acknowledge = acknowledge
    options = SessionOptions(window=10_000, response_timeout=response_timeout)
    customer.connection = await connect(
        "127.0.0.1", port, lambda now: Session(Role.ESME, options, now), customer.on_event
    )
    customer.connection.send_request(bind or BindTransceiver(system_id="payk", password="payk"))
    await asyncio.wait_for(asyncio.shield(customer.bound), WAIT)
    return customer


@asynccontextmanager
async def bound(simulator: Simulator | int, bind: Bind | None = None, **options: Any) -> AsyncIterator[Customer]:
    """A customer whose bind was accepted, for the length of a block."""
    customer = await dial(simulator, bind, **options)
    assert isinstance(customer.bound.result(), Bound)
    try:
        yield customer
    finally:
        customer.connection.close()
        await asyncio.wait_for(customer.connection.wait_closed(), WAIT)
