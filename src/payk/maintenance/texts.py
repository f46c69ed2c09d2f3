"""Texts that nobody needs any more are wiped: those of Otp after minutes, others after the days of their client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from payk.store.database import Database
from payk.store.texts import OTP, due_walks, look_again, walk_on

__all__ = ["run_once"]


async def run_once(db: Database, otp_minutes: int) -> int:
    """Wipe the Otp that are due, and some of the other texts; returns whether there is more."""
    otp_seconds = otp_minutes * 60.0
    walks = await due_walks(db, otp_seconds)
    for walk in walks:
        if walk.client_id == OTP:
            while await _half_of_the_time(walk_on(db, walk, otp_seconds)):
                pass
    while await _half_of_the_time(look_again(db, otp_seconds)):
        pass
    # The first day of a client's setting may be a long way: Otp do not wait for it.
    more = [await _half_of_the_time(walk_on(db, walk, otp_seconds)) for walk in walks if walk.client_id != OTP]
    return int(any(more))


async def _half_of_the_time(step: Awaitable[bool]) -> bool:
    """Do a step, and pause as long as it took where there are more: a backlog leaves the database to the path."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    more = await step
    if more:
        await asyncio.sleep(loop.time() - began)
    return more
