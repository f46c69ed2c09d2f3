"""What can go wrong with the registry.

RegistryError
+-- RegistryFileError   what was asked for is wrong: every problem, each with its place
+-- ChangeRefused       it is right, and cannot be done as things stand
|   +-- AlreadyThere        what should be new is there
|   +-- NotThere            what should be changed is not there
|   +-- ChangedMeanwhile    it is not any more what the caller saw
|   +-- NotToBeTakenBack    it is a change that is never undone by another one
|   +-- ForceRequired       it would cut off traffic, and nobody said that it may
+-- TrafficError        which messages, operator or link is meant is not clear: every problem, each with its field
+-- TooMuchAtOnce       a client has as many commands about its traffic in force as it may
+-- SecretError         a secret cannot be sealed or opened
+-- DirectoryError      what is stored cannot be understood by this Payk
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "AlreadyThere",
    "ChangeRefused",
    "ChangedMeanwhile",
    "DirectoryError",
    "ForceRequired",
    "NotThere",
    "NotToBeTakenBack",
    "Problem",
    "RegistryError",
    "RegistryFileError",
    "SecretError",
    "TooMuchAtOnce",
    "TrafficError",
]


class RegistryError(Exception):
    """Anything the registry reports."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where, and what would be right. Never quotes a key or a password."""

    path: str
    """The key, such as `operator[0].link[1].window` (counted from 0), or `line 3, column 5` where it is no TOML."""
    wrong: str
    right: str
    wrong_to_others: str = ""
    """The same for whoever may not know of other clients, where `wrong` names one."""


class RegistryFileError(RegistryError):
    """A registry file that cannot be applied; nothing of it was."""

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """One line per problem: file, place, what is wrong, what would be right."""
        return [
            ": ".join(part for part in (self.file, problem.path, f"{problem.wrong}; {problem.right}") if part)
            for problem in self.problems
        ]


class ChangeRefused(RegistryError):
    """A change that cannot be made as things stand; nothing of it was. str() is a sentence that says why."""


class AlreadyThere(ChangeRefused):
    """What should be made new is there already."""


class NotThere(ChangeRefused):
    """What should be changed is not there."""


class ChangedMeanwhile(ChangeRefused):
    """It is not any more what the caller saw when it asked for the change."""


class NotToBeTakenBack(ChangeRefused):
    """A hold, a cancel or a release: no settings, so none have their old values again. str() says what to do."""


class ForceRequired(ChangeRefused):
    """It would cut off traffic that runs; `reasons` says which, a sentence each."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("\n".join(self.reasons))


class TrafficError(RegistryError):
    """A command about running traffic that cannot be done; nothing was changed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{p.path}: {p.wrong}; {p.right}".removeprefix(": ") for p in self.problems))


class TooMuchAtOnce(RegistryError):
    """A client has as many commands about its traffic in force as it may; nothing was changed. str() is a sentence."""


class SecretError(RegistryError):
    """A secret that cannot be sealed or opened."""


class DirectoryError(RegistryError):
    """A stored row that this Payk cannot understand; a newer one may have written it."""
