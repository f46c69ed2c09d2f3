"""One thing that is configured, as those see it who manage it: its settings by the names of the registry file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from payk.registry.key import Option
from payk.registry.options import DEFAULTS, TABLES
from payk.store.registry import RouteRow
from payk.store.registry_pages import StoredResource

__all__ = ["Identity", "Resource", "etag", "resource_of", "route_settings", "written"]

Identity = tuple[str, str]
"""A heading of the registry file and what a table below it is known by: a sender by `CLIENT/name`, lower-case, a key by
its SHA-256 in hex, a route by its name (payk.registry.route_name), the sender in it in lower case."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Its settings, all of them, and what is known of it besides; `next` is where the page after it begins.

    Of the password of a link there is `sealed`, a digest of it as it is encrypted; it is not shown.
    """

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


def password_place(settings: Mapping[str, Any]) -> bytes:
    """Where the password of a link with these settings goes, and how it is protected on the way."""
    whole = {**DEFAULTS["operator.link"], **settings}
    place = [whole.get(name) for name in ("host", "port", "tls", "system_id")]
    return json.dumps(place, sort_keys=True, ensure_ascii=True).encode("ascii")


def route_settings(row: RouteRow) -> dict[str, Any]:
    """The settings of a route as they are shown, with what it matches besides its prefix."""
    key = row.key
    conditions = {"client": key.client, "sender": key.sender, "sms_type": key.sms_type}
    return {**row.options, "operators": list(row.operators), **conditions}


def written(heading: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a file has them, in the order of its documentation; None stands for what a file leaves out."""
    keys = TABLES[heading]
    return {
        name: key.write(settings[name]) if isinstance(key, Option) and settings[name] is not None else settings[name]
        for name, key in keys.items()
        if name in settings
    }
