"""smpplib's client with a memory. It blocks: run what uses it in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import smpplib.client
import smpplib.gsm

__all__ = ["BlockingClient", "bound"]

TIMEOUT = 5.0
"""Seconds until a read gives up."""


class BlockingClient(smpplib.client.Client):
    """Unknown optional parameters are errors, so that ours must be the ones it knows."""

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port, timeout=TIMEOUT, allow_unknown_opt_params=False)
        self.heard: list[str] = []
        """Commands in the order of their arrival."""
        self.ids: dict[int, str] = {}
        """Sequence number of a submit -> the id that answered it."""
        self.refusals: dict[int, int] = {}
        """Sequence number of a submit -> the status that refused it."""
        self.deliveries: list[Any] = []
        self.set_message_sent_handler(self._sent)
        self.set_message_received_handler(self._delivered)
        self.set_error_pdu_handler(self._refused)

    def read_pdu(self) -> Any:
        pdu = super().read_pdu()
        self.heard.append(pdu.command)
        return pdu

    def submit(self, text: str, destination: str, *, udh: bool = True, **fields: Any) -> list[int]:
        """Cut and encode a text as smpplib does and send its parts; their sequence numbers."""
        parts, data_coding, esm_class = smpplib.gsm.make_parts(text, use_udhi=udh)
        numbers = []
        for index, part in enumerate(parts, start=1):
            sar: dict[str, int] = {}
            if not udh and len(parts) > 1:
                sar = {"sar_msg_ref_num": 517, "sar_total_segments": len(parts), "sar_segment_seqnum": index}
            pdu = self.send_message(
                source_addr_ton=5,
                source_addr="AlifBank",
                dest_addr_ton=1,
                dest_addr_npi=1,
                destination_addr=destination,
                short_message=part,
                data_coding=data_coding,
                esm_class=esm_class,
                registered_delivery=1,
                **sar,
                **fields,
            )
            numbers.append(pdu.sequence)
        return numbers

    def read_until(self, condition: Callable[[], bool]) -> None:
        """`TimeoutError` if nothing comes for `TIMEOUT`."""
        while not condition():
            self.read_once(auto_send_enquire_link=False)

    def _sent(self, pdu: Any) -> None:
        if not pdu.is_error():  # a refused one is told to both handlers
            self.ids[pdu.sequence] = pdu.message_id.decode("ascii")

    def _refused(self, pdu: Any) -> None:
        self.refusals[pdu.sequence] = int(pdu.status)

    def _delivered(self, pdu: Any) -> None:
        self.deliveries.append(pdu)


@contextmanager
def bound(port: int, kind: str = "transceiver") -> Iterator[BlockingClient]:
    """A client bound as this kind; at the end it unbinds and waits for the answer."""
    client = BlockingClient(port)
    client.connect()
    getattr(client, f"bind_{kind}")(system_id="payk", password="payk")
    try:
        yield client
        assert client.unbind().command == "unbind_resp"
    finally:
        client.disconnect()
