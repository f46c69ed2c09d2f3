"""What an answer to submit_sm means for the part it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from payk.domain.outcome import Accepted, PartOutcome, RefusalKind, Refused, Uncertain
from payk.smpp import CommandStatus, Response, StatusClass, SubmitSmResp, classify

__all__ = ["outcome_of", "status_overrides"]

_KINDS: Final = {
    StatusClass.PERMANENT: RefusalKind.PERMANENT,
    StatusClass.PERMANENT_CONFIG: RefusalKind.PERMANENT,
    StatusClass.TEMPORARY: RefusalKind.TEMPORARY,
    StatusClass.TEMPORARY_TWICE: RefusalKind.TEMPORARY_TWICE,
    StatusClass.THROTTLE: RefusalKind.THROTTLED,
    StatusClass.LINK: RefusalKind.LINK,
    StatusClass.BIND: RefusalKind.LINK,  # the operator took our account away under an open session
}

_ROK: Final = int(CommandStatus.ESME_ROK)
_LONGEST_ID: Final = 255  # characters; SMPP has 64 (3.4, 5.2.23), and no index of the store holds a thousand


def status_overrides(status_classes: Mapping[int, str]) -> dict[int, StatusClass]:
    """A link's setting `status_classes` as `classify` wants it. ValueError for an unknown class."""
    return {code: StatusClass(name) for code, name in status_classes.items()}


def outcome_of(part: int, response: Response, overrides: Mapping[int, StatusClass]) -> PartOutcome:
    """The outcome of a part from the response (perhaps a generic_nack, perhaps of another type) to its submit_sm."""
    status = response.command_status
    if isinstance(response, SubmitSmResp):
        if status == _ROK:
            return Accepted(part, _smsc_id(response))
        status_class = classify(status, response.tlvs, overrides)
    elif status == _ROK:
        return Uncertain(part, f"answered by {type(response).__name__}")
    else:
        status_class = classify(status, (), overrides, answer=response.command_id)
    if status_class is StatusClass.OK:
        return Accepted(part, _smsc_id(response) if isinstance(response, SubmitSmResp) else "")
    if status_class is StatusClass.PERMANENT and status == CommandStatus.ESME_RINVDSTADR:
        return Refused(part, status, RefusalKind.NUMBER)
    return Refused(part, status, _KINDS[status_class])


def _smsc_id(response: SubmitSmResp) -> str:
    """As receipts will write it: without the blanks that fill a field. What is far too long is no id."""
    smsc_id = (response.message_id or "").strip()
    return smsc_id if len(smsc_id) <= _LONGEST_ID else ""
