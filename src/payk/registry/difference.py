"""What a change does, in lines for people and as JSON for the audit. No secret is in either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from payk.printable import printable

__all__ = ["Change", "Difference"]


@dataclass(frozen=True, slots=True)
class Change:
    """One row added (+) or changed (~)."""

    sign: Literal["+", "~"]
    kind: str
    name: str
    of: str = ""
    """Whose it is, such as `client demo`, where the name alone does not say it."""
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """What is written in the file: key -> (old value, new value), in stored form; old is None for a new row."""
    notes: tuple[str, ...] = ()
    """What has no values to show, such as `password changed`."""
    identity: Mapping[str, Any] = field(default_factory=dict)
    """The keys that name the row in a file, where `name` is made of them."""

    def line(self) -> str:
        """`~ link tcell-1: window 10 -> 100, password changed`."""
        head = f"{self.sign} {self.kind} {self.name}" + (f" of {self.of}" if self.of else "")
        if self.sign == "+":
            details = [f"{key} {_shown(new)}" for key, (_, new) in self.fields.items()]
        else:
            details = [f"{key} {_shown(old)} -> {_shown(new)}" for key, (old, new) in self.fields.items()]
        details.extend(self.notes)
        return f"{head}: {', '.join(details)}" if details else head


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that a change does, in the order of the file; false when that is nothing."""

    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    """Sentences on what it leaves, and had better not be so; no part of what is kept."""

    def __bool__(self) -> bool:
        return bool(self.changes)

    def lines(self) -> list[str]:
        """One line per row, or `nothing changes`."""
        return [printable(change.line()) for change in self.changes] or ["nothing changes"]

    def as_json(self) -> dict[str, Any]:
        """The same for the table registry_change."""
        return {
            "changes": [
                {
                    "sign": change.sign,
                    "kind": change.kind,
                    "name": change.name,
                    **({"of": change.of} if change.of else {}),
                    **({"identity": dict(change.identity)} if change.identity else {}),
                    **(
                        {"fields": {key: list(values) for key, values in change.fields.items()}}
                        if change.fields
                        else {}
                    ),
                    **({"notes": list(change.notes)} if change.notes else {}),
                }
                for change in self.changes
            ]
        }


def _shown(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case "":
            return '""'
        case Mapping():
            return "{" + ", ".join(f"{key} = {_shown(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_shown, value)) + "]"
        case _:
            return str(value)
