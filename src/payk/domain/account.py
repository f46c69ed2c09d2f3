"""A client of the centre and what it may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from payk.domain.limits import NO_LIMITS, Limits
from payk.domain.message import SmsType

__all__ = ["ApiKey", "BulkPolicy", "Client", "UncertainPolicy"]


class BulkPolicy(StrEnum):
    """What one bad item does to a bulk."""

    PARTIAL = "partial"
    ALL_OR_NOTHING = "all-or-nothing"


class UncertainPolicy(StrEnum):
    """What happens to a part whose submit was never answered."""

    RESEND = "resend"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that opens the API for a client; revoked ones are not kept."""

    key_id: int
    client_id: int
    expires_at: datetime | None = None
    allow_from: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that a caller with it may come from; empty = any."""


@dataclass(frozen=True, slots=True)
class Client:
    """A customer of the centre; owns keys, senders and limits."""

    client_id: int
    name: str
    enabled: bool = True
    default_sms_type: SmsType | None = None
    default_country: str | None = None
    """Country code put before a national number, e.g. "992"; None = numbers must be international."""
    repeat_window: int = 0
    """Seconds in which the same number, sender and text without a ClientMessageId counts as a repeat; 0 = never."""
    client_message_id_window: int = 43_200
    """Seconds in which a ClientMessageId is remembered."""
    bulk: BulkPolicy = BulkPolicy.PARTIAL
    max_parts: int = 20
    text_days: int = 0
    """Days after which texts of other types than Otp are wiped, as those are after minutes; 0 = never."""
    uncertain: Mapping[SmsType, UncertainPolicy] = field(default_factory=dict)
    """Policy of this client where it differs from the default."""
    senders: Mapping[str, str] = field(default_factory=dict)
    """Approved senders: casefolded name -> name as registered."""
    sender_expiry: Mapping[str, datetime] = field(default_factory=dict)
    """When those of them end that do: casefolded name -> the moment."""
    sender_operators: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """The operators that carry those of them that not all carry: casefolded name -> operators."""
    limits: Limits = NO_LIMITS
