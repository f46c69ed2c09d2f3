"""What answers to submit_sm mean."""

from __future__ import annotations

import pytest

from payk.domain.outcome import Accepted, RefusalKind, Refused, Uncertain
from payk.links.refusal import outcome_of, status_overrides
from payk.smpp import CommandStatus, GenericNack, SubmitSmResp, Tag, Tlv


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (CommandStatus.ESME_RINVSRCADR, RefusalKind.PERMANENT),
        (CommandStatus.ESME_RINVDSTADR, RefusalKind.NUMBER),
        (CommandStatus.ESME_RSUBMITFAIL, RefusalKind.PERMANENT),
        (CommandStatus.ESME_RINVMSGLEN, RefusalKind.PERMANENT),
        (CommandStatus.ESME_RINVCMDLEN, RefusalKind.PERMANENT),
        (CommandStatus.ESME_RINVDSTTON, RefusalKind.PERMANENT),
        (CommandStatus.ESME_RSYSERR, RefusalKind.TEMPORARY),
        (CommandStatus.ESME_RX_T_APPN, RefusalKind.TEMPORARY),
        (CommandStatus.ESME_RUNKNOWNERR, RefusalKind.TEMPORARY_TWICE),
        (CommandStatus.ESME_RTHROTTLED, RefusalKind.THROTTLED),
        (CommandStatus.ESME_RMSGQFUL, RefusalKind.THROTTLED),
        (CommandStatus.ESME_RINVBNDSTS, RefusalKind.LINK),
        (CommandStatus.ESME_RINVCMDID, RefusalKind.LINK),
        (CommandStatus.ESME_RBINDFAIL, RefusalKind.LINK),
        (0x22, RefusalKind.PERMANENT),
        (0x0400, RefusalKind.PERMANENT),
    ],
)
def test_each_status_has_its_kind(status: int, kind: RefusalKind) -> None:
    assert outcome_of(2, SubmitSmResp(command_status=status), {}) == Refused(2, status, kind)


def test_delivery_failure_is_temporary_if_the_operator_says_so() -> None:
    temporary = Tlv.of(Tag.DELIVERY_FAILURE_REASON, 3)
    response = SubmitSmResp(command_status=CommandStatus.ESME_RDELIVERYFAILURE, tlvs=(temporary,))
    assert outcome_of(1, response, {}) == Refused(1, 0xFE, RefusalKind.TEMPORARY)


def test_the_links_own_classes_win() -> None:
    overrides = status_overrides(
        {0x45: "temporary", 0x0B: "permanent_config", 0x0400: "throttle", 0x0401: "temporary_twice"}
    )
    kinds = [outcome_of(1, SubmitSmResp(command_status=code), overrides) for code in (0x45, 0x0B, 0x0400, 0x0401)]
    assert kinds == [
        Refused(1, 0x45, RefusalKind.TEMPORARY),
        Refused(1, 0x0B, RefusalKind.PERMANENT),
        Refused(1, 0x0400, RefusalKind.THROTTLED),
        Refused(1, 0x0401, RefusalKind.TEMPORARY_TWICE),
    ]


def test_an_unknown_class_is_a_fault_of_the_settings() -> None:
    with pytest.raises(ValueError, match="sometimes"):
        status_overrides({0x45: "sometimes"})


@pytest.mark.parametrize(("message_id", "smsc_id"), [("7a3F", "7a3F"), ("", ""), (None, "")])
def test_accepted_keeps_the_id_as_written(message_id: str | None, smsc_id: str) -> None:
    assert outcome_of(1, SubmitSmResp(message_id=message_id), {}) == Accepted(1, smsc_id)


def test_an_id_in_a_refusal_is_no_id() -> None:
    response = SubmitSmResp(message_id="00000000", command_status=CommandStatus.ESME_RINVSRCADR)
    assert outcome_of(1, response, {}) == Refused(1, 0x0A, RefusalKind.PERMANENT)


def test_generic_nack_refuses_too() -> None:
    nack = GenericNack(command_status=CommandStatus.ESME_RINVCMDID)
    assert outcome_of(1, nack, {}) == Refused(1, 3, RefusalKind.LINK)
    malformed = GenericNack(command_status=CommandStatus.ESME_RINVCMDLEN)
    assert outcome_of(1, malformed, {}) == Refused(1, 2, RefusalKind.LINK)


def test_a_generic_nack_that_refuses_nothing_leaves_it_open() -> None:
    assert outcome_of(1, GenericNack(), {}) == Uncertain(1, "answered by GenericNack")


@pytest.mark.parametrize(
    ("answered", "smsc_id"),
    [("A1", "A1"), ("  A1 ", "A1"), (" ", ""), (None, ""), ("f" * 255, "f" * 255), ("f" * 5_000, "")],
)
def test_the_id_of_an_answer(answered: str | None, smsc_id: str) -> None:
    assert outcome_of(1, SubmitSmResp(message_id=answered), {}) == Accepted(1, smsc_id)
