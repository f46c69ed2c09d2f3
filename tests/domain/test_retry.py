"""What follows from outcomes: handed over, sent again, or given up."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payk.domain.account import Client, UncertainPolicy
from payk.domain.message import MessageState, SmsType
from payk.domain.operator import Link
from payk.domain.outcome import Accepted, PartOutcome, RefusalKind, Refused, Uncertain, Unsent
from payk.domain.retry import Again, Attempt, Decision, RetryRules, decide, retry_delay, uncertain_policy

RESEND, HOLD = UncertainPolicy.RESEND, UncertainPolicy.HOLD
ENROUTE, REJECTED, UNDELIVERABLE = MessageState.ENROUTE, MessageState.REJECTED, MessageState.UNDELIVERABLE
RULES = RetryRules(retry_for=86_400, uncertain_hold=60)
FIRST = Attempt(attempt=0, uncertain_count=0, retrying_since=None)
RESENT = replace(FIRST, uncertain_count=1)


def refused(kind: RefusalKind, part: int = 1) -> Refused:
    return Refused(part, 0x45, kind)


def after(
    *outcomes: PartOutcome,
    attempt: Attempt = FIRST,
    policy: UncertainPolicy = RESEND,
    rules: RetryRules = RULES,
    jitter: float = 0.0,
) -> Decision:
    return decide(outcomes, attempt, policy, rules, jitter)


# -- one part


def test_what_the_operator_took_is_handed_over() -> None:
    assert after(Accepted(1, "a1")) == Decision({1: ENROUTE})


def test_what_was_not_written_goes_back_to_its_place() -> None:
    assert after(Unsent(1)) == Decision({}, (1,), Again.IN_PLACE)


def test_a_throttled_part_keeps_its_place_and_loses_no_attempt() -> None:
    assert after(refused(RefusalKind.THROTTLED)) == Decision({}, (1,), Again.IN_PLACE)


def test_after_an_unfit_session_a_part_is_soon_tried_on_another() -> None:
    first = after(refused(RefusalKind.LINK))
    assert first == Decision({}, (1,), Again.LATER, delay=1.0, attempt=1, counted=True)


def test_a_message_that_ruins_every_session_is_given_up() -> None:
    late = after(refused(RefusalKind.LINK), attempt=Attempt(8, 0, retrying_since=86_000.0))
    assert late.left == (1,) and late.delay == 256.0
    over = after(refused(RefusalKind.LINK), attempt=Attempt(99, 0, retrying_since=86_400.0))
    assert (over.part_states, over.left) == ({1: UNDELIVERABLE}, ())


@pytest.mark.parametrize(("kind", "state"), [(RefusalKind.PERMANENT, REJECTED), (RefusalKind.NUMBER, UNDELIVERABLE)])
def test_a_permanent_refusal_is_final(kind: RefusalKind, state: MessageState) -> None:
    assert after(refused(kind)) == Decision({1: state})


@pytest.mark.parametrize("kind", [RefusalKind.PERMANENT, RefusalKind.NUMBER, RefusalKind.TEMPORARY])
def test_after_an_unanswered_try_a_refusal_proves_nothing(kind: RefusalKind) -> None:
    """The operator may have taken the first one: the message is awaited, not called failed."""
    gave_up = Attempt(attempt=3, uncertain_count=1, retrying_since=86_400)
    decision = after(refused(kind), attempt=gave_up)
    assert (decision.part_states, decision.left) == ({1: ENROUTE}, ())


def test_a_temporary_refusal_is_tried_again_later() -> None:
    first = after(refused(RefusalKind.TEMPORARY))
    assert first == Decision({}, (1,), Again.LATER, delay=2.0, attempt=1, counted=True)
    fourth = after(refused(RefusalKind.TEMPORARY), attempt=Attempt(3, 0, retrying_since=14.0))
    assert fourth.delay == 16.0 and fourth.attempt == 4


def test_refused_for_a_day_is_undeliverable() -> None:
    near = after(refused(RefusalKind.TEMPORARY), attempt=Attempt(100, 0, retrying_since=86_399.5))
    assert near.left == (1,) and near.delay == 0.5  # the last try is at the very end
    over = after(refused(RefusalKind.TEMPORARY), attempt=Attempt(101, 0, retrying_since=86_400.0))
    assert (over.part_states, over.left) == ({1: UNDELIVERABLE}, ())


def test_what_nobody_understands_is_temporary_twice_and_then_permanent() -> None:
    unknown = refused(RefusalKind.TEMPORARY_TWICE)
    for tries in (0, 1):
        tried = after(unknown, attempt=Attempt(tries, 0, None if tries == 0 else 2.0))
        assert tried == after(refused(RefusalKind.TEMPORARY), attempt=Attempt(tries, 0, None if tries == 0 else 2.0))
        assert tried.left == (1,) and tried.attempt == tries + 1
    assert after(unknown, attempt=Attempt(2, 0, 6.0)).part_states == {1: REJECTED}
    assert after(unknown, attempt=Attempt(2, 1, 6.0)).part_states == {1: ENROUTE}


def test_an_unanswered_part_is_sent_once_more_after_the_hold() -> None:
    assert after(Uncertain(1, "time-out")) == Decision({1: ENROUTE}, (1,), Again.LATER, delay=60.0, uncertain_count=1)


def test_the_second_unanswered_try_is_the_last() -> None:
    assert after(Uncertain(1, "time-out"), attempt=RESENT) == Decision({1: ENROUTE}, uncertain_count=2)


def test_an_unanswered_part_is_not_repeated_where_policy_forbids_it() -> None:
    assert after(Uncertain(1, "link lost"), policy=HOLD) == Decision({1: ENROUTE}, uncertain_count=1)


# -- several parts


def test_only_what_is_missing_is_sent_again() -> None:
    decision = after(Accepted(1, "a"), refused(RefusalKind.THROTTLED, 2), Unsent(3))
    assert decision == Decision({1: ENROUTE}, (2, 3), Again.IN_PLACE)


def test_the_longest_wait_counts_for_all() -> None:
    decision = after(refused(RefusalKind.TEMPORARY, 1), Uncertain(2, "time-out"), refused(RefusalKind.LINK, 3))
    assert decision.left == (1, 2, 3) and decision.delay == 60.0 and decision.again is Again.LATER
    assert (decision.attempt, decision.uncertain_count, decision.counted) == (1, 1, True)


def test_an_uncertain_part_is_held_while_its_neighbours_are_sent_again() -> None:
    decision = after(Uncertain(1, "time-out"), Unsent(2), policy=HOLD)
    assert decision.part_states == {1: ENROUTE} and decision.left == (2,) and decision.again is Again.IN_PLACE


@pytest.mark.parametrize(("kind", "state"), [(RefusalKind.PERMANENT, REJECTED), (RefusalKind.NUMBER, UNDELIVERABLE)])
def test_a_message_that_cannot_arrive_whole_is_not_sent_on(kind: RefusalKind, state: MessageState) -> None:
    decision = after(Accepted(1, "a"), refused(kind, 2), Unsent(3), refused(RefusalKind.TEMPORARY, 4))
    assert decision.left == () and decision.part_states == {1: ENROUTE, 2: state, 3: state, 4: state}


def test_an_unanswered_neighbour_of_a_refused_part_is_awaited() -> None:
    decision = after(Uncertain(1, "time-out"), refused(RefusalKind.PERMANENT, 2))
    assert decision.left == () and decision.part_states == {1: ENROUTE, 2: REJECTED}


OUTCOMES = st.one_of(
    st.builds(Accepted, st.just(0), st.just("id")),
    st.builds(Uncertain, st.just(0), st.just("time-out")),
    st.builds(Unsent, st.just(0)),
    st.builds(Refused, st.just(0), st.just(0x58), st.sampled_from(RefusalKind)),
)
ATTEMPTS = st.builds(
    Attempt, st.integers(0, 200), st.integers(0, 2), st.none() | st.floats(0, 100_000, allow_nan=False)
)


@given(st.lists(OUTCOMES, min_size=1, max_size=6), ATTEMPTS, st.sampled_from(UncertainPolicy), st.floats(0, 1))
def test_no_part_vanishes(
    outcomes: list[PartOutcome], attempt: Attempt, policy: UncertainPolicy, jitter: float
) -> None:
    numbered = tuple(replace(outcome, part=number) for number, outcome in enumerate(outcomes, start=1))
    decision = decide(numbered, attempt, policy, RULES, jitter)
    parts = {outcome.part for outcome in numbered}
    assert set(decision.part_states) | set(decision.left) == parts
    assert list(decision.left) == sorted(set(decision.left))
    for outcome in numbered:
        again = outcome.part in decision.left
        match outcome:
            case Accepted():
                assert not again and decision.part_states[outcome.part] is ENROUTE
            case Uncertain():
                assert decision.part_states[outcome.part] is ENROUTE  # it may be there
                assert not again or (policy is RESEND and attempt.uncertain_count == 0)
    if decision.left:
        assert 0 <= decision.delay <= max(RULES.uncertain_hold, 900.0)
        assert (decision.delay > 0) <= (decision.again is Again.LATER)
    assert attempt.attempt <= decision.attempt <= attempt.attempt + 1
    assert attempt.uncertain_count <= decision.uncertain_count <= attempt.uncertain_count + 1


# -- policy and delay


def client(**uncertain: UncertainPolicy) -> Client:
    return Client(1, "demo", uncertain={SmsType[name.upper()]: policy for name, policy in uncertain.items()})


def link(**uncertain: UncertainPolicy) -> Link:
    wishes = {SmsType[name.upper()]: policy for name, policy in uncertain.items()}
    return Link(1, 1, "tcell-1", "127.0.0.1", 2775, "payk", b"", uncertain=wishes)


@pytest.mark.parametrize(
    ("sms_type", "policy"), [(SmsType.OTP, RESEND), (SmsType.COMMON, RESEND), (SmsType.BATCH, HOLD)]
)
def test_the_default_policy(sms_type: SmsType, policy: UncertainPolicy) -> None:
    for some_client, some_link in product((None, client()), (None, link())):
        assert uncertain_policy(sms_type, some_client, some_link) is policy


@pytest.mark.parametrize(
    ("of_client", "of_link", "policy"),
    [
        (RESEND, None, RESEND),
        (None, RESEND, RESEND),
        (RESEND, RESEND, RESEND),
        (HOLD, RESEND, HOLD),  # where they differ, hold wins
        (RESEND, HOLD, HOLD),
        (None, HOLD, HOLD),
    ],
)
def test_client_and_link_may_say_otherwise(
    of_client: UncertainPolicy | None, of_link: UncertainPolicy | None, policy: UncertainPolicy
) -> None:
    for sms_type in SmsType:
        name = sms_type.name.lower()
        some_client = client(**{name: of_client} if of_client else {})
        some_link = link(**{name: of_link} if of_link else {})
        assert uncertain_policy(sms_type, some_client, some_link) is policy


def test_a_wish_for_another_type_says_nothing() -> None:
    assert uncertain_policy(SmsType.OTP, client(common=HOLD), link(batch=HOLD)) is RESEND


def test_delays_double_to_a_quarter_of_an_hour() -> None:
    assert [retry_delay(attempt, 0.0) for attempt in range(1, 12)] == [
        2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900,
    ]  # fmt: skip
    assert retry_delay(10_000, 0.0) == 900
    assert retry_delay(1, 1.0) == 1.5  # jitter takes up to a quarter off
