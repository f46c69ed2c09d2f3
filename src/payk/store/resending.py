"""What turns out to be with the operator is not sent again: by a late answer, or by a receipt for the first try."""

from __future__ import annotations

from collections.abc import Sequence

from payk.domain.receipt import ReceiptWait
from payk.store.arrays import columns
from payk.store.database import Connection
from payk.store.queries import sql

__all__ = ["drop_messages", "drop_parts", "keep_unnamed"]


async def drop_parts(connection: Connection, parts: Sequence[tuple[int, int]], wait: ReceiptWait) -> None:
    """Do not send these (message_id, part) again; messages of which nothing else is left to send await receipts.

    What is claimed is on its way already and stays so.
    """
    given = columns(sorted(set(parts)))
    await connection.execute(sql("resending.lock"), given[0])
    await connection.execute(sql("resending.settle_uncertain"), *given)
    # First the staged ones: what is being moved to the queue at this moment is found there by the second statement.
    await connection.execute(sql("resending.drop_staged_parts"), *given)
    await connection.execute(sql("resending.drop_waiting_parts"), *given)
    await connection.execute(sql("resending.await_emptied"), given[0], wait.wait, wait.grace)


async def keep_unnamed(connection: Connection, parts: Sequence[tuple[int, int, int]]) -> None:
    """These (message_id, part, attempt) were uncertain, and were taken without an id."""
    await connection.execute(sql("resending.keep_unnamed"), *columns(sorted(set(parts))))


async def drop_messages(connection: Connection, message_ids: Sequence[int]) -> None:
    """Send nothing of these messages again: they are final."""
    await connection.execute(sql("resending.drop_staged"), message_ids)
    await connection.execute(sql("resending.drop_waiting"), message_ids)
