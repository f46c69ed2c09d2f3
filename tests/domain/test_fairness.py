"""Who may send next. Shares are equal within one turn, whoever came and went before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from payk.domain.fairness import DEFAULT_WEIGHTS, FairShare, FlowKey, Turns
from payk.domain.message import Lane

BIG, SMALL = 1, 2
"""Clients."""

turn_counts = st.lists(st.integers(0, 20), max_size=40)


def flow(lane: Lane, client: int = BIG, label: int = 0, *, rank: int = 0, queue: int = 1) -> FlowKey:
    return (queue, int(lane), client, rank, label)


def one_by_one(turns: Turns, flows: Iterable[FlowKey], count: int) -> list[FlowKey]:
    """The flows that get one place each time, in order."""
    present = list(flows)
    return [next(iter(turns.allot(1, present))) for _ in range(count)]


# -- shares


@given(turn_counts, st.integers(1, 8))
def test_every_turn_is_given_and_equals_get_the_same(counts: list[int], keys: int) -> None:
    share: FairShare[int] = FairShare()
    sums = Counter(dict.fromkeys(range(keys), 0))
    for turns in counts:
        given_now = share.divide(turns, dict.fromkeys(range(keys), 1.0))
        assert sum(given_now.values()) == turns and min(given_now.values()) >= 0
        sums.update(given_now)
        assert max(sums.values()) - min(sums.values()) <= 1


@given(turn_counts, st.lists(st.integers(1, 1000), min_size=1, max_size=6))
def test_weights_are_kept_within_one_turn(counts: list[int], weights: list[int]) -> None:
    share: FairShare[int] = FairShare()
    sums: Counter[int] = Counter()
    total = 0
    for turns in counts:
        sums.update(share.divide(turns, dict(enumerate(map(float, weights)))))
        total += turns
        for key, weight in enumerate(weights):
            assert abs(sums[key] - total * weight / sum(weights)) < 2


@given(st.lists(st.tuples(st.integers(0, 5), st.sets(st.integers(0, 9), min_size=1), st.integers(0, 9)), max_size=60))
def test_a_newcomer_is_neither_owed_nor_owing(history: list[tuple[int, set[int], int]]) -> None:
    """Whatever the others went through, coming, going and running dry: a newcomer has its share from the first turn."""
    share: FairShare[int] = FairShare()
    present = {0}
    for turns, present, dry in history:
        share.divide(turns, dict.fromkeys(sorted(present), 1.0))
        share.forget(dry)
    everyone = dict.fromkeys([*sorted(present), 99], 1.0)
    rounds = 3
    got = Counter(
        key for _ in range(rounds * len(everyone)) for key, count in share.divide(1, everyone).items() if count
    )
    assert abs(got[99] - rounds) <= 1


def test_many_that_come_and_go_leave_nothing_to_those_who_stay() -> None:
    """A hundred flows that showed up once and were served elsewhere."""
    share: FairShare[str] = FairShare()
    for number in range(100):
        share.divide(1, {"stays": 1.0, "too": 1.0, f"visitor {number}": 1.0})
        share.forget(f"visitor {number}")
    present = {"stays": 1.0, "too": 1.0, "new": 1.0}
    got = Counter(key for _ in range(9) for key, count in share.divide(1, present).items() if count)
    assert got == {"stays": 3, "too": 3, "new": 3}


def test_who_ran_dry_takes_no_credit_along() -> None:
    share: FairShare[str] = FairShare()
    share.divide(1, {"a": 1.0, "b": 1.0})
    share.forget("b")  # it was next
    share.divide(10, {"a": 1.0})
    assert sorted(share.divide(4, {"a": 1.0, "b": 1.0}).values()) == [2, 2]


# -- lanes


def test_otp_goes_first_and_takes_all() -> None:
    turns = Turns()
    others = [flow(lane) for lane in Lane if lane is not Lane.OTP]
    assert turns.allot(100, [*others, flow(Lane.OTP, SMALL)]) == {flow(Lane.OTP, SMALL): 100}
    for _ in range(10):
        assert one_by_one(turns, [*others, flow(Lane.OTP)], 1) == [flow(Lane.OTP)]


def test_lanes_share_by_weight_what_otp_leaves() -> None:
    allotted = Turns().allot(27, [flow(lane) for lane in Lane if lane is not Lane.OTP])
    assert {key[1]: count for key, count in allotted.items()} == {1: 16, 2: 8, 3: 2, 4: 1} == dict(DEFAULT_WEIGHTS)


def test_an_absent_lane_leaves_its_share_to_the_others() -> None:
    allotted = Turns().allot(27, [flow(Lane.COMMON_NORMAL), flow(Lane.BATCH)])
    assert allotted == {flow(Lane.COMMON_NORMAL): 24, flow(Lane.BATCH): 3}


def test_nothing_starves() -> None:
    flows = [flow(lane) for lane in Lane if lane is not Lane.OTP]
    assert Counter(one_by_one(Turns(), flows, 270)) == {
        flow(Lane.COMMON_HIGH): 160,
        flow(Lane.COMMON_NORMAL): 80,
        flow(Lane.COMMON_LOW): 20,
        flow(Lane.BATCH): 10,
    }


def test_weights_are_a_setting() -> None:
    turns = Turns({1: 1, 2: 1, 3: 1, 4: 1})
    allotted = turns.allot(8, [flow(lane) for lane in Lane if lane is not Lane.OTP])
    assert sorted(allotted.values()) == [2, 2, 2, 2]


def test_after_a_mailing_a_common_message_is_next_or_next_but_one() -> None:
    """Also if the mailing has Priority 2: its rank orders among Batch alone."""
    for lane, client in ((Lane.COMMON_NORMAL, BIG), (Lane.COMMON_NORMAL, SMALL), (Lane.OTP, BIG)):
        for before in range(30):
            turns = Turns()
            mailing = [flow(Lane.BATCH, BIG, rank=0)]
            one_by_one(turns, mailing, before)
            assert flow(lane, client) in one_by_one(turns, [*mailing, flow(lane, client)], 2)


# -- clients, ranks and labels


def test_clients_of_a_lane_get_the_same() -> None:
    flows = [flow(Lane.BATCH, client, label) for client, labels in ((1, 50), (2, 1), (3, 3)) for label in range(labels)]
    allotted = Turns().allot(300, flows)
    by_client = Counter[int]()
    for key, count in allotted.items():
        by_client[key[2]] += count
    assert by_client == {1: 100, 2: 100, 3: 100}


def test_a_client_that_comes_late_is_served_at_once() -> None:
    turns = Turns()
    one_by_one(turns, [flow(Lane.BATCH, BIG)], 200)
    assert flow(Lane.BATCH, SMALL) in one_by_one(turns, [flow(Lane.BATCH, BIG), flow(Lane.BATCH, SMALL)], 2)


def test_labels_of_a_client_get_the_same() -> None:
    flows = [flow(Lane.BATCH, label=label) for label in range(4)]
    assert Turns().allot(40, flows) == dict.fromkeys(flows, 10)


def test_priority_orders_among_the_batch_messages_of_a_client() -> None:
    high, low, other = flow(Lane.BATCH, rank=0), flow(Lane.BATCH, rank=2), flow(Lane.BATCH, SMALL, rank=2)
    assert Turns().allot(10, [low, high, other]) == {high: 5, other: 5}


def test_queues_are_flows_of_their_own() -> None:
    flows = [flow(Lane.COMMON_LOW, queue=queue) for queue in (1, 2)]
    assert Turns().allot(10, flows) == dict.fromkeys(flows, 5)


def test_no_places_and_no_flows() -> None:
    assert Turns().allot(0, [flow(Lane.OTP)]) == Turns().allot(-3, [flow(Lane.OTP)]) == Turns().allot(5, []) == {}


FLOWS = st.tuples(st.integers(1, 2), st.integers(0, 4), st.integers(1, 3), st.integers(0, 2), st.integers(-2, 2))


@given(st.lists(st.tuples(st.integers(1, 30), st.sets(FLOWS, min_size=1, max_size=12)), max_size=20))
def test_places_go_to_flows_that_are_there_and_all_of_them(rounds: list[tuple[int, set[FlowKey]]]) -> None:
    turns = Turns()
    for places, flows in rounds:
        allotted = turns.allot(places, sorted(flows))
        assert set(allotted) <= flows and sum(allotted.values()) == places and min(allotted.values()) > 0
        if any(key[1] == Lane.OTP for key in flows):
            assert {key[1] for key in allotted} == {Lane.OTP}
        for key in list(allotted)[::2]:
            left = [other for other in flows if other != key and other[1] == key[1]]
            turns.ran_dry(key, lane=not left, client=not any(other[2] == key[2] for other in left))


@given(st.integers(2, 6), st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_clients_stay_level_over_any_sequence(clients: int, places: list[int]) -> None:
    turns, sums = Turns(), Counter(dict.fromkeys(range(clients), 0))
    flows = [flow(Lane.COMMON_NORMAL, client, label) for client in range(clients) for label in range(client + 1)]
    for count in places:
        for key, got in turns.allot(count, flows).items():
            sums[key[2]] += got
        assert max(sums.values()) - min(sums.values()) <= 1


# -- clients that may send but so many


def test_what_a_client_may_not_take_goes_to_the_others() -> None:
    flows = [flow(Lane.COMMON_NORMAL, client) for client in (1, 2, 3)]
    assert Turns().allot(30, flows, {1: 2}) == {flows[0]: 2, flows[1]: 14, flows[2]: 14}
    assert Turns().allot(30, flows, {1: 2, 2: 5}) == {flows[0]: 2, flows[1]: 5, flows[2]: 23}
    assert Turns().allot(30, flows, {1: 2, 2: 5, 3: 7}) == {flows[0]: 2, flows[1]: 5, flows[2]: 7}
    assert Turns().allot(30, flows[:1], {1: 100}) == {flows[0]: 30}


def test_its_lanes_and_labels_share_what_it_may_send_and_its_otp_goes_as_ever() -> None:
    high, batch, label = flow(Lane.COMMON_HIGH), flow(Lane.BATCH), flow(Lane.BATCH, label=1)
    turns, sums = Turns(), Counter[FlowKey]()
    for _ in range(170):
        sums.update(turns.allot(17, [batch, high, label], {BIG: 1}))
    assert sums == {high: 160, batch: 5, label: 5}
    assert Turns().allot(17, [batch, high, flow(Lane.OTP)], {BIG: 0}) == {flow(Lane.OTP): 17}


@given(
    st.lists(
        st.tuples(
            st.integers(1, 30),
            st.sets(FLOWS, min_size=1, max_size=12),
            st.dictionaries(st.integers(1, 3), st.integers(0, 20)),
        ),
        max_size=20,
    )
)
def test_no_client_gets_more_than_it_may_and_no_place_is_left_that_another_could_use(
    rounds: list[tuple[int, set[FlowKey], dict[int, int]]],
) -> None:
    turns = Turns()
    for places, flows, most in rounds:
        allotted = turns.allot(places, sorted(flows), most)
        got = Counter[int]()
        for key, count in allotted.items():
            assert key in flows and count > 0
            got[key[2]] += count if key[1] != Lane.OTP else 0
        assert all(got[client] <= count for client, count in most.items())
        if sum(allotted.values()) < places:
            assert not any(key[1] == Lane.OTP or got[key[2]] < most.get(key[2], places) for key in flows)
