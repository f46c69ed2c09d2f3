"""The service token that `payk up` keeps for whoever runs it."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from payk.access import Tokens
from payk.app.opening import write_secret
from payk.domain.access import Actor, PrincipalKind
from payk.settings import Settings
from payk.store.database import Database

__all__ = ["ensure_admin_token"]

UP_TOKEN: Final = "payk up"


async def ensure_admin_token(settings: Settings, db: Database) -> None:
    """The token of `payk up`, in DIR/admin-token (mode 600): the one that is there stays; a lost one is replaced."""
    file = settings.home / "admin-token"
    tokens = Tokens(db)
    actor = Actor(PrincipalKind.LOCAL, UP_TOKEN)
    try:
        if await tokens.is_in_force(file.read_text(encoding="ascii").strip(), UP_TOKEN):
            return
        file.unlink()  # of another database, or revoked
    except (FileNotFoundError, UnicodeDecodeError):
        with suppress(FileNotFoundError):
            file.unlink()
    write_secret(file, await tokens.create(actor, UP_TOKEN, role="admin", replace=True))
