"""What a client may be set to, and had better not be: nothing is refused for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from payk.registry.value import shown

__all__ = ["lacks_reserve", "without_reserve"]

_NAMED: Final = 3
"""So many clients are named."""


def lacks_reserve(settings: Mapping[str, Any]) -> bool:
    """Whether a client of these settings is prepaid and keeps nothing for codes."""
    return bool(settings["prepaid"]) and not settings["otp_reserve"] and not settings["otp_overdraft"]


def without_reserve(clients: Sequence[str]) -> list[str]:
    """A sentence on prepaid clients, by name, that have neither a reserve nor an overdraft for codes; none for none."""
    if not clients:
        return []
    names = ", ".join(map(shown, clients[:_NAMED]))
    more = f" and {len(clients) - _NAMED} more" if len(clients) > _NAMED else ""
    are, own = ("is", "its") if len(clients) == 1 else ("are", "their")
    why = f"a mailing that uses the balance up makes {own} codes fail"
    lacks = f"{names}{more} {are} prepaid without otp_reserve and otp_overdraft"
    return [f'{lacks}: {why}. Set one of both, such as otp_reserve = "50".']
