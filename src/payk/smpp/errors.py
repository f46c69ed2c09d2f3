"""The exceptions of the protocol room, sorted by the guilty side.

::

    SmppError
    ├── LocalError (also ValueError)     we asked for something that cannot be; nothing was sent
    │   ├── WindowFull                   no free slot in the window
    │   └── WrongState                   the session's state does not allow this PDU
    └── RemoteError                      the peer broke the protocol
        ├── PduError                     one PDU is unreadable, the stream is not: answer it and go on
        └── UnrecoverableError           the stream cannot be followed any more: close
            └── FramingError             an impossible command_length
"""

from __future__ import annotations

__all__ = [
    "FramingError",
    "LocalError",
    "PduError",
    "RemoteError",
    "SmppError",
    "UnrecoverableError",
    "WindowFull",
    "WrongState",
]


class SmppError(Exception):
    """Root of everything the protocol room raises."""


class LocalError(SmppError, ValueError):
    """What we were asked to send cannot be sent."""


class WindowFull(LocalError):
    """As many requests wait for their answer as the window allows."""


class WrongState(LocalError):
    """This PDU may not be sent by this role in this state."""


class RemoteError(SmppError):
    """The peer broke the protocol."""


class PduError(RemoteError):
    """A request whose body cannot be read; the stream is intact.

    ``command_status`` is the status to answer with, ``command_id`` and ``sequence_number`` name the request.
    """

    def __init__(self, description: str, *, command_id: int, sequence_number: int, command_status: int) -> None:
        super().__init__(description)
        self.command_id = command_id
        self.sequence_number = sequence_number
        self.command_status = command_status


class UnrecoverableError(RemoteError):
    """The connection must be closed."""


class FramingError(UnrecoverableError):
    """A command_length that cannot be true.

    ``head`` is the first octets (at most 64) of what arrived, for the log. ``command_id`` and ``sequence_number`` are
    known only if all 16 octets of the header are there.
    """

    def __init__(
        self, description: str, *, head: bytes, command_id: int | None = None, sequence_number: int | None = None
    ) -> None:
        super().__init__(description)
        self.head = head
        self.command_id = command_id
        self.sequence_number = sequence_number
