"""Every reason of every alert, and what takes hours, played to the rules by promtool: series by the minute.

The reasons are the branches of an `or`: each is made an alert of its own beside the whole, so that it shows that it
fires by itself. What is healthy may fire nothing, however long.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observe.expressions import ALERTS, alerts, branches
from tests.requires import require_program

MINUTES = 3 * 60
"""That a case lasts as a rule."""
HOURS = 9 * 60
"""That one of little traffic lasts."""
Series = Mapping[str, Callable[[int], float | None]]
"""A value by the minute; None = the series is missing then."""

TCELL = 'operator="tcell"'
LINK = 'operator="tcell",link="tcell-1"'
ACCEPTED = f'payk_outcomes_total{{{TCELL},lane="common_normal",outcome="accepted"}}'
RECEIPTS = f'payk_receipts_total{{{TCELL},state="delivered"}}'
LAST = f"payk_last_receipt_timestamp_seconds{{{TCELL}}}"
WAITING = f'payk_centre_queue_messages{{{TCELL},lane="batch",state="waiting"}}'
OLDEST = f'payk_centre_queue_oldest_seconds{{{TCELL},lane="otp"}}'
BUCKET = f'payk_accept_to_submit_seconds_bucket{{{TCELL},lane="otp",le="%s"}}'
BOUND = f'payk_link_binds{{{LINK},state="bound"}}'
THROTTLED = f"payk_link_throttled{{{LINK}}}"
THROTTLED_SUBMITS = f"payk_link_throttled_submits_total{{{LINK}}}"
REFUSED = 'payk_refusals_total{door="%s",code="%s"}'
PARTITION_IDS = 'payk_centre_partition_ids_ahead{table="message"}'
PARTITION_SECONDS = 'payk_centre_partition_seconds_ahead{table="idempotency"}'


def always(value: float) -> Callable[[int], float]:
    return lambda minute: value


def growing(by: float, begin: float = 0.0) -> Callable[[int], float]:
    return lambda minute: begin + by * minute


IDLE: Series = {
    'up{job="payk",instance="a:9080"}': always(1),
    'payk_database_reachable{instance="a:9080"}': always(1),
    'payk_centre_processes{has_role="maintenance"}': always(1),
    'payk_duty_failures_total{duty="partitions"}': always(0),
    f"payk_centre_link_binds{{{LINK}}}": always(1),
    BOUND: always(1),
    f'payk_link_binds{{{LINK},state="refused"}}': always(0),
    THROTTLED: always(0),
    THROTTLED_SUBMITS: always(0),
    f"payk_centre_operator_sick{{{TCELL}}}": always(0),
    ACCEPTED: always(0),
    RECEIPTS: always(0),
    WAITING: always(0),
    f"payk_possible_duplicates_total{{{TCELL}}}": always(0),
    REFUSED % ("api", "IpAddressNotAllowed"): always(0),
    REFUSED % ("api", "Unauthorized"): always(0),
    REFUSED % ("management", "Unauthorized"): always(0),
    'payk_disk_free_bytes{instance="a:9080",place="home"}': always(5e11),
    'payk_disk_size_bytes{instance="a:9080",place="home"}': always(1e12),
    'payk_disk_free_bytes{instance="a:9080",place="database"}': always(0),
    'payk_disk_size_bytes{instance="a:9080",place="database"}': always(0),  # of a file system that tells no size
    "payk_centre_low_balances": always(0),
    PARTITION_IDS: always(2e7),
    PARTITION_SECONDS: always(7 * 86_400),
    "payk_centre_ids_used_ratio": always(0.1),
}
"""A centre that nobody sends anything to."""


def traffic(every: int, receipts_until: int = HOURS, *, begin: int = 0) -> Series:
    """A message each so many minutes, its receipt within the minute after, as long as receipts come."""

    def taken(minute: int) -> int:
        return max(0, minute - begin) // every

    def received(minute: int) -> int:
        return taken(min(minute - 1, receipts_until))

    def last(minute: int) -> float | None:
        count = received(minute)
        return (begin + count * every + 1) * 60.0 if count > 0 else None

    return {ACCEPTED: taken, RECEIPTS: received, LAST: last}


@dataclass(frozen=True)
class Case:
    """What is other than idle, and what has fired by which minute; nothing else may fire to the end."""

    series: Series
    fires: Mapping[str, int] = field(default_factory=dict)
    """By alert, or alert and number of its branch, counted from 1."""
    minutes: int = MINUTES


def mailing(comes_for: int) -> Series:
    """A million messages from minute 60 on, which go at 5,000 a minute."""
    return {WAITING: lambda minute: max(0.0, min(1.0, (minute - 60) / comes_for) * 1e6 - 5e3 * max(0, minute - 60))}


def restarted(series: Series, at: int) -> Series:
    """The process was started anew at a minute: counters begin again, and what it remembered is missing."""

    def anew(name: str, value: Callable[[int], float | None]) -> Callable[[int], float | None]:
        before = value(at)
        if name == LAST:
            return lambda minute: value(minute) if minute < at or value(minute) != before else None
        return lambda minute: value(minute) if minute < at else (value(minute) or 0) - (before or 0)

    return {name: anew(name, value) for name, value in series.items()}


HEALTHY = {
    "idle": Case({}, minutes=HOURS),
    "busy": Case(
        {ACCEPTED: growing(600), RECEIPTS: growing(570), LAST: lambda minute: minute * 60.0, WAITING: always(900)}
    ),
    "a message each six minutes": Case(traffic(6), minutes=HOURS),
    "a message an hour": Case(traffic(60), minutes=HOURS),
    "started anew at little traffic": Case(restarted(traffic(6), 303), minutes=HOURS),
    "five messages once": Case(
        {
            ACCEPTED: lambda minute: 5.0 * (minute >= 60),
            RECEIPTS: lambda minute: 5.0 * (minute >= 60),
            LAST: lambda minute: 3_600.0 if minute >= 60 else None,
        },
        minutes=HOURS,
    ),
    "a mailing that comes at once": Case(mailing(1)),
    "a mailing that comes in ten minutes": Case(mailing(10)),
    "a link that is throttled once, and once more": Case(
        {
            THROTTLED: lambda minute: minute in (60, 120),
            THROTTLED_SUBMITS: lambda minute: 9.0 * ((minute >= 60) + (minute >= 120)),
        }
    ),
    "a large queue that stays as it is": Case({WAITING: lambda minute: 5e5 + 100 * (minute % 7)}),
}

PHONES_OFF = "five messages to phones that are off"
TROUBLED = {
    "a link that is not bound": Case({BOUND: always(0)}, {"PaykLinkDown 1": 3}),
    "a link that nobody holds": Case(
        {BOUND: lambda minute: None, f'payk_link_binds{{{LINK},state="refused"}}': lambda minute: None},
        {"PaykLinkDown 2": 3},
    ),
    "a link that is back at its rate between two looks at it": Case(
        {THROTTLED: lambda minute: minute % 4 == 0}, {"PaykThrottled 1": 10}
    ),
    "a link that is refused for speed, and back at its rate whenever it is looked at": Case(
        {THROTTLED_SUBMITS: lambda minute: 2.0 * (minute // 3)}, {"PaykThrottled 2": 14}
    ),
    "receipts that stop, while late ones trickle in": Case(
        {
            ACCEPTED: growing(30),
            RECEIPTS: lambda minute: 29.0 * min(minute, 120) + max(0, minute - 120) // 10,
            LAST: lambda minute: 60.0 * (minute if minute < 120 else minute // 10 * 10),
        },
        {"PaykReceiptsStopped": 142},
    ),
    "receipts that never come": Case(
        {ACCEPTED: growing(30)},
        {
            "PaykReceiptsStopped": 21,
            "PaykReceiptsMissing 1": 21,
            "PaykReceiptsMissing 2": 21,
        },
    ),
    "receipts that stop where a message goes each six minutes": Case(
        traffic(6, 120), {"PaykReceiptsMissing 1": 195, "PaykReceiptsMissing 2": 495}, HOURS
    ),
    "receipts that stop where a message goes each hour": Case(traffic(60, 60), {"PaykReceiptsMissing 2": 435}, HOURS),
    "receipts that stop, and a process that was started anew": Case(
        restarted(traffic(6, 120), 150), {"PaykReceiptsMissing 1": 195, "PaykReceiptsMissing 2": 495}, HOURS
    ),
    PHONES_OFF: Case(
        {ACCEPTED: lambda minute: 5.0 * (minute >= 60)}, {"PaykReceiptsMissing 1": 70, "PaykReceiptsMissing 2": 70}
    ),
    "codes that were sent late": Case(
        {BUCKET % "5": growing(1), BUCKET % "10": growing(3), BUCKET % "+Inf": growing(3)}, {"PaykOtpSlow 1": 5}
    ),
    "a code that waits": Case({OLDEST: lambda minute: 60.0 * minute}, {"PaykOtpSlow 2": 3}),
    "a queue that grows fast": Case({WAITING: lambda minute: 2e3 + 300 * min(minute, 45)}, {"PaykQueueGrows 1": 31}),
    "a queue that grows slowly": Case({WAITING: lambda minute: 2e4 + 60 * min(minute, 180)}, {"PaykQueueGrows 2": 76}),
    "a queue that grows by a message a second, unevenly": Case(
        {WAITING: lambda minute: 2e4 + 60 * min(minute, 180) + (minute * 7919 % 11) * 50}, {"PaykQueueGrows 2": 80}
    ),
    "a key from elsewhere": Case(
        {REFUSED % ("api", "IpAddressNotAllowed"): lambda minute: minute >= 60}, {"PaykKeyLeaked 1": 61}
    ),
    "keys that are guessed": Case(
        {REFUSED % ("api", "Unauthorized"): lambda minute: 11.0 * min(max(0, minute - 60), 60)}, {"PaykKeyLeaked 2": 72}
    ),
    "tokens that are guessed": Case(
        {REFUSED % ("management", "Unauthorized"): lambda minute: 3.0 * min(max(0, minute - 60), 60)},
        {"PaykKeyLeaked 3": 72},
    ),
    "partitions of messages that end": Case(
        {PARTITION_IDS: lambda minute: max(0, 2e7 - 2e5 * minute)}, {"PaykPartitionsEnd 1": 97}
    ),
    "partitions of days that end": Case(
        {PARTITION_SECONDS: lambda minute: 2 * 86_400 - 900.0 * minute}, {"PaykPartitionsEnd 2": 103}
    ),
    "a duty that fails once a minute": Case(
        {'payk_duty_failures_total{duty="partitions"}': growing(1)}, {"PaykDutyFails": 8}
    ),
}

BRANCHES = {
    f"{rule['alert']} {number}": {"alert": f"{rule['alert']}_{number}", "expr": branch, "for": rule.get("for", "0s")}
    for rule in alerts()
    if len(branches(rule["expr"])) > 1
    for number, branch in enumerate(branches(rule["expr"]), 1)
}


def firing(names: set[str]) -> set[str]:
    """Alerts as they are named to Prometheus, the whole beside its branch."""
    return {name.split()[0] for name in names} | {name.replace(" ", "_") for name in names}


def expected(minute: int, names: set[str]) -> dict[str, Any]:
    """That just these have fired until a minute."""
    return {
        "expr": f'group by (alertname) (max_over_time(ALERTS{{alertstate="firing"}}[{minute + 1}m]))',
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(firing(names))],
    }


def written(value: float | None) -> str:
    return "_" if value is None else f"{float(value)}"


@pytest.mark.parametrize("name", [*HEALTHY, *TROUBLED])
def test_what_fires(name: str, tmp_path: Path) -> None:
    case = (HEALTHY | TROUBLED)[name]
    moments = {*case.fires.values(), case.minutes}
    reasons = [
        rule for name, rule in BRANCHES.items() if any(name.split()[0] == fired.split()[0] for fired in case.fires)
    ]
    series = {**IDLE, **case.series}
    played = {
        "rule_files": [str(ALERTS), "branches.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": " ".join(written(value(minute)) for minute in range(case.minutes + 1))}
                    for name, value in series.items()
                ],
                "promql_expr_test": [
                    expected(moment, {name for name, by in case.fires.items() if by <= moment}) for moment in moments
                ],
            }
        ],
    }
    (tmp_path / "branches.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "branches", "rules": reasons}]}), "utf-8"
    )
    (tmp_path / "played.yml").write_text(yaml.safe_dump(played), "utf-8")
    checked = subprocess.run(
        [require_program("promtool", "prometheus"), "test", "rules", "played.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_nobody_is_woken_by_few_messages_that_get_no_receipt() -> None:
    """Their phones may all be off: five that went once in an hour make a ticket."""
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in alerts()}
    assert {severities[name.split()[0]] for name in TROUBLED[PHONES_OFF].fires} == {"ticket"}


def test_every_branch_of_every_alert_is_played() -> None:
    assert BRANCHES.keys() - {name for case in TROUBLED.values() for name in case.fires} == set()
