"""How long a link was without a bind: from the end that the operator saw to the next bind in its place."""

from __future__ import annotations

from chaos.records import Life, Session, Strike
from chaos.takeovers import TakeOver, take_overs


def bind(pid: int, bound_at: float, ended_at: float | None = None, operator: str = "tcell") -> Session:
    return Session(operator, pid, bound_at, asked_at=bound_at, bound_at=bound_at, ended_at=ended_at)


KILLED = Life("dispatch-1", 1, 0.0, ready_at=1.0, ended_at=50.0, ended_by="kill -9 of a process")
ITS_END = Strike("kill -9 of a process", 50.0, "dispatch-1")


def found(*sessions: Session, life: Life = KILLED, strikes: tuple[Strike, ...] = (ITS_END,)) -> list[TakeOver]:
    return take_overs(sessions, [life], strikes, ended_at=100.0)


def seconds(found: list[TakeOver]) -> list[float | None]:
    return [each.seconds for each in found]


def test_lost_binds_and_those_that_came_are_matched_in_order() -> None:
    sessions = (bind(1, 2.0, 50.0), bind(1, 3.0, 50.0), bind(2, 53.0), bind(2, 54.5))
    assert seconds(found(*sessions)) == [3.0, 4.5]
    assert not any(each.disturbed for each in found(*sessions))


def test_a_bind_that_never_came_back_is_told() -> None:
    assert seconds(found(bind(1, 2.0, 50.0), bind(1, 3.0, 50.0), bind(2, 53.0))) == [3.0, None]


def test_operators_are_apart() -> None:
    sessions = (bind(1, 2.0, 50.0), bind(1, 2.0, 50.0, "babilon"), bind(2, 53.0), bind(2, 60.0, None, "babilon"))
    assert [(each.operator, each.seconds) for each in found(*sessions)] == [("babilon", 10.0), ("tcell", 3.0)]


def test_a_process_that_is_told_to_stop_unbinds_before_its_end() -> None:
    life = Life("dispatch-1", 1, 0.0, ended_at=50.0, ended_by="SIGTERM and restart")
    its_stop = Strike("SIGTERM and restart", 46.0, "dispatch-1", 50.0)
    [take_over] = found(bind(1, 2.0, 47.0), bind(2, 51.0), life=life, strikes=(its_stop,))
    assert take_over.seconds == 4.0
    assert not take_over.disturbed


def test_sessions_that_ended_long_before_their_process_are_none_of_it() -> None:
    assert found(bind(1, 2.0, 20.0), bind(1, 22.0, 30.0), bind(2, 53.0)) == []


def test_what_else_failed_meanwhile_is_told() -> None:
    sessions = (bind(1, 2.0, 50.0), bind(2, 58.0))
    [take_over] = found(*sessions, strikes=(ITS_END, Strike("kill -9 of an operator", 53.0, "tcell")))
    assert take_over.disturbed
    [take_over] = found(*sessions, strikes=(Strike("connections to the database half-open", 45.0, "all", 52.0),))
    assert take_over.disturbed
    [take_over] = found(*sessions, strikes=(ITS_END, Strike("kill -9 of an operator", 59.0, "tcell")))
    assert not take_over.disturbed
