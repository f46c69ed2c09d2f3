"""What can go wrong between us and the database.

StoreError
+-- StoreUnavailable    unreachable or refusing; surely nothing was written
    +-- StoreBusy       another transaction held a row for too long
    +-- HistoryUnknown  the database was restored, or lost commits: `payk recover`
+-- OutcomeUnknown      the connection was lost while it confirmed a COMMIT
+-- StoreRefused        the database understood and refused the data
    +-- RuleBroken      a constraint of ours forbids it: unique, foreign key, check
+-- KeyReused           the answer to a request with another body is kept under this key
+-- SchemaError         this database cannot be served; one line, with what to do
    +-- SchemaMissing   no schema, or an older one: `payk migrate`
    +-- SchemaNewer     written by a newer Payk
    +-- NotOurs         holds something else
"""

from __future__ import annotations

__all__ = [
    "HistoryUnknown",
    "KeyReused",
    "NotOurs",
    "OutcomeUnknown",
    "RuleBroken",
    "SchemaError",
    "SchemaMissing",
    "SchemaNewer",
    "StoreBusy",
    "StoreError",
    "StoreRefused",
    "StoreUnavailable",
    "is_lasting",
]


class StoreError(Exception):
    """Anything the store reports."""


class StoreUnavailable(StoreError):
    """The database cannot be reached or is shutting down; surely nothing was written."""


class StoreBusy(StoreUnavailable):
    """Another transaction holds what this one needs; surely nothing was written, and trying again may succeed."""


class HistoryUnknown(StoreUnavailable):
    """The database is on a line of history that nobody vouched for (payk.store.continuity): it gives no ids away."""

    def __init__(self) -> None:
        super().__init__("the database was restored, or lost commits; see `payk recover`")


class OutcomeUnknown(StoreError):
    """The connection was lost while it confirmed a COMMIT."""

    def __init__(self) -> None:
        super().__init__("the connection to the database was lost while it confirmed a COMMIT")


class StoreRefused(StoreError):
    """The database refused the data itself; trying again gives the same."""


class RuleBroken(StoreRefused):
    """A constraint of the schema forbids the data: who writes them should have known before."""


class KeyReused(StoreError):
    """The answer to a request with another body is kept under this key; nothing was written."""


class SchemaError(StoreError):
    """This database cannot be served as it is; str() is one line that says what to do."""


class SchemaMissing(SchemaError):
    """No schema of ours yet, or an older one."""


class SchemaNewer(SchemaError):
    """The schema was written by a newer Payk."""


class NotOurs(SchemaError):
    """The database holds something that is not ours."""


def is_lasting(error: Exception) -> bool:
    """Whether trying the same again would give the same: the database refused the data, or it is a defect of ours."""
    return isinstance(error, StoreRefused) or not isinstance(error, StoreError)
