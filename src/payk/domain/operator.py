"""A mobile operator and the links to it: everything an operator's SMPP account may need to be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from payk.domain.account import UncertainPolicy
from payk.domain.message import SmsType

__all__ = [
    "DEFAULT_TON_NPI",
    "AddressKind",
    "BindMode",
    "IdMode",
    "Link",
    "LongText",
    "Operator",
    "TlsSettings",
    "ValidityForm",
]


class BindMode(StrEnum):
    """Which sessions a bind of a link consists of."""

    TRANSCEIVER = "transceiver"
    PAIR = "transmitter+receiver"


class LongText(StrEnum):
    """How a text longer than one part travels."""

    UDH8 = "udh8"
    UDH16 = "udh16"
    SAR = "sar"
    PAYLOAD = "payload"


class IdMode(StrEnum):
    """How the id in a receipt relates to the id in submit_sm_resp: answer's base - receipt's base."""

    LEARN = "learn"
    RAW = "raw"
    HEX_DEC = "hex-dec"
    DEC_HEX = "dec-hex"


class ValidityForm(StrEnum):
    """How validity_period is written (SMPP 3.4, 7.1.1)."""

    ABSOLUTE = "absolute"
    """A moment in UTC."""
    RELATIVE = "relative"
    """Days, hours, minutes and seconds from now, for operators whose clock or zone cannot be trusted."""
    NONE = "none"
    """Not at all: the operator's own default counts."""


class AddressKind(StrEnum):
    """Kinds of address that operators want marked with their own TON and NPI."""

    ALNUM = "alnum"
    SHORT = "short"
    INTERNATIONAL = "international"
    NATIONAL = "national"


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """TLS of a link: file paths in PEM. `ca` None = the system's authorities."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    verify: bool = True


DEFAULT_TON_NPI: Mapping[AddressKind, tuple[int, int]] = {
    AddressKind.ALNUM: (5, 0),
    AddressKind.SHORT: (3, 0),
    AddressKind.INTERNATIONAL: (1, 1),
    AddressKind.NATIONAL: (2, 1),
}


@dataclass(frozen=True, slots=True)
class Link:
    """One SMPP account at an operator; seconds where a time is meant."""

    link_id: int
    operator_id: int
    name: str
    host: str
    port: int
    system_id: str
    password: bytes = field(repr=False)
    """Encrypted under PAYK_SECRET_KEY (registry.secrets)."""
    enabled: bool = True
    bind: BindMode = BindMode.TRANSCEIVER
    binds: int = 1
    window: int = 100
    rate: float = 0.0
    response_timeout: float = 30.0
    enquire_interval: float = 30.0
    enquire_always: bool = False
    """Send enquire_link at each interval, also under traffic."""
    alnum_max: int = 15
    min_validity: int = 300
    validity: ValidityForm = ValidityForm.ABSOLUTE
    interface_version: int = 0x34
    system_type: str = ""
    service_type: str = ""
    address_range: str = ""
    ton_npi: Mapping[AddressKind, tuple[int, int]] = field(default_factory=lambda: DEFAULT_TON_NPI)
    charset_map: Mapping[int, str] = field(default_factory=lambda: {0: "gsm", 8: "ucs2"})
    """data_coding -> charset: gsm, gsm-packed, ascii, latin1 or ucs2."""
    long_text: LongText = LongText.UDH8
    id_mode: IdMode = IdMode.LEARN
    receipt_timezone: str = "UTC"
    text_receipts: bool = False
    status_classes: Mapping[int, str] = field(default_factory=dict)
    """command_status -> class name of smpp.StatusClass, lower case, e.g. {0x45: "temporary"}."""
    priority_map: Mapping[SmsType, int] = field(default_factory=dict)
    """SmsType -> priority_flag of submit_sm; 0 where nothing is written."""
    uncertain: Mapping[SmsType, UncertainPolicy] = field(default_factory=dict)
    tls: TlsSettings | None = None
    draining: bool = field(default=False, compare=False)
    """Nothing new is given to it. No difference to whoever runs it: its sessions stay as they are."""


@dataclass(frozen=True, slots=True)
class Operator:
    """A mobile network or hub, with its links."""

    operator_id: int
    name: str
    enabled: bool = True
    draining: bool = False
    """Nothing new is given to any of its links."""
    health: bool = True
    """Whether the next of a route carries while it is sick (payk.domain.health)."""
    health_refused: float = 0.5
    """Share of its messages that fail, from which there is trouble."""
    health_receipts: float = 0.0
    """Share of its messages whose receipt comes in time, below which there is trouble; 0 = that is not looked at."""
    health_delay: int = 60
    """Seconds within which a receipt is in time."""
    links: tuple[Link, ...] = ()
    alnum_max: int = field(init=False)
    """The longest alphanumeric sender that every enabled link of it carries."""

    def __post_init__(self) -> None:
        longest = min((link.alnum_max for link in self.links if link.enabled), default=15)
        object.__setattr__(self, "alnum_max", longest)  # it is frozen, and asked for with every message
