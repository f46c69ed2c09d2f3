"""One line of the log for every outcome of a message, and a span where traces are on: a submit of a part that was
answered or not, a receipt of a part, an end without either. docs/observe.md describes the fields.

Made a batch at a time, after the transaction that stored it. Never the text; the number only masked, and in no span.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, get_args

from payk import tracing
from payk.domain.directory import CurrentDirectory
from payk.domain.message import MessageState
from payk.domain.outcome import Accepted, PartOutcome, Refused, Uncertain
from payk.domain.receipt import ReceiptReport
from payk.domain.retry import Again
from payk.logs import Head, Kind, Line, ManyLines, mask
from payk.smpp import status_name
from payk.store.ending import Cause, Ended, OnEnded
from payk.store.outcomes import LateAnswer, Recorded
from payk.store.receipts import Settled, Spoken

__all__ = ["OutcomeLog"]

_ENOUGH: Final = 32
"""Characters of an operator's word."""
_Names = tuple[str | None, str | None, str | None]
"""Of client, operator and link, as the fields of a line follow each other."""
_LABELS: Final = {state: state.label for state in MessageState}
_SAID: Final[dict[MessageState | None, str]] = {
    None: "receipt",
    **{state: label.lower() for state, label in _LABELS.items()},
}
"""What a receipt is called, by what it says."""
_ENDS: Final = {Cause.UNANSWERED: "unknown"}
"""What ends without a receipt are called, where it is not by their cause."""
_ASKED_FOR: Final = frozenset({Cause.CANCELLED, Cause.FORGOTTEN})
_LATE: Final = "the answer came after its time-out"
_HOPED_FOR: Final = frozenset({"submitted", "delivered", "accepted", "enroute", "receipt"})


class _Outcome(Line, omit_defaults=True, gc=False):
    """Of what is not known there is no field. Milliseconds since the step before, `total_ms` since it was accepted."""

    outcome: str
    message_id: int
    part: int | None = None
    parts: int | None = None
    attempt: int | None = None
    client: str | None = None
    operator: str | None = None
    link: str | None = None
    number: str | None = None
    request_id: str | None = None
    code: str | None = None
    error: str | None = None
    state: str | None = None
    retry_ms: int | None = None
    claim_ms: float | None = None
    submit_ms: float | None = None
    answer_ms: float | None = None
    receipt_ms: float | None = None
    total_ms: float | None = None
    reason: str | None = None


class _Batch(dict[Kind, tuple[Head, list[_Outcome]]]):
    """Lines of one moment by their kind, with what they begin with."""

    def __init__(self, lines: ManyLines) -> None:
        super().__init__({kind: (lines.head(kind), []) for kind in get_args(Kind)})
        self._lines = lines

    def write(self) -> None:
        for kind, (_, of_kind) in self.items():
            self._lines.write(of_kind, kind)


