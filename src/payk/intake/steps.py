"""The walk of one message: named steps, each of which checks one thing and notes what it made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from payk.domain.account import Client
from payk.domain.address import check_sender_fits, normalise_phone, registered_sender, sender_fits
from payk.domain.directory import Directory
from payk.domain.errors import Code, Field, Rejection, quoted
from payk.domain.limits import NO_LIMITS
from payk.domain.message import Priority, SmsType
from payk.domain.route import Carriers, Route, kept_by
from payk.domain.validity import due_at, lifetime, parse_instant
from payk.intake.request import Refused, Request
from payk.text import count_parts, find_invalid, normalise

__all__ = ["STEPS", "Draft", "checked_label", "in_order", "judged", "walk"]

LABEL_MAX = 255
CLIENT_MESSAGE_ID_MAX = 255
_PREFIXES_SHOWN = 10

_CHARACTERS_PER_PART = 160  # of the roomiest encoding, GSM 03.38
_CODE_POINTS_PER_CHARACTER = 4  # NFC makes one of at most so many

_PRIORITIES = {priority.value: priority for priority in Priority}
_SMS_TYPES = {sms_type.value: sms_type for sms_type in SmsType}
"""Looked up here they cost a tenth of what their classes take."""


class Draft:
    """A message on its way through the steps: what came, and what they made of it."""

    __slots__ = (
        "broken", "client", "client_message_id", "directory", "due_at", "expires_in", "instant", "label", "now",
        "operators", "parts", "phone", "priority", "request", "route", "sender", "shares", "sms_type", "text",
        "weights",
    )  # fmt: skip

    def __init__(self, request: Request, client: Client, directory: Directory, now: Callable[[], datetime]) -> None:
        self.request = request
        self.client = client
        self.directory = directory
        self.now = now
        self.broken: list[Rejection] = list(request.unreadable)
        self.phone = ""
        self.route: Route | None = None
        self.operators: tuple[int, ...] = ()
        self.weights: tuple[int, ...] = ()
        self.shares: tuple[int, ...] = ()
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


def number_is_normal(draft: Draft) -> None:
    """The number in its normal form."""
    raw = _given(draft.request.phone_number)
    if raw is None:
        raise Rejection(Code.PHONE_NUMBER_REQUIRED, "PhoneNumber is missing.", Field.PHONE_NUMBER)
    draft.phone = normalise_phone(raw, draft.client.default_country)


def route_exists(draft: Draft) -> None:
    """The route that carries the message; what it is chosen by is settled before."""
    if not draft.phone:
        return
    routes = draft.directory.routes
    if routes.conditional:
        if not draft.sender or draft.sms_type is None:
            return  # refused already, and it is open where the message would go
        draft.route = routes.choose(draft.phone, draft.client.client_id, draft.sender, draft.sms_type)
    else:
        draft.route = routes.choose(draft.phone)
    if draft.route is None:
        detail = f"No route leads to {draft.phone}."
        raise Rejection(Code.PHONE_NUMBER_NOT_ROUTABLE, detail, Field.PHONE_NUMBER)


def text_fits(draft: Draft) -> None:
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


def sender_is_registered(draft: Draft) -> None:
    """The sender as registered."""
    raw = _given(draft.request.sender_address)
    if raw is None:
        raise Rejection(Code.SENDER_ADDRESS_REQUIRED, "SenderAddress is missing.", Field.SENDER_ADDRESS)
    draft.sender = registered_sender(raw, draft.client, draft.now)


def operators_carry_sender(draft: Draft) -> None:
    """The operators of the route that carry the sender, the first of them whole; where they share, one of them."""
    route, sender = draft.route, draft.sender
    if route is None or not sender:
        return
    known = draft.directory.operators
    allowed = draft.client.sender_operators.get(sender.casefold()) if draft.client.sender_operators else None
    if allowed is None:
        draft.operators, draft.weights = route.operators, route.weights
    else:
        kept = kept_by(Carriers(route.operators, route.weights), allowed)
        if not kept.operators:
            names = ", ".join(known[operator_id].name for operator_id in route.operators)
            detail = (
                f"SenderAddress {quoted(sender)} is not allowed at any operator that carries this number ({names})."
            )
            raise Rejection(Code.SENDER_ADDRESS_NOT_ALLOWED, detail, Field.SENDER_ADDRESS)
        draft.operators, draft.weights = kept
    draft.shares = draft.weights
    first = known[draft.operators[0]]
    if len(sender) > first.alnum_max or draft.weights:
        _settle_fit(draft)


def _settle_fit(draft: Draft) -> None:
    """Where operators share, those that would not carry the sender whole get no share in it; else the first must."""
    sender = draft.sender
    sharing = [operator_id for operator_id, weight in zip(draft.operators, draft.weights, strict=False) if weight]
    first = [draft.directory.operators[operator_id] for operator_id in sharing or draft.operators[:1]]
    widest = max(first, key=lambda operator: operator.alnum_max)
    check_sender_fits(sender, widest.alnum_max, widest.name)
    if draft.weights:
        fits = {operator.operator_id for operator in first if sender_fits(sender, operator.alnum_max)}
        draft.shares = tuple(
            weight if operator_id in fits else 0
            for operator_id, weight in zip(draft.operators, draft.weights, strict=True)
        )


def priority_is_known(draft: Draft) -> None:
    """The priority, Normal where none is given."""
    value = draft.request.priority
    if value is None:
        return
    priority = _PRIORITIES.get(value)
    if priority is None:
        raise Rejection(Code.PRIORITY_INVALID, "Priority is 0 Low, 1 Normal or 2 High.", Field.PRIORITY)
    draft.priority = priority


def sms_type_is_known(draft: Draft) -> None:
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
    draft.sms_type = _SMS_TYPES.get(value)
    if draft.sms_type is None:
        raise Rejection(Code.SMS_TYPE_INVALID, "SmsType is 1 Common, 2 Otp or 3 Batch.", Field.SMS_TYPE)


def schedule_is_near(draft: Draft) -> None:
    """When the message is due."""
    raw = _given(draft.request.scheduled_at)
    if raw is not None:
        draft.instant = parse_instant(raw)
        draft.due_at = due_at(draft.instant, draft.now())


def expiry_is_sensible(draft: Draft) -> None:
    """How long the message may wait to be sent."""
    if draft.request.expires_in is not None:
        draft.expires_in = lifetime(draft.request.expires_in)


def label_is_short(draft: Draft) -> None:
    """The label."""
    draft.label = checked_label(draft.request.sms_label)


def client_message_id_is_short(draft: Draft) -> None:
    """The client's own id."""
    draft.client_message_id = _short_name(
        draft.request.client_message_id,
        Field.CLIENT_MESSAGE_ID,
        CLIENT_MESSAGE_ID_MAX,
        Code.CLIENT_MESSAGE_ID_TOO_LONG,
    )


