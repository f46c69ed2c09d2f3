"""What can go wrong between us and the database.

StoreError
+-- StoreUnavailable    unreachable or refusing; surely nothing was written
    +-- StoreBusy       another transaction held a row for too long
+-- OutcomeUnknown      the connection was lost while it confirmed a COMMIT
+-- StoreRefused        the database understood and refused the data
+-- SchemaError         this database cannot be served; one line, with what to do
    +-- SchemaMissing   no schema, or an older one: `payk migrate`
    +-- SchemaNewer     written by a newer Payk
    +-- NotOurs         holds something else
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "NotOurs",
    "OutcomeUnknown",
    "SchemaError",
    "SchemaMissing",
    "SchemaNewer",
    "StoreBusy",
    "StoreError",
    "StoreRefused",
    "StoreUnavailable",
]


class StoreError(Exception):
    """Anything the store reports."""


class StoreUnavailable(StoreError):
    """The database cannot be reached or is shutting down; surely nothing was written."""


class StoreBusy(StoreUnavailable):
    """Another transaction holds what this one needs; surely nothing was written, and trying again may succeed."""


class OutcomeUnknown(StoreError):
    """The connection was lost while it confirmed a COMMIT; `message_ids` were drawn for what it held."""

    def __init__(self, message_ids: Sequence[int] = ()) -> None:
        super().__init__("the connection to the database was lost while it confirmed a COMMIT")
        self.message_ids = tuple(message_ids)


class StoreRefused(StoreError):
    """The database refused the data itself; trying again gives the same."""


class SchemaError(StoreError):
    """This database cannot be served as it is; str() is one line that says what to do."""


class SchemaMissing(SchemaError):
    """No schema of ours yet, or an older one."""


class SchemaNewer(SchemaError):
    """The schema was written by a newer Payk."""


class NotOurs(SchemaError):
    """The database holds something that is not ours."""
