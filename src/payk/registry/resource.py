"""One thing that is configured, as those see it who manage it: its settings by the names of the registry file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from payk.registry.options import DEFAULTS
from payk.store.registry_pages import StoredResource

__all__ = ["HEADINGS", "Identity", "Resource", "etag", "resource_of"]

HEADINGS: Final = ("client", "client.key", "client.sender", "operator", "operator.link", "route")

Identity = tuple[str, str]
"""A heading of the registry file and what a table below it is known by: a sender by `CLIENT/name`, lower-case, a key by
its SHA-256 in hex."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Its settings, all of them, and what is known of it besides; `next` is where the page after it begins."""

    heading: str
    name: str
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]
    next: str

    @property
    def etag(self) -> str:
        """Another one whenever a setting is another one."""
        return etag(self.heading, self.settings)


def resource_of(heading: str, row: StoredResource) -> Resource:
    """What is stored, with the default of every key that is not."""
    return Resource(heading, row.name, {**DEFAULTS[heading], **row.options}, row.facts, row.next)


def etag(heading: str, settings: Mapping[str, Any]) -> str:
    """A digest of all settings of a resource, those that are not stored with their defaults."""
    whole = {**DEFAULTS[heading], **settings}
    return hashlib.sha256(json.dumps(whole, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
