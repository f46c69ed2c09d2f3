"""Who may manage the centre: users, their sessions, service tokens.

`Access` finds out who is calling; `Users` and `Tokens` are the path of every change, which is checked, made and
recorded in the audit log in one transaction.
"""

from __future__ import annotations

from payk.access.access import Access
from payk.access.errors import (
    AccessError,
    AlreadyThere,
    ChangedMeanwhile,
    LastAdmin,
    LoginRefused,
    NotThere,
    TooManyFailures,
    ValueInvalid,
)
from payk.access.passwords import Passwords
from payk.access.sealer import Sealer
from payk.access.tokens import Tokens
from payk.access.users import Users, user_etag

__all__ = [
    "Access",
    "AccessError",
    "AlreadyThere",
    "ChangedMeanwhile",
    "LastAdmin",
    "LoginRefused",
    "NotThere",
    "Passwords",
    "Sealer",
    "Tokens",
    "TooManyFailures",
    "Users",
    "ValueInvalid",
    "user_etag",
]
