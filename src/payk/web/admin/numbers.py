"""Numbers of subscribers: what is known of one is erased, or told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from payk.domain.access import Permission
from payk.domain.address import normalise_phone
from payk.domain.audit import AuditEntry
from payk.domain.errors import Rejection
from payk.domain.management_errors import ManagementCode
from payk.logs import mask
from payk.registry.forgetting import forget, known
from payk.store.audit import record
from payk.web.admin.configured import Force
from payk.web.admin.errors import done_in_parts
from payk.web.admin.given import Given
from payk.web.admin.lines import LINES, begun
from payk.web.admin.management import Known, Parts
from payk.web.problems import Problem

__all__ = ["phone_of", "router"]

router = APIRouter(tags=["messages"])


class NumberGiven(Given):
    """A number, in the body: paths and queries come into logs."""

    number: Annotated[str, Field(min_length=1, max_length=40)] = Field(description="With its country code.")


class NumberForgotten(BaseModel):
    """What was done."""

    number: str = Field(description="Masked.")
    ended: int = Field(description="Messages that were on their way.")
    erased: dict[str, int] = Field(description="How much of what.")


def phone_of(number: str) -> str:
    """A number in its normal form. Raises Problem (ValueInvalid)."""
    try:
        return normalise_phone(number)
    except Rejection as error:
        raise Problem(ManagementCode.VALUE_INVALID, error.detail, errors={"number": [error.detail]}) from error


@router.post("/numbers/forget")
async def forget_number(caller: Known, parts: Parts, given: NumberGiven, force: Force = False) -> NumberForgotten:
    """Erase everything of a number; ids, states and times of its messages stay. While messages to it are on their way
    only by force, which ends them."""
    caller.check(Permission.FORGET_NUMBERS)
    phone = phone_of(given.number)
    with done_in_parts("Some of it may be erased already: repeat the request, it erases the rest."):
        done = await forget(parts.db, phone, parts.outcome_log.on_ended, actor=caller.actor, force=force)
    return NumberForgotten(number=mask(phone), ended=done.ended, erased=dict(done.counts))


@router.post("/numbers/export", response_class=StreamingResponse, responses={200: {"content": {LINES: {}}}})
async def export_number(caller: Known, parts: Parts, given: NumberGiven) -> StreamingResponse:
    """Everything that is known of a number, texts included, one JSON object a line; it takes read-texts as well. That
    it was read is recorded before it is shown."""
    caller.check(Permission.FORGET_NUMBERS)
    caller.check(Permission.READ_TEXTS)
    phone = phone_of(given.number)
    await record(parts.db, [AuditEntry(caller.actor, "number.export", "number", mask(phone))])
    found = await begun(known(parts.db, phone, parts.open_text))
    return StreamingResponse(_lines(found), media_type=LINES)


async def _lines(found: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    async for row in found:
        yield json.dumps(row, ensure_ascii=False, default=_plain).encode("utf-8", "replace") + b"\n"


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} in an export")
