"""Routes: which operators carry which numbers."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from payk.domain.access import Permission
from payk.registry.change import NOTHING
from payk.registry.resource import Resource, resource_of
from payk.store.registry_pages import page_of_routes
from payk.web.admin.configured import (
    Fields,
    Force,
    IfMatch,
    Limit,
    change,
    expected_etag,
    not_found,
    one,
    page,
    reads,
    reads_page,
    writes,
    writes_schema,
)
from payk.web.admin.management import Known, Management, Parts

__all__ = ["router"]

router = APIRouter(tags=["routes"])

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
    prefix = str(fields.get("prefix", ""))
    await change(parts, caller, {"route": [writes(fields)]}, expected={("route", prefix): NOTHING})
    return one(await _route_of(parts, prefix), 201)


async def _route_of(parts: Management, prefix: str) -> Resource:
    after = 0
    while rows := await page_of_routes(parts.db, 1_000, after=after):
        for row in rows:
            if row.name == prefix:
                return resource_of("route", row)
        after = int(rows[-1].next)
    raise not_found("route", prefix)


@router.get("/routes/{route_id}", responses=reads("route", _ROUTE))
async def show_route(caller: Known, parts: Parts, route_id: int) -> JSONResponse:
    """One route."""
    caller.check(Permission.READ_REGISTRY)
    return one(await _route(parts, route_id))


@router.patch(
    "/routes/{route_id}",
    responses=reads("route", _ROUTE),
    openapi_extra=writes_schema("route", without=("prefix",)),
)
async def change_route(
    caller: Known, parts: Parts, route_id: int, fields: Fields, force: Force = False, if_match: IfMatch = None
) -> JSONResponse:
    """Change its operators, its price, or whether it counts. The last one is disabled by force only."""
    caller.check(Permission.CHANGE_ROUTES)
    prefix = (await _route(parts, route_id)).name
    document = {"route": [{**writes(fields), "prefix": prefix}]}
    await change(parts, caller, document, expected={("route", prefix): expected_etag(if_match)}, force=force)
    return one(await _route(parts, route_id))
