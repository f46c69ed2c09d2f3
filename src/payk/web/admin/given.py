"""What is given in a body: members that nobody knows are refused, for who writes one means something by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from pydantic import BaseModel, ConfigDict

from payk.domain.management_errors import ManagementCode
from payk.web.problems import Problem

__all__ = ["Given", "check_members", "takes_no_body"]


class Given(BaseModel):
    """A body with the members that it names and no others."""

    model_config = ConfigDict(extra="forbid")


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
