"""Routes: which operators carry which numbers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from payk.domain.access import Permission
from payk.domain.address import normalise_phone
from payk.domain.directory import Directory
from payk.domain.errors import Rejection
from payk.domain.management_errors import ManagementCode
from payk.domain.message import SmsType
from payk.domain.route_explanation import Asked, Explanation, explain
from payk.intake import Refused, Request
from payk.intake.steps import walk
from payk.registry.change import NOTHING
from payk.registry.file import read
from payk.registry.resource import Resource, resource_of
from payk.registry.route_name import route_name
from payk.registry.value import money_text
from payk.store.registry import RouteKey, route_number
from payk.store.registry_pages import page_of_routes
from payk.web.admin.configured import (
    Fields,
    Force,
    IfMatch,
    Limit,
    change,
    changed,
    expected_etag,
    not_found,
    numbered,
    one,
    page,
    reads,
    reads_page,
    writes,
    writes_schema,
)
from payk.web.admin.given import check_members
from payk.web.admin.management import Known, Management, Parts
from payk.web.problems import Problem

__all__ = ["router"]

router = APIRouter(tags=["routes"])

RouteId = Annotated[int, numbered("route")]
_ROUTE: Final = {"route_id": {"type": "integer"}}


async def _route(parts: Management, route_id: int) -> Resource:
    rows = await page_of_routes(parts.db, 1, only=route_id)
    if not rows:
        raise not_found("route", route_id)
    return resource_of("route", rows[0])


@router.get("/routes", responses=reads_page("route", _ROUTE))
async def list_routes(
    caller: Known, parts: Parts, limit: Limit = 100, after: Annotated[int, Query(ge=0, lt=2**31)] = 0
) -> JSONResponse:
    """Routes by number."""
    caller.check(Permission.READ_REGISTRY)
    rows = await page_of_routes(parts.db, limit, after=after)
    return page([resource_of("route", row) for row in rows], limit)


@router.post(
    "/routes",
    status_code=201,
    responses=reads("route", _ROUTE, 201),
    openapi_extra=writes_schema("route", required=["prefix", "operators"]),
)
async def create_route(caller: Known, parts: Parts, fields: Fields) -> JSONResponse:
    """A new route."""
    caller.check(Permission.CHANGE_ROUTES)
    document = {"route": [writes(fields)]}
    [entry] = read(document, "request", {}).routes
    await change(parts, caller, document, expected={("route", route_name(entry.key.folded())): NOTHING})
    return await changed(_route_like(parts, entry.key), 201)


async def _route_like(parts: Management, key: RouteKey) -> Resource:
    return await _route(parts, await route_number(parts.db, key))


class RuleShown(BaseModel):
    """A route whose prefix the number begins with."""

    route_id: int
    prefix: str
    client: str | None
    sender: str | None
    sms_type: int | None
    wins: bool
    why: str = Field(description="A sentence: why it wins, or why it does not.")


class CarrierShown(BaseModel):
    """An operator of the route that wins."""

    operator: str
    weight: int = Field(description="Its share; 0 where the first of the list gets all, or it is a fallback.")
    carries: bool = Field(description="Whether it would be given the message, if its links are up.")
    why: str


class RouteExplained(BaseModel):
    """Where a message would go."""

    number: str = Field(description="In its normal form.")
    route_id: int | None = Field(description="The route that wins; null where none fits: the message would be refused.")
    price: str | None = Field(description="What a part costs a prepaid client.")
    rules: list[RuleShown] = Field(description="The winner first, then the best of the others.")
    operators: list[CarrierShown] = Field(description="In the order in which they are tried.")
    refusal: str | None = Field(
        description="Why such a message would be refused; null where it would not be, or not all of it is named."
    )


@router.get("/routes/explain")
async def explain_route(
    caller: Known,
    parts: Parts,
    number: Annotated[str, Query(max_length=64, description="A phone number, as a client may write it.")] = "",
    client: Annotated[str | None, Query(max_length=64, description="Name of the client that sends.")] = None,
    sender: Annotated[str | None, Query(max_length=15, description="SenderAddress of the message.")] = None,
    sms_type: Annotated[str | None, Query(alias="type", pattern="^(common|otp|batch)$")] = None,
) -> RouteExplained:
    """Which route a message takes and why, by what is in force in this process. Nothing is sent."""
    caller.check(Permission.READ_REGISTRY)
    directory = parts.directory.value
    found = next((known for known in directory.clients.values() if known.name == client), None)
    if client is not None and found is None:
        raise not_found("client", client)
    try:
        phone = normalise_phone(number, found.default_country if found else None)
    except Rejection as rejection:
        raise Problem(ManagementCode.REQUEST_INVALID, rejection.detail) from rejection
    asked = Asked(phone, found, sender, None if sms_type is None else SmsType[sms_type.upper()])
    refusal = _refusal(directory, number, asked, parts.db.now)
    return _explained(directory, phone, explain(directory, asked), refusal)


def _refusal(directory: Directory, number: str, asked: Asked, now: Callable[[], datetime]) -> str | None:
    """What a client would be told that sends such a message now; None where it would be taken, or is not all named."""
    if asked.client is None or asked.sender is None or asked.sms_type is None:
        return None
    if not asked.client.enabled:
        return "This client is suspended."
    request = Request(phone_number=number, text="-", sender_address=asked.sender, sms_type=int(asked.sms_type))
    try:
        walk(request, asked.client, directory, now)
    except Refused as refused:
        return " ".join(rejection.detail for rejection in refused.rejections)
    return None


def _explained(directory: Directory, phone: str, found: Explanation, refusal: str | None) -> RouteExplained:
    winner = found.winner
    return RouteExplained(
        number=phone,
        route_id=None if winner is None else winner.route_id,
        price=None if winner is None else money_text(winner.price),
        rules=[
            RuleShown(
                route_id=judged.route.route_id,
                prefix=judged.route.prefix,
                client=None if judged.route.client_id is None else directory.clients[judged.route.client_id].name,
                sender=judged.route.sender,
                sms_type=judged.route.sms_type,
                wins=judged.wins,
                why=judged.why,
            )
            for judged in found.routes
        ],
        operators=[
            CarrierShown(operator=row.operator.name, weight=row.weight, carries=row.carries, why=row.why)
            for row in found.operators
        ],
        refusal=refusal,
    )


@router.get("/routes/{route_id}", responses=reads("route", _ROUTE))
async def show_route(caller: Known, parts: Parts, route_id: RouteId) -> JSONResponse:
    """One route."""
    caller.check(Permission.READ_REGISTRY)
    return one(await _route(parts, route_id))


@router.patch(
    "/routes/{route_id}",
    responses=reads("route", _ROUTE),
    openapi_extra=writes_schema("route", without=RouteKey._fields),
)
async def change_route(
    caller: Known, parts: Parts, route_id: RouteId, fields: Fields, force: Force = False, if_match: IfMatch = None
) -> JSONResponse:
    """Change its operators, its price, or whether it counts; what it matches stays. The last one is disabled by force
    only."""
    caller.check(Permission.CHANGE_ROUTES)
    check_members(fields, *RouteKey._fields, rule="what a route matches cannot be changed: make another")
    route = await _route(parts, route_id)
    key = RouteKey(route.name, *(route.settings[name] for name in RouteKey._fields[1:]))
    document = {"route": [{**writes(fields), **writes(key._asdict())}]}
    identity = "route", route_name(key.folded())
    await change(parts, caller, document, expected={identity: expected_etag(if_match)}, force=force)
    return await changed(_route(parts, route_id))
