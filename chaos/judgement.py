"""Whether the centre kept its word: pure, from what was observed to figures and violations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from chaos.lag import earliest
from chaos.records import Answer, Incarnation, Life, Observations, Row, Sent, Session, State, Submit

__all__ = ["MUSTS", "Judgement", "Violation", "judge", "sent_twice"]

BATCH = 3
MUSTS = (
    "lost",
    "sent_twice_unlabelled",
    "sent_beyond_policy",
    "submits_on_lapsed_lease",
    "taken_despite_503",
    "answered_yet_missing",
    "wrongly_counted",
)
"""What must be 0."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken. `figure` is one of MUSTS."""

    figure: str
    reason: str
    phone: str
    message_id: int | None = None
    submits: Sequence[Submit] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    figures: Mapping[str, Any]
    violations: Sequence[Violation] = field(default_factory=list)


_Parts = Mapping[tuple[str, int], Sequence[Submit]]


def judge(seen: Observations) -> Judgement:
    """Judge a run. The timelines of what `sent_twice` names must be among the observations."""
    parts = _by_part(seen.submits)
    twice = _twice(parts)
    violations = [
        *_lost(seen, parts),
        *_missing(seen),
        *_unlabelled(seen, twice),
        *_doubled_names(seen.rows),
        *_beyond_policy(seen, twice),
        *_on_lapsed_leases(seen),
        *_taken_despite_503(seen),
        *_wrongly_counted(seen),
    ]
    counts = Counter(violation.figure for violation in violations)
    given = {message_id for sent in seen.sent.values() for message_id in sent.message_ids}
    states = Counter(seen.states.get(message_id) or "unknown to the API" for message_id in given)
    final = sum(count for state, count in states.items() if state in _FINAL)
    figures = {
        "accepted": len(given),
        "final": final,
        **{figure: counts[figure] for figure in MUSTS},
        "sent_twice": len(twice),
        "outcome_unknown": seen.answers.get(504, 0),
        "longest_without_accepting": round(_longest_gap(seen), 1),
        "submits": len(seen.submits),
        "throughput": round(len(given) / (seen.ended_at - seen.began_at), 1),
        "states": dict(sorted(states.items())),
        "answers": {_answer_name(answer): count for answer, count in sorted(seen.answers.items())},
    }
    return Judgement(figures, violations)


def sent_twice(seen: Observations) -> set[int]:
    """The ids of messages of which a part may have been taken more than once."""
    numbers = {phone for phone, _ in _twice(_by_part(seen.submits))}
    return {row.message_id for row in seen.rows if row.phone in numbers}


_FINAL = frozenset(state.name.capitalize() for state in State if state.final)


def _by_part(submits: Sequence[Submit]) -> _Parts:
    """The submits of each part, in order, but for those that the operator refused."""
    parts: dict[tuple[str, int], list[Submit]] = defaultdict(list)
    for submit in submits:
        if submit.maybe_taken:
            parts[submit.phone, submit.part].append(submit)
    return parts


def _twice(parts: _Parts) -> _Parts:
    return {part: submits for part, submits in parts.items() if len(submits) > 1}


# -- nothing is lost


def _lost(seen: Observations, parts: _Parts) -> Iterator[Violation]:
    rows = {row.message_id: row for row in seen.rows}
    refused = {submit.phone for submit in seen.submits if submit.status}
    submits: dict[str, list[Submit]] = defaultdict(list)
    for submit in seen.submits:
        submits[submit.phone].append(submit)
    for sent in seen.sent.values():
        for message_id in dict.fromkeys(sent.message_ids):
            reason = _why_lost(seen.states.get(message_id), rows.get(message_id), sent, parts, refused)
            if reason is not None:
                yield Violation("lost", reason, sent.phone, message_id, submits[sent.phone])


def _why_lost(state: str | None, row: Row | None, sent: Sent, parts: _Parts, refused: set[str]) -> str | None:
    """None for a message whose end is true as far as can be known."""
    if state is None:
        return "the API does not know it"
    if state not in _FINAL:
        return f"it is {state} to the end"
    if row is None:
        return None  # told as answered_yet_missing
    if row.phone != sent.phone:
        return f"its id was given to the message to {row.phone}"
    if row.state.name.capitalize() != state:
        return f"the API says {state}, the database {row.state.name.capitalize()}"
    match row.state:
        case State.DELIVERED:
            left = [part for part in range(1, row.parts + 1) if (row.phone, part) not in parts]
            return f"it is Delivered, and part {left[0]} was never submitted" if left else None
        case State.REJECTED | State.UNDELIVERABLE if row.phone not in refused:
            return f"it is {state}, and no operator refused it"
        case State.EXPIRED | State.DELETED:
            return f"it is {state}, which nobody asked for"
    return None


def _missing(seen: Observations) -> Iterator[Violation]:
    stored = {row.message_id for row in seen.rows}
    for sent in seen.sent.values():
        for message_id in dict.fromkeys(sent.message_ids):
            if message_id not in stored:
                yield Violation("answered_yet_missing", "its id was answered, no row has it", sent.phone, message_id)


