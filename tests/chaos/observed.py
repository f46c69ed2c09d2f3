"""A made-up run that a test can add to, and what becomes of it before the judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chaos.judgement import MUSTS, Judgement, judge
from chaos.records import Incarnation, Life, Observations, Row, Sent, Session, State, Submit

__all__ = ["BATCH", "BEGAN", "COMMON", "PHONE", "Run"]

BEGAN = 1_000_000.0
PHONE = "992900000001"
COMMON, BATCH = 1, 3


class Run:
    """A load of 100 s. Times of what is added are seconds of it; process 77 is incarnation 5 from the start."""

    def __init__(self) -> None:
        self.session = Session("tcell", 77, BEGAN, asked_at=BEGAN, bound_at=BEGAN)
        self.seen = Observations(
            began_at=BEGAN,
            ended_at=BEGAN + 100,
            sent={},
            rows=[],
            states={},
            submits=[],
            sessions=[self.session],
            incarnations=[Incarnation(5, 77, BEGAN - 1, None)],
            lives=[Life("dispatch-1", 77, BEGAN - 2, ready_at=BEGAN - 1)],
            strikes=[],
        )

    def message(
        self,
        message_id: int = 100,
        *,
        phone: str = PHONE,
        state: State = State.DELIVERED,
        says: str | None = "",
        sms_type: int = COMMON,
        parts: int = 1,
        name: str | None = None,
        accepted: float = 1.0,
        done: float | None = 9.0,
        stored: bool = True,
    ) -> Run:
        """A message whose id a client was given; `says` is the API's word for its state where that differs."""
        sent = self.seen.sent.get(phone) or Sent(phone, sms_type, name)
        sent.answers.append(200)
        sent.message_ids.append(message_id)
        row = Row(message_id, phone, sms_type, state, parts, name, BEGAN + accepted, done and BEGAN + done)
        return self._with(
            sent={**self.seen.sent, phone: sent},
            rows=[*self.seen.rows, row] if stored else self.seen.rows,
            states={**self.seen.states, message_id: state.name.capitalize() if says == "" else says},
        )

    def row(self, message_id: int, answers: Sequence[int], phone: str = PHONE) -> Run:
        """A message that no client was given the id of."""
        row = Row(message_id, phone, COMMON, State.DELIVERED, 1, None, BEGAN + 1, BEGAN + 9)
        sent = Sent(phone, COMMON, None, list(answers))
        return self._with(sent={**self.seen.sent, phone: sent}, rows=[*self.seen.rows, row])

    def submit(
        self,
        at: float,
        *,
        part: int = 1,
        status: int | None = 0,
        phone: str = PHONE,
        session: Session | None = None,
    ) -> Run:
        """A submit_sm on the wire."""
        submit = Submit(BEGAN + at, session or self.session, phone, part, status)
        sessions = self.seen.sessions if session in (None, *self.seen.sessions) else [*self.seen.sessions, session]
        return self._with(submits=[*self.seen.submits, submit], sessions=[each for each in sessions if each])

    def told(self, *events: Mapping[str, Any], message_id: int = 100) -> Run:
        """The timeline of a message."""
        return self._with(timelines={**self.seen.timelines, message_id: events})

    def lapses(self, at: float) -> Run:
        """Incarnation 5 is ended for its silence."""
        return self._with(incarnations=[replace(self.seen.incarnations[0], ended_at=BEGAN + at)])

    def _with(self, **changes: Any) -> Run:
        self.seen = replace(self.seen, **changes)
        return self

    # -- the verdict

    @property
    def judgement(self) -> Judgement:
        return judge(self.seen)

    @property
    def broken(self) -> dict[str, int]:
        """The figures that must be 0 and are not. Every violation is counted in its figure."""
        judgement = self.judgement
        broken = {figure: judgement.figures[figure] for figure in MUSTS if judgement.figures[figure]}
        assert sum(broken.values()) == len(judgement.violations)
        return broken

    @property
    def reason(self) -> str:
        """That of the only violation."""
        [violation] = self.judgement.violations
        return violation.reason
