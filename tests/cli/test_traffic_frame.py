"""The lines of `payk top`: what there is fits, whatever the terminal, and what does not is counted."""

from __future__ import annotations

from typing import Any

import pytest

from payk.cli.traffic_frame import frame
from payk.cli.traffic_picture import Picture, picture_of

NOW = "2026-11-28 01:00:00 UTC"
RATES = {"messages": 123.45, "items": [{"sms_type": name, "messages": 41.15} for name in ("common", "otp", "batch")]}
DEPTH = {"lane": "batch", "waiting": 9_999, "estimated": False, "oldest_age": 61.5, "in_flight": 3, "staged": 7}
BIND = {"number": 1, "bound_at": "2026-11-28T00:00:00Z", "in_flight": 5, "waiting_for": None, "last_error": None}
STATE: dict[str, Any] = {
    "link": "tcell-1",
    "operator": "tcell",
    "told_ago": 0.4,
    "draining": False,
    "window": 100,
    "rate": None,
    "throttled": False,
    "resumes_in": None,
    "submit_rate": 60.0,
    "receipt_rate": 59.0,
    "submit_latency": {"median": 0.0042, "p99": 0.25},
    "refusals": {},
    "binds": [BIND],
}
LINK = {"name": "tcell-1", "operator": "tcell", "enabled": True}
PROCESS = {"host": "one/boot", "pid": 7, "roles": ["api", "dispatch"], "binds": [BIND], "silent_for": 0.2}


def of(
    states: Any = (STATE,),
    links: Any = (LINK,),
    health: Any = None,
    processes: Any = (PROCESS,),
    queues: Any = (DEPTH,),
) -> Picture:
    return picture_of(RATES, list(queues), list(states), list(links), health or {}, list(processes))


def lines(picture: Picture | None, width: int = 80, height: int = 24, trouble: str = "") -> list[str]:
    return [line.text for line in frame(picture, now=NOW, trouble=trouble, width=width, height=height, keys=True)]


def test_a_whole_frame() -> None:
    assert lines(of()) == [
        "payk top  2026-11-28 01:00:00 UTC                                         q ends",
        "in            123.5 messages/s   common 41.1  otp 41.1  batch 41.1",
        "out            60.0 parts/s      receipts 59.0/s",
        "refused           0 in 5 min",
        "",
        "queue              waiting    oldest   in flight   for later",
        "otp                      0                     0           0",
        "common high              0                     0           0",
        "common                   0                     0           0",
        "common low               0                     0           0",
        "batch                 9999    61.5 s           3           7",
        "",
        "link     state       out/s  rcpt/s     window   median      p99",
        "tcell-1  bound        60.0    59.0      5/100     4 ms   250 ms",
        "",
        "process                      binds       heard  roles",
        "one:7                            1     0 s ago  api,dispatch",
    ]


def test_processes_that_share_a_link_are_one_line() -> None:
    other = {
        **STATE,
        "throttled": True,
        "rate": 30.0,
        "refusals": {"throttled": 4, "temporary": 9},
        "told_ago": 9.0,
        "submit_latency": {"median": None, "p99": 1.5},
        "binds": [{**BIND, "bound_at": None, "last_error": "refused"}],
    }
    picture = of([STATE, other])
    [link] = picture.links
    assert (link.bound, link.binds, link.window, link.in_flight, link.state) == (1, 2, 100, 10, "1 of 2")
    assert (picture.submitted, picture.receipts, link.median, link.p99) == (120.0, 118.0, 0.0042, 1.5)
    shown = lines(picture)
    assert shown[3] == "refused          13 in 5 min       temporary 9, throttled 4"
    assert "throttled to 30/s" in lines(picture, width=120)[13]
    assert lines(picture, width=160)[13].endswith("throttled to 30/s, refused, refused 13")


@pytest.mark.parametrize(
    ("state", "link", "health", "word"),
    [
        ({}, {"enabled": False}, {}, "disabled"),
        (None, {}, {}, "nobody's"),
        ({"told_ago": 6.0}, {}, {}, "silent"),
        ({"draining": True}, {}, {}, "draining"),
        ({"binds": [{**BIND, "bound_at": None}]}, {}, {}, "down"),
        ({}, {}, {"tcell": "sick"}, "sick"),
        ({}, {}, {"tcell": "healthy"}, "bound"),
    ],
)
def test_the_state_of_a_link_in_a_word(
    state: dict[str, Any] | None, link: dict[str, Any], health: dict[str, str], word: str
) -> None:
    [shown] = of([] if state is None else [STATE | state], [LINK | link], health).links
    assert shown.state == word


def test_clients_of_a_lane_are_added_up() -> None:
    about = {**DEPTH, "estimated": True, "oldest_age": 7_300.0}
    [shown] = [line for line in lines(of(queues=[DEPTH, about])) if line.startswith("batch")]
    assert shown == "batch          about 19998       2 h           6          14"


@pytest.mark.parametrize("size", [(80, 24), (40, 8), (1, 1), (20, 3), (200, 60), (80, 12)])
@pytest.mark.parametrize("many", [0, 1, 5, 60])
def test_whatever_there_is_fits(size: tuple[int, int], many: int) -> None:
    states = [{**STATE, "link": f"a-rather-long-name-of-a-link-{number:02}"} for number in range(many)]
    picture = of(states, [], None, [PROCESS] * many)
    shown = lines(picture, *size, trouble="no answer since then:  refused")
    assert len(shown) <= size[1] and max(map(len, shown)) <= size[0]


def test_what_does_not_fit_is_counted() -> None:
    states = [{**STATE, "link": f"link-{number:02}"} for number in range(30)]
    shown = lines(of(states, [], None, [{**PROCESS, "pid": number} for number in range(9)]))
    assert len(shown) == 24
    links = [line for line in shown if line.startswith("link-")]
    processes = [line for line in shown if line.startswith("one:")]
    assert links and processes
    assert f"and {30 - len(links)} more links" in shown
    assert f"and {9 - len(processes)} more processes" in shown


def test_what_a_peer_says_steers_no_terminal() -> None:
    down = {**STATE, "binds": [{**BIND, "bound_at": None, "last_error": "\x1b[2Jbye"}]}
    assert "\x1b" not in "".join(lines(of([down]), width=200))


def test_before_anything_is_known() -> None:
    assert lines(None, trouble="no answer since then:  refused")[1:] == ["no answer since then:  refused"]
