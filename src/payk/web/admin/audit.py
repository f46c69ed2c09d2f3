"""The audit log: who did what, when and from where; whether it is whole; and all of it, to be kept elsewhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from payk.domain.access import Permission
from payk.domain.audit import ANCHOR, ChainedEntry, read_anchor
from payk.store.audit import entries, newest, verify
from payk.web.admin.configured import Limit
from payk.web.admin.lines import LINES, begun
from payk.web.admin.management import Known, Parts
from payk.web.admin.numbers import phone_of
from payk.web.admin.times import Moment

__all__ = ["router"]

router = APIRouter(tags=["audit"])

Word = Annotated[str | None, Query(max_length=200)]


class EntriesShown(BaseModel):
    """A page of entries, newest first."""

    items: list[dict[str, Any]]
    next: int | None = Field(
        description="`before` of the next page; null on the last one. A page may have fewer than `limit`, or none, and"
        " others after it: what is not of one object is looked for as far back as one answer may take."
    )


class VerdictShown(BaseModel):
    """Whether the chain is whole."""

    whole: bool
    looked_at: int = Field(description="Entries.")
    sequence: int = Field(description="The newest entry.")
    hash: str = Field(description="Its hash: kept elsewhere it shows later whether the end was cut off.")
    broken: int | None = Field(description="The first entry that is not what it was, or is missing.")
    why: str


@router.get("/audit")
async def list_entries(
    caller: Known,
    parts: Parts,
    limit: Limit = 100,
    before: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
    object_kind: Word = None,
    object_name: Word = None,
    actor: Word = None,
    act: Word = None,
    number: Annotated[
        str | None, Query(min_length=1, max_length=40, description="Those by which this number was blocked or freed.")
    ] = None,
) -> EntriesShown:
    """Entries of what is named."""
    caller.check(Permission.READ_AUDIT)
    found = await newest(
        parts.db,
        limit,
        before=before,
        object_kind=object_kind,
        object_name=object_name,
        actor=actor,
        act=act,
        number=None if number is None else parts.number_digest.of(phone_of(number)),
    )
    return EntriesShown(items=[entry.as_json() for entry in found.entries], next=found.cursor)


@router.get("/audit/verify")
async def verify_chain(
    caller: Known,
    parts: Parts,
    last: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    anchor: Annotated[
        str | None,
        Query(
            pattern=f"^{ANCHOR}$",
            description="Number and hash of an entry, kept elsewhere, which must be in the log as it was.",
        ),
    ] = None,
) -> VerdictShown:
    """Walk the chain, or its last entries."""
    caller.check(Permission.READ_AUDIT)
    kept = None
    if anchor is not None:
        number, digest = read_anchor(anchor)
        kept = number, bytes.fromhex(digest)
    found = await verify(parts.db, last=last, anchor=kept)
    return VerdictShown(
        whole=found.whole,
        looked_at=found.count,
        sequence=found.sequence,
        hash=found.hash.hex(),
        broken=found.broken,
        why=found.why,
    )


@router.get("/audit/export", response_class=StreamingResponse, responses={200: {"content": {LINES: {}}}})
async def export_entries(
    caller: Known,
    parts: Parts,
    since: Moment | None = None,
    until: Moment | None = None,
    after: Annotated[int, Query(ge=0, lt=2**62, description="Only entries behind this one.")] = 0,
    limit: Annotated[int | None, Query(ge=1, le=100_000, description="How many at most; all where it is left out.")] = (
        None
    ),
) -> StreamingResponse:
    """Entries in their order, one JSON object a line, with their hashes."""
    caller.check(Permission.READ_AUDIT)
    found = await begun(entries(parts.db, after=after, since=since, until=until))
    return StreamingResponse(_lines(found, limit), media_type=LINES)


async def _lines(found: AsyncIterator[ChainedEntry], limit: int | None) -> AsyncIterator[bytes]:
    count = 0
    async for entry in found:
        yield json.dumps(entry.as_json(), ensure_ascii=False).encode() + b"\n"
        count += 1
        if count == limit:
            return
