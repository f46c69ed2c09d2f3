"""Which binds are ours, and which links are up: leases in the database, followed once a second.

A bind is held by one incarnation. Its lease is asked for here and ends with the incarnation; whether it holds at the
moment of a write is asked of the incarnation itself (Incarnation.held). While the database is away sessions stay:
answers, enquire_link and temporary refusals go on. A process that was held for dead, or that stood still for longer
than its lease, closes its sessions before it does anything else; they are bound again when their binds are leased anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from payk.domain.directory import CurrentDirectory
from payk.links import Link
from payk.logs import get_logger
from payk.store.database import Database
from payk.store.errors import StoreError
from payk.store.incarnation import Incarnation
from payk.store.processes import BindNote, held_binds, lease_binds, links_up, note_binds, release_binds

__all__ = ["BindKeeper"]

log = get_logger("dispatch")

ROUND = 0.5
KEEP_WITHOUT_DATABASE = 300.0
"""Seconds without a heartbeat after which sessions are left.

From within a process two cases look alike. The database is away for all: then nobody can take over, and whoever keeps
its sessions goes on at once, with no receipt lost and no operator that is asked to bind dozens of sessions anew. Or
only our way to it is cut: then others lease our binds after one lease, and where the operator counts sessions theirs
are refused (ESME_RALYBND) until ours are gone. The first is the common one, restarts and failovers of a database among
it, and takes minutes; the second must end by itself. Submits stop with the lease in both.
"""
NOT_RUNNING = BindNote(False, "its link to start", None)


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
        self._noted: dict[tuple[int, int], BindNote] = {}
        self._noted_by = 0
        self.up: frozenset[int] = frozenset()
        """Links that some live process is bound to."""
        incarnation.when_lapsed(self._lapse)

    def _lapse(self) -> None:
        """What this process leased is lost: its sessions end before anything else is written on them."""
        for link in self._links.values():
            link.lapse()

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
            if self._incarnation.silent_for() > KEEP_WITHOUT_DATABASE:
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
        up = await links_up(self._db)
        if up != self.up:
            self.up = up
            self._on_change()

    async def _note(self, number: int, mine: set[tuple[int, int]]) -> None:
        if number != self._noted_by:
            self._noted, self._noted_by = {}, number
        notes = {
            (link.link_id, status.number): BindNote(status.bound, status.waiting_for, status.last_error)
            for link in self._links.values()
            for status in link.binds
        }
        news = {key: notes.get(key, NOT_RUNNING) for key in mine}
        news = {key: note for key, note in news.items() if note != self._noted.get(key)}
        if news:
            await note_binds(self._db, number, news)
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
            self._noted = {key: note for key, note in self._noted.items() if key not in left}
