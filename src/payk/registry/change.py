"""A change, applied: one transaction, one at a time, with who did what kept beside it.

The registry becomes as the file says. What the file does not name is left alone: clients, operators, links and routes
that it does not mention, and keys that it does not write. A written list is the whole list, except `api_keys`, which
only adds. Nothing is deleted. A second run changes nothing.
"""

from __future__ import annotations

from payk.registry.comparison import Comparison
from payk.registry.difference import Difference
from payk.registry.errors import RegistryFileError
from payk.registry.file import RegistryFile
from payk.registry.secrets import SecretBox
from payk.store.database import Database
from payk.store.registry import RegistryChange, RegistryRows, announce, changing

__all__ = ["apply", "present_rows"]


async def apply(
    db: Database, secret_box: SecretBox, file: RegistryFile, *, author: str, dry_run: bool = False
) -> Difference:
    """Make the registry be as `file` says; returns what that changed, or would change where `dry_run`.

    Raises RegistryFileError (what it names does not fit what is there) and StoreError; then nothing has changed, except
    after OutcomeUnknown, where a second run tells.
    """
    version = None
    async with changing(db) as change:
        comparison = Comparison(await present_rows(change, file), file, secret_box)
        difference = comparison.difference
        if difference and not comparison.problems:
            await change.put(comparison.rows)
            version = await change.record(author, difference.as_json())
        if dry_run:
            await change.undo()
    if comparison.problems:
        raise RegistryFileError(file.name, comparison.problems)
    if version is not None and not dry_run:
        await announce(db, version)
    return difference


async def present_rows(change: RegistryChange, file: RegistryFile) -> RegistryRows:
    """What is there of everything that `file` names."""
    return await change.present(
        clients=[client.name for client in file.clients],
        keys=[digest for client in file.clients for key in client.named_keys() for digest in key.digests],
        links=[link.name for operator in file.operators for link in operator.links],
        prefixes=[route.prefix for route in file.routes],
    )
