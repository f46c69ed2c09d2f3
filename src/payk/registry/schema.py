"""What the tables of a registry file hold, as JSON Schema: for the description of the management API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from payk.registry.key import Option
from payk.registry.options import TABLES
from payk.registry.value import schema_of

__all__ = ["read_schema", "written_schema"]

_SECRET = frozenset({"key", "sha256", "password", "api_keys", "api_key_sha256", "revoked_keys"})
"""What is written and never shown."""
_NAMING = frozenset({"name", "prefix", "client", "sender", "sms_type", "operators", "revoked"})
"""What is shown though it is no setting."""


def written_schema(heading: str) -> dict[str, Any]:
    """What may be written of a table; all of it may be left out."""
    properties = {name: {**schema_of(key.read), "description": key.about} for name, key in TABLES[heading].items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def read_schema(heading: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is shown of a table: every setting, and `facts` (name -> schema) besides."""
    properties = {
        name: {**_or_null(schema_of(key.read)), "description": key.about}
        for name, key in TABLES[heading].items()
        if name not in _SECRET and (isinstance(key, Option) or name in _NAMING)
    }
    properties |= {name: dict(schema) for name, schema in facts.items()}
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def _or_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that were never made are null."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return {**schema, "type": [kind, "null"]}
    return dict(schema)
