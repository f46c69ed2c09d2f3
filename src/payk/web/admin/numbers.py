"""Numbers of subscribers: what is known of one is erased."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from payk.domain.access import Permission
from payk.domain.address import normalise_phone
from payk.domain.errors import Rejection
from payk.domain.management_errors import ManagementCode
from payk.registry.forgetting import forget
from payk.web.admin.configured import Force
from payk.web.admin.given import Given
from payk.web.admin.management import Known, Parts
from payk.web.problems import Problem

__all__ = ["phone_of", "router"]

router = APIRouter(tags=["messages"])


class NumberGiven(Given):
    """A number, in the body: paths and queries come into logs."""

    number: Annotated[str, Field(min_length=1, max_length=40)] = Field(description="With its country code.")


class NumberForgotten(BaseModel):
    """What was done."""

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
    done = await forget(parts.db, phone, parts.outcome_log.on_ended, actor=caller.actor, force=force)
    return NumberForgotten(ended=done.ended, erased=dict(done.counts))
