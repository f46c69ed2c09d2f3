"""POST /api/v1/sms/preview: what would become of a message, and nothing is sent."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from payk.domain.errors import Rejection
from payk.domain.quota import money_shown
from payk.domain.route_explanation import Explanation
from payk.intake.preview import Preview, Previews
from payk.text import Choice, Cost, Encoding, ForcingCharacter
from payk.web.answers import Answer
from payk.web.api.body import SINGLE
from payk.web.api.commands import Command, CommandReader
from payk.web.api.reading import read_message
from payk.web.exchange import Exchange

__all__ = ["ENCODINGS", "Previewing", "preview_members"]

ENCODINGS: Final = {Encoding.GSM7: "GSM7", Encoding.UCS2: "UCS2"}

_encode = msgspec.json.Encoder().encode


class Previewing:
    """Tells of a message of the calling client what it would be."""

    def __init__(self, previews: Previews, commands: CommandReader) -> None:
        self._previews = previews
        self._commands = commands

    async def one(self, exchange: Exchange) -> Answer:
        """The preview of the message in the body, whatever rules it breaks."""
        return await self._commands.answered(
            exchange, "/api/v1/sms/preview", self._one, limit=SINGLE, changes=False, private=True
        )

    async def _one(self, command: Command) -> bytes:
        request = read_message(command.body)
        return _encode(preview_members(await self._previews.look(request, command.client, command.timeout())))


def preview_members(found: Preview) -> dict[str, Any]:
    """The documented members."""
    cost = found.cost
    return {
        "PhoneNumber": found.phone or None,
        **(_cut(cost.as_is) if cost is not None else dict.fromkeys(_CUT)),
        "ForcedBy": [_forcing(one) for one in cost.forcing] if cost is not None else [],
        "Shorter": None if cost is None else _shorter(cost),
        "Route": None if found.explanation is None else _route(found.explanation),
        "Price": None if found.price is None else money_shown(found.price),
        "Cost": None if found.price is None else money_shown(found.price * found.parts),
        "Rejections": [_rejection(one) for one in found.broken],
    }


_CUT: Final = ("Encoding", "Parts", "Units", "CharactersLeft", "Ends")


def _cut(choice: Choice) -> dict[str, Any]:
    values = ENCODINGS[choice.encoding], choice.parts, choice.units, choice.units_left, choice.ends
    return dict(zip(_CUT, values, strict=True))


def _forcing(one: ForcingCharacter) -> dict[str, Any]:
    return {"Character": one.character, "At": one.positions[0], "Count": len(one.positions)}


def _shorter(cost: Cost) -> dict[str, Any] | None:
    """The spelling of fewer parts, if there is one."""
    choice = cost.cheapest
    if choice is cost.as_is:
        return None
    return {"Spelling": choice.spelling, "Text": choice.text, **_cut(choice)}


def _route(found: Explanation) -> dict[str, Any] | None:
    """The route that is taken; why others are not is nothing for clients: it names those of others."""
    judged = next((one for one in found.routes if one.wins), None)
    if judged is None:
        return None
    operators = [
        {"Operator": one.operator.name, "Weight": one.weight, "Carries": one.carries, "Why": one.why or None}
        for one in found.operators
    ]
    return {"Prefix": judged.route.prefix, "Why": judged.why, "Operators": operators}


def _rejection(one: Rejection) -> dict[str, Any]:
    return {"Field": one.field, "Code": one.code, "Detail": one.detail}
