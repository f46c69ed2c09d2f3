"""What operators send by themselves: receipts and messages from subscribers. Stored first, acknowledged then."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from itertools import zip_longest
from zoneinfo import ZoneInfo

from payk.clock import Clock
from payk.dispatch.figures import count_receipts
from payk.dispatch.pace import gather
from payk.domain.directory import CurrentDirectory
from payk.domain.id_modes import LearnedIdModes
from payk.domain.operator import IdMode, Link
from payk.domain.receipt import ReceiptReport, ReceiptWait, state_of
from payk.links import Delivery
from payk.logs import get_logger
from payk.metrics.catalogue import BATCH_ITEMS, BATCH_SECONDS, RECEIPTS_PARKED
from payk.outcome_log import OutcomeLog
from payk.smpp import CommandStatus, Receipt, parse_receipt, parse_receipt_date
from payk.store.database import Database
from payk.store.errors import StoreError, StoreRefused, is_lasting
from payk.store.receipts import (
    Inbound,
    Settled,
    learn_id_mode,
    learned_id_modes,
    park_receipts,
    settle_parked,
    settle_receipts,
    store_inbound,
)
from payk.value import value

__all__ = ["ReceiptRecorder"]

log = get_logger("dispatch")

MOST = 1_000
DEFECTS_ALONE = 8
"""Receipts of a batch that are found one by one, where a defect keeps them from being settled."""
WIDEST_REFERENCE = 0xFFFF
"""A larger user_message_reference is none of ours (SMPP 3.4, 5.3.2.17: two octets)."""


@value
class _Arrived:
    delivery: Delivery
    content: ReceiptReport | Inbound


def _inbound(delivery: Delivery, operator_id: int) -> Inbound:
    pdu = delivery.pdu
    source, destination = _clean(pdu.source_addr), _clean(pdu.destination_addr)
    return Inbound(operator_id, delivery.link_id, source, destination, delivery.octets)


def _dates(receipt: Receipt, link: Link, now: datetime) -> tuple[datetime | None, datetime | None]:
    """When it was submitted and done by the operator's clock. Whatever is wrong with them, a receipt can do without."""
    submitted, done = receipt.submit_date, receipt.done_date
    try:
        zone = ZoneInfo(link.receipt_timezone)
        return (
            None if submitted is None else parse_receipt_date(submitted, zone, now),
            None if done is None else parse_receipt_date(done, zone, now),
        )
    except Exception as error:  # noqa: BLE001 (such as a machine that does not know the zone)
        log.warning("dates of a receipt cannot be read", link_id=link.link_id, error=str(error))
        return None, None


def _is_message(report: ReceiptReport, settled: Settled) -> bool:
    """Whether what looked like a receipt is a subscriber's message: its id is none of ours."""
    return report.by_text_alone and settled.message_id is None


def _clean(text: str) -> str:
    """Text from a peer as PostgreSQL can hold it."""
    return text.replace("\x00", "")


