"""What would become of a message: the same walk, look and cut as for one that is sent, and nothing is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from payk.domain.account import Client
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.errors import Rejection
from payk.domain.operator import Link
from payk.domain.route_explanation import Asked as Routed
from payk.domain.route_explanation import Explanation, explain
from payk.intake.request import Request
from payk.intake.steps import Draft, in_order, judged
from payk.links.wire_text import TextEncoder
from payk.store.charging import Asked, would_be_refused
from payk.store.database import Database
from payk.text import ConcatMethod, Cost, Encoding, cost_of

__all__ = ["Preview", "Previews"]

LONG: Final = 2_000
"""Characters of a text that is looked at beside the event loop."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What is known of a message that is not sent."""

    phone: str
    """In its normal form; empty where it has none."""
    cost: Cost | None
    """Of its text, as the first link of its route cuts it; None where it has none that could be sent."""
    parts: int
    """That are counted and paid."""
    explanation: Explanation | None
    """Where it goes and why; None where that is not settled."""
    price: int | None
    """What a part costs the client, in 1/10,000 of the currency unit; None where it is not prepaid."""
    broken: tuple[Rejection, ...]
    """Every rule that it breaks, in the order of the fields."""


class Previews:
    """Looks at messages by the directory in force. `now` is the database's clock."""

    def __init__(self, db: Database, directory: CurrentDirectory, now: Callable[[], datetime]) -> None:
        self._db = db
        self._directory = directory
        self._now = now

    async def look(self, request: Request, client: Client, timeout: float) -> Preview:
        """What would become of `request` at this moment. Raises StoreUnavailable."""
        directory = self._directory.value
        draft = judged(request, client, directory, self._now)
        broken = [*draft.broken, *await self._limits(draft, timeout)]
        explanation = None
        if draft.route is not None:
            explanation = explain(directory, Routed(draft.phone, client, draft.sender or None, draft.sms_type))
        price = draft.route.price if draft.route is not None and client.limits.prepaid else None
        cost = await _cost(draft, _first_link(draft, directory))
        return Preview(draft.phone, cost, draft.parts, explanation, price, in_order(broken))

    async def _limits(self, draft: Draft, timeout: float) -> list[Rejection]:
        """What is judged while a message is stored."""
        if not draft.phone or draft.sms_type is None:
            return []
        price = 0 if draft.route is None else draft.route.price
        limits = draft.client.limits
        asked = Asked(0, draft.client.client_id, draft.phone, draft.sms_type, draft.parts, limits, price)
        async with self._db.connection(timeout) as connection:
            return await would_be_refused(connection, asked)


def _first_link(draft: Draft, directory: Directory) -> Link | None:
    """A link that the message would be handed to, if its first operator is up."""
    turn = sorted(range(len(draft.operators)), key=lambda place: -draft.shares[place]) if draft.shares else None
    operators = draft.operators if turn is None else [draft.operators[place] for place in turn]
    for operator_id in operators:
        operator = directory.operators[operator_id]
        links = [link for link in operator.links if link.enabled and not link.draining]
        if operator.enabled and not operator.draining and links:
            return links[0]
    return None


async def _cost(draft: Draft, link: Link | None) -> Cost | None:
    if not draft.text:
        return None
    if len(draft.text) > LONG:
        return await asyncio.to_thread(_cost_on, draft.text, link)
    return _cost_on(draft.text, link)


def _cost_on(text: str, link: Link | None) -> Cost:
    if link is None:
        return cost_of(text)
    method = ConcatMethod(link.long_text.value)
    cost = cost_of(text, method=method)
    if cost.cheapest.fits_gsm:
        wire = TextEncoder(link.charset_map).encode(cost.cheapest.text, method)
        if wire is not None and link.charset_map[wire.data_coding] == "ucs2":  # it has no charset for such a text
            return cost_of(text, method=method, encoding=Encoding.UCS2)
    return cost
