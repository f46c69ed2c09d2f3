"""What a link or a door may set about its sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from payk.smpp.errors import LocalError
from payk.smpp.state import Role

__all__ = ["SessionOptions"]

_INACTIVITY_OF_SMSC: Final = 150.0


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Times in seconds. `LocalError` for a count below 1."""

    window: int = 10
    """Requests of ours that may wait for their answer at once; bind, enquire_link and unbind take no slot."""
    response_timeout: float = 30.0
    """After this long without an answer a request is uncertain."""
    enquire_interval: float = 30.0
    """After this long without hearing the peer an enquire_link is sent; 0 = never."""
    enquire_always: bool = False
    """Send enquire_link at each interval, whatever is heard meanwhile: some operators ask for it."""
    enquire_timeout: float = 15.0
    """Silence for this long after an enquire_link is a miss."""
    enquire_misses: int = 2
    """So many misses in a row end the session."""
    session_init_timeout: float = 10.0
    """The bind must be there (SMSC) or answered (ESME) so long after the connection."""
    inactivity_timeout: float | None = None
    """Silence for this long ends the session; None = three enquire intervals for an ESME, 150 for an SMSC."""
    pdu_read_timeout: float = 10.0
    """A PDU must be complete so long after its first octet."""
    unbind_timeout: float = 5.0
    """How long we wait for open answers, then again for unbind_resp; how long the peer may stay after its unbind."""
    max_timeouts: int = 5
    """So many requests in a row without an answer (or a whole window of them) end the session."""
    max_errors_per_minute: int = 60
    """So many protocol errors of the peer within a minute end the session."""
    max_unanswered: int = 1000
    """Requests of the peer that may wait for our answer; reading pauses while there are so many."""
    enquire_flood: int = 20
    """So many enquire_link of the peer within ten seconds are answered at once; then reading pauses for the rest."""

    def __post_init__(self) -> None:
        counts = (
            "window",
            "enquire_misses",
            "max_timeouts",
            "max_errors_per_minute",
            "max_unanswered",
            "enquire_flood",
        )
        for name in counts:
            if getattr(self, name) < 1:
                raise LocalError(f"{name} is {getattr(self, name)}, and must be 1 at least")

    def inactivity(self, role: Role) -> float:
        """``inactivity_timeout`` or its default."""
        if self.inactivity_timeout is not None:
            return self.inactivity_timeout
        return 3 * self.enquire_interval if role is Role.ESME and self.enquire_interval else _INACTIVITY_OF_SMSC
