"""When and how often the SDK tries again: the steps alone, no network and no waiting."""

from __future__ import annotations

import traceback
from itertools import islice
from typing import Any

import httpx
import pytest

from payk.client import ConnectionFailed, Message, PaykError
from payk.client.exchange import Call, Pause, poll_pauses, send_steps

REQUEST = httpx.Request("POST", "http://127.0.0.1:8080/api/v1/sms")


def answer(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, json={"MessageId": "7"}, request=REQUEST)


def walk(*answers: httpx.Response | httpx.RequestError, retries: int = 4) -> list[Any]:
    """The steps that follow from these answers, then the result or the error."""
    steps = send_steps(Message("992900900900", "x", "AlifBank"), retries)
    seen: list[Any] = []
    given = iter(answers)
    reply: Any = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as done:
            return [*seen, done.value]
        except PaykError as error:
            return [*seen, error]
        seen.append(step)
        reply = next(given) if isinstance(step, Call) else None


def test_pauses_grow() -> None:
    steps = walk(*[answer(503)] * 4, answer(200))
    pauses = [step.seconds for step in steps if isinstance(step, Pause)]
    for pause, longest in zip(pauses, [0.2, 0.4, 0.8, 1.6], strict=True):
        assert longest / 2 <= pause <= longest
    assert steps[-1].message_id == "7"


def test_the_centre_says_how_long() -> None:
    assert walk(answer(503, **{"Retry-After": "3"}), answer(200))[1] == Pause(3.0)


@pytest.mark.parametrize("header", ["Wed, 21 Oct 2026 07:28:00 GMT", "-5", "inf", "nan", ""])
def test_a_time_that_is_no_number_of_seconds_is_left_to_us(header: str) -> None:
    pause = walk(answer(503, **{"Retry-After": header}), answer(200))[1]
    assert 0.1 <= pause.seconds <= 0.2


def test_every_attempt_is_the_same_request() -> None:
    calls = [step for step in walk(answer(503), answer(504), answer(200)) if isinstance(step, Call)]
    assert len(calls) == 3
    assert len(set(calls)) == 1


def test_the_last_error_is_told() -> None:
    *steps, error = walk(*[httpx.ReadError("reset", request=REQUEST)] * 2, retries=1)
    assert [type(step) for step in steps] == [Call, Pause, Call]
    assert isinstance(error, ConnectionFailed)
    assert str(error) == "no answer from the SMS centre at http://127.0.0.1:8080: reset"


def test_a_header_that_cannot_be_sent_is_not_quoted() -> None:
    wrong = httpx.LocalProtocolError("Illegal header value b'secret\\r'", request=REQUEST)
    error = walk(*[wrong] * 5)[-1]
    assert isinstance(error, ConnectionFailed)
    assert "secret" not in "".join(traceback.format_exception(error))


def test_status_is_asked_often_first_and_then_every_two_seconds() -> None:
    pauses = list(islice(poll_pauses(), 20))
    assert pauses[0] == 0.1
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0
