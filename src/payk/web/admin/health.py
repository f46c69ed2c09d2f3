"""Which operators are sick, why and since when, and each change of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from payk.domain.access import Permission
from payk.store.health import OperatorHealth, OperatorShift, operator_health, operator_shifts
from payk.web.admin.configured import Limit, not_found
from payk.web.admin.management import Known, Name, Parts
from payk.web.admin.times import moment

__all__ = ["router"]

router = APIRouter(tags=["operators"])


class HealthShown(BaseModel):
    """How an operator stands."""

    operator: str
    state: str = Field(description="healthy or sick.")
    reason: str = Field(description="Of the last shift.")
    since: str | None
    probed_until: str | None = Field(description="It returns no earlier; null while it is healthy.")
    watched: bool = Field(description="false: its key health is false.")


class HealthOfAll(BaseModel):
    """Of every operator, by name."""

    items: list[HealthShown]


class Shifts(BaseModel):
    """The newest first."""

    items: list[Any]


@router.get("/operators/{name}/health")
async def show_health(caller: Known, parts: Parts, name: Name) -> HealthShown:
    """Whether an operator takes messages, as judged every 5 seconds."""
    caller.check(Permission.READ_TRAFFIC)
    for found in await operator_health(parts.db):
        if found.operator == name:
            return _health(found)
    raise not_found("operator", name)


@router.get("/operator-health")
async def list_health(caller: Known, parts: Parts) -> HealthOfAll:
    """How every operator stands."""
    caller.check(Permission.READ_TRAFFIC)
    return HealthOfAll(items=[_health(found) for found in await operator_health(parts.db)])


def _health(found: OperatorHealth) -> HealthShown:
    shown = asdict(found)
    return HealthShown(**{**shown, **{key: moment(shown[key]) for key in ("since", "probed_until")}})


@router.get("/operator-shifts")
async def list_shifts(
    caller: Known,
    parts: Parts,
    operator: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 100,
) -> Shifts:
    """When operators fell sick and returned, and why."""
    caller.check(Permission.READ_TRAFFIC)
    return Shifts(items=[_shift(found) for found in await operator_shifts(parts.db, operator, limit)])


def _shift(found: OperatorShift) -> dict[str, Any]:
    return {**asdict(found), "at": moment(found.at)}
