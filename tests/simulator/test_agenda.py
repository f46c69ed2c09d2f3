"""The one timer of all appointments."""

from __future__ import annotations

import asyncio

import uvloop

from payk.simulator.agenda import Agenda


async def test_calls_come_in_the_order_of_their_time() -> None:
    agenda = Agenda(asyncio.get_running_loop())
    called: list[str] = []
    done = asyncio.Event()
    agenda.add(0.03, lambda _: done.set(), None)
    agenda.add(0.02, called.append, "second")
    agenda.add(0.01, called.append, "first")
    agenda.add(0.02, called.append, "third")
    await asyncio.wait_for(done.wait(), 5)
    assert called == ["first", "second", "third"]


async def test_no_call_comes_early() -> None:
    loop = asyncio.get_running_loop()
    agenda = Agenda(loop)
    called: asyncio.Future[float] = loop.create_future()
    began = loop.time()
    agenda.add(0.05, lambda _: called.set_result(loop.time()), None)
    assert await asyncio.wait_for(called, 5) - began >= 0.05


async def test_a_call_may_make_appointments() -> None:
    agenda = Agenda(asyncio.get_running_loop())
    done = asyncio.Event()
    agenda.add(0, lambda _: agenda.add(0, lambda _: done.set(), None), None)
    await asyncio.wait_for(done.wait(), 5)


async def test_a_call_that_fails_does_not_stop_the_others() -> None:
    loop = asyncio.get_running_loop()
    failures: list[object] = []
    loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))
    agenda = Agenda(loop)
    done = asyncio.Event()

    def fail(_: object) -> None:
        raise ZeroDivisionError

    agenda.add(0, fail, None)
    agenda.add(0.01, lambda _: done.set(), None)
    await asyncio.wait_for(done.wait(), 5)
    assert [type(failure) for failure in failures] == [ZeroDivisionError]


async def test_what_is_cleared_is_handed_back_and_never_called() -> None:
    agenda = Agenda(asyncio.get_running_loop())
    called: list[str] = []
    done = asyncio.Event()
    agenda.add(0.01, called.append, "b")
    agenda.add(0.005, called.append, "a")
    assert [argument for _, argument in agenda.clear()] == ["a", "b"]
    agenda.add(0.02, lambda _: done.set(), None)
    await asyncio.wait_for(done.wait(), 5)
    assert called == []


def test_both_loops_will_do() -> None:
    """The handle of uvloop's timer that is due within a millisecond cannot tell when it rings."""

    async def appointments() -> int:
        agenda = Agenda(asyncio.get_running_loop())
        called: list[int] = []
        done = asyncio.Event()
        for number in range(100):
            agenda.add(0.02 - number / 5000, called.append, number)
        agenda.add(0.03, lambda _: done.set(), None)
        await asyncio.wait_for(done.wait(), 5)
        return len(called)

    for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            assert runner.run(appointments()) == 100
