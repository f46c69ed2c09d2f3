"""The SDK against a real HTTP server; every case for both clients."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from payk.client import (
    AllRejected,
    AlreadySent,
    ApiError,
    AsyncClient,
    BadRequest,
    BrokenRule,
    BulkResult,
    Cancellation,
    Client,
    ConnectionFailed,
    Forbidden,
    ForcingCharacter,
    Message,
    MessageFilter,
    MessageState,
    NetworkError,
    NotFound,
    OutcomeUnknown,
    PreviewOperator,
    PreviewRoute,
    Priority,
    Rejection,
    SentMessage,
    ServiceUnavailable,
    ShorterText,
    SmsType,
    Status,
    Timeline,
    TimelineEvent,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
    WaitTimeout,
    Why,
)
from tests.client.fake_centre import DROP, Answer, FakeCentre, running_centre

KEY = "00000000-0000-4000-8000-000000000001"
HELLO = Message("992900900900", "Ваш код подтверждения: 12345", "AlifBank", SmsType.OTP)
TAKEN = Answer(body={"MessageId": "123861959", "MessageResult": "OK", "MessageError": False})

Ask = Callable[..., Any]
WALKS = ("watch", "messages")
"""Methods that give one after the other."""


@pytest.fixture
def centre() -> Iterator[FakeCentre]:
    with running_centre() as centre:
        yield centre


@pytest.fixture(params=["blocking", "asyncio"])
def ask(request: pytest.FixtureRequest, centre: FakeCentre) -> Ask:
    """`ask("send", message)` calls the method of a fresh client; `url`, `retries` are the client's."""

    def blocking(method: str, *args: Any, url: str = centre.url, retries: int = 4, **options: Any) -> Any:
        with Client(url, KEY, retries=retries) as client:
            result = getattr(client, method)(*args, **options)
            return list(result) if method in WALKS else result

    def nonblocking(method: str, *args: Any, url: str = centre.url, retries: int = 4, **options: Any) -> Any:
        async def call() -> Any:
            async with AsyncClient(url, KEY, retries=retries) as client:
                result = getattr(client, method)(*args, **options)
                return [one async for one in result] if method in WALKS else await result

        return asyncio.run(call())

    return blocking if request.param == "blocking" else nonblocking


def refusal(code: str, status: int, **members: Any) -> Answer:
    body: dict[str, Any] = {
        "MessageId": None,
        "MessageResult": code,
        "MessageError": True,
        "Title": "A title",
        "Status": status,
        "Detail": "What exactly is wrong.",
        "Errors": {},
        "Retryable": status in (429, 503),
        "RequestId": "r-1",
    }
    return Answer(status, {**body, **members}, {"X-Request-Id": "r-1"})


def state(name: str, done: str | None = None) -> Answer:
    return Answer(
        body={
            "MessageId": "123861959",
            "CommandStatus": "OK",
            "MessageState": name,
            "DateSubmitted": "2025-02-17T10:20:30",
            "DateDone": done,
        }
    )


