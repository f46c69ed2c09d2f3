"""What can go wrong with users, sessions and tokens.

AccessError
+-- ValueInvalid      what was asked for cannot be: its field, the rule, what would be allowed
+-- AlreadyThere      what should be new is there
+-- NotThere          what should be changed is not there
+-- ChangedMeanwhile  what should be changed is not what the change was made for
+-- LastAdmin         nobody would be left who may manage users; nothing forces that
+-- LoginRefused      name, password or code is wrong, or the user may not log in: one answer for all of them
+-- TooManyFailures   this address failed too often
"""

from __future__ import annotations

__all__ = [
    "AccessError",
    "AlreadyThere",
    "ChangedMeanwhile",
    "LastAdmin",
    "LoginRefused",
    "NotThere",
    "TooManyFailures",
    "ValueInvalid",
]


class AccessError(Exception):
    """Anything that access reports; str() is a sentence. Nothing was changed."""


class ValueInvalid(AccessError):
    """A field has a value that it cannot have."""

    def __init__(self, field: str, wrong: str, right: str) -> None:
        self.field, self.wrong, self.right = field, wrong, right
        super().__init__(f"{field}: {wrong}; {right}")


class AlreadyThere(AccessError):
    """What should be made new is there already."""


class NotThere(AccessError):
    """What should be changed is not there."""


class ChangedMeanwhile(AccessError):
    """Somebody else changed it since it was read."""


class LastAdmin(AccessError):
    """The last enabled admin can be neither disabled nor given another role."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is the last enabled admin: make or enable another one first.")


class LoginRefused(AccessError):
    """Says not which of them it was: whoever guesses learns nothing from it."""

    def __init__(self) -> None:
        super().__init__("Name, password or one-time code is wrong, or this user may not log in now.")


class TooManyFailures(AccessError):
    """An address failed too often; `wait` seconds until it may try again."""

    def __init__(self, address: str, wait: float) -> None:
        self.wait = wait
        super().__init__(f"Too many attempts from {address} failed; the next may come in {wait:.0f} s.")
