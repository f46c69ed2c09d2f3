"""The record: what the operator received and told, one JSON line each, appended to a file.

A message has its line as soon as it is answered or surely will not be, a submit_multi one for each destination; a
receipt as soon as it is acknowledged, refused or not answered in time, one line for each time it was sent.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Final, Literal

import msgspec

from payk.logs import get_logger
from payk.simulator.errors import StartError
from payk.smpp import DeliverSm, SubmitSm, Tag, find_tlv

__all__ = ["Kind", "Line", "Record", "octets_of"]

Kind = Literal["submit_sm", "data_sm", "submit_multi", "replace_sm", "receipt"]

_WIDEST: Final = 4  # octets of an integer
_encode: Final = msgspec.json.Encoder().encode
_log = get_logger("simulator")


class Line(msgspec.Struct, omit_defaults=True):
    """Names are those of SMPP; addresses and the like as the PDU carries them, so a receipt's are swapped."""

    kind: Kind
    time: str
    """When it arrived, or was sent: ISO 8601, UTC, microseconds."""
    bind: int
    """Number of the session, counted from 1."""
    source: str
    destination: str
    esm_class: int
    data_coding: int
    octets: str
    """The message with its user data header; hexadecimal."""
    id: str | None
    """The operator's message id as submit_sm_resp says it (or would have), also in receipts; null: not taken."""
    status: int | None
    """command_status of the answer (for a receipt the peer's); null: never answered."""
    registered_delivery: int
    validity_period: str
    reference: int | None
    """user_message_reference."""
    priority_flag: int
    service_type: str
    source_ton: int
    source_npi: int
    dest_ton: int
    dest_npi: int
    state: str | None = None
    """Receipts only: as SMPP 3.4 appendix B writes it."""
    attempt: int | None = None
    """Receipts only: 1 for the first time it was sent."""

    @classmethod
    def of(
        cls,
        pdu: SubmitSm | DeliverSm,
        kind: Kind = "submit_sm",
        *,
        time: datetime,
        bind: int,
        message_id: str | None,
        status: int | None,
        state: str | None = None,
        attempt: int | None = None,
    ) -> Line:
        return cls(
            kind=kind,
            time=time.isoformat(timespec="microseconds"),
            bind=bind,
            source=pdu.source_addr,
            destination=pdu.destination_addr,
            esm_class=pdu.esm_class,
            data_coding=pdu.data_coding,
            octets=octets_of(pdu).hex(),
            id=message_id,
            status=status,
            registered_delivery=pdu.registered_delivery,
            validity_period=pdu.validity_period,
            reference=_reference(pdu) if pdu.tlvs else None,
            priority_flag=pdu.priority_flag,
            service_type=pdu.service_type,
            source_ton=pdu.source_addr_ton,
            source_npi=pdu.source_addr_npi,
            dest_ton=pdu.dest_addr_ton,
            dest_npi=pdu.dest_addr_npi,
            state=state,
            attempt=attempt,
        )


def octets_of(pdu: SubmitSm | DeliverSm) -> bytes:
    """The message: short_message, or message_payload if that is empty."""
    return pdu.short_message or find_tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD) or b""


def _reference(pdu: SubmitSm | DeliverSm) -> int | None:
    """None for one that is wider than any integer of SMPP: no JSON could hold it."""
    octets = find_tlv(pdu.tlvs, Tag.USER_MESSAGE_REFERENCE)
    return int.from_bytes(octets, "big") if octets and len(octets) <= _WIDEST else None


class Record:
    """Lines are collected; `flush` writes them."""

    def __init__(self, path: Path) -> None:
        """Raises `StartError` if the file cannot be written."""
        self._lines: list[bytes] = []
        try:
            self._file: IO[bytes] | None = open(path, "ab+", opener=_for_us_alone)  # noqa: SIM115 - closed by close()
            _end_torn_line(self._file)
        except OSError as exc:
            raise StartError(f"--record: {path} cannot be written: {exc.strerror}") from exc

    def add(self, line: Line) -> bool:
        """True if this is the first line since the last `flush`."""
        self._lines.append(_encode(line))
        return len(self._lines) == 1

    def flush(self) -> None:
        """Write what was collected. A file that fails ends the record, not the operator."""
        lines, self._lines = self._lines, []
        if self._file is None or not lines:
            return
        lines.append(b"")
        try:
            self._file.write(b"\n".join(lines))
            self._file.flush()
        except OSError as exc:
            _log.error("record ended: the file cannot be written", reason=exc.strerror)
            file, self._file = self._file, None
            with suppress(OSError):  # it still holds the lines it could not write
                file.close()

    def close(self) -> None:
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None


def _for_us_alone(path: str, flags: int) -> int:
    """It holds numbers and texts; one that an older version made may be open to others."""
    descriptor = os.open(path, flags, 0o600)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
        with suppress(OSError):  # it is somebody else's
            os.fchmod(descriptor, 0o600)
    return descriptor


def _end_torn_line(file: IO[bytes]) -> None:
    """A run that was killed may have left half a line."""
    if file.seek(0, 2):
        file.seek(-1, 2)
        if file.read(1) != b"\n":
            file.write(b"\n")