def test_send_is_the_documented_request(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(TAKEN)
    sent = ask("send", HELLO)
    (request,) = centre.requests
    assert (request.method, request.path) == ("POST", "/api/v1/sms")
    assert request.headers["x-api-key"] == KEY
    assert request.headers["content-type"] == "application/json"
    assert request.body == {
        "PhoneNumber": "992900900900",
        "Text": "Ваш код подтверждения: 12345",
        "SenderAddress": "AlifBank",
        "SmsType": 2,
        "ClientMessageId": sent.client_message_id,
    }
    assert sent == SentMessage("123861959", sent.client_message_id, repeated=False)


def test_send_writes_every_field(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(TAKEN)
    ask(
        "send",
        Message(
            "992900900900",
            "Привет",
            "AlifBank",
            SmsType.BATCH,
            priority=Priority.LOW,
            scheduled_at=datetime(2025, 2, 17, 15, 20, 30, tzinfo=timezone(timedelta(hours=5))),
            expires_in=0,
            label="spring",
            client_message_id="order-7",
        ),
    )
    assert centre.requests[0].body == {
        "PhoneNumber": "992900900900",
        "Text": "Привет",
        "SenderAddress": "AlifBank",
        "SmsType": 3,
        "Priority": 0,
        "ScheduledAt": "2025-02-17T10:20:30Z",
        "ExpiresIn": 0,
        "SmsLabel": "spring",
        "ClientMessageId": "order-7",
    }


def test_every_call_has_a_client_message_id_of_its_own(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(TAKEN)
    assert ask("send", HELLO).client_message_id != ask("send", HELLO).client_message_id


def test_a_known_request_is_told_as_repeated(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(Answer(body=TAKEN.body, headers={"X-Payk-Repeated": "true"}))
    assert ask("send", HELLO).repeated


def test_a_lost_connection_is_tried_again_under_the_same_id(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(DROP, TAKEN)
    assert ask("send", HELLO).message_id == "123861959"
    first, second = centre.requests
    assert first.body == second.body


@pytest.mark.parametrize(("method", "given"), [("send", HELLO), ("send_bulk", [HELLO, HELLO])])
def test_calls_with_one_idempotency_key_are_one_request(centre: FakeCentre, ask: Ask, method: str, given: Any) -> None:
    centre.will_answer(DROP, Answer(body={**TAKEN.body, "Added": 2}))
    ask(method, given, idempotency_key="request-17")
    ask(method, given, idempotency_key="request-17")
    ask(method, given, idempotency_key="request-18")
    ask(method, given)
    *same, other, without = centre.requests
    assert [request.headers["idempotency-key"] for request in same] == ["request-17"] * 3
    assert same[0].body == same[1].body == same[2].body
    assert other.headers["idempotency-key"] == "request-18"
    assert "idempotency-key" not in without.headers
    items = [request.body if method == "send_bulk" else [request.body] for request in (same[0], other, without)]
    ids = [item["ClientMessageId"] for body in items for item in body]
    assert len(set(ids)) == len(ids)  # no message is taken for another one


def test_a_single_and_a_bulk_with_one_idempotency_key_are_two_requests(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(Answer(body={**TAKEN.body, "Added": 1}))
    sent = ask("send", HELLO, idempotency_key="request-17")
    ask("send_bulk", [HELLO], idempotency_key="request-17")
    assert centre.requests[0].body["ClientMessageId"] == sent.client_message_id
    assert centre.requests[1].body[0]["ClientMessageId"] != sent.client_message_id


@pytest.mark.parametrize("key", ["", " ", "two words", "k" * 256, "ключ", "line\n"])
def test_what_is_no_idempotency_key_is_not_sent(centre: FakeCentre, ask: Ask, key: str) -> None:
    for method, given in (("send", HELLO), ("send_bulk", [HELLO])):
        with pytest.raises(ValueError, match="1 to 255 visible ASCII"):
            ask(method, given, idempotency_key=key)
    assert centre.requests == []


@pytest.mark.parametrize(
    "busy",
    [
        refusal("ServiceUnavailable", 503),
        refusal("RateLimitExceeded", 429),
        refusal("OutcomeUnknown", 504),
        Answer(502, "<html>Bad Gateway</html>"),
    ],
    ids=lambda answer: str(answer.status),
)
def test_a_busy_centre_is_asked_again(centre: FakeCentre, ask: Ask, busy: Answer) -> None:
    centre.will_answer(busy, TAKEN)
    ask("send", HELLO)
    first, second = centre.requests
    assert first.body == second.body


def test_it_stops_after_the_given_retries(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(refusal("ServiceUnavailable", 503))
    with pytest.raises(ServiceUnavailable):
        ask("send", HELLO, retries=1)
    assert len(centre.requests) == 2


def test_a_long_wait_is_the_callers_to_decide(centre: FakeCentre, ask: Ask) -> None:
    answer = refusal("QuotaExceeded", 429)
    answer.headers["Retry-After"] = "3600"
    centre.will_answer(answer)
    with pytest.raises(TooManyRequests) as caught:
        ask("send", HELLO)
    assert caught.value.retry_after == 3600
    assert len(centre.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (405, BadRequest),
        (409, BadRequest),
        (413, BadRequest),
        (429, TooManyRequests),
        (503, ServiceUnavailable),
        (504, OutcomeUnknown),
    ],
)
def test_a_refusal_is_an_error_of_its_kind(centre: FakeCentre, ask: Ask, status: int, kind: type[ApiError]) -> None:
    centre.will_answer(refusal("SomeCode", status, Errors={"Text": ["TextRequired"]}))
    with pytest.raises(kind) as caught:
        ask("send", HELLO, retries=0)
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.status, error.detail) == ("SomeCode", status, "What exactly is wrong.")
    assert (error.title, error.request_id) == ("A title", "r-1")
    assert error.fields == {"Text": ["TextRequired"]}
    assert error.retryable is (status in (429, 503))
    assert str(error) == "SomeCode: What exactly is wrong."


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 500])
def test_what_cannot_help_is_not_repeated(centre: FakeCentre, ask: Ask, status: int) -> None:
    centre.will_answer(refusal("SomeCode", status))
    with pytest.raises(ApiError):
        ask("send", HELLO)
    assert len(centre.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, "<html>hello</html>"),
        Answer(404, "<html>nginx</html>"),
        Answer(200, {"unrelated": 1}),
        Answer(200, [1]),
        Answer(302, "moved", {"Location": "http://127.0.0.1:1/elsewhere"}),
        Answer(400, {"Title": "One or more validation errors occurred."}),
    ],
)
def test_another_server_is_told_apart(centre: FakeCentre, ask: Ask, answer: Answer) -> None:
    centre.will_answer(answer)
    with pytest.raises(UnexpectedAnswer) as caught:
        ask("send", HELLO)
    assert caught.value.status == answer.status
    assert len(centre.requests) == 1


def test_nobody_listens(ask: Ask) -> None:
    with pytest.raises(ConnectionFailed, match=r"no answer from the SMS centre at http://127\.0\.0\.1:1"):
        ask("send", HELLO, url="http://127.0.0.1:1", retries=1)


def test_no_proxy_leads_to_this_machine(centre: FakeCentre, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    centre.will_answer(TAKEN)
    assert ask("send", HELLO).message_id == "123861959"


def test_an_address_may_hold_a_path(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(TAKEN)
    ask("send", HELLO, url=f"{centre.url}/gateway/")
    assert centre.requests[0].path == "/gateway/api/v1/sms"


def test_bulk(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(
        Answer(
            body={
                "Added": 2,
                "Rejected": 1,
                "Rejections": [{"Index": 1, "Code": "PhoneNumberInvalid", "Detail": "Too short."}],
                "MessageIds": ["5", None, "6"],
                "Repeated": 1,
            }
        )
    )
    own = Message("992900900901", "two", "AlifBank", client_message_id="mine")
    result = ask("send_bulk", [HELLO, own, HELLO])
    (request,) = centre.requests
    assert (request.method, request.path) == ("POST", "/api/v1/sms/bulk?MessageIds=true")
    ids = [item["ClientMessageId"] for item in request.body]
    assert ids[1] == "mine"
    assert len(set(ids)) == 3
    assert result == BulkResult(2, ("5", None, "6"), (Rejection(1, "PhoneNumberInvalid", "Too short."),), 1)


def test_bulk_without_the_extensions(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(Answer(body={"Added": 2}))
    assert ask("send_bulk", [HELLO, HELLO]) == BulkResult(2, ())


def test_bulk_of_which_nothing_was_taken(centre: FakeCentre, ask: Ask) -> None:
    rejections = [{"Index": 0, "Code": "TextRequired", "Detail": "Text is missing."}]
    centre.will_answer(refusal("AllMessagesRejected", 400, Added=0, Rejected=1, Rejections=rejections))
    with pytest.raises(AllRejected) as caught:
        ask("send_bulk", [HELLO])
    assert caught.value.rejections == (Rejection(0, "TextRequired", "Text is missing."),)


def test_status(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(state("Delivered", "2025-02-17T10:22:00"))
    assert ask("status", 123861959) == Status(
        "123861959",
        MessageState.DELIVERED,
        datetime(2025, 2, 17, 10, 20, 30, tzinfo=UTC),
        datetime(2025, 2, 17, 10, 22, tzinfo=UTC),
    )
    assert centre.requests[0].path == "/api/v1/sms/123861959"


def test_status_of_a_strange_id_stays_one_path_segment(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(refusal("MessageIdInvalid", 400, CommandStatus="MessageIdInvalid"))
    with pytest.raises(BadRequest):
        ask("status", "../a?b")
    assert centre.requests[0].path == "/api/v1/sms/..%2Fa%3Fb"


def test_a_state_nobody_documented(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(state("Teleported"))
    with pytest.raises(UnexpectedAnswer):
        ask("status", 1)


EVENTS: list[dict[str, Any]] = [
    {"Event": "accepted", "Time": "2025-02-17T10:20:30.123"},
    {"Event": "held", "Time": "2025-02-17T10:20:30.123", "Until": "2025-02-17T10:21:00.000"},
    {"Event": "queued", "Time": "2025-02-17T10:21:00.000"},
    {
        "Event": "refused",
        "Time": "2025-02-17T10:21:00.500",
        "Part": 1,
        "Attempt": 1,
        "Operator": "tcell",
        "CommandStatus": "ESME_RSYSERR",
    },
    {
        "Event": "uncertain",
        "Time": "2025-02-17T10:21:03.000",
        "Part": 1,
        "Attempt": 2,
        "Operator": "tcell",
        "Reason": "no answer within 30 s",
    },
    {
        "Event": "submitted",
        "Time": "2025-02-17T10:21:04.000",
        "Part": 1,
        "Attempt": 3,
        "Operator": "tcell",
        "OperatorMessageId": "00A1",
    },
    {
        "Event": "receipt",
        "Time": "2025-02-17T10:21:05.001",
        "Part": 1,
        "Operator": "tcell",
        "OperatorMessageId": "00A1",
        "State": None,
        "RawState": "BUFFRED",
    },
    {
        "Event": "receipt",
        "Time": "2025-02-17T10:21:07.000",
        "Part": 1,
        "Operator": "tcell",
        "OperatorMessageId": "00A1",
        "State": "Undeliverable",
        "RawState": "UNDELIV",
        "Error": "012",
        "NetworkError": {"Network": "GSM", "Code": 27},
        "OperatorTime": "2025-02-17T10:21:00.000",
    },
    {"Event": "final", "Time": "2025-02-17T10:21:07.000", "State": "Undeliverable"},
]


def at(second: int, milliseconds: int = 0) -> datetime:
    """A moment of EVENTS: seconds after 10:20."""
    return datetime(2025, 2, 17, 10, 20, tzinfo=UTC) + timedelta(seconds=second, milliseconds=milliseconds)


def timeline(*events: dict[str, Any]) -> Answer:
    """As a centre of an earlier version tells it, without why."""
    return Answer(body={"MessageId": "123861959", "MessageState": "Undeliverable", "Parts": 1, "Events": events})


def test_events(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(timeline(*EVENTS))
    of_tcell: dict[str, Any] = {"part": 1, "operator": "tcell"}
    found = ask("events", 123861959)
    assert found == Timeline(
        "123861959",
        MessageState.UNDELIVERABLE,
        1,
        (
            TimelineEvent("accepted", at(30, 123)),
            TimelineEvent("held", at(30, 123), until=at(60)),
            TimelineEvent("queued", at(60)),
            TimelineEvent("refused", at(60, 500), attempt=1, command_status="ESME_RSYSERR", **of_tcell),
            TimelineEvent("uncertain", at(63), attempt=2, reason="no answer within 30 s", **of_tcell),
            TimelineEvent("submitted", at(64), attempt=3, operator_message_id="00A1", **of_tcell),
            TimelineEvent("receipt", at(65, 1), operator_message_id="00A1", raw_state="BUFFRED", **of_tcell),
            TimelineEvent(
                "receipt",
                at(67),
                operator_message_id="00A1",
                state=MessageState.UNDELIVERABLE,
                raw_state="UNDELIV",
                error="012",
                network_error=NetworkError("GSM", 27),
                operator_time=at(60),
                **of_tcell,
            ),
            TimelineEvent("final", at(67), state=MessageState.UNDELIVERABLE),
        ),
    )
    assert found.body == {"MessageId": "123861959", "MessageState": "Undeliverable", "Parts": 1, "Events": EVENTS}
    (request,) = centre.requests
    assert (request.method, request.path) == ("GET", "/api/v1/sms/123861959/events")


@pytest.mark.parametrize("until", [None, "2025-02-17T10:20:31.000"])
def test_why_a_message_is_where_it_is(centre: FakeCentre, ask: Ask, until: str | None) -> None:
    answer = timeline(*EVENTS)
    why = {"Code": "Scheduled", "Detail": "It is scheduled.", "Until": until}
    centre.will_answer(replace(answer, body={**answer.body, "Why": why}))
    assert ask("events", 1).why == Why("Scheduled", "It is scheduled.", until and at(31))


@pytest.mark.parametrize(
    ("written", "read"),
    [({"Network": None, "Code": 27}, (None, 27)), ({"Network": None, "Code": "0x0301"}, (None, "0x0301"))],
)
def test_a_network_that_does_not_name_itself(centre: FakeCentre, ask: Ask, written: Any, read: Any) -> None:
    centre.will_answer(timeline({**EVENTS[7], "NetworkError": written}))
    assert ask("events", 1).events[0].network_error == NetworkError(*read)


def test_an_event_that_a_later_centre_tells(centre: FakeCentre, ask: Ask) -> None:
    """Its kind is told; members that are not known here stay in the body."""
    later = {"Event": "paused", "Time": "2025-02-17T10:20:30.123", "By": "operator"}
    centre.will_answer(timeline(later))
    found = ask("events", 1)
    assert found.events == (TimelineEvent("paused", at(30, 123)),)
    assert found.body["Events"] == [later]


def test_events_of_an_unknown_message(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(refusal("MessageNotFound", 404))
    with pytest.raises(NotFound):
        ask("events", "../a?b")
    assert centre.requests[0].path == "/api/v1/sms/..%2Fa%3Fb/events"


@pytest.mark.parametrize("events", [None, 1, [1], [{}], [{"Event": "held"}], [{**EVENTS[0], "Time": "soon"}]])
def test_events_that_are_none(centre: FakeCentre, ask: Ask, events: Any) -> None:
    centre.will_answer(Answer(body={"MessageId": "1", "MessageState": "None", "Parts": 1, "Events": events}))
    with pytest.raises(UnexpectedAnswer):
        ask("events", 1)


def test_wait_for_the_final_state(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(state("None"), state("None"), state("Enroute"), state("Delivered", "2025-02-17T10:22:00"))
    assert ask("wait", "123861959").state is MessageState.DELIVERED


def test_watch_tells_every_change_once(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(state("None"), state("None"), state("Enroute"), state("Unknown", "2025-02-17T10:22:00"))
    assert [status.state for status in ask("watch", "123861959")] == ["None", "Enroute", "Unknown"]


def test_wait_has_an_end(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(state("Accepted"))
    with pytest.raises(WaitTimeout) as caught:
        ask("wait", "123861959", 0.3)
    assert caught.value.status.state is MessageState.ACCEPTED
    assert len(centre.requests) >= 2


@pytest.mark.parametrize("name", list(MessageState))
def test_which_states_are_final(name: MessageState) -> None:
    assert name.is_final is (name not in ("None", "Enroute", "Accepted"))


@pytest.mark.parametrize("url", ["", "sms.example.com", "ftp://sms.example.com", "http://", "http://[::1"])
def test_an_address_that_cannot_be_one(url: str) -> None:
    with pytest.raises(ValueError, match="is no address of an SMS centre"):
        Client(url, KEY)


@pytest.mark.parametrize("key", ["", "two words", "ключ", "line\nbreak"])
def test_a_key_that_cannot_be_one(key: str) -> None:
    with pytest.raises(ValueError, match="an API key consists of visible ASCII characters"):
        AsyncClient("http://127.0.0.1", key)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="scheduled_at needs a time zone"):
        Message("992900900900", "x", "AlifBank", scheduled_at=datetime(2025, 2, 17))  # noqa: DTZ001 - that is the case


def test_it_loads_nothing_of_the_server() -> None:
    program = (
        "import sys, payk.client\n"
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('payk.')}\n"
        "libraries = {'pydantic', 'pydantic_settings', 'asyncpg', 'starlette', 'msgspec', 'structlog', 'uvloop'}\n"
        "print(rooms, libraries & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'client'} set()"


def test_a_message_is_cancelled(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(state("Deleted", "2025-02-17T10:22:00"))
    assert ask("cancel", "123861959").state is MessageState.DELETED
    assert (centre.requests[0].method, centre.requests[0].path) == ("DELETE", "/api/v1/sms/123861959")


def test_it_may_be_too_late_to_cancel(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(refusal("MessageAlreadySent", 409))
    with pytest.raises(AlreadySent) as refused:
        ask("cancel", 123861959)
    assert isinstance(refused.value, BadRequest)
    assert len(centre.requests) == 1


@pytest.mark.parametrize(
    ("method", "argument", "path", "body"),
    [
        ("cancel_many", [1, "2"], "cancel", {"MessageIds": ["1", "2"]}),
        ("cancel_label", "весна", "cancel", {"SmsLabel": "весна"}),
    ],
)
def test_many_messages_are_cancelled(
    centre: FakeCentre, ask: Ask, method: str, argument: Any, path: str, body: Any
) -> None:
    centre.will_answer(Answer(body={"Cancelled": 3, "TooLate": 1}))
    assert ask(method, argument) == Cancellation(3, 1)
    assert (centre.requests[0].path, centre.requests[0].body) == (f"/api/v1/sms/{path}", body)
    centre.answers.clear()
    centre.will_answer(Answer(body={"Cancelled": 3, "TooLate": 1, "Done": False}))
    assert ask(method, argument) == Cancellation(3, 1, done=False)


@pytest.mark.parametrize("method", ["pause", "resume"])
def test_a_label_is_paused_and_resumed(centre: FakeCentre, ask: Ask, method: str) -> None:
    centre.will_answer(DROP, Answer(body={"Messages": 7}))
    assert ask(method, "spring") == 7
    first, second = centre.requests
    assert (first.path, first.body) == (f"/api/v1/sms/{method}", {"SmsLabel": "spring"})
    # A repetition is answered as the attempt whose answer was lost.
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_statuses_are_asked_for_together(centre: FakeCentre, ask: Ask) -> None:
    unknown = {
        "MessageId": "5", "CommandStatus": "MessageNotFound", "MessageState": None,
        "DateSubmitted": None, "DateDone": None,
    }  # fmt: skip
    centre.will_answer(Answer(body={"Statuses": [state("Delivered", "2025-02-17T10:22:00").body, unknown]}))
    found = ask("statuses", ["123861959", 5])
    assert list(found) == ["123861959"] and found["123861959"].state is MessageState.DELIVERED
    [request] = centre.requests
    assert (request.method, request.path) == ("POST", "/api/v1/sms/status")
    assert request.body == {"MessageIds": ["123861959", "5"]}


STORED = {
    "MessageId": "7", "ClientMessageId": None, "PhoneNumber": "992900900900", "SenderAddress": "AlifBank", "SmsType": 3,
    "Priority": 1, "SmsLabel": "spring", "MessageState": "None", "Parts": 1, "Operator": None,
    "DateSubmitted": "2025-02-17T10:20:30", "ScheduledAt": "2025-02-18T10:20:30", "ExpiresAt": None, "DateSent": None,
    "DateDone": None,
}  # fmt: skip


def test_messages_are_listed(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(
        Answer(body={"Messages": [STORED], "Cursor": "7", "LookedBackTo": "2025-02-17T00:00:00"}),
    )
    search = MessageFilter(
        *("992900900900", "a&b", "весна", "AlifBank", SmsType.BATCH, MessageState.NONE),
        since=datetime(2025, 2, 17, 15, tzinfo=timezone(timedelta(hours=5))),
    )
    page = ask("page", search, cursor="9", limit=1)
    assert centre.requests[0].path == (
        "/api/v1/sms?PhoneNumber=992900900900&ClientMessageId=a%26b&SmsLabel=%D0%B2%D0%B5%D1%81%D0%BD%D0%B0"
        "&SenderAddress=AlifBank&SmsType=3&State=None&From=2025-02-17T10%3A00%3A00.000000Z&Limit=1&Cursor=9"
    )
    assert (page.cursor, page.looked_back_to) == ("7", datetime(2025, 2, 17, tzinfo=UTC))
    [message] = page.messages
    assert (message.message_id, message.sms_type, message.label) == ("7", SmsType.BATCH, "spring")
    assert message.scheduled_at == datetime(2025, 2, 18, 10, 20, 30, tzinfo=UTC)
    with pytest.raises(ValueError, match="time zone"):
        MessageFilter(since=datetime(2025, 2, 17))  # noqa: DTZ001


def test_why_listed_messages_failed(centre: FakeCentre, ask: Ask) -> None:
    """A centre of an earlier version says nothing of it."""
    rows = [STORED, STORED | {"Reason": None}, STORED | {"MessageState": "Deleted", "Reason": "cancelled"}]
    centre.will_answer(Answer(body={"Messages": rows, "Cursor": None}))
    assert [message.reason for message in ask("page").messages] == [None, None, "cancelled"]


def test_all_messages_are_walked_through(centre: FakeCentre, ask: Ask) -> None:
    centre.will_answer(
        Answer(body={"Messages": [STORED, STORED | {"MessageId": "6"}], "Cursor": "6"}),
        Answer(body={"Messages": [], "Cursor": "3"}),
        Answer(body={"Messages": [STORED | {"MessageId": "2"}], "Cursor": None}),
    )
    assert [message.message_id for message in ask("messages", limit=2)] == ["7", "6", "2"]
    assert [request.path for request in centre.requests] == [
        "/api/v1/sms?Limit=2", "/api/v1/sms?Limit=2&Cursor=6", "/api/v1/sms?Limit=2&Cursor=3",
    ]  # fmt: skip


def test_a_message_is_tried_out(centre: FakeCentre, ask: Ask) -> None:
    body = {
        "PhoneNumber": "992900900900", "Encoding": "UCS2", "Parts": 2, "Units": 71, "CharactersLeft": 63,
        "Ends": [67, 71], "ForcedBy": [{"Character": "ы", "At": 0, "Count": 71}],
        "Shorter": {
            "Spelling": "ru", "Text": "y" * 71, "Encoding": "GSM7", "Parts": 1, "Units": 71, "CharactersLeft": 89,
            "Ends": [71],
        },
        "Route": {
            "Prefix": "992", "Why": "It fits.",
            "Operators": [{"Operator": "tcell", "Weight": 0, "Carries": True, "Why": None}],
        },
        "Price": None, "Cost": None,
        "Rejections": [{"Field": None, "Code": "QuotaExceeded", "Detail": "Used up."}],
    }  # fmt: skip
    centre.will_answer(Answer(body=body))
    found = ask("preview", HELLO)
    [request] = centre.requests
    assert (request.method, request.path) == ("POST", "/api/v1/sms/preview")
    assert request.body == HELLO.body()
    assert (found.encoding, found.parts, found.units, found.characters_left, found.ends) == (
        "UCS2",
        2,
        71,
        63,
        (67, 71),
    )
    assert found.forced_by == (ForcingCharacter("ы", 0, 71),)
    assert found.shorter == ShorterText("ru", "y" * 71, "GSM7", 1, 89)
    assert found.route == PreviewRoute("992", "It fits.", (PreviewOperator("tcell", 0, True, None),))
    assert found.rejections == (BrokenRule(None, "QuotaExceeded", "Used up."),)
    assert found.body == body
