"""Commands that change the database and end: `payk migrate`, `payk apply`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from payk.app.local import local_actor, local_name
from payk.app.opening import opened
from payk.app.secrets import unlocked
from payk.printable import printable
from payk.registry.change import apply as apply_file
from payk.registry.file import load as load_file
from payk.registry.secrets import SecretBox
from payk.settings import Settings
from payk.store.migrations import check_schema
from payk.store.migrations import migrate as migrate_schema

__all__ = ["apply", "migrate"]


async def migrate(settings: Settings, first_message_id: int | None) -> None:
    """Bring the schema up to this version."""
    async with opened(settings) as (db, _):
        done = await migrate_schema(db, first_message_id=first_message_id)
    for step in done:
        print(f"ran migration {step.number:04d} {step.name}")
    if not done:
        print("the schema is up to date")


async def apply(settings: Settings, file: Path, dry_run: bool, *, force: bool = False) -> None:
    """Make the registry what a file says and print the difference."""
    content = load_file(file, os.environ)
    async with opened(settings) as (db, _):
        await check_schema(db)
        author = f"payk apply {file.name} by {local_name()}"
        box = SecretBox(await unlocked(settings, db))
        difference = await apply_file(
            db, box, content, author=author, actor=local_actor(), dry_run=dry_run, force=force
        )
    for line in difference.lines():
        print(line)
    for warning in difference.warnings:
        print(f"payk: warning: {printable(warning)}", file=sys.stderr)
