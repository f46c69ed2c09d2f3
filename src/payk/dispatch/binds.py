"""Which binds are ours, and which operators are up: leases in the database, followed once a second.

A bind is held by one incarnation. Its lease is asked for here and ends with the incarnation; whether it holds at the
moment of a write is asked of the incarnation itself (Incarnation.held). While the database is away sessions stay as
they are for three lease lengths: answers and enquire_link go on. A process that was held for dead comes back as
a new incarnation, which holds nothing: its links unbind before their binds are leased again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from payk.domain.directory import CurrentDirectory
from payk.links import Link
from payk.logs import get_logger
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.processes import Incarnation, held_binds, lease_binds, note_binds, operators_up, release_binds

__all__ = ["BindKeeper"]

log = get_logger("dispatch")

ROUND = 0.5
KEEP_WITHOUT_LEASE = 3
"""Lease lengths for which sessions are kept while the database is away."""


class BindKeeper:
    """Leases the binds of the links of this process and tells every process which of them are bound."""

    def __init__(
        self,
        db: Database,
        directory: CurrentDirectory,
        incarnation: Incarnation,
        links: Mapping[int, Link],
        on_change: Callable[[], None],
    ) -> None:
        self._db = db
        self._directory = directory
        self._incarnation = incarnation
        self._links = links
        self._on_change = on_change
        self._look = asyncio.Event()
        self._noted: dict[tuple[int, int], bool] = {}
        self._noted_by = 0
        self.up: frozenset[int] = frozenset()
        """Operators that some live process is bound to."""

    def changed(self) -> None:
        """A bind came up or went down, or a link came or went."""
        self._look.set()

    async def run(self) -> None:
        """Keep leases and notes right until cancelled."""
        while True:
            try:
                await self._round()
            except StoreError as error:
                log.warning("binds could not be leased", error=str(error))
            if self._incarnation.silent_for() > KEEP_WITHOUT_LEASE * self._incarnation.lease:
                # Perhaps only our own way to the database is cut: another process cannot bind while we hold on.
                for link in self._links.values():
                    link.want_binds(())
            try:
                async with asyncio.timeout(ROUND):
                    await self._look.wait()
            except TimeoutError:
                pass
            self._look.clear()

    async def _round(self) -> None:
        number = self._incarnation.number
        if not self._incarnation.held():
            return
        wanted = {(link.link_id, bind) for link in self._links.values() for bind in range(1, link.settings.binds + 1)}
        held = await held_binds(self._db, number)
        mine = {(bind.link_id, bind.number) for bind in held}
        if wanted - mine:
            await lease_binds(self._db, number, wanted - mine)
            held = await held_binds(self._db, number)
            mine = {(bind.link_id, bind.number) for bind in held}
        if not self._incarnation.held() or self._incarnation.number != number:
            return
        for link in self._links.values():
            of_link = [bind for bind in held if bind.link_id == link.link_id and (bind.link_id, bind.number) in wanted]
            if of_link:
                link.set_rate_share(len(of_link) / max(len(of_link), *(bind.leased for bind in of_link)))
            link.want_binds({bind.number for bind in of_link})
        await self._note(number, mine)
        await self._release(number, mine - wanted)
        up = await operators_up(self._db, self._incarnation.lease)
        if up != self.up:
            self.up = up
            self._on_change()

    async def _note(self, number: int, mine: set[tuple[int, int]]) -> None:
        if number != self._noted_by:
            self._noted, self._noted_by = {}, number
        bound = {(link.link_id, status.number): status.bound for link in self._links.values() for status in link.binds}
        news = {key: bound.get(key, False) for key in mine if bound.get(key, False) != self._noted.get(key, False)}
        if news:
            await note_binds(self._db, number, news.items())
            self._noted |= news

    async def _release(self, number: int, unwanted: set[tuple[int, int]]) -> None:
        """Give back leases of binds that are gone; one that is still being left keeps its lease."""
        left = {
            key
            for key in unwanted
            if key[0] not in self._links or key[1] not in {status.number for status in self._links[key[0]].binds}
        }
        if left:
            await release_binds(self._db, number, left)
            self._noted = {key: bound for key, bound in self._noted.items() if key not in left}