STEPS: tuple[Callable[[Draft], None], ...] = (
    number_is_normal,
    text_fits,
    sender_is_registered,
    priority_is_known,
    sms_type_is_known,
    route_exists,
    operators_carry_sender,
    schedule_is_near,
    expiry_is_sensible,
    label_is_short,
    client_message_id_is_short,
)
"""The walk of one message. A step that raises Rejection does not stop the others: all broken fields are told."""


def type_is_allowed(draft: Draft) -> None:
    """The type is one that the client may send."""
    allowed = draft.client.limits.sms_types
    assert draft.sms_type is not None  # the fields are right
    if allowed and draft.sms_type not in allowed:
        names = " or ".join(f"{kind.value} {kind.name.capitalize()}" for kind in sorted(allowed))
        detail = f"This client may not send SmsType {draft.sms_type.name.capitalize()}; it may send {names}."
        raise Rejection(Code.SMS_TYPE_NOT_ALLOWED, detail, Field.SMS_TYPE)


def priority_is_allowed(draft: Draft) -> None:
    """The priority is not above the highest for the type; where none is given it is lowered to that."""
    assert draft.sms_type is not None
    highest = draft.client.limits.max_priority.get(draft.sms_type)
    if highest is None or draft.priority <= highest:
        return
    if draft.request.priority is None:
        draft.priority = highest
        return
    kind, most = draft.sms_type.name.capitalize(), f"{highest.value} {highest.name.capitalize()}"
    detail = f"Priority {draft.priority.name.capitalize()} is above {most}, the highest for SmsType {kind}."
    raise Rejection(Code.PRIORITY_NOT_ALLOWED, detail, Field.PRIORITY)


def destination_is_allowed(draft: Draft) -> None:
    """The number begins with one of the prefixes that the client may send to."""
    prefixes = draft.client.limits.destinations
    if prefixes and not draft.phone.startswith(prefixes):
        shown = ", ".join(prefixes[:_PREFIXES_SHOWN]) + (", ..." if len(prefixes) > _PREFIXES_SHOWN else "")
        detail = f"This client may send only to numbers that begin with {shown}."
        raise Rejection(Code.DESTINATION_NOT_ALLOWED, detail, Field.PHONE_NUMBER)


LIMITS: tuple[Callable[[Draft], None], ...] = (destination_is_allowed, priority_is_allowed, type_is_allowed)
"""What a client with limits may send, of messages whose fields are right."""


def walk(request: Request, client: Client, directory: Directory, now: Callable[[], datetime]) -> Draft:
    """Check one message; what the steps made of it. `now` is asked only for one with ScheduledAt. Raises Refused."""
    draft = Draft(request, client, directory, now)
    _take_steps(draft, STEPS)
    if not draft.broken and client.limits is not NO_LIMITS:
        _take_steps(draft, LIMITS)
    if draft.broken:
        raise Refused(_one_per_field(draft.broken))
    return draft


def judged(request: Request, client: Client, directory: Directory, now: Callable[[], datetime]) -> Draft:
    """The same to its end whatever is broken, with the limits too where the fields that they are about are right."""
    draft = Draft(request, client, directory, now)
    _take_steps(draft, STEPS)
    draft.broken = list(_one_per_field(draft.broken))
    if draft.phone:
        _take_steps(draft, [destination_is_allowed])
    if draft.sms_type is not None:
        _take_steps(draft, [priority_is_allowed, type_is_allowed])
    return draft


def _take_steps(draft: Draft, steps: Sequence[Callable[[Draft], None]]) -> None:
    for step in steps:
        try:
            step(draft)
        except Rejection as rejection:
            draft.broken.append(rejection)


def checked_label(raw: str | None) -> str | None:
    """A label that can be stored, None for none. Raises Rejection (SmsLabelTooLong, JsonInvalid)."""
    return _short_name(raw, Field.SMS_LABEL, LABEL_MAX, Code.SMS_LABEL_TOO_LONG)


def _given(value: str | None) -> str | None:
    return None if value is None or not value or value.isspace() else value


def in_order(broken: Iterable[Rejection]) -> tuple[Rejection, ...]:
    """All of them, in the order of the fields that they are about; those about none come last."""
    fields = list(Field)
    return tuple(sorted(broken, key=lambda one: len(fields) if one.field is None else fields.index(one.field)))


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
