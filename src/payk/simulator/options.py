"""What `payk simulate` can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from payk.simulator.errors import OptionsError
from payk.smpp import AdmissionOptions, CommandStatus, InterfaceVersion, SessionOptions

__all__ = [
    "CONGESTION_AUTO",
    "IdForm",
    "ReceiptFields",
    "ReceiptForm",
    "ReceiptRoute",
    "SimulatorOptions",
    "ThrottleCode",
]

CONGESTION_AUTO: Final = "auto"
_SESSION: Final = SessionOptions(unbind_timeout=1.0, max_unanswered=100_000)
_ADMISSION: Final = AdmissionOptions(
    max_connections=10_000, max_unbound=1_000, max_unbound_per_address=1_000, failures=100
)
_SERVICE_TYPE: Final = 20  # characters; the specification allows 5, and operators are seen to write more


class IdForm(StrEnum):
    """How message ids are written; where there are two forms, the first in submit_sm_resp, the second in receipts."""

    DEC = "dec"
    HEX = "hex"
    UUID = "uuid"
    HEX_DEC = "hex-dec"
    """As many operators do."""
    DEC_HEX = "dec-hex"
    DEC_PADDED = "dec-padded"
    """Decimal; in receipts of 20 digits."""
    HEX_PADDED = "hex-padded"
    """Hexadecimal; in receipts of 16 digits, in upper case."""


class ReceiptForm(StrEnum):
    """Where a receipt carries what it says."""

    TEXT = "text"
    TLV = "tlv"
    BOTH = "both"
    DATA_SM = "data_sm"
    """Both, in a data_sm: its text is message_payload."""


class ReceiptFields(StrEnum):
    """The labels in the text of a receipt."""

    STANDARD = "standard"
    """All of appendix B, in its order."""
    SHUFFLED = "shuffled"
    """In any order, ``text:`` among them; sometimes without ``sub:`` and ``dlvrd:``."""


class ReceiptRoute(StrEnum):
    """Over which bind a receipt goes."""

    ANY = "any"
    OTHER = "other"
    """Not the one that the message came over, as long as another takes receipts."""


class ThrottleCode(StrEnum):
    """What a submit too many is answered with."""

    RTHROTTLED = "RTHROTTLED"
    RMSGQFUL = "RMSGQFUL"

    @property
    def status(self) -> CommandStatus:
        return CommandStatus[f"ESME_{self}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """Raises `OptionsError` if a value is impossible. For ``max_binds``, ``rate`` and ``window`` 0 means no limit.

    Shares go from 0 to 1, are drawn by chance, and strike only numbers without a rule.
    """

    host: str = "127.0.0.1"
    port: int = 2775
    """0 = a free one."""
    system_id: str = "payk"
    password: str = field(default="payk", repr=False)
    max_binds: int = 0
    """More binds than this are refused with RALYBND."""
    interface_version: int = InterfaceVersion.V3_4
    """0x33, 0x34 or 0x50: what bind responses say. An operator of 0x33 writes no optional parameters at all."""
    latency: float = 0.0
    """Milliseconds from a submit_sm to its answer."""
    rate: int = 0
    """Submits taken in any one second, over all binds; more are refused with the ``throttle_code``."""
    window: int = 0
    """Submits of one bind that may wait for their answer; more are refused with the ``throttle_code``."""
    refuse: float = 0.0
    """Share of submits that are refused for good, with RSUBMITFAIL."""
    throttle: float = 0.0
    """Share of submits that are refused for the moment, with the ``throttle_code``."""
    throttle_code: ThrottleCode = ThrottleCode.RTHROTTLED
    lose: float = 0.0
    """Share of submits that are neither answered nor delivered."""
    early: float = 0.0
    """Share of submits whose receipt is sent before they are answered."""
    no_id: float = 0.0
    """Share of submits that are taken and answered with an empty message_id."""
    duplicate: float = 0.0
    """Share of submits whose receipts are sent twice."""
    congestion: int | str | None = None
    """congestion_state in every submit_sm_resp: 0 to 100, or "auto" for the percentage of ``rate`` in use."""
    ids: IdForm = IdForm.DEC
    receipts: ReceiptForm = ReceiptForm.BOTH
    receipt_fields: ReceiptFields = ReceiptFields.STANDARD
    receipts_on: ReceiptRoute = ReceiptRoute.ANY
    service_type: str = ""
    """service_type of receipts, up to 20 characters; the specification allows 5."""
    timezone: str = "UTC"
    """Zone of the dates in the text of receipts, by its name in the time zone database."""
    scenario: Path | None = None
    """TOML file with rules of your own."""
    record: Path | None = None
    """File to which every message and every receipt is appended, one JSON line each."""
    receipt_window: int = 500
    """Receipts on their way to one bind at the same time."""
    receipt_timeout: float = 30.0
    """Seconds after which a receipt that was not answered is sent again."""
    receipts_kept: int = 1_000_000
    """Receipts that wait at the same time; beyond it submits are refused with RMSGQFUL."""
    messages_kept: int = 50_000
    """Messages that query_sm, cancel_sm and replace_sm know; the oldest is forgotten."""
    session: SessionOptions = _SESSION
    """Timers and limits of the sessions; ``window`` and ``response_timeout`` are those of the receipts above."""
    admission: AdmissionOptions = _ADMISSION
    """Who is let in. Generous: scripts that try hundreds of binds come from one address."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise OptionsError(f"--port: {self.port} is no port; it goes from 0 (a free one) to 65535")
        self._check_texts()
        for name in ("max_binds", "latency", "rate", "window"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise OptionsError(f"{_option(name)}: {getattr(self, name)} should be 0 or more")
        for name in ("receipt_window", "receipt_timeout", "receipts_kept", "messages_kept"):
            if not getattr(self, name) > 0:
                raise OptionsError(f"{name}: {getattr(self, name)} should be more than 0")
        self._check_shares()
        self._check_choices()
        self._check_congestion()
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError, KeyError) as exc:  # KeyError: ZoneInfoNotFoundError
            raise OptionsError(
                f'--timezone: {self.timezone!r} is no time zone; write a name such as "Asia/Dushanbe" or "UTC"'
            ) from exc

    def _check_texts(self) -> None:
        # Longer than the 15 and 8 characters of the specification: such accounts exist, and binds with them are read.
        for name, most in (("system_id", 64), ("password", 64), ("service_type", _SERVICE_TYPE)):
            value = getattr(self, name)
            if len(value) > most or not value.isascii() or "\0" in value or (name == "system_id" and not value):
                raise OptionsError(f"{_option(name)}: should be ASCII and at most {most} characters")

    def _check_shares(self) -> None:
        for name in ("refuse", "throttle", "lose", "early", "no_id", "duplicate"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionsError(
                    f"{_option(name)}: {getattr(self, name)} should be a share from 0 to 1, "
                    "for example 0.05 for 5 of 100"
                )
        if self.refuse + self.throttle + self.lose + self.early > 1:
            raise OptionsError("--refuse, --throttle, --lose and --early: together they should be at most 1")

    def _check_choices(self) -> None:
        choices: tuple[tuple[str, type[StrEnum]], ...] = (
            ("ids", IdForm),
            ("receipts", ReceiptForm),
            ("receipt_fields", ReceiptFields),
            ("receipts_on", ReceiptRoute),
            ("throttle_code", ThrottleCode),
        )
        for name, form in choices:
            try:
                object.__setattr__(self, name, form(getattr(self, name)))  # a plain "dec" will do
            except ValueError as exc:
                raise OptionsError(f"{_option(name)}: {exc}; there are {', '.join(form)}") from exc
        if self.interface_version not in set(InterfaceVersion):
            known = ", ".join(f"0x{version:02x}" for version in InterfaceVersion)
            raise OptionsError(f"--interface-version: 0x{self.interface_version:02x} is none; there are {known}")

    def _check_congestion(self) -> None:
        given = self.congestion
        if given == CONGESTION_AUTO:
            if not self.rate:
                raise OptionsError("--congestion: auto is the percentage of --rate in use; add --rate")
            return
        state = int(given) if isinstance(given, str) and given.isdecimal() else given
        if isinstance(state, str) or (state is not None and not 0 <= state <= 100):
            raise OptionsError(f"--congestion: {given} should be auto, or a number from 0 to 100")
        object.__setattr__(self, "congestion", state)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
