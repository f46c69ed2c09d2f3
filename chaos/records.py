"""What a run observes. Times are seconds of the epoch: one machine, one clock, the database's too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

__all__ = [
    "Answer",
    "Incarnation",
    "Life",
    "Observations",
    "Row",
    "Sent",
    "Session",
    "State",
    "Strike",
    "Submit",
]


class Answer(IntEnum):
    """What a try came to where no HTTP status was seen."""

    NOT_CONNECTED = -1
    """The request was never on its way."""
    NONE = 0
    """It was on its way, and no answer came."""


class State(IntEnum):
    """The states of a message, by the names and numbers of the API."""

    NONE = 0
    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8

    @property
    def final(self) -> bool:
        return self not in (State.NONE, State.ENROUTE, State.ACCEPTED)

    @property
    def failed(self) -> bool:
        """A repeat of its ClientMessageId is sent anew."""
        return self in (State.EXPIRED, State.DELETED, State.UNDELIVERABLE, State.REJECTED)


@dataclass(slots=True)
class Sent:
    """One message of a client, told by its number. Tries with a ClientMessageId share the number, others never do."""

    phone: str
    sms_type: int
    client_message_id: str | None = None
    answers: list[int] = field(default_factory=list)
    """Of its tries: HTTP statuses, or `Answer`."""
    message_ids: list[int] = field(default_factory=list)
    """Those that the client was given."""


@dataclass(slots=True)
class Session:
    """A connection to an operator."""

    operator: str
    pid: int | None
    """Of the process that holds the other end; None where it could not be told."""
    opened_at: float
    asked_at: float | None = None
    """When it asked to bind."""
    bound_at: float | None = None
    ended_at: float | None = None
    """When the operator saw its end, or ended it itself."""


@dataclass(slots=True)
class Submit:
    """A submit_sm that a process wrote, whether or not the operator got it."""

    at: float
    session: Session
    phone: str
    part: int
    status: int | None = None
    """command_status of the operator's answer; None: none was seen."""

    @property
    def maybe_taken(self) -> bool:
        return not self.status


@dataclass(frozen=True, slots=True)
class Row:
    """A message as the database has it."""

    message_id: int
    phone: str
    sms_type: int
    state: State
    parts: int
    client_message_id: str | None
    accepted_at: float
    done_at: float | None


@dataclass(frozen=True, slots=True)
class Incarnation:
    """A row of the table of processes."""

    number: int
    pid: int
    started_at: float
    ended_at: float | None


@dataclass(slots=True)
class Life:
    """A process as whoever started it saw it."""

    name: str
    pid: int
    started_at: float
    ready_at: float | None = None
    """When it said that it works."""
    ended_at: float | None = None
    ended_by: str | None = None
    """The fault that ended it; None: it ended by itself."""
    exit_code: int | None = None


@dataclass(slots=True)
class Strike:
    """A fault that happened."""

    kind: str
    at: float
    target: str
    until: float | None = None
    """When it was over, where it lasted."""


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything that is judged."""

    began_at: float
    ended_at: float
    """Of the load."""
    sent: Mapping[str, Sent]
    """By number."""
    rows: Sequence[Row]
    states: Mapping[int, str | None]
    """What the API says of each id that was given; None: it knows no such message."""
    submits: Sequence[Submit]
    sessions: Sequence[Session]
    incarnations: Sequence[Incarnation]
    lives: Sequence[Life]
    strikes: Sequence[Strike]
    answers: Mapping[int, int] = field(default_factory=dict)
    """How often each answer came, a bulk counted as one."""
    accepted_at: Sequence[float] = ()
    """When answers with 200 came, in order."""
    lags: Sequence[tuple[float, float]] = ()
    """When the witness read late: from, to."""
    wrong_counts: Sequence[str] = ()
    """Where the counts of reports differ from the messages."""
    timelines: Mapping[int, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Events of messages, as the API tells them; of those that were submitted twice, at least."""
