"""What messages can be searched by, and which questions would cost too much to be asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from payk.domain.message import MessageState, SmsType

__all__ = ["LIMIT_MAX", "MessageSearch", "SearchRefused", "check_search"]

LIMIT_MAX = 1_000
"""Messages on a page."""
_ENDING_MIN = 4
"""Digits. Fewer would find every ten-thousandth number or more."""
_ENDING_SPAN = timedelta(days=1)


class SearchRefused(Exception):
    """A search that cannot be made; str() is what to tell: the rule, and what would be allowed."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        """Of MessageSearch, or limit."""
        self.rule = rule


@dataclass(frozen=True, slots=True)
class MessageSearch:
    """Messages that are all of this; None = whatever. Names are compared as they are registered."""

    number: str | None = None
    """A whole number, as a client of ours may write it."""
    number_ends: str | None = None
    """The last digits of a number, at least four; only together with `client` and a day at most."""
    client: str | None = None
    label: str | None = None
    sender: str | None = None
    """Compared without case."""
    sms_type: SmsType | None = None
    state: MessageState | None = None
    operator: str | None = None
    """That a message was handed to last."""
    client_message_id: str | None = None
    accepted_from: datetime | None = None
    accepted_before: datetime | None = None


def check_search(search: MessageSearch, limit: int) -> None:
    """Raise SearchRefused where the parts of a search do not fit each other, or `limit` is none."""
    if not 1 <= limit <= LIMIT_MAX:
        raise SearchRefused("limit", f"{limit} is not allowed; 1 to {LIMIT_MAX} messages a page are")
    begin, end = search.accepted_from, search.accepted_before
    for field, moment in (("accepted_from", begin), ("accepted_before", end)):
        if moment is not None and moment.tzinfo is None:
            raise SearchRefused(field, "a time without a zone")
    if begin is not None and end is not None and _between(begin, end) <= timedelta():
        raise SearchRefused("accepted_before", "it must lie behind accepted_from; the span holds nothing")
    for field in ("label", "client_message_id"):
        if getattr(search, field) is not None and search.client is None:
            raise SearchRefused(field, "each client has its own; name the client too")
    if search.number_ends is not None:
        _check_ending(search, search.number_ends)


def _check_ending(search: MessageSearch, ending: str) -> None:
    if search.number is not None:
        raise SearchRefused("number_ends", "it excludes number; give one of them")
    if not re.fullmatch(rf"[0-9]{{{_ENDING_MIN},15}}", ending):
        raise SearchRefused("number_ends", f"{_ENDING_MIN} to 15 digits, the last ones of a number")
    begin, end = search.accepted_from, search.accepted_before
    if search.client is None or begin is None or end is None or _between(begin, end) > _ENDING_SPAN:
        rule = "no index knows the ends of numbers; name the client, and accepted_from and accepted_before a day apart"
        raise SearchRefused("number_ends", rule)


def _between(begin: datetime, end: datetime) -> timedelta:
    """From one to the other, which is not their difference on the wall: there an hour may come twice."""
    return end.astimezone(UTC) - begin.astimezone(UTC)
