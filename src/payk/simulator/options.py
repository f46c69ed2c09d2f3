"""What `payk simulate` can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from payk.simulator.errors import OptionsError

__all__ = ["IdForm", "ReceiptForm", "SimulatorOptions"]


class IdForm(StrEnum):
    """How message ids are written."""

    DEC = "dec"
    HEX = "hex"
    UUID = "uuid"
    HEX_DEC = "hex-dec"
    """Hexadecimal in submit_sm_resp, decimal in receipts, as many operators do."""


class ReceiptForm(StrEnum):
    """Where a receipt carries what it says."""

    TEXT = "text"
    TLV = "tlv"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """Raises `OptionsError` if a value is impossible. For ``max_binds``, ``rate`` and ``window`` 0 means no limit."""

    host: str = "127.0.0.1"
    port: int = 2775
    """0 = a free one."""
    system_id: str = "payk"
    password: str = field(default="payk", repr=False)
    max_binds: int = 0
    """More binds than this are refused with RALYBND."""
    latency: float = 0.0
    """Milliseconds from a submit_sm to its answer."""
    rate: int = 0
    """Submits taken in any one second, over all binds; more are refused with RTHROTTLED."""
    window: int = 0
    """Submits of one bind that may wait for their answer; more are refused with RTHROTTLED."""
    refuse: float = 0.0
    """Share (0 to 1) of submits that are refused for good, with RSUBMITFAIL."""
    throttle: float = 0.0
    """Share of submits that are refused for the moment, with RTHROTTLED."""
    lose: float = 0.0
    """Share of submits that are neither answered nor delivered."""
    ids: IdForm = IdForm.DEC
    receipts: ReceiptForm = ReceiptForm.BOTH
    scenario: Path | None = None
    """TOML file with rules of your own."""
    record: Path | None = None
    """File to which every submit_sm and every receipt is appended, one JSON line each."""
    receipt_window: int = 500
    """Receipts on their way to one bind at the same time."""
    receipt_timeout: float = 30.0
    """Seconds after which a receipt that was not answered is sent again."""
    receipts_kept: int = 1_000_000
    """Receipts that wait at the same time; beyond it submits are refused with RMSGQFUL."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise OptionsError(f"--port: {self.port} is no port; it goes from 0 (a free one) to 65535")
        self._check_credentials()
        for name in ("max_binds", "latency", "rate", "window"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise OptionsError(f"--{name.replace('_', '-')}: {getattr(self, name)} should be 0 or more")
        for name in ("receipt_window", "receipt_timeout", "receipts_kept"):
            if not getattr(self, name) > 0:
                raise OptionsError(f"{name}: {getattr(self, name)} should be more than 0")
        self._check_shares()
        for name, form in (("ids", IdForm), ("receipts", ReceiptForm)):
            try:
                object.__setattr__(self, name, form(getattr(self, name)))  # a plain "dec" will do
            except ValueError as exc:
                raise OptionsError(f"--{name}: {exc}; there are {', '.join(form)}") from exc

    def _check_credentials(self) -> None:
        # Longer than the 15 and 8 characters of the specification: such accounts exist, and binds with them are read.
        for name, most in (("system_id", 64), ("password", 64)):
            value = getattr(self, name)
            if len(value) > most or not value.isascii() or "\0" in value or (name == "system_id" and not value):
                raise OptionsError(f"--{name.replace('_', '-')}: should be ASCII and at most {most} characters")

    def _check_shares(self) -> None:
        for name in ("refuse", "throttle", "lose"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionsError(
                    f"--{name}: {getattr(self, name)} should be a share from 0 to 1, for example 0.05 for 5 of 100"
                )
        if self.refuse + self.throttle + self.lose > 1:
            raise OptionsError("--refuse, --throttle and --lose: together they should be at most 1")
