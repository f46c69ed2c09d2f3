"""Changes: what was changed when and by whom, taking it back, and the whole registry as a file."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from payk.domain.access import Permission
from payk.domain.management_errors import ManagementCode
from payk.registry.change import apply
from payk.registry.export import export
from payk.registry.file import read
from payk.registry.reverting import revert
from payk.registry.toml import parse
from payk.store.registry_pages import StoredChange, page_of_changes
from payk.web.admin.configured import Force, Limit, not_found, numbered
from payk.web.admin.given import Given
from payk.web.admin.management import Caller, Known, Parts
from payk.web.admin.times import moment
from payk.web.problems import Problem

__all__ = ["router"]

router = APIRouter(tags=["changes"])

_TOML: Final = "application/toml"
Version = Annotated[int, Query(ge=1, lt=2**62)]
VersionInPath = Annotated[int, numbered("change", 2**62)]


class ChangeShown(BaseModel):
    """A change of the registry."""

    version: int = Field(description="Grows by one with each change.")
    changed_at: str | None
    author: str
    changes: list[dict[str, Any]] = Field(
        description="One for each row: sign, kind, name, of, fields, identity, notes."
    )


class ChangesShown(BaseModel):
    """A page of changes, newest first."""

    items: list[ChangeShown]
    next: int | None = Field(description="`before` of the next page; null on the last one.")


class Passwords(Given):
    """What a change that moves links back needs."""

    passwords: dict[str, Annotated[str, Field(max_length=64)]] = Field(
        default={}, description="By link, of those whose host, port or tls becomes another one."
    )


class Done(BaseModel):
    """What a change did."""

    difference: list[str] = Field(description="A line for each row that is another one now.")
    left: list[str] = Field(
        default=[], description="What could not be taken back, and what is left of holds and cancels."
    )
    warnings: list[str] = Field(default=[], description="What is so now, and had better not be.")


def _shown(change: StoredChange) -> ChangeShown:
    return ChangeShown(
        version=change.version,
        changed_at=moment(change.changed_at),
        author=change.author,
        changes=change.difference.get("changes", []),
    )


@router.get("/changes")
async def list_changes(caller: Known, parts: Parts, limit: Limit = 100, before: Version | None = None) -> ChangesShown:
    """What was changed, newest first."""
    caller.check(Permission.READ_REGISTRY)
    found = await page_of_changes(parts.db, limit, before=before)
    following = found[-1].version if len(found) == limit else None
    return ChangesShown(items=[_shown(change) for change in found], next=following)


@router.get("/changes/{version}")
async def show_change(caller: Known, parts: Parts, version: VersionInPath) -> ChangeShown:
    """One change."""
    caller.check(Permission.READ_REGISTRY)
    found = await page_of_changes(parts.db, 1, only=version)
    if not found:
        raise not_found("change", version)
    return _shown(found[0])


@router.post("/changes/{version}/revert")
async def revert_change(
    caller: Known,
    parts: Parts,
    version: VersionInPath,
    force: Force = False,
    through: Annotated[bool, Query(description="Everything since it as well.")] = False,
    given: Passwords | None = None,
) -> Done:
    """Take a change back, as another change. What was changed again since is taken back by force only.

    Holds, cancels and releases are no settings: passed over where everything since is taken back, else a Conflict.
    """
    _check_all(caller)
    done = await revert(
        parts.db,
        parts.secret_box,
        version,
        author=caller.author,
        actor=caller.actor,
        through=through,
        force=force,
        passwords=given.passwords if given else None,
    )
    lines = await asyncio.to_thread(done.difference.lines)
    return Done(difference=lines, left=list(done.left), warnings=list(done.difference.warnings))


def _check_all(caller: Caller) -> None:
    """A change of before, and a file, may hold anything."""
    for permission in (
        *(Permission.CHANGE_CLIENTS, Permission.CHANGE_KEYS, Permission.CHANGE_LIMITS, Permission.APPROVE_SENDERS),
        *(Permission.CHANGE_OPERATORS, Permission.CHANGE_ROUTES),
    ):
        caller.check(permission)


@router.get("/export", response_class=PlainTextResponse, responses={200: {"content": {_TOML: {}}}})
async def export_registry(caller: Known, parts: Parts) -> PlainTextResponse:
    """The registry as a file of `payk apply`: keys as digests, passwords encrypted."""
    caller.check(Permission.CHANGE_KEYS)
    caller.check(Permission.CHANGE_OPERATORS)
    return PlainTextResponse(await export(parts.db, parts.secret_box), media_type=_TOML)


@router.post("/apply")
async def apply_file(
    caller: Known,
    parts: Parts,
    text: Annotated[str, Body(media_type=_TOML, max_length=64 * 2**20)],
    force: Force = False,
    dry_run: Annotated[bool, Query(description="Say what would change, and change nothing.")] = False,
) -> Done:
    """Make the registry be as a file says; what the file does not name is left alone."""
    _check_all(caller)
    try:
        document = await asyncio.to_thread(parse, text)
    except (ValueError, RecursionError) as error:
        raise Problem(ManagementCode.REQUEST_INVALID, f"This is no TOML: {str(error)[:200]}.") from error
    file = await asyncio.to_thread(read, document, "file", {})
    difference = await apply(
        parts.db,
        parts.secret_box,
        file,
        author=caller.author,
        actor=caller.actor,
        dry_run=dry_run,
        force=force,
    )
    lines = await asyncio.to_thread(difference.lines)
    return Done(difference=lines, warnings=list(difference.warnings))
