"""A change, applied: one transaction, one at a time, with who did what kept beside it.

The registry becomes as the file says. What the file does not name is left alone: clients, operators, links and routes
that it does not mention, and keys that it does not write. A written list is the whole list, except `api_keys`, which
only adds. Nothing is deleted. A second run changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from payk.domain.access import Actor, PrincipalKind
from payk.domain.audit import AuditEntry
from payk.registry.comparison import Comparison
from payk.registry.cut_off import traffic_cut_off
from payk.registry.difference import Difference
from payk.registry.drawing import keep_queues
from payk.registry.errors import AlreadyThere, ChangedMeanwhile, ForceRequired, NotThere, RegistryFileError
from payk.registry.file import RegistryFile
from payk.registry.resource import Identity, etag, route_settings
from payk.registry.route_name import route_name
from payk.registry.secrets import SecretBox
from payk.registry.unwise import waiting_for_hours
from payk.registry.value import shown
from payk.store.database import Connection, Database
from payk.store.registry import RegistryChange, RegistryRows, announce, changing

__all__ = ["ANYTHING", "NOTHING", "Within", "apply", "keep", "present_rows"]

ANYTHING = "*"
"""Expected of what must be there, whatever it is."""
NOTHING = ""
"""Expected of what must not be there yet."""
Within = Callable[[Connection, Difference], Awaitable[None]]
"""What is done in the transaction of a change, with what it changed."""


async def apply(
    db: Database,
    secret_box: SecretBox,
    file: RegistryFile,
    *,
    author: str,
    actor: Actor | None = None,
    dry_run: bool = False,
    force: bool = False,
    expected: Mapping[Identity, str] | None = None,
    accepts: Callable[[Difference], None] | None = None,
    within: Within | None = None,
) -> Difference:
    """Make the registry be as `file` says; returns what that changed, or would change where `dry_run`.

    `actor`: who stands in the audit log, where more is known than `author`. `expected`: the etag of what the change was
    made for, or ANYTHING, or NOTHING. With `force` a change may cut off traffic that runs. `accepts` may raise
    ChangeRefused when it sees the difference; `within` finds, unless nothing changes, all as it will be.
    Raises RegistryFileError (what it names does not fit what is there), ChangeRefused and StoreError; then nothing has
    changed, except after OutcomeUnknown, where a second run tells.
    """
    version = None
    async with changing(db) as change:
        present = await present_rows(change, file)
        _check(expected or {}, present)
        # Whoever is on the database itself has all that is sealed, and restores from exports of before.
        local = actor is None or actor.kind is PrincipalKind.LOCAL
        # A file of thousands of clients takes seconds, and customers wait for the same loop.
        comparison = await asyncio.to_thread(Comparison, present, file, secret_box, takes_unbound=local)
        difference = comparison.difference
        if difference and not comparison.problems:
            if accepts is not None:
                accepts(difference)
            carried = await change.operators_that_carry()
            await change.put(comparison.rows)
            if not force and (cut_off := await traffic_cut_off(change, present, comparison.rows, carried)):
                raise ForceRequired(cut_off)
            if comparison.rows.routes or any(row.options["operators"] for row in comparison.rows.senders):
                await keep_queues(change)
            if comparison.hours_changed:
                waits = waiting_for_hours(await change.clients_with_batch_for_later(comparison.hours_changed))
                difference = replace(difference, warnings=(*difference.warnings, *waits))
            if within is not None:
                await within(change.connection, difference)
            version = await keep(change, difference, author, actor)
        if dry_run:
            await change.undo()
    if comparison.problems:
        raise RegistryFileError(file.name, comparison.problems)
    if version is not None and not dry_run:
        await announce(db, version)
    return difference


async def keep(change: RegistryChange, difference: Difference, author: str, actor: Actor | None) -> int:
    """Keep what a change does, with its author, and in the audit log; the last thing it does. Returns its version."""
    lines = await asyncio.to_thread(difference.as_json)
    version = await change.record(author, lines)
    who = actor or Actor(PrincipalKind.LOCAL, author)
    await change.audit(
        AuditEntry(who, "registry.change", line["kind"], line["name"], {"version": version, **line})
        for line in lines["changes"]
    )
    return version


async def present_rows(change: RegistryChange, file: RegistryFile) -> RegistryRows:
    """What is there of everything that `file` names."""
    return await change.present(
        clients=[
            *(client.name for client in file.clients),
            *sorted({route.key.client for route in file.routes if route.key.client is not None}),
        ],
        keys=[digest for client in file.clients for key in client.named_keys() for digest in key.digests],
        links=[link.name for operator in file.operators for link in operator.links],
        routes=[route.key for route in file.routes],
    )


def _check(expected: Mapping[Identity, str], present: RegistryRows) -> None:
    """Raise AlreadyThere, NotThere or ChangedMeanwhile for the first that is not as expected."""
    etags = _etags(present) if expected else {}
    for (heading, name), tag in expected.items():
        found = etags.get((heading, name))
        what = f"{heading.rpartition('.')[2]} {name if heading == 'route' and ' ' in name else shown(name)}"
        if tag == NOTHING and found is not None:
            raise AlreadyThere(f"There is a {what} already.")
        if tag != NOTHING and found is None:
            raise NotThere(f"There is no {what}.")
        if tag not in (NOTHING, ANYTHING, found):
            raise ChangedMeanwhile(f"The {what} has changed since it was read; it is {found} now. Read it again.")


def _etags(present: RegistryRows) -> dict[Identity, str]:
    return {
        **{("client", row.name): etag("client", row.options) for row in present.clients},
        **{
            ("client.sender", f"{row.client}/{row.name.lower()}"): etag("client.sender", row.options)
            for row in present.senders
        },
        **{
            ("client.key", row.sha256.hex()): etag("client.key", {**row.options, "revoked": row.revoked})
            for row in present.keys
        },
        **{("operator", row.name): etag("operator", row.options) for row in present.operators},
        **{
            ("operator.link", row.name): etag(
                "operator.link", {**row.options, "sealed": hashlib.sha256(row.password).hexdigest()}
            )
            for row in present.links
        },
        **{("route", route_name(row.key.folded())): etag("route", route_settings(row)) for row in present.routes},
    }
