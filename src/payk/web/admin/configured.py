"""What the pages of configured things have in common: one is shown, many are shown, one is changed."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Body, Header, Query
from fastapi.responses import JSONResponse
from pydantic import AfterValidator

from payk.domain.management_errors import ManagementCode
from payk.registry.change import ANYTHING, Within, apply
from payk.registry.difference import Difference
from payk.registry.errors import RegistryFileError
from payk.registry.file import read
from payk.registry.resource import Identity, Resource, written
from payk.registry.schema import read_schema, written_schema
from payk.registry.unwise import lacks_reserve, without_reserve
from payk.web.admin.errors import already_changed
from payk.web.admin.management import Caller, Management
from payk.web.problems import Problem

__all__ = [
    "ETAG_HEADER",
    "After",
    "Fields",
    "Force",
    "IfMatch",
    "Limit",
    "WholeNumbers",
    "change",
    "changed",
    "expected_etag",
    "not_found",
    "numbered",
    "one",
    "page",
    "reads",
    "reads_page",
    "shown",
    "writes",
    "writes_schema",
]

Limit = Annotated[int, Query(ge=1, le=1_000, description="How many at most.")]
After = Annotated[str, Query(max_length=1_000, description="`next` of the page before.")]
Force = Annotated[bool, Query(description="Whether running traffic may be cut off.")]
WholeNumbers = Annotated[
    bool, Query(description="Numbers as they are; it takes the permission read-texts as well, and is recorded.")
]
IfMatch = Annotated[
    str | None, Header(description="The ETag of what the change is made for; without it, whatever it is.")
]
Fields = Annotated[dict[str, Any], Body()]

ETAG_HEADER: Final[Mapping[str, Any]] = {
    "ETag": {"description": "Changes whenever a setting does.", "schema": {"type": "string"}}
}
"""The description of the header of an answer that shows one."""
_ETAG: Final = re.compile(r'"([0-9a-f]{16})"')


def expected_etag(if_match: str | None) -> str:
    """What a change expects to be there. Raises Problem (RequestInvalid)."""
    if if_match is None or if_match.strip() == "*":
        return ANYTHING
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise Problem(
            ManagementCode.REQUEST_INVALID, 'If-Match is none of ours: write the ETag as it was given, or "*".'
        )
    return found[1]


async def change(
    parts: Management,
    caller: Caller,
    document: Mapping[str, Any],
    *,
    expected: Mapping[Identity, str] | None = None,
    force: bool = False,
    accepts: Callable[[Difference], None] | None = None,
    within: Within | None = None,
) -> Difference:
    """Make the registry be as a document of the form of the file says; raises as payk.registry.change.apply.

    Whoever is bound to a client is told of no other.
    """
    file = read(document, "request", {})
    try:
        return await apply(
            parts.db,
            parts.secret_box,
            file,
            author=caller.author,
            actor=caller.actor,
            force=force,
            expected=expected,
            accepts=accepts,
            within=within,
        )
    except RegistryFileError as error:
        if caller.principal.client_id is None:
            raise
        told = [replace(problem, wrong=problem.wrong_to_others or problem.wrong) for problem in error.problems]
        raise RegistryFileError(error.file, told) from None


def writes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a body as a file has them: what is null is none."""
    return {name: _NULLS.get(name, "") if value is None else value for name, value in fields.items()}


_NULLS: Final[Mapping[str, Any]] = {"tls": False}


def shown(resource: Resource) -> dict[str, Any]:
    """A resource as it is answered."""
    named = {"client.key": {}, "route": {"prefix": resource.name}}.get(resource.heading, {"name": resource.name})
    return {**named, **resource.facts, **_warnings(resource), **written(resource.heading, resource.settings)}


def _warnings(resource: Resource) -> dict[str, list[str]]:
    """What a client is set to and had better not be; of others there is nothing to tell."""
    if resource.heading != "client":
        return {}
    return {"warnings": without_reserve([resource.name] if lacks_reserve(resource.settings) else [])}


def one(resource: Resource, status: int = 200, **more: Any) -> JSONResponse:
    """The answer that shows one resource, with its ETag."""
    return JSONResponse({**shown(resource), **more}, status, {"etag": f'"{resource.etag}"'})


async def changed(reading: Awaitable[Resource], status: int = 200, warnings: Sequence[str] = ()) -> JSONResponse:
    """The answer that shows what was changed just now, as `reading` finds it, with what its change warns of.

    Raises as already_changed.
    """
    with already_changed():
        found = await reading
    told = [*dict.fromkeys([*_warnings(found).get("warnings", ()), *warnings])]
    return one(found, status, **({"warnings": told} if told else {}))


def page(resources: Sequence[Resource], limit: int) -> JSONResponse:
    """The answer that shows many; `next` where there may be more."""
    following = resources[-1].next if len(resources) == limit else None
    return JSONResponse({"items": [shown(resource) for resource in resources], "next": following})


def not_found(what: str, name: object) -> Problem:
    """There is no such thing, or it is not for the caller to see."""
    return Problem(ManagementCode.RESOURCE_NOT_FOUND, f'There is no {what} "{name}".')


def numbered(what: str, below: int = 2**31) -> AfterValidator:
    """Of a number in a path: what no row can have is the number of nothing. Raises Problem (ResourceNotFound)."""

    def look(number: int) -> int:
        if not 0 < number < below:
            raise not_found(what, number)
        return number

    return AfterValidator(look)


def reads(heading: str, facts: Mapping[str, Any], status: int = 200, **more: Any) -> dict[int | str, dict[str, Any]]:
    """The description of an answer that shows one."""
    schema = read_schema(heading, {**facts, **more})
    return {status: {"description": "As it is now.", "headers": ETAG_HEADER, **_json(schema)}}


def reads_page(heading: str, facts: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    """The description of an answer that shows many."""
    schema = {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": read_schema(heading, facts)},
            "next": {"type": ["string", "null"], "description": "Where the next page begins; null on the last one."},
        },
        "required": ["items", "next"],
    }
    return {200: {"description": "A page of them.", **_json(schema)}}


def writes_schema(heading: str, *, required: Sequence[str] = (), without: Sequence[str] = ()) -> dict[str, Any]:
    """The description of a body that writes one."""
    schema = written_schema(heading)
    schema["properties"] = {name: about for name, about in schema["properties"].items() if name not in without}
    if required:
        schema["required"] = list(required)
    return {"requestBody": {"required": True, **_json(schema)}}


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}
