"""The timers and limits that a session has if nobody says otherwise."""

from __future__ import annotations

from dataclasses import asdict

from payk.smpp import Role, SessionOptions
from payk.smpp.framing import BOUND_LIMIT, UNBOUND_LIMIT


def test_the_defaults() -> None:
    assert asdict(SessionOptions()) == {
        "window": 10,
        "response_timeout": 30.0,
        "enquire_interval": 30.0,
        "enquire_always": False,
        "enquire_timeout": 15.0,
        "enquire_misses": 2,
        "session_init_timeout": 10.0,
        "inactivity_timeout": None,
        "pdu_read_timeout": 10.0,
        "unbind_timeout": 5.0,
        "max_timeouts": 5,
        "max_errors_per_minute": 60,
        "max_unanswered": 1000,
        "enquire_flood": 20,
    }
    assert (UNBOUND_LIMIT, BOUND_LIMIT) == (1024, 70_000)


def test_the_inactivity_of_each_role() -> None:
    assert SessionOptions().inactivity(Role.SMSC) == 150.0
    assert SessionOptions(enquire_interval=60.0).inactivity(Role.ESME) == 180.0
    assert SessionOptions(enquire_interval=0.0).inactivity(Role.ESME) == 150.0
    assert SessionOptions(inactivity_timeout=7.0).inactivity(Role.ESME) == 7.0
