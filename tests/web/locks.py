"""Who waits while a test holds a lock."""

from __future__ import annotations

__all__ = ["WAITS"]

WAITS = """select count(*) from pg_locks
where not granted and database = (select oid from pg_database where datname = current_database())"""
"""How many wait for a lock of the test's own."""
