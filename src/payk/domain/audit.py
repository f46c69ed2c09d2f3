"""The chain of the audit log: each entry carries a digest of itself and of the one before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from payk.domain.access import Actor

__all__ = [
    "ANCHOR",
    "FIRST_HASH",
    "MEMBERS",
    "AuditEntry",
    "ChainedEntry",
    "chain",
    "entry_hash",
    "exported_hash",
    "read_anchor",
]

FIRST_HASH: Final = bytes(32)
"""What stands before the first entry."""
ANCHOR: Final = "[0-9]{1,18}:[0-9a-f]{64}"
"""How the number of an entry and its hash are written, as an expression."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act that is to be recorded. Nothing in it is a text, a key, a password or a whole number."""

    actor: Actor
    act: str
    """Such as `registry.change`, `user.disable`, `text.read`."""
    object_kind: str = ""
    object_name: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """What JSON can hold."""


@dataclass(frozen=True, slots=True)
class ChainedEntry:
    """An entry as it stands in the log."""

    sequence: int
    """From 1, without a gap."""
    at: datetime
    actor_kind: str
    actor_id: int
    actor_name: str
    address: str
    request_id: str
    act: str
    object_kind: str
    object_name: str
    detail: str
    """JSON, character by character as it was hashed."""
    previous_hash: bytes
    hash: bytes

    def is_whole(self) -> bool:
        """Whether its digest is that of what it says."""
        return self.hash == entry_hash(self)

    def as_json(self) -> dict[str, Any]:
        """As exported and listed. The digest is of `detail` with sorted keys and without blanks."""
        return {
            "sequence": self.sequence,
            "at": _moment(self.at),
            "actor_kind": self.actor_kind,
            "actor_id": self.actor_id,
            "actor_name": self.actor_name,
            "address": self.address,
            "request_id": self.request_id,
            "act": self.act,
            "object_kind": self.object_kind,
            "object_name": self.object_name,
            "detail": json.loads(self.detail),
            "previous_hash": self.previous_hash.hex(),
            "hash": self.hash.hex(),
        }


MEMBERS: Final = tuple(ChainedEntry.__slots__)
"""Of an exported entry, in their order."""


def read_anchor(written: str) -> tuple[int, str]:
    """Number and hash (hex) of an entry, of what ANCHOR fits."""
    number, _, digest = written.partition(":")
    return int(number), digest


def chain(entry: AuditEntry, sequence: int, at: datetime, previous_hash: bytes) -> ChainedEntry:
    """The entry behind the one with `previous_hash`."""
    actor = entry.actor
    texts = (actor.name, actor.address, actor.request_id, entry.act, entry.object_kind, entry.object_name)
    name, address, request_id, act, object_kind, object_name = map(_storable, texts)
    unfinished = ChainedEntry(
        sequence,
        at,
        str(actor.kind),
        actor.id,
        name,
        address,
        request_id,
        act,
        object_kind,
        object_name,
        json.dumps(entry.detail, sort_keys=True, separators=(",", ":"), default=str),
        previous_hash,
        b"",
    )
    return replace(unfinished, hash=entry_hash(unfinished))


def entry_hash(entry: ChainedEntry) -> bytes:
    """SHA-256 of a JSON array of the members in their order, without its own hash: ASCII, no blanks, digests in hex."""
    *members, previous_hash, _ = _members(entry)
    members[1] = _moment(entry.at)
    return _digest([*members, previous_hash.hex()])


def exported_hash(row: Mapping[str, Any]) -> bytes:
    """The same of an entry as it was exported (ChainedEntry.as_json), by what it says."""
    detail = json.dumps(row["detail"], sort_keys=True, separators=(",", ":"))
    return _digest([detail if name == "detail" else row[name] for name in MEMBERS if name != "hash"])


def _digest(members: Sequence[Any]) -> bytes:
    return hashlib.sha256(json.dumps(members, separators=(",", ":"), ensure_ascii=True).encode("ascii")).digest()


def _members(entry: ChainedEntry) -> list[Any]:
    return [getattr(entry, name) for name in ChainedEntry.__slots__]


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _storable(text: str) -> str:
    """What the database can hold: no NUL, nothing that is half a character."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
