"""Who is let in at a server's door."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from payk.smpp import Admission, AdmissionOptions, LocalError, Tally, TooMany, Visitor

HERE, THERE = "192.0.2.1", "198.51.100.7"


def enter(admission: Admission, host: str = HERE) -> Visitor:
    visitor = admission.arrive(host)
    assert isinstance(visitor, Visitor)
    return visitor


def fail(admission: Admission, host: str = HERE, name: str = "bank", *, at: float = 0.0, times: int = 1) -> None:
    for _ in range(times):
        visitor = enter(admission, host)
        assert admission.hear(visitor, name, at) is not None
        admission.failed(visitor, name, at)
        admission.leave(visitor)


def heard(admission: Admission, host: str = HERE, name: str = "bank", *, at: float = 0.0) -> float | None:
    visitor = enter(admission, host)
    wait = admission.hear(visitor, name, at)
    admission.leave(visitor)
    return wait


class TestCaps:
    def test_of_one_address_without_a_bind(self) -> None:
        admission = Admission(AdmissionOptions(max_unbound_per_address=2))
        first, _ = enter(admission), enter(admission)
        assert admission.arrive(HERE) is TooMany.UNBOUND_OF_ADDRESS
        enter(admission, THERE)
        admission.bound(first)
        enter(admission)
        assert admission.arrive(HERE) is TooMany.UNBOUND_OF_ADDRESS
        assert admission.refused == {TooMany.UNBOUND_OF_ADDRESS: 2}

    def test_of_all_addresses_without_a_bind(self) -> None:
        admission = Admission(AdmissionOptions(max_unbound=3))
        visitors = [enter(admission, f"192.0.2.{number}") for number in range(3)]
        assert admission.arrive(THERE) is TooMany.UNBOUND
        admission.leave(visitors[1])
        enter(admission, THERE)
        assert admission.unbound == 3

    def test_of_all_connections(self) -> None:
        admission = Admission(AdmissionOptions(max_connections=2))
        for _ in range(2):
            admission.bound(enter(admission))
        assert admission.arrive(THERE) is TooMany.CONNECTIONS
        assert (admission.connections, admission.unbound) == (2, 0)

    def test_whoever_is_refused_is_not_counted(self) -> None:
        admission = Admission(AdmissionOptions(max_unbound_per_address=1))
        visitor = enter(admission)
        for _ in range(10):
            admission.arrive(HERE)
        admission.leave(visitor)
        assert (admission.connections, admission.unbound) == (0, 0)
        enter(admission)

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
            ("::ffff:192.0.2.1", "192.0.2.1", True),
            ("fe80::1%eth0", "fe80::2%eth0", True),
            ("192.0.2.1", "192.0.2.2", False),
            ("unknown", "unknown", True),
        ],
    )
    def test_what_an_address_is(self, one: str, other: str, same: bool) -> None:
        admission = Admission(AdmissionOptions(max_unbound_per_address=1))
        enter(admission, one)
        assert (admission.arrive(other) is TooMany.UNBOUND_OF_ADDRESS) is same

    @pytest.mark.parametrize("name", ["max_connections", "max_unbound", "max_unbound_per_address", "failures"])
    def test_are_one_at_least(self, name: str) -> None:
        with pytest.raises(LocalError, match=f"{name} is 0"):
            AdmissionOptions(**{name: 0})


class TestAnAddressThatFails:
    def test_is_refused_unheard_after_too_many_within_a_minute(self) -> None:
        admission = Admission(AdmissionOptions(failures=5, address_pause=2.0))
        fail(admission, times=4)
        assert heard(admission, at=1.0) == 0.0
        fail(admission, at=59.0)
        assert heard(admission, at=59.0) is None
        assert heard(admission, name="another", at=60.9) is None
        assert heard(admission, at=61.0) is not None
        assert admission.refused[TooMany.FAILED_BINDS] == 2

    def test_spread_out_is_heard(self) -> None:
        admission = Admission(AdmissionOptions(failures=5))
        for number in range(20):
            fail(admission, at=15.0 * number)
        assert heard(admission, at=300.0) == 0.0

    def test_is_refused_for_longer_each_time(self) -> None:
        admission = Admission(AdmissionOptions(failures=2, address_pause=2.0, address_pause_longest=10.0))
        fail(admission, times=2)
        now, pauses = 0.0, []
        for _ in range(4):
            began = now
            while heard(admission, at=now) is None:
                now += 0.5
            pauses.append(now - began)
            fail(admission, at=now)
        assert pauses == [2.0, 4.0, 8.0, 10.0]

    def test_asking_in_vain_does_not_lengthen_the_pause(self) -> None:
        """A customer that mends its password and goes on trying is let in when the pause ends."""
        admission = Admission(AdmissionOptions(failures=2, address_pause=4.0))
        fail(admission, times=2)
        assert [heard(admission, at=second) for second in (1.0, 2.0, 3.0)] == [None] * 3
        assert heard(admission, at=4.0) is not None

    def test_is_forgotten_after_quiet(self) -> None:
        admission = Admission(AdmissionOptions(failures=2, address_pause=2.0, quiet=600.0))
        fail(admission, times=2)
        fail(admission, at=2.0)  # 4 s
        assert heard(admission, at=5.9) is None
        fail(admission, at=606.0)
        assert heard(admission, at=606.0) == 0.0

    def test_does_not_count_the_outcomes_of_its_own_good_binds(self) -> None:
        """Whoever has one good account cannot use it to guess at the others."""
        admission = Admission(AdmissionOptions(failures=3))
        for _ in range(3):
            fail(admission)
            admission.bound(enter(admission))
        assert heard(admission) is None

    def test_others_are_heard(self) -> None:
        admission = Admission(AdmissionOptions(failures=2))
        fail(admission, times=2)
        assert heard(admission, THERE, "another") == 0.0


class TestANameThatFails:
    def test_is_heard_a_little_later_from_everywhere_and_never_locked(self) -> None:
        admission = Admission(AdmissionOptions(failures=2, name_delay=0.25, name_delay_longest=2.0))
        waits = []
        for number in range(12):
            waits.append(heard(admission, THERE, at=float(number)))
            fail(admission, f"192.0.2.{number}", at=float(number))
        assert waits == [0.0, 0.0, 0.25, 0.5, 1.0] + [2.0] * 7

    def test_other_names_are_heard_at_once(self) -> None:
        admission = Admission(AdmissionOptions(failures=2))
        fail(admission, "192.0.2.1")
        fail(admission, "192.0.2.2")
        assert heard(admission, THERE, "shop") == 0.0

    def test_is_forgotten_after_quiet(self) -> None:
        admission = Admission(AdmissionOptions(failures=2, quiet=600.0))
        fail(admission, "192.0.2.1")
        fail(admission, "192.0.2.2")
        assert heard(admission, THERE, at=600.0) == 0.25
        assert heard(admission, THERE, at=601.0) == 0.0


def test_no_more_than_so_many_are_remembered() -> None:
    admission = Admission(AdmissionOptions(failures=1, remembered=3, address_pause=100.0))
    for number in range(4):
        fail(admission, f"192.0.2.{number}", f"name {number}")
    assert [heard(admission, f"192.0.2.{number}", "x") for number in range(4)] == [0.0, None, None, None]
    assert [heard(admission, THERE, f"name {number}") for number in range(4)] == [0.0, 0.25, 0.25, 0.25]


def test_a_tally_lets_one_line_of_many_through() -> None:
    tally = Tally(span=10.0)
    assert [tally.add(second) for second in (0.0, 1.0, 9.9, 10.0, 10.1, 30.0)] == [1, 0, 0, 3, 0, 2]


class Door(RuleBasedStateMachine):
    """However connections come, bind, fail and go, and however often that is told: the counts are right."""

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(
            AdmissionOptions(max_connections=6, max_unbound=4, max_unbound_per_address=2, failures=2, remembered=2)
        )
        self.unbound: list[Visitor] = []
        self.bound: list[Visitor] = []
        self.gone: list[Visitor] = []
        self.now = 0.0

    @rule(host=st.sampled_from([HERE, THERE, "2001:db8::1"]))
    def arrive(self, host: str) -> None:
        arrived = self.admission.arrive(host)
        there = [visitor for visitor in self.unbound if visitor.address == host or ":" in visitor.address]
        if isinstance(arrived, Visitor):
            self.unbound.append(arrived)
        else:
            assert len(self.unbound) + len(self.bound) == 6 or len(self.unbound) == 4 or len(there) >= 2

    @rule(data=st.data(), works=st.booleans())
    def bind(self, data: st.DataObject, works: bool) -> None:
        if not self.unbound:
            return
        visitor = data.draw(st.sampled_from(self.unbound))
        if self.admission.hear(visitor, "bank", self.now) is None:
            return
        if works:
            self.admission.bound(visitor)
            self.unbound.remove(visitor)
            self.bound.append(visitor)
        else:
            self.admission.failed(visitor, "bank", self.now)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        everybody = self.unbound + self.bound + self.gone
        if not everybody:
            return
        visitor = data.draw(st.sampled_from(everybody))
        self.admission.leave(visitor)
        for group in (self.unbound, self.bound, self.gone):
            if visitor in group:
                group.remove(visitor)
        self.gone.append(visitor)

    @rule(data=st.data())
    def bound_too_late(self, data: st.DataObject) -> None:
        if self.gone:
            self.admission.bound(data.draw(st.sampled_from(self.gone)))

    @rule(seconds=st.sampled_from([0.1, 3.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def counts_are_right(self) -> None:
        assert self.admission.connections == len(self.unbound) + len(self.bound) <= 6
        assert self.admission.unbound == len(self.unbound) <= 4


TestDoor = Door.TestCase
TestDoor.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
