"""What a client may be set to, and had better not be, or what a change leaves as it was: nothing is refused for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from payk.registry.value import shown

__all__ = ["lacks_reserve", "waiting_for_hours", "without_reserve"]

_NAMED: Final = 3
"""So many clients are named."""


def lacks_reserve(settings: Mapping[str, Any]) -> bool:
    """Whether a client of these settings is prepaid and keeps nothing for codes."""
    return bool(settings["prepaid"]) and not settings["otp_reserve"] and not settings["otp_overdraft"]


def without_reserve(clients: Sequence[str]) -> list[str]:
    """A sentence on prepaid clients, by name, that have neither a reserve nor an overdraft for codes; none for none."""
    if not clients:
        return []
    names = _names(clients)
    are, own = ("is", "its") if len(clients) == 1 else ("are", "their")
    why = f"a mailing that uses the balance up makes {own} codes fail"
    lacks = f"{names} {are} prepaid without otp_reserve and otp_overdraft"
    return [f'{lacks}: {why}. Set one of both, such as otp_reserve = "50".']


def waiting_for_hours(clients: Sequence[str]) -> list[str]:
    """A sentence on clients, by name, whose hours for Batch were changed while some of it waits for later."""
    if not clients:
        return []
    stays = "Batch that waits already goes no sooner than by the hours before; the new ones are for what is taken now"
    return [f"{_names(clients)}: {stays}. What must go sooner is cancelled and sent anew."]


def _names(clients: Sequence[str]) -> str:
    more = f" and {len(clients) - _NAMED} more" if len(clients) > _NAMED else ""
    return ", ".join(map(shown, clients[:_NAMED])) + more
