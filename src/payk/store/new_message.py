"""A message that was checked, the request that it came with, and what becomes of both when they are taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from payk.domain.account import BulkPolicy
from payk.domain.errors import Rejection
from payk.domain.limits import NO_LIMITS, Limits
from payk.domain.message import Lane, Priority, SmsType, label_key, lane_of, rank_of
from payk.store.kept_answers import AnswerKey, KeptAnswer
from payk.store.wakeups import Flow
from payk.value import value

__all__ = [
    "Drawn",
    "Inserted",
    "Keyed",
    "NewMessage",
    "NewRequest",
    "Row",
    "Taken",
    "Withheld",
    "WriteTexts",
    "in_clear",
]


@value
class NewMessage:
    """A checked message, ready to be stored. Times are UTC with zone, `expires_in` seconds, 0 = never."""

    client_id: int
    phone: str
    sender: str
    text: str
    sms_type: SmsType
    priority: Priority
    queue_id: int
    parts: int
    scheduled_at: datetime | None = None
    expires_in: int = 0
    label: str | None = None
    client_message_id: str | None = None
    repeat_digest: bytes | None = None
    """Keyed digest of what makes a repeat; None = never a repeat."""
    repeat_window: int = 0
    """Seconds in which the digest is remembered."""
    demoted: bool = False
    """An Otp beyond the rate of its client: it waits in the lane of Common High."""
    limits: Limits | None = None
    """What is counted while it is taken; None = nothing, and no number is blocked."""
    price: int | None = None
    """What a part costs, in 1/10,000 of the currency unit; None = its parts are not counted."""
    request_id: str | None = None
    """What the request that brought it goes by in the log."""
    trace: bytes | None = None
    """Context of its trace (payk.tracing); None where there is none."""

    @property
    def is_counted(self) -> bool:
        """Whether more is to be done about its limits than to look into the block list."""
        return self.limits is not None and self.limits is not NO_LIMITS

    @property
    def admitted_as(self) -> SmsType:
        """What it counts as where a queue that fills keeps places for some types: demoted Otp goes as Common."""
        return SmsType.COMMON if self.demoted else self.sms_type

    @property
    def flow(self) -> Flow:
        """The flow it waits in."""
        return _flow(self.queue_id, self.client_id, self.sms_type, self.priority, self.label, self.demoted)


@lru_cache(maxsize=4096)
def _flow(
    queue_id: int, client_id: int, sms_type: SmsType, priority: Priority, label: str | None, demoted: bool
) -> Flow:
    lane = Lane.COMMON_HIGH if demoted else lane_of(SmsType(sms_type), Priority(priority))
    return Flow(queue_id, int(lane), client_id, rank_of(SmsType(sms_type), Priority(priority)), label_key(label))


class Inserted(NamedTuple):
    """The id that answers a request; `repeated` = it is the id of an earlier one, and nothing was stored."""

    message_id: int
    repeated: bool


Row = Inserted | Rejection
"""What became of a message: it was taken, or a limit of its client refused it."""


@value
class Withheld:
    """Nothing of a bulk was taken: for `whole`, or where that is None for what `items`, by place, are told."""

    whole: Rejection | None
    items: Mapping[int, Rejection]


WriteTexts = Callable[[Sequence[NewMessage]], Sequence[str]]
"""What is stored in the place of the text of each message (payk.sealing)."""


def in_clear(messages: Sequence[NewMessage]) -> Sequence[str]:
    """The texts themselves."""
    return [message.text for message in messages]


@value
class Keyed:
    """The wish that the answer to a request be kept; `render` makes its octets of the rows of all its messages."""

    key: AnswerKey
    render: Callable[[Sequence[Row]], bytes]


@value
class NewRequest:
    """The messages of one request: all are stored, or, where its answer is kept already, none."""

    messages: Sequence[NewMessage]
    keyed: Keyed | None = None
    bulk: BulkPolicy | None = None
    """Of a bulk: what one refused item does to the others. It is alone in its transaction."""


Drawn = tuple[int, NewMessage]
"""A message with the id that was drawn for it."""
Taken = list[Row] | KeptAnswer | Withheld
"""What became of a request: a row per message, in order, or what is kept under its key, or why nothing was taken."""
