"""The board of flows: what a process knows to be waiting, however wake-ups, claims and looks overtake each other."""

from __future__ import annotations

import asyncio

import pytest

from payk.dispatch import flows
from payk.dispatch.flows import FlowBoard
from payk.domain.outcome import Unsent
from payk.store.claims import LABELS_SHOWN
from payk.store.wakeups import Flow, Wakeup
from tests.store.scene import Scene

OTP, COMMON, BATCH = Flow(1, 0, 7, 0, 0), Flow(1, 2, 7, 0, 0), Flow(1, 4, 7, 1, 5)


@pytest.fixture
def board() -> FlowBoard:
    return FlowBoard(lambda: None)


def test_a_wake_up_shows_at_once(board: FlowBoard) -> None:
    told = []
    board = FlowBoard(lambda: told.append(dict(board.flows())))
    board.wake(Wakeup({COMMON: 9}))
    board.wake(Wakeup({COMMON: 5, OTP: 7}))
    board.wake(Wakeup({COMMON: 8}))
    assert board.flows() == {COMMON: 5, OTP: 7}
    assert told == [{COMMON: 9}, {COMMON: 5, OTP: 7}, {COMMON: 5, OTP: 7}]
    assert COMMON in board and BATCH not in board and board.has_otp()


def test_a_flow_that_gave_less_than_asked_is_gone(board: FlowBoard) -> None:
    board.wake(Wakeup({COMMON: 5, BATCH: 6}))
    assert board.claimed(COMMON, asked=10, got=3, last_id=8, since=board.mark())
    assert board.flows() == {BATCH: 6}


def test_a_flow_that_gave_all_is_looked_at_from_where_it_stopped(board: FlowBoard) -> None:
    board.wake(Wakeup({COMMON: 5}))
    assert not board.claimed(COMMON, asked=3, got=3, last_id=8, since=board.mark())
    assert board.flows() == {COMMON: 8}


def test_what_came_during_a_claim_is_not_forgotten_with_it(board: FlowBoard) -> None:
    """The claim may not have seen it."""
    board.wake(Wakeup({COMMON: 5}))
    since = board.mark()
    board.wake(Wakeup({COMMON: 4}))
    assert not board.claimed(COMMON, asked=10, got=3, last_id=8, since=since)
    assert board.flows() == {COMMON: 4}


def test_what_went_back_during_a_claim_lowers_the_mark(board: FlowBoard) -> None:
    board.wake(Wakeup({COMMON: 5}))
    assert not board.claimed(COMMON, asked=3, got=3, last_id=8, since=board.mark())
    board.wake(Wakeup({COMMON: 6}))
    assert board.flows() == {COMMON: 6}


def test_a_look_replaces_what_was_known(board: FlowBoard) -> None:
    board.wake(Wakeup({COMMON: 5, OTP: 3}))
    board.replace({BATCH: 1, COMMON: 7}, board.mark())
    assert board.flows() == {BATCH: 1, COMMON: 7}
    board.replace({}, board.mark())
    assert board.flows() == {}


def test_a_look_does_not_hide_what_came_while_it_was_under_way(board: FlowBoard) -> None:
    since = board.mark()
    board.wake(Wakeup({COMMON: 5, OTP: 9}))
    board.replace({OTP: 4}, since)
    assert board.flows() == {COMMON: 5, OTP: 4}
    board.replace({}, board.mark())
    assert board.flows() == {}


def test_a_claim_after_a_look_is_judged_by_itself(board: FlowBoard) -> None:
    board.wake(Wakeup({COMMON: 5}))
    board.replace({COMMON: 5}, board.mark())
    assert board.claimed(COMMON, asked=2, got=0, last_id=None, since=board.mark())
    assert board.flows() == {}


async def test_labels_beyond_those_that_a_look_shows_follow_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mailing with a label of its own on every message is no slower than another."""
    monkeypatch.setattr(flows, "REFRESH", 60)
    labels = 3 * LABELS_SHOWN + 7
    await scene.execute(
        "insert into waiting (message_id, client_id, label_key, queue_id, lane, rank)"
        f" select n, {scene.client}, n, {scene.queue}, 4, 1 from generate_series(1, {labels}) n"
    )
    board = FlowBoard(lambda: None)
    task = asyncio.create_task(board.follow(scene.db))
    claimed = 0
    async with asyncio.timeout(20):
        while claimed < labels:
            known = list(board.flows())
            assert len(known) <= LABELS_SHOWN
            for flow in known:
                await scene.execute("delete from waiting where label_key = $1", flow.label_key)
            for flow in known:
                assert board.claimed(flow, asked=2, got=1, last_id=flow.label_key, since=board.mark())
            claimed += len(known)
            await asyncio.sleep(0.001)
    assert claimed == labels
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_board_follows_the_queue(scene: Scene) -> None:
    """Also without any wake-up: nobody sends them here."""
    changed = asyncio.Event()
    board = FlowBoard(changed.set)
    task = asyncio.create_task(board.follow(scene.db))
    [message_id] = await scene.accept()
    async with asyncio.timeout(10):
        while not board.flows():
            await changed.wait()
            changed.clear()
    [(flow, lowest)] = board.flows().items()
    assert (flow.client_id, lowest) == (scene.client, message_id)
    [claim] = await scene.claim()
    async with asyncio.timeout(10):
        while board.flows():
            await asyncio.sleep(0.01)
    await scene.record(claim, Unsent(1))
    board.wake(Wakeup({}, everything=True))  # a wake-up that could not name its flows: look at once
    async with asyncio.timeout(0.15):
        while not board.flows():
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
