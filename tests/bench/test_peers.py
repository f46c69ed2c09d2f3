"""The comparison with Kannel: what it starts, what it reads off, how it reckons, and how it refuses."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bench import report
from bench.figure import CannotRun
from bench.peers import carried, outcome, packages
from bench.peers.__main__ import main
from bench.peers.callbacks import Customer
from bench.peers.carried import Carried, end_to_end_rate
from bench.peers.kannel import PENDING_SUBMITS, Ports, configuration, sends
from bench.peers.systems import KANNEL, PAYK, SYSTEMS
from bench.traffic import TEXT
from bench.wrk import Load, parse

ROOT = Path(__file__).parents[2]


def groups(text: str) -> dict[str, dict[str, str]]:
    """A configuration of Kannel as it reads it: groups apart by empty lines, a key and a value a line."""
    found = {}
    for group in text.strip().split("\n\n"):
        lines = dict(line.split(" = ", 1) for line in group.splitlines())
        found[lines.pop("group")] = lines
    return found


def turn(end_to_end: float, accepted: float = 9_000.0) -> Carried:
    return Carried(accepted, end_to_end, drain=4.0)


def turns(ours: Sequence[float], theirs: Sequence[float]) -> outcome.Turns:
    return {system: [turn(rate) for rate in (ours if system is PAYK else theirs)] for system in SYSTEMS}


def test_kannel_has_one_link_and_stays_on_this_machine(tmp_path: Path) -> None:
    told = groups(configuration(tmp_path, Ports(1, 2, 3), 2775))
    assert told.keys() == {"core", "smsc", "smsbox", "sendsms-user"}
    core, link, smsbox = told["core"], told["smsc"], told["smsbox"]
    assert (core["admin-port"], core["smsbox-port"], smsbox["sendsms-port"]) == ("1", "2", "3")
    assert {core["admin-interface"], core["smsbox-interface"], smsbox["sendsms-interface"]} == {"127.0.0.1"}
    assert {Path(group["log-file"]).parent for group in (core, smsbox)} == {tmp_path}
    assert (link["host"], link["port"], link["transceiver-mode"]) == ("127.0.0.1", "2775", "true")
    assert link["max-pending-submits"] == str(PENDING_SUBMITS)


def test_kannel_is_not_held_back(tmp_path: Path) -> None:
    told = groups(configuration(tmp_path, Ports(1, 2, 3), 2775, pending_submits=77))
    assert told["smsc"]["max-pending-submits"] == "77"
    assert "throughput" not in told["smsc"]
    assert told["core"]["dlr-storage"] == "internal"
    assert "store-type" not in told["core"]


def test_kannel_keeps_its_store_in_the_same_folder(tmp_path: Path) -> None:
    told = groups(configuration(tmp_path, Ports(1, 2, 3), 2775, stored=True))
    assert (told["core"]["store-type"], told["core"]["store-location"]) == ("file", f"{tmp_path}/store")
    assert told["smsc"]["port"] == "2775"


def test_free_ports_are_three() -> None:
    ports = Ports.free()
    assert len({ports.admin, ports.smsbox, ports.sendsms}) == 3


@pytest.mark.parametrize("report_to", [None, "http://127.0.0.1:80/%d"])
def test_kannel_is_sent_what_payk_is_sent(tmp_path: Path, report_to: str | None) -> None:
    script = sends(tmp_path, "992", 31, report_to).read_text()
    path = script.partition("[[")[2].partition("]]")[0]
    assert urlsplit(path).path == "/cgi-bin/sendsms"
    query = {name: values[0] for name, values in parse_qs(urlsplit(path).query, strict_parsing=True).items()}
    assert query.pop("dlr-url", None) == report_to
    assert query == {
        "username": "bench", "password": "bench", "from": "AlifBank", "coding": "2", "charset": "UTF-8", "text": TEXT,
        "dlr-mask": "31", "to": "99290",
    }  # fmt: skip
    assert path.endswith("&to=99290"), "seven digits follow"


async def test_the_customer_counts_what_it_is_told() -> None:
    customer = await Customer.start()
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", customer.port)
            writer.write(b"GET /1?to=992 HTTP/1.1\r\nHost: a\r\n\r\nGET /8 HTTP/1.1\r\n\r\nGET /1 HTTP/1.1\r\nHo")
            for _ in range(2):
                assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            assert (await customer.told("/1"), await customer.told("/8"), await customer.told("/2")) == (1, 1, 0)
            writer.write(b"st: a\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            assert await customer.told("/1") == 2
            writer.close()
    finally:
        await customer.end()


WRK = """\
Running 20s test @ http://127.0.0.1:33333
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     9.60ms   15.02ms 218.51ms   91.10%
    Req/Sec     9.36k     2.06k   13.05k    71.00%
  187031 requests in 20.05s, 33.89MB read
{more}Requests/sec:   9327.94
Transfer/sec:      1.69MB
"""


def test_what_wrk_tells() -> None:
    assert parse(WRK.format(more="")) == Load(187_031, 20.05)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (WRK.format(more="  Non-2xx or 3xx responses: 12\n"), "12 of 187031 requests"),
        (WRK.format(more="  Socket errors: connect 0, read 3, write 0, timeout 0\n"), "lost requests"),
        ("unable to connect to 127.0.0.1:1 Connection refused\n", "unable to connect"),
    ],
)
def test_what_wrk_tells_of_a_run_that_does_not_count(told: str, why: str) -> None:
    with pytest.raises(CannotRun, match=why):
        parse(told)


@pytest.mark.parametrize(
    ("accepted", "confirmed", "rate"),
    [
        (5_000, 5_000, 5_000),
        (5_000, 5_050, 5_000),
        (5_000, 4_900, 4_900),
        (5_000, 4_800, 4_000),
        (9_000, 5_000, 4_000),
    ],
)
def test_what_is_taken_faster_than_it_is_carried_counts_with_its_drain(
    accepted: float, confirmed: float, rate: float
) -> None:
    assert end_to_end_rate(accepted=accepted, confirmed=confirmed, whole=4_000) == rate


class Scripted:
    """An operator that counts as it is told to."""

    def __init__(self, *counts: tuple[int, int]) -> None:
        self.counts = [
            {"submits": submits, "confirmed": confirmed, "last_confirmed_at": time.monotonic() + 2.0}
            for submits, confirmed in counts
        ]

    async def ask(self, question: str) -> dict[str, float]:
        assert question == "counts"
        return self.counts.pop(0)


async def ten(seconds: float) -> Load:
    return Load(10, 1.0)


async def test_a_system_that_rests_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "_LOOK", 0.0)
    warm_up = [(0, 0), (7, 7), (7, 7), (10, 10), (10, 10)]
    load = [(15, 12), (16, 13), (18, 18), (18, 18), (20, 19), (20, 20)]
    operator = Scripted(*warm_up, *load)
    told = await carried.carry(operator, ten, 0.0)  # type: ignore[arg-type]
    assert operator.counts == []
    assert told.accepted == 10.0


async def test_a_system_that_loses_messages_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "_LOOK", 0.0)
    monkeypatch.setattr(carried, "_PATIENCE", 0.0)
    operator = Scripted((0, 0), (9, 9), (9, 9))
    with pytest.raises(CannotRun, match="1 messages have no receipt"):
        await carried.carry(operator, ten, 0.0)  # type: ignore[arg-type]


def test_the_medians_make_the_ratio(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    output = tmp_path / "build" / "bench.json"
    assert main(["--output", str(output)], lambda rounds, seconds: turns([7_000, 5_000, 6_000], [2_000, 1_000])) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == ("end to end: Payk 6,000/s, Kannel 1,500/s, ratio 4.00; floors 5,000/s and 2.5")
    assert [line.split("  ")[0] for line in told.out.splitlines()[1:-1]] == [system.name for system in SYSTEMS]
    assert told.err == ""
    facts = json.loads(output.read_text())
    assert facts["kannel_end_to_end_per_s"] == 1_500
    assert facts["end_to_end_ratio"] == 4.0
    assert facts[PAYK.end_to_end.name] == 6_000


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--check"], 1)])
def test_what_is_below_a_floor_is_told_and_fails_only_a_check(
    options: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "bench.json")
    assert main([*options, "--output", output], lambda rounds, seconds: turns([4_000], [2_000])) == code
    assert capsys.readouterr().err.splitlines() == [
        "end_to_end_beside_kannel_per_s is below its floor: 4,000 of 5,000",
        "end_to_end_ratio is below its floor: 2.00 of 2.5",
    ]


def test_the_figures_stand_among_those_of_others(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    output.write_text('{"codec_pairs_per_s": 1.5, "end_to_end_ratio": 9.0}')
    report.merge(outcome.readings(turns([6_000], [2_000])), output)
    facts = json.loads(output.read_text())
    assert (facts["codec_pairs_per_s"], facts["end_to_end_ratio"]) == (1.5, 3.0)
    assert list(tmp_path.iterdir()) == [output]


def test_what_cannot_be_measured_is_one_line_and_leaves_the_figures_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(rounds: int, seconds: float) -> outcome.Turns:
        raise CannotRun("0.1 GB of memory are free")

    assert main(["--output", str(tmp_path / "bench.json")], refuse) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "make bench-peers cannot run: 0.1 GB of memory are free\n")
    assert list(tmp_path.iterdir()) == []


def test_without_programs_it_says_so_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.peers", "--output", str(tmp_path / "bench.json")]
    environment = os.environ | {"PATH": str(tmp_path)}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == (
        "make bench-peers cannot run: wrk is not installed, and there is no apt-get to install wrk with\n"
    )
    assert list(tmp_path.iterdir()) == []


def program(folder: Path, name: str, does: str) -> None:
    """An executable script in the folder that PATH names alone."""
    (folder / name).write_text(f"#!/bin/sh\n{does}\n")
    (folder / name).chmod(0o755)


def test_only_root_installs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    program(tmp_path, "apt-get", f"echo called > {tmp_path}/calls")
    with pytest.raises(CannotRun, match="only root can do that: apt-get install --no-install-recommends kannel"):
        packages.provide("bearerbox", "kannel")
    assert not (tmp_path / "calls").exists()


def test_what_is_there_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path, "bearerbox", "")
    packages.provide("bearerbox", "kannel")


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of root, on a machine whose only programs are those in `tmp_path`."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(packages, "_POLICY", policy)
    monkeypatch.setattr(packages, "_SCRIPTS", tmp_path / "init.d")
    return policy


def test_an_installation_starts_no_service(tmp_path: Path, policy: Path) -> None:
    program(tmp_path, "apt-get", f"{policy}; echo $? $* >> {tmp_path}/calls; : > {tmp_path}/bearerbox")
    with pytest.raises(CannotRun):  # what was installed cannot be executed
        packages.provide("bearerbox", "kannel")
    assert (tmp_path / "calls").read_text() == "101 -q install -y --no-install-recommends kannel\n"
    assert not policy.exists()


def test_a_policy_that_is_there_stays(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("mine")
    with packages.services_stay_down(policy):
        assert policy.read_text() == "mine"
    assert policy.read_text() == "mine"


def test_an_installation_that_fails_is_tried_with_new_lists_and_told(tmp_path: Path, policy: Path) -> None:
    program(tmp_path, "apt-get", f"echo $2 >> {tmp_path}/calls; echo E: Unable to locate package kannel; exit 100")
    with pytest.raises(CannotRun, match="kannel: E: Unable to locate package kannel"):
        packages.provide("bearerbox", "kannel")
    assert (tmp_path / "calls").read_text().split() == ["install", "update", "install"]


def test_the_systems_have_names_of_their_own() -> None:
    figures = [figure.name for system in SYSTEMS for figure in (system.end_to_end, system.accepted)]
    assert len(set(figures)) == len(figures)
    assert KANNEL.end_to_end.name == "kannel_end_to_end_per_s"