class OutcomeLog:
    """The lines of one room."""

    def __init__(self, directory: CurrentDirectory, room: str) -> None:
        self._directory = directory
        self._lines = ManyLines(room, "outcome")

    @property
    def on(self) -> bool:
        """Whether there is anything to be told."""
        return self._lines.on or tracing.is_on()

    def submitted(self, records: Iterable[tuple[Recorded, float | None]]) -> None:
        """What came of submits, each with the seconds from its claim to the last write, None where nothing was written.

        Parts that were surely not written are none: they go on waiting.
        """
        if not self.on:
            return
        records = list(records)
        if tracing.is_on():
            self._trace_submits(records)
        if not self._lines.on:
            return
        names: dict[tuple[int, int, int], _Names] = {}
        batch = _Batch(self._lines)
        for record, wrote in records:
            claim = record.claim
            place = claim.flow.client_id, record.operator_id, claim.link_id
            client, operator, link = names.get(place) or names.setdefault(place, self._names(*place))
            parts, number, attempt = record.parts, mask(claim.phone), claim.try_number
            way = None if claim.accepted_at is None else _ms((claim.now - claim.accepted_at).total_seconds())
            submit, answer = (None, None) if wrote is None else (_ms(wrote), _ms(record.age))
            for outcome in record.outcomes:
                about = _about(record, outcome)
                if about is not None:
                    what, code, error, state, retry = about
                    (at, level, room, event), of_kind = batch[_kind(what)]
                    of_kind.append(  # in the order of its fields, which is half the price of their names
                        _Outcome(at, level, room, event, what, claim.message_id, outcome.part, parts, attempt,
                                 client, operator, link, number, claim.request_id, code, error, state, retry,
                                 way, submit, answer)
                    )  # fmt: skip
        batch.write()

    def answered_late(self, answers: Sequence[LateAnswer], spoken: Mapping[int, Spoken]) -> None:
        """Operators took parts that had been told of as uncertain, of these messages."""
        if not self._lines.on:
            return
        lines = []
        head = self._lines.head("ordinary")
        for answer in answers:
            about = spoken.get(answer.message_id)
            if about is None:  # its partition was dropped meanwhile
                continue
            client, operator, link = self._names(about.client_id, answer.operator_id, answer.link_id)
            lines.append(
                _Outcome(
                    *head,
                    "submitted",
                    answer.message_id,
                    answer.part,
                    about.parts,
                    answer.try_number,
                    client,
                    operator,
                    link,
                    mask(about.phone),
                    about.request_id,
                    answer_ms=_ms(about.age),
                    total_ms=_ms(about.way),
                    reason=_LATE,
                )
            )
        self._lines.write(lines, "ordinary")

    def received(self, reports: Sequence[ReceiptReport], settled: Sequence[Settled]) -> None:
        """What receipts said, of those whose message is known."""
        if tracing.is_on():
            self._trace_receipts(reports, settled)
        if not self._lines.on:
            return
        names: dict[tuple[int, int, int], _Names] = {}
        batch = _Batch(self._lines)
        for report, one in zip(reports, settled, strict=True):
            about = one.about
            if one.message_id is None or about is None:
                continue
            place = about.client_id, report.operator_id, report.link_id
            client, operator, link = names.get(place) or names.setdefault(place, self._names(*place))
            says, became = _SAID[report.state], None if one.became is None else _LABELS[one.became]
            code, error = report.raw_state[:_ENOUGH], None if report.error is None else report.error[:_ENOUGH]
            number, age, way = mask(about.phone), _ms(about.age), _ms(about.way)
            (at, level, room, event), of_kind = batch[_kind(says)]
            for part in one.parts:
                of_kind.append(
                    _Outcome(at, level, room, event, says, one.message_id, part, about.parts, about.attempt,
                             client, operator, link, number, about.request_id, code, error, became, None,
                             None, None, None, age, way)
                )  # fmt: skip
        batch.write()

    @property
    def on_ended(self) -> OnEnded | None:
        """Whom the store tells of messages that end without a receipt; None where nobody wants to know."""
        return self._ended if self.on else None

    def _ended(self, messages: Sequence[Ended], cause: Cause, why: str) -> None:
        if tracing.is_on():
            self._trace_ends(messages, cause, why)
        if not self._lines.on:
            return
        clients = self._directory.value.clients
        word = _ENDS.get(cause, cause.value)
        head = self._lines.head(_kind(word))
        lines = []
        for one in messages:
            client = clients.get(one.client_id)
            lines.append(
                _Outcome(
                    *head,
                    word,
                    one.message_id,
                    parts=one.parts,
                    client=None if client is None else client.name,
                    operator=None if one.operator_id is None else self._operator(one.operator_id),
                    number=mask(one.phone),
                    request_id=one.request_id,
                    state=one.became.label,
                    total_ms=_ms(one.way),
                    reason=why,
                )
            )
        self._lines.write(lines, _kind(word))

    def _names(self, client_id: int, operator_id: int, link_id: int) -> _Names:
        client, link = self._directory.value.clients.get(client_id), self._directory.link_of(link_id)
        return None if client is None else client.name, self._operator(operator_id), None if link is None else link.name

    def _trace_submits(self, records: Sequence[tuple[Recorded, float | None]]) -> None:
        """From the write of each part to its answer, or to the end of the wait for it."""
        now = time.time_ns()
        for record, _ in records:
            claim, context = record.claim, record.claim.trace
            if context is None:
                continue
            for outcome in record.outcomes:
                about = _about(record, outcome)
                if about is None:
                    continue
                what, code, error, *_ = about
                begun, over = (now, now) if record.times is None else record.times[outcome.part]
                tracing.record(
                    "submit",
                    context,
                    begun,
                    over,
                    self._attributes(
                        claim.message_id, claim.flow.client_id, record.operator_id, claim.link_id, outcome.part
                    )
                    | {"payk.attempt": claim.try_number, "payk.outcome": what, "payk.code": code or error},
                    error=None if what == "submitted" else code or error or what,
                    span_id=tracing.submit_id(context, claim.message_id, outcome.part, claim.try_number),
                )

    def _trace_receipts(self, reports: Sequence[ReceiptReport], settled: Sequence[Settled]) -> None:
        """At the moment that they were settled, each with a link to its submit."""
        now = time.time_ns()
        for report, one in zip(reports, settled, strict=True):
            about = one.about
            if one.message_id is None or about is None or about.trace is None:
                continue
            what = _SAID[report.state]
            for part in one.parts:
                attempt = about.attempt
                tracing.record(
                    "receipt",
                    about.trace,
                    now,
                    now,
                    self._attributes(one.message_id, about.client_id, report.operator_id, report.link_id, part)
                    | {"payk.attempt": attempt, "payk.outcome": what, "payk.code": report.raw_state[:_ENOUGH]},
                    error=None if what in _HOPED_FOR else what,
                    link_to=None if attempt is None else tracing.submit_id(about.trace, one.message_id, part, attempt),
                )

    def _trace_ends(self, messages: Iterable[Ended], cause: Cause, why: str) -> None:
        """At the moment that they are told of; what somebody asked for is no error."""
        now = time.time_ns()
        for one in messages:
            if one.trace is None:
                continue
            client = self._directory.value.clients.get(one.client_id)
            tracing.record(
                "end",
                one.trace,
                now,
                now,
                {
                    "payk.message_id": one.message_id,
                    "payk.client": None if client is None else client.name,
                    "payk.operator": None if one.operator_id is None else self._operator(one.operator_id),
                    "payk.outcome": _ENDS.get(cause, cause.value),
                    "payk.state": one.became.label,
                    "payk.reason": why,
                },
                error=None if cause in _ASKED_FOR else why,
            )

    def _attributes(
        self, message_id: int, client_id: int, operator_id: int, link_id: int, part: int
    ) -> dict[str, str | int | None]:
        client, operator, link = self._names(client_id, operator_id, link_id)
        return {
            "payk.message_id": message_id,
            "payk.client": client,
            "payk.operator": operator,
            "payk.link": link,
            "payk.part": part,
        }

    def _operator(self, operator_id: int) -> str | None:
        operator = self._directory.value.operators.get(operator_id)
        return None if operator is None else operator.name


def _kind(outcome: str) -> Kind:
    """An unanswered submit is something that somebody should look at."""
    if outcome in _HOPED_FOR:
        return "ordinary"
    return "warnings" if outcome == "uncertain" else "failures"


def _about(record: Recorded, outcome: PartOutcome) -> tuple[str, str | None, str | None, str | None, int | None] | None:
    """The outcome in a word, its code, its reason, what it makes of the part, and when that is sent again."""
    if isinstance(outcome, Accepted):
        return "submitted", None, None, None, None
    decision = record.decision
    state = decision.part_states.get(outcome.part)
    label = None if state in (None, MessageState.ENROUTE) else state.label
    again = None
    if outcome.part in decision.left:
        again = round(1000 * decision.delay) if decision.again is Again.LATER else 0
    if isinstance(outcome, Refused):
        return "refused", status_name(outcome.command_status), None, label, again
    if isinstance(outcome, Uncertain):
        return "uncertain", None, outcome.reason, label, again
    return None if label is None else ("unsent", None, None, label, again)


def _ms(seconds: float | None) -> float | None:
    """To a tenth of a millisecond; `round` would take as long as all the rest of the line."""
    return None if seconds is None else int(seconds * 10_000) / 10
