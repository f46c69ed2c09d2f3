"""Traces of links that ended, or whose reader is gone, are dropped."""

from __future__ import annotations

from payk.store.database import Database
from payk.store.link_traces import prune_traces

__all__ = ["run_once"]


async def run_once(db: Database) -> int:
    """Drop them; returns how many."""
    return await prune_traces(db)