class ReceiptRecorder:
    """Gathers deliveries of all links and settles them a batch at a time."""

    def __init__(
        self,
        db: Database,
        directory: CurrentDirectory,
        wait: ReceiptWait,
        outcomes_recorded: Callable[[], Awaitable[None]],
        clock: Clock,
        on_settled: Callable[[int, list[float], list[float]], None] = lambda link_id, alone, others: None,
    ) -> None:
        """`on_settled(link_id, alone, others)`: final receipts, each so many seconds after its submit; `alone`, whose
        submit was the whole message and was answered.
        """
        self._db = db
        self._directory = directory
        self._wait = wait
        self._outcomes_recorded = outcomes_recorded
        self._clock = clock
        self._on_settled = on_settled
        self._outcome_log = OutcomeLog(directory, "dispatch")
        self._id_modes = LearnedIdModes()
        self._arrived: list[_Arrived] = []
        self._early: list[int] = []
        self._defects = 0
        """Receipts of the present batch that a defect keeps from being settled."""
        self._some = asyncio.Event()

    def take(self, delivery: Delivery) -> None:
        """A deliver_sm or data_sm from an operator; it is answered when it is stored. Never raises."""
        link = self._directory.link_of(delivery.link_id)
        if link is None:
            delivery.respond(CommandStatus.ESME_RX_T_APPN)
            return
        try:
            receipt = parse_receipt(delivery.pdu, text_receipts=link.text_receipts)
            content = _inbound(delivery, link.operator_id) if receipt is None else self._report(receipt, link)
        except Exception:  # a defect: raised on, it would end the session, and again when the PDU is sent again
            log.exception("delivery cannot be read, and is kept as it came", link_id=link.link_id)
            content = _inbound(delivery, link.operator_id)
        self._arrived.append(_Arrived(delivery, content))
        self._some.set()

    def try_parked(self, parked_ids: Sequence[int]) -> None:
        """Submits were recorded that these parked receipts may belong to."""
        self._early += parked_ids
        self._some.set()

    def _report(self, receipt: Receipt, link: Link) -> ReceiptReport:
        reference = receipt.user_message_reference
        submitted_at, done_at = _dates(receipt, link, self._clock.now())
        return ReceiptReport(  # in the order of its fields, which is a third of the price of their names
            link.operator_id,
            link.link_id,
            receipt.message_ids,
            state_of(receipt.message_state, intermediate=receipt.intermediate),
            receipt.state,
            receipt.err,
            receipt.network_error_code,
            receipt.done_date,
            reference if reference is not None and reference <= WIDEST_REFERENCE else None,
            _clean(receipt.source_addr),
            _clean(receipt.destination_addr),
            link.id_mode,
            receipt.by_text_alone,
            submitted_at,
            done_at,
        )

    async def run(self) -> None:
        """Settle until cancelled."""
        await self._recall()
        while True:
            await self._some.wait()
            self._some.clear()
            while self._arrived:
                await self._outcomes_recorded()
                batch, self._arrived = self._arrived[:MOST], self._arrived[MOST:]
                await self._store(batch)
            await self._try_early()
            await gather(lambda: len(self._arrived))

    async def _try_early(self) -> None:
        told = self._outcome_log.received if self._outcome_log.on else None
        while self._early:
            early, self._early = self._early[:MOST], self._early[MOST:]
            try:
                await settle_parked(self._db, early, self._directory, self._wait, told)
            except StoreError as error:
                log.warning("parked receipts wait for their next turn", error=str(error))
            except Exception:  # a defect must not end the receipts of all operators
                log.exception("parked receipts wait for their next turn")

    async def _recall(self) -> None:
        """What was learned of the links before; without it, it is learned again."""
        try:
            learned = await learned_id_modes(self._db)
        except StoreError as error:
            log.warning("what was learned of ids is not at hand", error=str(error))
        else:
            self._id_modes = LearnedIdModes({link_id: known.mode for link_id, known in learned.items()})

    async def _learn(self, reports: Sequence[ReceiptReport], settled: Sequence[Settled]) -> None:
        """Look at how the ids of matched receipts related to those of the answers."""
        news: dict[int, IdMode] = {}
        for report, one in zip(reports, settled, strict=True):
            if report.id_mode is IdMode.LEARN and one.shows and self._id_modes.shown(report.link_id, one.shows):
                news[report.link_id] = one.shows
        for link_id, mode in news.items():
            link = self._directory.link_of(link_id)
            log.info("ids in receipts learned", link=link.name if link else link_id, id_mode=mode.value)
            try:
                await learn_id_mode(self._db, link_id, mode)
            except StoreError as error:
                log.warning("what was learned of ids could not be kept", error=str(error))

    async def _store(self, batch: list[_Arrived]) -> None:
        self._defects = 0
        receipts = [arrived for arrived in batch if isinstance(arrived.content, ReceiptReport)]
        inbound = [arrived for arrived in batch if isinstance(arrived.content, Inbound)]
        for kind in (receipts, inbound):
            if kind:
                await self._store_kind(kind)

    async def _store_kind(self, batch: list[_Arrived]) -> None:
        """Store deliveries of one kind and answer them; what the database refuses is split until it stands alone, and
        so is what a defect of ours cannot settle: it must not end the receipts of all operators.
        """
        reports = [arrived.content for arrived in batch if isinstance(arrived.content, ReceiptReport)]
        settled: list[Settled] = []
        began = self._clock.monotonic()
        try:
            if reports:
                settled = await settle_receipts(
                    self._db, reports, self._wait, self._id_modes.known, about=self._outcome_log.on
                )
            else:
                await store_inbound(self._db, [a.content for a in batch if isinstance(a.content, Inbound)])
            status = CommandStatus.ESME_ROK
        except Exception as error:  # noqa: BLE001 (told of where it stands alone)
            if is_lasting(error) and len(batch) > 1:
                if self._defects >= DEFECTS_ALONE and reports and not isinstance(error, StoreRefused):
                    await self._set_all_aside(batch, error)
                    return
                middle = len(batch) // 2
                await self._store_kind(batch[:middle])
                await self._store_kind(batch[middle:])
                return
            if is_lasting(error):
                status = await self._set_aside(batch[0], error)
            else:
                log.warning("deliveries could not be stored; the operator will send them again", error=str(error))
                status = CommandStatus.ESME_RX_T_APPN
        messages = []
        for arrived, report, one in zip_longest(batch, reports, settled):
            if one is not None and _is_message(report, one):
                messages.append(_Arrived(arrived.delivery, _inbound(arrived.delivery, report.operator_id)))
            else:
                arrived.delivery.respond(status)
        if messages:
            await self._store_kind(messages)
        if settled:
            BATCH_ITEMS.observe((len(batch),), "receipts")
            BATCH_SECONDS.observe((self._clock.monotonic() - began,), "receipts")
            try:
                await self._look_at(reports, settled)
            except Exception:  # they are stored and answered
                log.exception("receipts are settled, and not all was told of them")

    async def _set_aside(self, arrived: _Arrived, error: Exception) -> CommandStatus:
        """Tell of the one delivery that cannot be stored; returns what its operator is answered.

        A receipt that a defect keeps from being settled is parked: the operator would send it again and again, and the
        version that mends the defect finds it there. One by text alone may be anybody's, and is not parked.
        """
        link_id, content = arrived.delivery.link_id, arrived.content
        if isinstance(error, StoreRefused):
            log.error("delivery refused by the database", link_id=link_id, error=str(error))
            return CommandStatus.ESME_RX_R_APPN
        self._defects += 1
        log.error("delivery cannot be settled, by a defect", link_id=link_id, exc_info=error)
        if not isinstance(content, ReceiptReport) or content.by_text_alone:
            return CommandStatus.ESME_RX_R_APPN
        try:
            await self._park([content])
        except Exception as of_parking:
            log.exception("delivery cannot be parked", link_id=link_id)
            return CommandStatus.ESME_RX_R_APPN if is_lasting(of_parking) else CommandStatus.ESME_RX_T_APPN
        return CommandStatus.ESME_ROK

    async def _set_all_aside(self, batch: list[_Arrived], error: Exception) -> None:
        """Park receipts beside many with a defect, unlooked at: to find it in each would hold up all operators.

        They are tried again at once, as all that are parked; what is never parked is asked for later.
        """
        log.error("deliveries cannot be settled, by a defect that many meet", deliveries=len(batch), exc_info=error)
        reports = [arrived.content for arrived in batch if isinstance(arrived.content, ReceiptReport)]
        parked = [report for report in reports if not report.by_text_alone]
        status = CommandStatus.ESME_ROK
        try:
            await self._park(parked)
        except Exception:
            log.exception("deliveries cannot be parked", deliveries=len(parked))
            status = CommandStatus.ESME_RX_T_APPN
        for arrived, report in zip(batch, reports, strict=True):
            arrived.delivery.respond(CommandStatus.ESME_RX_T_APPN if report.by_text_alone else status)

    async def _park(self, reports: Sequence[ReceiptReport]) -> None:
        """Park receipts unlooked at, and count them."""
        await park_receipts(self._db, reports)
        for operator_id, count in Counter(report.operator_id for report in reports).items():
            RECEIPTS_PARKED.add(self._directory.value.operator_name(operator_id), amount=count)

    async def _look_at(self, reports: Sequence[ReceiptReport], settled: Sequence[Settled]) -> None:
        """What is told, counted and learned of receipts that are settled."""
        self._outcome_log.received(reports, settled)
        count_receipts(reports, settled, self._directory, self._db.now())
        _tell(reports, settled)
        ages: dict[int, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
        for report, one in zip(reports, settled, strict=True):
            if one.age is not None:
                ages[report.link_id][not one.alone].append(one.age)
        for link_id, of_link in ages.items():
            self._on_settled(link_id, *of_link)
        await self._learn(reports, settled)


def _tell(reports: Sequence[ReceiptReport], settled: Sequence[Settled]) -> None:
    """What is out of the ordinary; what receipts ordinarily say is kept, not told."""
    pairs = list(zip(reports, settled, strict=True))
    parked = Counter(report.link_id for report, one in pairs if one.message_id is None and not _is_message(report, one))
    for link_id, receipts in parked.items():
        log.info("receipts parked", link_id=link_id, receipts=receipts)
    for report, one in pairs:
        if one.against is not None:
            log.warning(
                "receipt contradicts a final one",
                message_id=one.message_id,
                parts=one.parts,
                final=one.against.label,
                says=report.raw_state,
                error=report.error,
            )
