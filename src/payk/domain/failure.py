"""Why a message failed, in few words: what reports count by, so the words are bounded whatever an operator says."""

from __future__ import annotations

import re
from typing import Final

from payk.domain.message import MessageState

__all__ = ["FAILED", "by_ending", "by_receipt", "by_refusal", "in_a_clause"]

FAILED: Final = frozenset(
    {
        MessageState.EXPIRED,
        MessageState.DELETED,
        MessageState.UNDELIVERABLE,
        MessageState.UNKNOWN,
        MessageState.REJECTED,
    }
)
"""Final states that a reason belongs to."""

_CODE: Final = re.compile(r"[0-9A-Za-z]{1,8}")
_ENDINGS: Final = {
    MessageState.EXPIRED: "not sent in time",
    MessageState.DELETED: "cancelled",
    MessageState.UNKNOWN: "no receipt",
}
_REFUSED: Final = "refused"
_RECEIPT: Final = "receipt"
_CLAUSES: Final = {
    "not sent in time": "it was not sent in time",
    "cancelled": "it was cancelled before it was sent",
    "no receipt": "no final receipt came in time; a late one still corrects it",
    _REFUSED: "an operator refused it",
    _RECEIPT: "the operator's receipt says so",
}


def by_refusal(status: str) -> str:
    """An operator refused it; `status` is the name of its command_status (SMPP 3.4, section 5.1.3)."""
    return f"{_REFUSED}: {status.removeprefix('ESME_')}"


def by_receipt(error: str | None) -> str:
    """An operator's receipt ended it; `error` is the code in that (SMPP 3.4, appendix B, err), however it is written.

    Codes that are no short word are left out, and so is one of zeros alone, which says that there was no error.
    """
    code = "" if error is None else error.strip()
    if not code.strip("0") or _CODE.fullmatch(code) is None:
        return _RECEIPT
    return f"{_RECEIPT}: {code.upper()}"


def by_ending(state: MessageState) -> str | None:
    """Payk ended it: late, cancelled, or because no receipt came; None where that does not tell why."""
    return _ENDINGS.get(state)


def in_a_clause(reason: str) -> str | None:
    """What a reason says, as a clause of a sentence; None for a reason that is none of these."""
    kind, _, code = reason.partition(": ")
    clause = _CLAUSES.get(kind)
    return clause if clause is None or not code else f"{clause} ({code})"
