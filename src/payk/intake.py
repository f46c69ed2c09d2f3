"""The path of a new message, whatever door it comes through: named steps, then one verb of the store.

A door makes a `Request` of what it was handed and answers only after `accept` or `accept_bulk` has returned: then the
message is durably stored. A refused message leaves no trace and uses up no id. What this does not do: read a wire
format, know who is calling (the door brings the client), limit the caller.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from payk.clock import Clock
from payk.domain.account import BulkPolicy, Client
from payk.domain.address import check_sender_fits, normalise_phone, registered_sender
from payk.domain.directory import CurrentDirectory, Directory
from payk.domain.errors import Code, Field, Rejection
from payk.domain.message import Priority, SmsType
from payk.domain.route import Route
from payk.domain.validity import due_at, lifetime, parse_instant
from payk.store.accept import GroupCommit, Inserted, NewMessage, insert_messages
from payk.store.database import Database
from payk.store.errors import OutcomeUnknown, StoreUnavailable
from payk.text import count_parts, find_invalid, normalise

__all__ = ["BulkResult", "Intake", "ItemRefusal", "Refused", "Request", "Unconfirmed"]

LABEL_MAX = 255
CLIENT_MESSAGE_ID_MAX = 255

SLICE = 0.002
"""Seconds that the check of a bulk holds the event loop at a time. A single request gets its turn several times on its
way, and waits for a slice each time."""

COMMIT_RESERVE = 0.6
"""Seconds before the deadline at which the store is to give up, so that the answer is out in time: a COMMIT that has
begun is given half a second more. Of less than twice that the store gets half."""

BULKS_AT_ONCE = 2
"""Bulks of a process that are stored at the same time: codes and heartbeats need connections too."""

AWAY_WAIT = 2.4
"""Seconds that a request waits for a database that is known to be away."""

_CHARACTERS_PER_PART = 160  # of the roomiest encoding, GSM 03.38
_CODE_POINTS_PER_CHARACTER = 4  # NFC makes one of at most so many


@dataclass(slots=True)
class Request:
    """A message as a door read it: JSON types settled, nothing checked. None and blanks mean absent."""

    phone_number: str | None = None
    text: str | None = None
    sender_address: str | None = None
    priority: int | None = None
    sms_type: int | None = None
    scheduled_at: str | None = None
    expires_in: int | None = None
    sms_label: str | None = None
    client_message_id: str | None = None
    unreadable: tuple[Rejection, ...] = ()
    """Fields whose value the door could not read at all."""


class Refused(Exception):
    """The message broke rules; `rejections` holds one per field, in the order of Field, and at least one."""

    def __init__(self, rejections: tuple[Rejection, ...]) -> None:
        super().__init__(*(rejection.code for rejection in rejections))
        self.rejections = rejections


class Unconfirmed(Exception):
    """It is not known whether the store took the request; `repeatable` = a repeat of it would be recognised."""

    def __init__(self, *, repeatable: bool) -> None:
        super().__init__("the store did not confirm in time")
        self.repeatable = repeatable


@dataclass(frozen=True, slots=True)
class ItemRefusal:
    """One refused item of a bulk; `index` counts from 0."""

    index: int
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of a bulk: an entry of `inserted` per item, None where it was not taken."""

    inserted: list[Inserted | None]
    refusals: list[ItemRefusal]


