"""The registry inside a command on the database, for names: most commands need no more of it, and do without."""

from __future__ import annotations

from payk.domain.directory import CurrentDirectory
from payk.registry.errors import RegistryError
from payk.registry.follow import load
from payk.store.database import Database
from payk.store.errors import StoreError

__all__ = ["load_names"]


async def load_names(db: Database, directory: CurrentDirectory) -> RegistryError | StoreError | None:
    """Put what is configured into `directory`; where that cannot be had, or understood, it stays as it is: why."""
    try:
        directory.value = await load(db)
    except (RegistryError, StoreError) as error:
        return error
    return None
