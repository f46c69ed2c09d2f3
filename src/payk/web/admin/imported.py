"""Messages of another centre: their statuses are taken over from a file, and dropped again."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from payk.domain.access import Permission
from payk.domain.imported import ImportRefused
from payk.domain.management_errors import ManagementCode
from payk.registry.importing import drop, import_statuses
from payk.web.admin.errors import done_in_parts
from payk.web.admin.given import Given
from payk.web.admin.management import Known, Parts
from payk.web.admin.times import Moment
from payk.web.problems import Problem

__all__ = ["PATH", "TAKEN_STAYS", "router"]

router = APIRouter(tags=["messages"])

PATH: Final = "/imported-messages"
PATIENCE: Final = 20.0
"""Seconds after which a drop that is not done answers where to go on."""
TAKEN_STAYS: Final = "Rows that were stored stay, and are known already when the file is sent again."
_FILE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "The columns MessageId, Client, MessageState, DateSubmitted and DateDone, under a heading.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


class ImportDone(BaseModel):
    """What became of the rows of a file."""

    rows: int
    added: int
    completed: int = Field(description="Stored before without a final state, which they have now.")
    known: int = Field(description="Stored just so before.")
    refused: int
    problems: list[str] = Field(description="A line for what was refused, of the first hundred rows.")


class DropWish(Given):
    """Which imported messages are to go."""

    submitted_before: Moment
    after: int = Field(0, ge=0, lt=2**62, description="`next` of the answer before.")


class Dropped(BaseModel):
    """What was done."""

    dropped: int
    next: int | None = Field(description="Ask again with it as `after`: there may be more; null: that was all.")


@router.post(PATH, openapi_extra=_FILE)
async def import_messages(
    caller: Known,
    parts: Parts,
    request: Request,
    name: Annotated[str, Query(max_length=200, description="Of the file, for the audit log.")] = "",
    encoding: Annotated[
        str | None, Query(max_length=40, description="Of the file; UTF-8, or UTF-16 with its mark, without it.")
    ] = None,
    dry_run: Annotated[bool, Query(description="Check every row and change nothing.")] = False,
) -> ImportDone:
    """Take over statuses of messages that another centre sent, while the file comes: it may be of any length. Rows that
    were taken stay where it is broken off; sending it again adds the rest, and changes nothing else."""
    caller.check(Permission.IMPORT_MESSAGES)
    try:
        with done_in_parts(TAKEN_STAYS):
            done = await import_statuses(
                parts.db, request.stream(), name=name, encoding=encoding, actor=caller.actor, dry_run=dry_run
            )
    except ImportRefused as error:
        raise Problem(ManagementCode.VALUE_INVALID, f"file: {error}.", errors={"file": [str(error)]}) from error
    except ClientDisconnect as error:
        raise Problem(ManagementCode.REQUEST_INVALID, "The file was broken off.") from error
    return ImportDone(
        rows=done.rows,
        added=done.added,
        completed=done.completed,
        known=done.known,
        refused=done.refused,
        problems=list(done.problems),
    )


@router.post(f"{PATH}/drop")
async def drop_messages(caller: Known, parts: Parts, wish: DropWish) -> Dropped:
    """Drop imported messages that were submitted before a time: their ids answer no more."""
    caller.check(Permission.IMPORT_MESSAGES)
    with done_in_parts("Some may be dropped already: repeat the request, it drops the rest."):
        dropped, following = await drop(
            parts.db, wish.submitted_before, after=wish.after, patience=PATIENCE, actor=caller.actor
        )
    return Dropped(dropped=dropped, next=following)
