"""Digests by which repeats of messages are recognised: claimed by new ones, answered for repeats, taken over from
firsts that do not count any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import asyncpg

from payk.store.arrays import by_kind, chunks
from payk.store.database import Connection
from payk.store.errors import StoreBusy
from payk.store.new_message import Drawn, NewMessage
from payk.store.queries import sql

__all__ = ["Key", "alike", "claim_digests", "is_answer", "settle"]

# The first of two requests with one ClientMessageId no longer counts when it ended so; the second one is sent.
_FAILED = frozenset({3, 4, 5, 8})
_TAKE_OVER_ROUNDS = 5

Key = tuple[int, bytes]
"""A client and a digest of its own."""


def alike(messages: Sequence[NewMessage]) -> tuple[dict[Key, int], dict[int, int]]:
    """Where the first message with each key stands, and, by their own places, where the first of repeats stands."""
    firsts: dict[Key, int] = {}
    repeats_of: dict[int, int] = {}
    for place, message in enumerate(messages):
        if message.repeat_digest is not None:
            first = firsts.setdefault((message.client_id, message.repeat_digest), place)
            if first != place:
                repeats_of[place] = first
    return firsts, repeats_of


async def claim_digests(connection: Connection, drawn: Sequence[Drawn]) -> dict[int, int]:
    """Which messages turned out to be repeats, each with the id of its first."""
    firsts, repeats_of = alike([message for _, message in drawn])
    held: set[int] = set()
    for keys in chunks(sorted(firsts)):  # the same order in every process, else two of them deadlock
        chunk = [drawn[firsts[key]] for key in keys]
        held.update(
            await connection.fetchval(
                sql("accept.claim_digests"),
                [message_id for message_id, _ in chunk],
                [digest for _, digest in keys],
                *by_kind([(message.client_id, message.repeat_window) for _, message in chunk], 2),
                max(message.repeat_window for _, message in chunk),
            )
        )
    repeats = await settle(connection, [pair for pair in drawn if pair[0] in held]) if held else {}
    for place, first in repeats_of.items():  # a repeat inside a request answers what its first answers
        first_id = drawn[first][0]
        repeats[drawn[place][0]] = repeats.get(first_id, first_id)
    return repeats


async def settle(connection: Connection, drawn: Sequence[Drawn]) -> dict[int, int]:
    """Which of these messages, whose digests are held, are repeats, each with the id of its first; the others take
    their digests over.
    """
    keyed = {(m.client_id, m.repeat_digest): (own, m.repeat_window) for own, m in drawn if m.repeat_digest is not None}
    held = sorted(keyed)
    repeats: dict[int, int] = {}
    for _ in range(_TAKE_OVER_ROUNDS):
        if not held:
            break
        held = await _settle_held(connection, held, keyed, repeats)
    else:
        raise StoreBusy("the same request is being repeated faster than it can be stored")
    return repeats


def _key_columns(
    keys: Sequence[Key], keyed: Mapping[Key, tuple[int, int]]
) -> tuple[list[int], list[bytes], list[int], list[int]]:
    return (
        [key[0] for key in keys],
        [key[1] for key in keys],
        [keyed[key][1] for key in keys],
        [keyed[key][0] for key in keys],
    )


def is_answer(row: asyncpg.Record) -> bool:
    """Whether the message that holds a digest answers a repeat of it."""
    return row["in_window"] and row["state"] is not None and row["state"] not in _FAILED


async def _settle_held(
    connection: Connection,
    keys: list[Key],
    keyed: dict[Key, tuple[int, int]],
    repeats: dict[int, int],
) -> list[Key]:
    """Answer held keys with the message that holds them, or take them over; returns the keys still open."""
    rows = await connection.fetch(sql("accept.find_digests"), *_key_columns(keys, keyed)[:3])
    holders: dict[Key, list[tuple[date, int]]] = {key: [] for key in keys}
    for row in rows:
        key = (row["client_id"], row["digest"])
        drawn = keyed[key][0]
        if row["message_id"] == drawn:
            continue  # our own half of a key that is written to two days
        if is_answer(row):
            repeats.setdefault(drawn, row["message_id"])
        else:
            holders[key].append((row["day"], row["message_id"]))
    still_open = [key for key in keys if keyed[key][0] not in repeats]
    moves = [(key, old) for key in still_open for old in holders[key]]
    if moves:
        moved = await connection.fetch(
            sql("accept.take_over_digests"),
            [day for _, (day, _) in moves],
            [key[0] for key, _ in moves],
            [key[1] for key, _ in moves],
            [old for _, (_, old) in moves],
            [keyed[key][0] for key, _ in moves],
        )
        taken = {row[0] for row in moved}
        held = [key for key in still_open if keyed[key][0] in taken]
        if held:
            await connection.execute(
                sql("accept.hold_digests"),
                [key[0] for key in held],
                [key[1] for key in held],
                [keyed[key][0] for key in held],
            )
        still_open = [key for key in still_open if keyed[key][0] not in taken]
    return still_open
