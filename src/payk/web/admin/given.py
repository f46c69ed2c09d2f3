"""What is given in a body: members that nobody knows are refused, for who writes one means something by it; and what no
text may hold that is given, there or elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from fastapi import Request
from pydantic import BaseModel, ConfigDict, field_validator

from payk.domain.management_errors import ManagementCode
from payk.web.problems import Problem

__all__ = ["Given", "check_members", "check_texts", "expects_what_has_an_etag", "takes_no_body"]

NO_NUL: Final = "it holds NUL, which is no character of a text; leave it out"


class Given(BaseModel):
    """A body with the members that it names and no others."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*")
    @classmethod
    def _holds_no_nul(cls, value: Any) -> Any:
        if _has_nul(value):
            raise ValueError(NO_NUL)
        return value


def _has_nul(value: Any) -> bool:
    """Whether a text holds NUL, which the database cannot store, or one among others does."""
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(_has_nul(name) or _has_nul(element) for name, element in value.items())
        case list():
            return any(map(_has_nul, value))
        case _:
            return False


async def check_texts(request: Request) -> None:
    """Raise Problem (RequestInvalid) for NUL in the path or in the query, by the name of what holds it."""
    given = [*((name, unquote(str(value))) for name, value in request.path_params.items())]
    given += request.query_params.multi_items()
    if wrong := sorted({name for name, value in given if _has_nul(value)}):
        detail = " ".join(f"{name}: {NO_NUL}." for name in wrong)
        raise Problem(ManagementCode.REQUEST_INVALID, detail, errors={name: [NO_NUL] for name in wrong})


def check_members(fields: Mapping[str, Any], *fixed: str, rule: str = "it cannot be changed") -> None:
    """Raise Problem (ValueInvalid) where one of `fixed` is given, which other operations are for, or none."""
    if wrong := [name for name in fixed if name in fields]:
        detail = " ".join(f"{name}: {rule}." for name in wrong)
        raise Problem(ManagementCode.VALUE_INVALID, detail, errors={name: [rule] for name in wrong})


async def takes_no_body(request: Request) -> None:
    """Raise Problem (RequestInvalid) for a body that nobody would read."""
    route = request.scope["route"]
    if "requestBody" in (route.openapi_extra or {}):  # it reads its body itself, or in parts
        return
    if route.body_field is None and (body := (await request.body()).strip()) and body != b"{}":
        detail = "This takes no body: what it knows besides the path stands in the query, as /docs says."
        raise Problem(ManagementCode.REQUEST_INVALID, detail)


async def expects_what_has_an_etag(request: Request) -> None:
    """Raise Problem (RequestInvalid) for an If-Match that nobody would look at: who sends one relies on it."""
    if_match = request.headers.get("if-match")
    if request.method in ("GET", "HEAD") or if_match is None or if_match.strip() == "*":
        return
    if not any(field.alias == "if-match" for field in request.scope["route"].dependant.header_params):
        rule = "what this changes has no ETag; leave If-Match out"
        raise Problem(ManagementCode.REQUEST_INVALID, f"If-Match: {rule}.", errors={"If-Match": [rule]})
