"""Taking changes back: the registry as it was before them, as another change.

What they changed gets its old value again; what they added is taken out of service, for nothing is deleted. What cannot
be taken back is said: a revoked key stays revoked, and an old password is not kept. Holds, cancels and releases stand
among the changes and are no settings: they are passed over, and what is left of them is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from payk.domain.access import Actor
from payk.registry.change import apply
from payk.registry.difference import Difference
from payk.registry.errors import ChangedMeanwhile, NotThere, NotToBeTakenBack, Problem, RegistryFileError
from payk.registry.file import read
from payk.registry.key import Option
from payk.registry.options import TABLES
from payk.registry.route_name import EVERY_NUMBER
from payk.registry.secrets import SecretBox
from payk.registry.value import shown
from payk.store.database import Database
from payk.store.registry_pages import (
    StoredChange,
    StoredResource,
    TrafficChange,
    changes_since,
    page_of_changes,
    page_of_keys,
    traffic_changes,
)

__all__ = ["Reverted", "revert"]

MOST: Final = 1_000
"""Changes that are taken back at once; those of traffic, which are passed over, do not count."""
NAMED: Final = 20
"""Holds that are told one by one; thousands may have come and gone."""
_TRAFFIC: Final = frozenset({"hold", "cancel"})
_HEADINGS: Final = {
    "client": "client",
    "api key": "client.key",
    "sender": "client.sender",
    "operator": "operator",
    "link": "operator.link",
    "route": "route",
}
_OUT_OF_SERVICE: Final[Mapping[str, Mapping[str, Any]]] = {
    "api key": {"revoked": True},
    "sender": {"status": "withdrawn"},
}


@dataclass(frozen=True, slots=True)
class Reverted:
    """What taking changes back did, and sentences on what could not be taken back."""

    difference: Difference
    left: tuple[str, ...]


@dataclass(slots=True)
class _Row:
    """What is to become of one row: values to have again, and those that the changes gave it last."""

    was_added: bool = False
    identity: Mapping[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)


_Name = tuple[str, str, str]
"""Kind, name, and whose it is."""


async def revert(
    db: Database,
    secret_box: SecretBox,
    version: int,
    *,
    author: str,
    actor: Actor | None = None,
    through: bool = False,
    force: bool = False,
    passwords: Mapping[str, str] | None = None,
) -> Reverted:
    """Take back change `version`, or, `through`, everything since it as well.

    `passwords`: by link, of those that go back to another host or port, or to other TLS settings.
    Raises NotThere, NotToBeTakenBack (it alone is one of traffic), ChangedMeanwhile (something else changed the same
    since; `force` takes it back all the same), RegistryFileError, ForceRequired and StoreError.
    """
    changes, of_traffic = await _changes(db, version, through=through)
    rows, left = await asyncio.to_thread(_collect, changes)
    left += of_traffic
    digests = await _digests(db, rows)

    def unchanged_since(difference: Difference) -> None:
        for change in difference.changes:
            row = rows.get((change.kind, change.name, change.of))
            for key, (now, _) in change.fields.items():
                if row is not None and key in row.given and row.given[key] != now:
                    what = f"{key} of {change.kind} {shown(change.name)}"
                    raise ChangedMeanwhile(f"The {what} has been changed since, to {shown(now)}.")

    document = _document(rows, digests, passwords or {})
    difference = await apply(
        db,
        secret_box,
        await asyncio.to_thread(read, document, f"change {version}", {}),
        author=author,
        actor=actor,
        force=force,
        accepts=None if force else unchanged_since,
    )
    return Reverted(difference, tuple(left))


async def _changes(db: Database, version: int, *, through: bool) -> tuple[Sequence[StoredChange], list[str]]:
    """The changes, newest first, and what is left of those of traffic among them."""
    [*found] = await page_of_changes(db, 1, only=version)
    if not found:
        raise NotThere(f"There is no change {version}.")
    if through:
        found = await changes_since(db, version, MOST + 1)
        if len(found) > MOST:
            raise NotThere(
                f"More than {MOST:,} changes were made since version {version}; take back the newer ones first."
            )
        return found, _left_of(await traffic_changes(db, version))
    if any(line["kind"] in _TRAFFIC for line in found[0].difference["changes"]):
        why = [_why_not(version, change) for change in (await traffic_changes(db, version, only=True))[:NAMED]]
        raise NotToBeTakenBack(
            " ".join(why) or f"Change {version} is the end of a cancel: nothing is to be taken back."
        )
    return found, []


def _why_not(version: int, change: TrafficChange) -> str:
    """Why a change of traffic is not taken back, and what to do instead."""
    number = change.hold_id
    match change.what, change.stands:
        case "hold", True:
            return f"Change {version} placed hold {number}, which stands: release it with payk queue release {number}."
        case "hold", False:
            return f"Change {version} placed hold {number}, which was released since: there is nothing to take back."
        case "cancel", True:
            return (
                f"Change {version} is cancel {number}, which goes on: payk queue release {number} ends it; "
                "what it deleted stays deleted."
            )
        case "cancel", False:
            return f"Change {version} is cancel {number}, which is over: what it deleted stays deleted."
        case _:
            return (
                f"Change {version} released hold {number}, and what it kept may be sent by now: "
                "hold back what still waits with payk queue hold."
            )


def _left_of(changes: Sequence[TrafficChange]) -> list[str]:
    """What is left of changes of traffic that were passed over, oldest first: what stands one by one, the rest as one.

    Of a hold that was placed and released among them nothing is left.
    """
    placed = {change.hold_id for change in changes if change.what != "release"}
    standing = [
        f"hold {change.hold_id}: release it with payk queue release {change.hold_id}"
        if change.what == "hold"
        else f"cancel {change.hold_id}: it goes on; end it with payk queue release {change.hold_id}"
        for change in changes
        if change.what != "release" and change.stands
    ]
    told = standing[:NAMED]
    if len(standing) > NAMED:
        told.append(f"{len(standing) - NAMED} more holds: payk queue holds shows them all")
    over = [change.hold_id for change in changes if change.what == "cancel" and not change.stands]
    if over:
        told.append(f"{_numbered('cancel', over)}: what was deleted stays deleted")
    released = [change.hold_id for change in changes if change.what == "release" and change.hold_id not in placed]
    if released:
        told.append(f"{_numbered('hold', released)}: released, and not held again; payk queue hold does that")
    return told


def _numbered(noun: str, numbers: Sequence[int]) -> str:
    first = ", ".join(map(str, numbers[:NAMED]))
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return f"{noun}{'s' if len(numbers) > 1 else ''} {first}{more}"


def _collect(changes: Sequence[StoredChange]) -> tuple[dict[_Name, _Row], list[str]]:
    """What is to become of each row that the changes touched, newest change first, and what cannot be taken back."""
    rows: dict[_Name, _Row] = {}
    left = []
    for stored in changes:
        for change in stored.difference["changes"]:
            name: _Name = (change["kind"], change["name"], change.get("of", ""))
            row = rows.setdefault(name, _Row())
            row.was_added = row.was_added or change["sign"] == "+"
            row.identity = change.get("identity", {})
            if change["sign"] == "~":
                for key, (old, new) in change.get("fields", {}).items():
                    row.values[key] = old
                    row.given.setdefault(key, new)
            left += [f"{change['kind']} {change['name']}: {note}" for note in change.get("notes", ())]
    return rows, left


async def _digests(db: Database, rows: Mapping[_Name, _Row]) -> dict[tuple[str, str], str]:
    """The digest of each key by client and the first digits that it goes by, where it can still be changed."""
    found: dict[tuple[str, str], str] = {}
    for client in {of.removeprefix("client ") for kind, _, of in rows if kind == "api key"}:
        after, page = 0, await page_of_keys(db, MOST, client=client)
        while page:
            found |= {(client, key.name[:8]): key.name for key in page if _is_open(key)}
            after = int(page[-1].next)
            page = await page_of_keys(db, MOST, client=client, after=after)
    return found


def _is_open(key: StoredResource) -> bool:
    return not key.options["revoked"]


def _document(
    rows: Mapping[_Name, _Row], digests: Mapping[tuple[str, str], str], passwords: Mapping[str, str]
) -> dict[str, Any]:
    """The registry file that takes the changes back. Raises RegistryFileError for a password of another link."""
    links = {name for kind, name, _ in rows if kind == "link"}
    if strangers := sorted(passwords.keys() - links):
        right = f"known here: {', '.join(sorted(links))}" if links else "leave it out"
        wrong = [Problem(f"passwords.{name}", f"link {shown(name)} is none of those", right) for name in strangers]
        raise RegistryFileError("request", wrong)
    clients: dict[str, dict[str, Any]] = {}
    operators: dict[str, dict[str, Any]] = {}
    routes = []
    for (kind, name, of), row in rows.items():
        keys = _written(_HEADINGS[kind], row.values)
        if row.was_added:
            keys |= _OUT_OF_SERVICE.get(kind, {"enabled": False})
        owner = of.partition(" ")[2]
        match kind:
            case "client":
                clients.setdefault(name, {"name": name}).update(keys)
            case "sender":
                clients.setdefault(owner, {"name": owner}).setdefault("sender", []).append({"name": name, **keys})
            case "api key" if (owner, name) in digests:
                key = {"sha256": digests[owner, name], **keys}
                clients.setdefault(owner, {"name": owner}).setdefault("key", []).append(key)
            case "operator":
                operators.setdefault(name, {"name": name}).update(keys)
            case "link" if owner:
                if name in passwords:
                    keys["password"] = passwords[name]
                operators.setdefault(owner, {"name": owner}).setdefault("link", []).append({"name": name, **keys})
            case "route":
                prefix = "" if name == EVERY_NUMBER else name
                routes.append({**(row.identity or {"prefix": prefix}), **keys})
    return {"client": [*clients.values()], "operator": [*operators.values()], "route": routes}


def _written(heading: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Stored values as a file has them; "" stands for none."""
    keys = TABLES[heading]
    written = {}
    for name, value in values.items():
        key = keys[name]
        written[name] = "" if value is None else key.write(value) if isinstance(key, Option) else value
    return written
