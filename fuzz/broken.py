"""What a target raises when its subject has not kept its word."""

from __future__ import annotations

__all__ = ["Broken", "hold"]


class Broken(AssertionError):
    """The first argument names the rule and nothing of the input, so that one fault is told once."""


def hold(condition: object, rule: str) -> None:
    """Raise `Broken` unless the condition holds; `rule` says what should be, with no values in it."""
    if not condition:
        raise Broken(rule)
