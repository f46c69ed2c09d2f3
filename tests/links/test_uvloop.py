"""The same under the event loop that the centre runs on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import uvloop

from tests.links import test_binding, test_deliveries, test_submitting

SCENARIOS = [
    test_binding.test_a_lost_session_is_bound_anew,
    test_binding.test_a_stop_unbinds_first,
    test_binding.test_a_stop_while_nothing_answers_is_quick,
    test_deliveries.test_unanswered_deliveries_hold_the_operator_back,
    test_submitting.TestRate().test_capacity_says_when,
    test_submitting.TestStop().test_what_is_not_answered_in_time_is_uncertain,
    test_submitting.test_exactly_one_result_whatever_happens,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_on_uvloop(scenario: Callable[[], Awaitable[None]]) -> None:
    uvloop.run(scenario())
