"""Operators and their links."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from payk.domain.access import Permission
from payk.domain.management_errors import ManagementCode
from payk.registry.change import ANYTHING, NOTHING
from payk.registry.resource import Resource, resource_of
from payk.store.registry_pages import page_of_links, page_of_operators
from payk.web.admin.configured import (
    After,
    Fields,
    Force,
    IfMatch,
    Limit,
    change,
    changed,
    expected_etag,
    not_found,
    one,
    page,
    reads,
    reads_page,
    writes,
    writes_schema,
)
from payk.web.admin.given import check_members
from payk.web.admin.management import Known, Management, Name, Parts
from payk.web.problems import Problem

__all__ = ["router"]

router = APIRouter(tags=["operators"])

_LINKS_APART: Final = "links have pages of their own: /operators/NAME/links"
_OPERATOR: Final = {"operator_id": {"type": "integer"}}
_LINK: Final = {"link_id": {"type": "integer"}, "operator": {"type": "string"}}


async def _operator(parts: Management, name: str) -> Resource:
    rows = await page_of_operators(parts.db, 1, only=name)
    if not rows:
        raise not_found("operator", name)
    return resource_of("operator", rows[0])


async def _link(parts: Management, name: str) -> Resource:
    rows = await page_of_links(parts.db, 1, only=name)
    if not rows:
        raise not_found("link", name)
    return resource_of("operator.link", rows[0])


@router.get("/operators", responses=reads_page("operator", _OPERATOR))
async def list_operators(caller: Known, parts: Parts, limit: Limit = 100, after: After = "") -> JSONResponse:
    """Operators by name."""
    caller.check(Permission.READ_REGISTRY)
    rows = await page_of_operators(parts.db, limit, after=after)
    return page([resource_of("operator", row) for row in rows], limit)


@router.post(
    "/operators",
    status_code=201,
    responses=reads("operator", _OPERATOR, 201),
    openapi_extra=writes_schema("operator", required=["name"]),
)
async def create_operator(caller: Known, parts: Parts, fields: Fields) -> JSONResponse:
    """A new operator; links are given to it afterwards."""
    caller.check(Permission.CHANGE_OPERATORS)
    check_members(fields, "link", rule=_LINKS_APART)
    name = str(fields.get("name", ""))
    document = {"operator": [writes(fields)]}
    await change(parts, caller, document, expected={("operator", name): NOTHING})
    return await changed(_operator(parts, name), 201)


@router.get("/operators/{name}", responses=reads("operator", _OPERATOR))
async def show_operator(caller: Known, parts: Parts, name: Name) -> JSONResponse:
    """One operator."""
    caller.check(Permission.READ_REGISTRY)
    return one(await _operator(parts, name))


@router.patch(
    "/operators/{name}",
    responses=reads("operator", _OPERATOR),
    openapi_extra=writes_schema("operator", without=("name",)),
)
async def change_operator(
    caller: Known, parts: Parts, name: Name, fields: Fields, force: Force = False, if_match: IfMatch = None
) -> JSONResponse:
    """Change what is named. One that messages wait for is disabled by force only, unless another can take them."""
    caller.check(Permission.CHANGE_OPERATORS)
    check_members(fields, "name")
    check_members(fields, "link", rule=_LINKS_APART)
    document = {"operator": [{**writes(fields), "name": name}]}
    await change(parts, caller, document, expected={("operator", name): expected_etag(if_match)}, force=force)
    return await changed(_operator(parts, name))


@router.get("/links", responses=reads_page("operator.link", _LINK))
async def list_links(
    caller: Known,
    parts: Parts,
    limit: Limit = 100,
    after: After = "",
    operator: Annotated[str | None, Query(max_length=64, description="Of this operator alone.")] = None,
) -> JSONResponse:
    """Links by name; their passwords are never shown."""
    caller.check(Permission.READ_REGISTRY)
    rows = await page_of_links(parts.db, limit, after=after, operator=operator)
    return page([resource_of("operator.link", row) for row in rows], limit)


@router.post(
    "/operators/{name}/links",
    status_code=201,
    responses=reads("operator.link", _LINK, 201),
    openapi_extra=writes_schema("operator.link", required=["name", "host", "port", "system_id", "password"]),
)
async def create_link(caller: Known, parts: Parts, name: Name, fields: Fields) -> JSONResponse:
    """A new link; it binds within a second."""
    caller.check(Permission.CHANGE_OPERATORS)
    _check_password(fields)
    link = fields.get("name")
    if not isinstance(link, str):  # a file that leaves it out means the operator's first link, which may be there
        rule = "it is no text; write the name of the new link" if "name" in fields else "missing; a new link needs one"
        raise Problem(ManagementCode.VALUE_INVALID, f"name: {rule}.", errors={"name": [rule]})
    document = {"operator": [{"name": name, "link": [writes(fields)]}]}
    await change(parts, caller, document, expected={("operator", name): ANYTHING, ("operator.link", link): NOTHING})
    return await changed(_link(parts, link), 201)


@router.get("/links/{name}", responses=reads("operator.link", _LINK))
async def show_link(caller: Known, parts: Parts, name: Name) -> JSONResponse:
    """One link with its settings; how it stands now is at /links/NAME/state."""
    caller.check(Permission.READ_REGISTRY)
    return one(await _link(parts, name))


@router.patch(
    "/links/{name}",
    responses=reads("operator.link", _LINK),
    openapi_extra=writes_schema("operator.link", without=("name",)),
)
async def change_link(
    caller: Known, parts: Parts, name: Name, fields: Fields, force: Force = False, if_match: IfMatch = None
) -> JSONResponse:
    """Change what is named: this link binds anew with it, and no other one notices."""
    caller.check(Permission.CHANGE_OPERATORS)
    check_members(fields, "name")
    _check_password(fields)
    operator = (await _link(parts, name)).facts["operator"]
    link: dict[str, Any] = {**writes(fields), "name": name}
    document = {"operator": [{"name": operator, "link": [link]}]}
    await change(parts, caller, document, expected={("operator.link", name): expected_etag(if_match)}, force=force)
    return await changed(_link(parts, name))


def _check_password(fields: dict[str, Any]) -> None:
    """Raise Problem for one that its writer need not know: whoever has an export could send it where he likes."""
    if isinstance(fields.get("password"), dict):
        rule = "it is not in clear; write the password itself"
        raise Problem(ManagementCode.VALUE_INVALID, f"password: {rule}.", errors={"password": [rule]})