class Intake:
    """Takes messages in. `secret_key` keys the digests by which repeats are recognised."""

    def __init__(
        self, db: Database, directory: CurrentDirectory, group_commit: GroupCommit, secret_key: bytes, clock: Clock
    ) -> None:
        self._db = db
        self._directory = directory
        self._group_commit = group_commit
        self._digest_key = hmac.digest(secret_key, b"payk.intake.repeat", "sha256")
        self._clock = clock
        self._slice_turn = asyncio.Lock()
        self._bulk_turn = asyncio.Semaphore(BULKS_AT_ONCE)

    async def accept(self, request: Request, client: Client, deadline: float) -> Inserted:
        """Check and store one message; `deadline` is by Clock.monotonic.

        Raises Refused, StoreUnavailable (surely nothing was taken) and Unconfirmed. Cancelled before its batch went to
        the store, it takes nothing.
        """
        message = self._check(request, client, self._directory.value, self._clock.now())
        try:
            return await self._group_commit.insert(message, self.store_timeout(deadline))
        except OutcomeUnknown as exc:
            raise Unconfirmed(repeatable=message.client_message_id is not None) from exc

    async def accept_bulk(self, requests: Iterator[Request | Rejection], client: Client, deadline: float) -> BulkResult:
        """Check many messages and store the good ones in one transaction; a Rejection stands for an unreadable item.

        A client that is set to all-or-nothing has none stored when one is refused. Raises StoreUnavailable and
        Unconfirmed; what `requests` raises passes through.
        """
        messages, refusals = await self._check_all(requests, client, deadline)
        taken = [message for message in messages if message is not None]
        if refusals and client.bulk is BulkPolicy.ALL_OR_NOTHING:
            taken = []
        if not taken:
            return BulkResult([None] * len(messages), refusals)
        try:
            async with asyncio.timeout(self.store_timeout(deadline)):
                await self._bulk_turn.acquire()
        except TimeoutError as exc:
            raise StoreUnavailable("other bulks took all the time there was") from exc
        try:
            stored = await insert_messages(self._db, taken, timeout=self.store_timeout(deadline))
        except OutcomeUnknown as exc:
            raise Unconfirmed(repeatable=all(message.client_message_id is not None for message in taken)) from exc
        finally:
            self._bulk_turn.release()
        answers = iter(stored)
        return BulkResult([None if message is None else next(answers) for message in messages], refusals)

    def store_timeout(self, deadline: float) -> float:
        """Seconds that the store may take, so that the answer is out at `deadline` (Clock.monotonic)."""
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise StoreUnavailable("the time to answer in is used up")
        timeout = max(left - COMMIT_RESERVE, left / 2)
        return min(timeout, AWAY_WAIT) if self._db.away else timeout

    async def _check_all(
        self, requests: Iterator[Request | Rejection], client: Client, deadline: float
    ) -> tuple[list[NewMessage | None], list[ItemRefusal]]:
        """Check items in slices. Bulks take turns, so that together they hold the loop no longer than one does."""
        directory, now = self._directory.value, self._clock.now()
        messages: list[NewMessage | None] = []
        refusals: list[ItemRefusal] = []
        more = True
        while more:
            async with self._slice_turn:
                more = self._check_slice(requests, client, directory, now, messages, refusals)
            if self._clock.monotonic() > deadline:
                raise StoreUnavailable("the time to answer in was used up by the check")
            await asyncio.sleep(0)
        return messages, refusals

    def _check_slice(
        self,
        requests: Iterator[Request | Rejection],
        client: Client,
        directory: Directory,
        now: datetime,
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
                messages.append(self._check(request, client, directory, now))
            except Refused as refused:
                refusals.append(ItemRefusal(len(messages), refused.rejections))
                messages.append(None)
            if monotonic() >= end:
                return True
        return False

    def _check(self, request: Request, client: Client, directory: Directory, now: datetime) -> NewMessage:
        draft = _Draft(request, client, directory, now)
        for step in STEPS:
            try:
                step(draft)
            except Rejection as rejection:
                draft.broken.append(rejection)
        if draft.broken:
            raise Refused(_one_per_field(draft.broken))
        return self._finished(draft)

    def _finished(self, draft: _Draft) -> NewMessage:
        assert draft.route is not None  # a draft without a route is broken
        assert draft.sms_type is not None
        client = draft.client
        window = client.client_message_id_window if draft.client_message_id is not None else client.repeat_window
        return NewMessage(
            client_id=client.client_id,
            phone=draft.phone,
            sender=draft.sender,
            text=draft.text,
            sms_type=draft.sms_type,
            priority=draft.priority,
            queue_id=draft.route.queue_id,
            parts=draft.parts,
            scheduled_at=draft.due_at,
            expires_in=draft.expires_in,
            label=draft.label,
            client_message_id=draft.client_message_id,
            repeat_digest=self._repeat_digest(draft) if window > 0 else None,
            repeat_window=window,
        )

    def _repeat_digest(self, draft: _Draft) -> bytes:
        """What makes two requests of a client the same. No field holds NUL, so the joint is unambiguous."""
        marked_id = "" if draft.client_message_id is None else f"={draft.client_message_id}"
        instant = "" if draft.instant is None else draft.instant.isoformat()
        fields = (str(draft.client.client_id), marked_id, draft.phone, draft.sender, instant, draft.text)
        return hmac.digest(self._digest_key, "\0".join(fields).encode(), "sha256")[:16]


class _Draft:
    """A message on its way through the steps: what came, and what they made of it."""

    __slots__ = (
        "broken", "client", "client_message_id", "directory", "due_at", "expires_in", "instant", "label", "now",
        "parts", "phone", "priority", "request", "route", "sender", "sms_type", "text",
    )  # fmt: skip

    def __init__(self, request: Request, client: Client, directory: Directory, now: datetime) -> None:
        self.request = request
        self.client = client
        self.directory = directory
        self.now = now
        self.broken: list[Rejection] = list(request.unreadable)
        self.phone = ""
        self.route: Route | None = None
        self.text = ""
        self.parts = 0
        self.sender = ""
        self.priority = Priority.NORMAL
        self.sms_type: SmsType | None = None
        self.instant: datetime | None = None
        self.due_at: datetime | None = None
        self.expires_in = 0
        self.label: str | None = None
        self.client_message_id: str | None = None


def number_is_normal(draft: _Draft) -> None:
    """The number in its normal form."""
    raw = _given(draft.request.phone_number)
    if raw is None:
        raise Rejection(Code.PHONE_NUMBER_REQUIRED, "PhoneNumber is missing.", Field.PHONE_NUMBER)
    draft.phone = normalise_phone(raw, draft.client.default_country)


def route_exists(draft: _Draft) -> None:
    """The route that carries the number."""
    if not draft.phone:
        return
    draft.route = draft.directory.routes.choose(draft.phone)
    if draft.route is None:
        detail = f"No route leads to {draft.phone}."
        raise Rejection(Code.PHONE_NUMBER_NOT_ROUTABLE, detail, Field.PHONE_NUMBER)


def text_fits(draft: _Draft) -> None:
    """The text in NFC and the number of its parts."""
    raw = _given(draft.request.text)
    if raw is None:
        raise Rejection(Code.TEXT_REQUIRED, "Text is missing or blank.", Field.TEXT)
    most = draft.client.max_parts
    if len(raw) > most * _CHARACTERS_PER_PART * _CODE_POINTS_PER_CHARACTER:  # not worth looking at
        raise Rejection(Code.TEXT_TOO_LONG, f"Text needs more than {most} parts, the most allowed.", Field.TEXT)
    fault = find_invalid(raw)
    if fault is not None:
        raise Rejection(Code.TEXT_INVALID, f"Text cannot be sent: {fault}.", Field.TEXT)
    draft.text = normalise(raw)
    encoding, draft.parts = count_parts(draft.text)
    if draft.parts > most:
        detail = f"Text needs {draft.parts} parts in {encoding}; at most {most} are allowed."
        raise Rejection(Code.TEXT_TOO_LONG, detail, Field.TEXT)


def sender_is_registered(draft: _Draft) -> None:
    """The sender as registered, which the first operator of the route carries whole."""
    raw = _given(draft.request.sender_address)
    if raw is None:
        raise Rejection(Code.SENDER_ADDRESS_REQUIRED, "SenderAddress is missing.", Field.SENDER_ADDRESS)
    draft.sender = registered_sender(raw, draft.client)
    if draft.route is not None:
        operator = draft.directory.operators[draft.route.operators[0]]
        check_sender_fits(draft.sender, operator.alnum_max, operator.name)


def priority_is_known(draft: _Draft) -> None:
    """The priority, Normal where none is given."""
    value = draft.request.priority
    if value is None:
        return
    if not Priority.LOW <= value <= Priority.HIGH:
        raise Rejection(Code.PRIORITY_INVALID, "Priority is 0 Low, 1 Normal or 2 High.", Field.PRIORITY)
    draft.priority = Priority(value)


def sms_type_is_known(draft: _Draft) -> None:
    """The type, or the client's default_sms_type where none is given."""
    value = draft.request.sms_type
    if value is None:
        draft.sms_type = draft.client.default_sms_type
        if draft.sms_type is None:
            detail = (
                "SmsType is missing: 1 Common, 2 Otp or 3 Batch. For an integration that never sends it the operator of"
                " this service can set default_sms_type on the client."
            )
            raise Rejection(Code.SMS_TYPE_REQUIRED, detail, Field.SMS_TYPE)
        return
    if not SmsType.COMMON <= value <= SmsType.BATCH:
        raise Rejection(Code.SMS_TYPE_INVALID, "SmsType is 1 Common, 2 Otp or 3 Batch.", Field.SMS_TYPE)
    draft.sms_type = SmsType(value)


def schedule_is_near(draft: _Draft) -> None:
    """When the message is due."""
    raw = _given(draft.request.scheduled_at)
    if raw is not None:
        draft.instant = parse_instant(raw)
        draft.due_at = due_at(draft.instant, draft.now)


def expiry_is_sensible(draft: _Draft) -> None:
    """How long the message may wait to be sent."""
    if draft.request.expires_in is not None:
        draft.expires_in = lifetime(draft.request.expires_in)


def label_is_short(draft: _Draft) -> None:
    """The label."""
    draft.label = _short_name(draft.request.sms_label, Field.SMS_LABEL, LABEL_MAX, Code.SMS_LABEL_TOO_LONG)


def client_message_id_is_short(draft: _Draft) -> None:
    """The client's own id."""
    draft.client_message_id = _short_name(
        draft.request.client_message_id,
        Field.CLIENT_MESSAGE_ID,
        CLIENT_MESSAGE_ID_MAX,
        Code.CLIENT_MESSAGE_ID_TOO_LONG,
    )


STEPS: tuple[Callable[[_Draft], None], ...] = (
    number_is_normal,
    route_exists,
    text_fits,
    sender_is_registered,
    priority_is_known,
    sms_type_is_known,
    schedule_is_near,
    expiry_is_sensible,
    label_is_short,
    client_message_id_is_short,
)
"""The walk of one message. A step that raises Rejection does not stop the others: all broken fields are told."""


def _given(value: str | None) -> str | None:
    return None if value is None or not value or value.isspace() else value


def _one_per_field(broken: list[Rejection]) -> tuple[Rejection, ...]:
    first: dict[Field | None, Rejection] = {}
    for rejection in broken:
        first.setdefault(rejection.field, rejection)
    return tuple(first[field] for field in (None, *Field) if field in first)


def _short_name(raw: str | None, field: Field, longest: int, too_long: Code) -> str | None:
    value = _given(raw)
    if value is None:
        return None
    if len(value) > longest:
        raise Rejection(too_long, f"{field} has {len(value)} characters; at most {longest} are allowed.", field)
    fault = find_invalid(value)
    if fault is not None:
        raise Rejection(Code.JSON_INVALID, f"{field} cannot be stored: {fault}.", field)
    return value
