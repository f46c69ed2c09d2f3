"""aiosmpplib's client, for the length of a block, and all that it says through its hook."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiosmpplib import (
    ESME,
    NPI,
    TON,
    AbstractHook,
    BindMode,
    DeliverSm,
    PhoneNumber,
    SmppMessage,
    SubmitSm,
    SubmitSmResp,
)

from tests.links.smsc import Watch

__all__ = ["AsyncClient", "client_of", "connected"]

_UDHI = 0x40


class Hook(AbstractHook):
    """Keeps every message by its class."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.sent: list[SmppMessage] = []
        self.heard: list[SmppMessage] = []
        self.frames: list[bytes] = []
        """What came from the server, one PDU each, also those that aiosmpplib keeps to itself."""
        self.errors: list[Exception] = []

    async def sending(self, smpp_message: SmppMessage, pdu: bytes, client_id: str) -> None:
        self.sent.append(smpp_message)
        self.watch.changed()

    async def received(self, smpp_message: SmppMessage | None, pdu: bytes, client_id: str) -> None:
        self.frames.append(pdu)
        if smpp_message is not None:
            self.heard.append(smpp_message)
        self.watch.changed()

    async def send_error(self, smpp_message: SmppMessage, error: Exception, client_id: str) -> None:
        self.errors.append(error)
        self.watch.changed()


class AsyncClient:
    def __init__(self, esme: ESME, hook: Hook) -> None:
        self.esme = esme
        self.hook = hook

    @property
    def answers(self) -> list[SubmitSmResp]:
        return [message for message in self.hook.heard if isinstance(message, SubmitSmResp)]

    @property
    def deliveries(self) -> list[DeliverSm]:
        return [message for message in self.hook.heard if isinstance(message, DeliverSm)]

    async def submit(self, text: str, destination: str, *, udh: bool = True, **fields: Any) -> None:
        """Leave the cutting and the alphabet to aiosmpplib; without `udh` a long text goes as message_payload."""
        if udh:
            fields |= {"esm_class": _UDHI, "auto_message_payload": False}
        message = SubmitSm(
            short_message=text,
            source=PhoneNumber("AlifBank", TON.ALPHANUMERIC, NPI.UNKNOWN),
            destination=PhoneNumber(destination, TON.INTERNATIONAL, NPI.ISDN),
            **fields,
        )
        await self.esme.broker.enqueue(message)

    async def until(self, condition: Any) -> None:
        await self.hook.watch.until(condition)
        assert not self.hook.errors


def client_of(port: int, *, password: str = "payk", **options: Any) -> AsyncClient:
    hook = Hook()
    esme = ESME("127.0.0.1", port, "payk", password, hook=hook, log_level=logging.CRITICAL, **options)
    return AsyncClient(esme, hook)


@asynccontextmanager
async def connected(
    port: int, bind_mode: BindMode = BindMode.TRANSCEIVER, **options: Any
) -> AsyncIterator[AsyncClient]:
    """A bound client; at the end it unbinds and closes."""
    client = client_of(port, bind_mode=bind_mode, **options)
    running = asyncio.create_task(client.esme.start())
    try:
        await client.until(lambda: client.esme.session_state is bind_mode.session_state)
        yield client
        await client.esme.stop()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
