"""What happened to a message, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from payk.client.result import MessageState

__all__ = ["NetworkError", "Timeline", "TimelineEvent", "Why"]


@dataclass(frozen=True, slots=True)
class NetworkError:
    """Why the network of the subscriber did not take a message, as its operator tells it."""

    network: str | None
    """Such as "GSM"; None where it does not say."""
    code: int | str
    """The network's own code; octets in hex ("0x0301") where the operator wrote none."""


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One event; what its kind does not have is None. Times are UTC."""

    kind: str
    """accepted, demoted, held, queued, submitted, refused, uncertain, receipt or final; later ones may be new."""
    at: datetime
    part: int | None = None
    """From 1."""
    attempt: int | None = None
    """Which submission of the message this is, from 1; of a later wait: the one that it is for."""
    operator: str | None = None
    operator_message_id: str | None = None
    until: datetime | None = None
    """When a hold ends, or when it turned out that the operator has an uncertain part."""
    reason: str | None = None
    """Why it is uncertain; of the final state: why the message failed."""
    command_status: str | None = None
    """What a refusal was answered with, such as ESME_RTHROTTLED."""
    state: MessageState | None = None
    """What a receipt was read as (None = it changes nothing), or the final state."""
    raw_state: str | None = None
    """The state in the operator's own word."""
    error: str | None = None
    network_error: NetworkError | None = None
    operator_time: datetime | None = None
    """When the operator says it was done, by its own clock."""


@dataclass(frozen=True, slots=True)
class Why:
    """Why a message is where it is."""

    code: str
    """Such as Scheduled, Paused, Queued or Delivered: docs/en/api.md has them all; later ones may be new."""
    detail: str
    """The same in a sentence."""
    until: datetime | None
    """When what it waits for ends by itself, at the latest; None where no time is set."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The timeline of a message; `events` in order of time."""

    message_id: str
    state: MessageState
    parts: int
    events: tuple[TimelineEvent, ...]
    why: Why | None = None
    """None: the centre is of a version that does not tell."""
    body: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The documented JSON as it came."""