def _taken_despite_503(seen: Observations) -> Iterator[Violation]:
    for row in seen.rows:
        sent = seen.sent.get(row.phone)
        if sent is not None and 503 in sent.answers and set(sent.answers) <= {503, Answer.NOT_CONNECTED}:
            yield Violation(
                "taken_despite_503", f"all its tries were answered {sent.answers}", row.phone, row.message_id
            )


# -- nothing is sent twice unknowingly


def _wrongly_counted(seen: Observations) -> Iterator[Violation]:
    """Buckets of reports that do not say what a scan of all messages says."""
    for line in seen.wrong_counts:
        yield Violation("wrongly_counted", line, "")


def _unlabelled(seen: Observations, twice: _Parts) -> Iterator[Violation]:
    ids: dict[str, list[int]] = defaultdict(list)
    for row in seen.rows:
        ids[row.phone].append(row.message_id)
    for (phone, part), submits in twice.items():
        timelines = [seen.timelines.get(message_id, ()) for message_id in ids[phone]]
        told = [_labels(events, part) for events in timelines]
        # Each message may end with a submit that was answered; all others must have been told as uncertain.
        if None in told or sum(labels or 0 for labels in told) + len(told) < len(submits):
            reason = f"part {part} may have been taken {len(submits)} times, and its timeline does not say so"
            yield Violation("sent_twice_unlabelled", reason, phone, ids[phone][0] if ids[phone] else None, submits)


def _labels(events: Sequence[Mapping[str, Any]], part: int) -> int | None:
    """The attempts of a part that are told as uncertain; None if one that was answered had another after it."""
    uncertain = {event["Attempt"] for event in events if event["Event"] == "uncertain" and event["Part"] == part}
    taken = {event["Attempt"] for event in events if event["Event"] == "submitted" and event["Part"] == part}
    last = max(uncertain | taken, default=0)
    return None if taken - uncertain - {last} else len(uncertain)


def _doubled_names(rows: Sequence[Row]) -> Iterator[Violation]:
    """Two messages for one ClientMessageId, where the first had not failed before the second was taken."""
    by_name: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.client_message_id is not None:
            by_name[row.client_message_id].append(row)
    for name, same in by_name.items():
        for first, second in pairwise(same):
            if not (first.state.failed and first.done_at is not None and first.done_at <= second.accepted_at):
                reason = f"{name} was taken as {first.message_id} ({first.state.name}) and {second.message_id}"
                yield Violation("sent_twice_unlabelled", reason, second.phone, second.message_id)


def _beyond_policy(seen: Observations, twice: _Parts) -> Iterator[Violation]:
    """A part is sent once more where no answer came, one of a Batch message not even that."""
    messages = Counter(row.phone for row in seen.rows)
    for (phone, part), submits in twice.items():
        sent = seen.sent.get(phone)
        allowed = messages[phone] * (1 if sent is not None and sent.sms_type == BATCH else 2)
        if len(submits) > allowed:
            kind = "of a Batch message " if sent is not None and sent.sms_type == BATCH else ""
            yield Violation(
                "sent_beyond_policy", f"part {part} {kind}may have been taken {len(submits)} times", phone,
                next((row.message_id for row in seen.rows if row.phone == phone), None), submits,
            )  # fmt: skip


# -- nothing is submitted without a lease


def _on_lapsed_leases(seen: Observations) -> Iterator[Violation]:
    lives = {life.pid: life for life in seen.lives}
    ids = {row.phone: row.message_id for row in seen.rows}
    owners = {id(session): _owner(session, seen.incarnations) for session in seen.sessions}
    for submit in seen.submits:
        incarnation = owners.get(id(submit.session))
        if incarnation is None or incarnation.ended_at is None:
            continue
        written_at = min(earliest(seen.lags, submit.at), _end_of(lives, submit.session))
        if written_at > incarnation.ended_at:
            late = written_at - incarnation.ended_at
            reason = f"process {submit.session.pid} submitted {late:.3f} s after its incarnation {incarnation.number}"
            yield Violation("submits_on_lapsed_lease", reason, submit.phone, ids.get(submit.phone), [submit])


def _owner(session: Session, incarnations: Sequence[Incarnation]) -> Incarnation | None:
    """The incarnation that the process was when it asked for this session."""
    at = session.asked_at if session.asked_at is not None else session.opened_at
    own = [each for each in incarnations if each.pid == session.pid and each.started_at <= at]
    return max(own, key=lambda each: each.started_at, default=None)


def _end_of(lives: Mapping[int, Life], session: Session) -> float:
    """A process that is gone writes nothing; what is read then was on its way."""
    life = lives.get(session.pid or 0)
    return float("inf") if life is None or life.ended_at is None else life.ended_at


# -- figures


def _longest_gap(seen: Observations) -> float:
    moments = [seen.began_at, *(at for at in seen.accepted_at if at <= seen.ended_at), seen.ended_at]
    return max(later - earlier for earlier, later in pairwise(moments))


def _answer_name(answer: int) -> str:
    return Answer(answer).name.lower() if answer in set(Answer) else str(answer)
