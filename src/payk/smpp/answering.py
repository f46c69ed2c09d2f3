"""Which response answers which request (SMPP 3.4 section 5.1.2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from payk.smpp.layout import LAYOUTS
from payk.smpp.pdu import GenericNack, Request, Response

__all__ = ["answers", "refusal", "refusal_of"]

_RESPONSE_OF: Final = {int(layout.pdu.command_id): layout.response for layout in LAYOUTS if layout.response}
_RESPONSE_TO: Final[Mapping[type, type]] = {layout.pdu: layout.response for layout in LAYOUTS if layout.response}


def answers(response: Response, request: Request) -> bool:
    """Whether it is of the request's own kind, or a generic_nack."""
    kind = type(response)
    return kind is _RESPONSE_TO.get(type(request)) or kind is GenericNack


def refusal(request: Request, command_status: int) -> Response:
    """The negative response of the request's own kind; generic_nack if there is none."""
    return refusal_of(request.command_id, command_status)


def refusal_of(command_id: int, command_status: int) -> Response:
    """As `refusal`, for a request that could not be read."""
    return _RESPONSE_OF.get(command_id, GenericNack)(command_status=command_status)
