"""From requests to messages that can be stored: one at once, many in slices that let others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from payk.clock import Clock
from payk.domain.account import Client
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.errors import Rejection
from payk.domain.hours import next_opening
from payk.domain.limits import NO_LIMITS, Limits
from payk.domain.message import SmsType
from payk.domain.recipient_zone import recipient_zone
from payk.domain.route import Route, ranked_by_weight
from payk.intake.digests import Digests
from payk.intake.request import ItemRefusal, Refused, Request
from payk.intake.sharing import Sharing
from payk.intake.steps import Draft, walk
from payk.store.accept import NewMessage
from payk.store.errors import StoreUnavailable

__all__ = ["Checking"]

SLICE = 0.002
"""Seconds that the check of a bulk holds the event loop at a time. A single request gets its turn several times on its
way, and waits for a slice each time."""


class Checking:
    """Checks requests against the directory in force. `now` is the database's clock: by it a message is due.

    `zone` is where recipients live whose number does not tell.
    """

    def __init__(
        self, directory: CurrentDirectory, digests: Digests, clock: Clock, now: Callable[[], datetime], zone: ZoneInfo
    ) -> None:
        self._zone = zone
        self._directory = directory
        self._digests = digests
        self._clock = clock
        self._now = now
        self._turn = asyncio.Lock()
        self._sharing = Sharing()

    def one(self, request: Request, client: Client) -> NewMessage:
        """The message of a request. Raises Refused."""
        return self._finished(walk(request, client, self._directory.value, self._now))

    async def many(
        self, requests: Iterator[Request | Rejection], client: Client, deadline: float
    ) -> tuple[list[NewMessage | None], list[ItemRefusal]]:
        """The messages of a bulk, None for each refused item, and the refusals.

        A Rejection stands for an unreadable item. Bulks take turns, so that together they hold the loop no longer than
        one does. Raises StoreUnavailable once `deadline` (Clock.monotonic) is over; what `requests` raises passes
        through.
        """
        directory, began = self._directory.value, self._now()  # the same for all items
        messages: list[NewMessage | None] = []
        refusals: list[ItemRefusal] = []
        more = True
        while more:
            async with self._turn:
                more = self._slice(requests, client, directory, lambda: began, messages, refusals)
            if self._clock.monotonic() > deadline:
                raise StoreUnavailable("the time to answer in was used up by the check")
            await asyncio.sleep(0)
        return messages, refusals

    def _slice(
        self,
        requests: Iterator[Request | Rejection],
        client: Client,
        directory: Directory,
        now: Callable[[], datetime],
        messages: list[NewMessage | None],
        refusals: list[ItemRefusal],
    ) -> bool:
        """Check items until the slice is over; whether there may be more."""
        monotonic = self._clock.monotonic
        end = monotonic() + SLICE
        for request in requests:
            try:
                if isinstance(request, Rejection):
                    raise Refused((request,))
                messages.append(self._finished(walk(request, client, directory, now)))
            except Refused as refused:
                refusals.append(ItemRefusal(len(messages), refused.rejections))
                messages.append(None)
            if monotonic() >= end:
                return True
        return False

    def _finished(self, draft: Draft) -> NewMessage:
        assert draft.route is not None  # a draft without a route is broken
        assert draft.sms_type is not None
        client = draft.client
        if client.limits.batch_hours is not None and draft.sms_type is SmsType.BATCH:
            self._wait_for_hours(draft)
        limits = _counted(client.limits, draft.directory)
        window = client.client_message_id_window if draft.client_message_id is not None else client.repeat_window
        return NewMessage(
            client_id=client.client_id,
            phone=draft.phone,
            sender=draft.sender,
            text=draft.text,
            sms_type=draft.sms_type,
            priority=draft.priority,
            queue_id=self._queue(draft, draft.route),
            parts=draft.parts,
            scheduled_at=draft.due_at,
            expires_in=draft.expires_in,
            label=draft.label,
            client_message_id=draft.client_message_id,
            repeat_digest=self._digests.of_draft(draft) if window > 0 else None,
            repeat_window=window,
            limits=limits,
            price=_price(limits, draft.route.price),
            request_id=draft.request.request_id,
            trace=draft.request.trace,
        )

    def _queue(self, draft: Draft, route: Route) -> int:
        """The queue of the operators that the message gets."""
        operators = draft.operators
        if draft.weights:
            first = self._sharing.next(route.route_id, operators, draft.shares)
            operators = ranked_by_weight(first, operators, draft.weights)
        elif operators is route.operators:
            return route.queue_id
        return draft.directory.queue_of[operators]

    def _wait_for_hours(self, draft: Draft) -> None:
        """Outside the hours for Batch the message is due when they open next. What makes a repeat is not touched."""
        hours = draft.client.limits.batch_hours
        assert hours is not None
        due = draft.due_at or draft.now()
        opening = next_opening(hours, recipient_zone(draft.phone, self._zone), due)
        if opening > due:
            draft.due_at = opening


def _counted(limits: Limits, directory: Directory) -> Limits | None:
    """What the store is to count and look up while it takes a message; None where there is nothing."""
    if limits is not NO_LIMITS and limits.are_counted:
        return limits
    return NO_LIMITS if directory.block_list else None


def _price(limits: Limits | None, price: int) -> int | None:
    """What a part is charged: nothing where only parts are counted, else a refund would pay what nobody paid."""
    if limits is None or not limits.counts_parts:
        return None
    return price if limits.prepaid else 0
