"""How long a link waits for what. The waits an operator's contract sets (response, enquire_link) are its settings'."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Timing"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    connect: float = 10.0
    """For the TCP connection, TLS included."""
    bind: float = 10.0
    """For the answer to a bind."""
    stagger: float = 1.0
    """Between two binds of one account."""
    answers: float = 5.0
    """For the answers to what was submitted, before unbind; then as long for unbind_resp."""
    leave: float = 8.0
    """For both together."""
    close: float = 1.0
    """For the operator to read our last octets; then the connection is cut. A stop takes under 10 s in all."""
    lease: float = 0.5
    """Between two looks at a lease that is not held."""
