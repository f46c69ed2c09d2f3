"""The fuzzer finds nothing in what we have, and everything that is planted: else its silence would say nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

import fuzz.codec
import fuzz.owner
import fuzz.receipt
import fuzz.stream
import fuzz.text
from fuzz.__main__ import main
from fuzz.fuzzer import fuzz as run_fuzz
from fuzz.target import Target
from fuzz.targets import TARGETS
from payk.smpp import (
    Closed,
    DeliverSm,
    Event,
    Framer,
    PeerError,
    Receipt,
    RequestUncertain,
    Session,
    SubmitSm,
    decode,
    encode,
    parse_receipt,
    parse_udh,
)
from payk.smpp.smpp_time import parse_time
from payk.text import decode_user_data

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_twenty_seconds_find_nothing() -> None:
    command = [sys.executable, "-m", "fuzz", "--seconds", "20", "--jobs", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-10_000:]
    assert "nothing found, seed " in done.stdout
    figures = {line.split()[0]: int(line.split()[1].replace(",", "")) for line in done.stdout.splitlines()[2:-1]}
    assert figures.keys() == TARGETS.keys()
    assert all(figures[name] >= len(target.seeds) for name, target in TARGETS.items())


def planted(run: Callable[[bytes], str], **changes: Any) -> Target:
    return Target(
        "planted", run, [b"some octets to begin with", b"0123456789"], lambda random: random.randbytes(8), **changes
    )


def light(name: str) -> Target:
    """A target without its longest inputs, which take most of the time."""
    target = TARGETS[name]
    return replace(target, seeds=[seed for seed in target.seeds if len(seed) < 2_000])


def raises_on_a_pair(octets: bytes) -> str:
    if b"\x00\xff" in octets:
        raise IndexError(len(octets))
    return "fine"


def test_a_planted_fault_is_found_and_cut_down() -> None:
    report = run_fuzz([planted(raises_on_a_pair)], "1", rounds=100)
    (finding,) = report.findings
    assert finding.octets == b"\x00\xff"
    assert finding.fault.what == "IndexError"
    assert finding.fault.where.startswith("tests/fuzz/test_fuzz.py:")
    assert "\nplanted 00ff => ?" in str(finding)
    assert report.executions["planted"] > 1000


def test_an_input_that_hangs_is_given_up_and_found() -> None:
    def hangs(octets: bytes) -> str:
        while b"\x1b" in octets:
            pass
        return "fine"

    report = run_fuzz([planted(hangs)], "1", rounds=20, hang=0.05)
    assert [(finding.octets, str(finding.fault.what)) for finding in report.findings] == [
        (b"\x1b", "every input comes to an end")
    ]


def test_an_input_that_takes_too_long_is_found() -> None:
    def slow(octets: bytes) -> str:
        for _ in range(20_000 * min(octets.count(0), 50)):
            pass
        return "fine"

    report = run_fuzz([planted(slow, seconds=0.002)], "1", rounds=30, hang=20.0)
    assert [finding.fault.what for finding in report.findings] == ["time in proportion to the length"]


def test_the_same_seed_tries_the_same_inputs() -> None:
    def inputs(seed: str) -> list[bytes]:
        tried: list[bytes] = []

        def run(octets: bytes) -> str:
            tried.append(octets)
            return str(sum(octets) % 7)

        run_fuzz([planted(run)], seed, rounds=3)
        return tried

    assert inputs("5") == inputs("5") != inputs("6")


def test_what_gives_something_new_is_changed_further() -> None:
    """Four steps, each one octet further: blind changes would hardly get there."""

    def ladder(octets: bytes) -> str:
        depth = next(
            (depth for depth in range(4) if octets[depth : depth + 1] != b"\x1b\x80\x7f\xfe"[depth : depth + 1]), 4
        )
        assert depth < 4, "deep"
        return "abcd"[depth]

    report = run_fuzz([planted(ladder)], "1", rounds=400)
    assert [finding.octets for finding in report.findings] == [b"\x1b\x80\x7f\xfe"]


def test_a_finding_is_printed_and_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(TARGETS, "udh", planted(raises_on_a_pair))
    assert main(["--seconds", "1", "--jobs", "1", "--seed", "3", "--target", "udh"]) == 1
    printed = capsys.readouterr().out
    assert "FINDING planted: IndexError at tests/fuzz/test_fuzz.py" in printed
    assert "planted 00ff => ?\n  seed 3" in printed
    assert "1 findings, seed 3" in printed


# Faults of the kinds that the targets are there for, planted in the subject itself; each must be found.


class Endless(Session):
    def next_deadline(self) -> float | None:
        deadline = super().next_deadline()
        return deadline if deadline is None or self.pending_count else self._now


class Forgetful(Session):
    """A request that is not answered in time vanishes."""

    def tick(self, now: float) -> list[Event]:
        return [event for event in super().tick(now) if not isinstance(event, RequestUncertain)]


class Repeating(Session):
    """An answer is told twice."""

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        events = super().receive_data(data, now)
        return [event for event in events for _ in range(2 if type(event).__name__ == "ResponseReceived" else 1)]


class Talkative(Session):
    """Octets after the end."""

    def data_to_send(self) -> bytes:
        return super().data_to_send() or (encode(SubmitSm()) if self.closed else b"")


class Returning(Session):
    """An event after Closed."""

    def connection_lost(self, now: float, reason: str = "connection lost") -> list[Event]:
        return super().connection_lost(now, reason) or [Closed("again")]


class Hoarding(Session):
    """Octets of a closed session are kept."""

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        events = super().receive_data(data, now)
        if self.closed:
            self._framer.push(data)
        return events


class Short(Session):
    """Long reads are cut."""

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        return super().receive_data(data[:60], now)


class Raising(Session):
    def receive_data(self, data: bytes, now: float) -> list[Event]:
        if data[4:8] == b"\x80\0\0\0" and self.pending_count:
            raise KeyError(data)
        return super().receive_data(data, now)


class Nacking(Session):
    """Answers answers."""

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        events = super().receive_data(data, now)
        for event in events:
            if isinstance(event, PeerError) and event.description.startswith("unknown response") and not self.closed:
                self._out.append(encode(fuzz.owner.GenericNack(command_status=3)) * 2)
        return events


class Torn(Session):
    """Half a PDU is sent."""

    def data_to_send(self) -> bytes:
        octets = super().data_to_send()
        return octets[:-1] if len(octets) > 60 else octets


class Leaking(Session):
    """A slot of the window is lost with each late answer."""

    @property
    def free_window(self) -> int:
        free = super().free_window
        return free - 1 if free and self._pending._tombstones else free


@pytest.mark.parametrize(
    "fault", [Endless, Forgetful, Repeating, Talkative, Returning, Hoarding, Short, Raising, Nacking, Torn, Leaking]
)
def test_faults_of_a_session_are_found(fault: type[Session], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz.owner, "Session", fault)
    assert run_fuzz([light("session")], "1", rounds=12).findings


def lossy_encode(pdu: Any, sequence_number: int | None = None) -> bytes:
    return encode(pdu, sequence_number).replace(b"\xfe", b"\xff")


def raising_decode(frame: bytes, oddities: list[str] | None = None) -> Any:
    if frame[-2:] == b"\x04\x27":
        frame[len(frame)]
    return decode(frame, oddities)


def blaming_decode(frame: bytes, oddities: list[str] | None = None) -> Any:
    pdu = decode(frame, oddities)
    if getattr(pdu, "message_id", None) == "" and pdu.command_id & 0x80000000:
        raise fuzz.codec.PduError("no id", command_id=pdu.command_id, sequence_number=0, command_status=1)
    return pdu


class Greedy(Framer):
    def take(self) -> list[bytes]:
        frames = super().take()
        return frames[:1] if len(frames) > 2 else frames


def numb_parse(pdu: DeliverSm, *, text_receipts: bool = False) -> Receipt | None:
    receipt = parse_receipt(pdu, text_receipts=text_receipts)
    if receipt is None or receipt.err is None:
        return receipt
    return Receipt(**{**{name: getattr(receipt, name) for name in Receipt.__slots__}, "err": f"{receipt.err}\0"})


def overflowing_time(text: str, now: datetime) -> datetime | None:
    moment = parse_time(text, now)
    if moment and moment.year == 2099:
        raise OverflowError
    return moment


@pytest.mark.parametrize(
    ("target", "module", "name", "fault"),
    [
        ("codec", fuzz.codec, "encode", lossy_encode),
        ("codec", fuzz.codec, "decode", raising_decode),
        ("codec", fuzz.codec, "decode", blaming_decode),
        ("stream", fuzz.stream, "Framer", Greedy),
        ("receipt", fuzz.receipt, "parse_receipt", numb_parse),
        ("receipt_text", fuzz.receipt, "parse_receipt", numb_parse),
        ("user_data", fuzz.text, "decode_user_data", lambda *args: decode_user_data(*args).replace("\ufffd", "\0")),
        ("udh", fuzz.text, "parse_udh", lambda octets: parse_udh(octets + b"\0")),
        ("time", fuzz.text, "parse_time", overflowing_time),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_faults_of_the_pure_rooms_are_found(
    target: str, module: Any, name: str, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, fault)
    assert run_fuzz([light(target)], "1", rounds=30).findings


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_every_target_takes_any_octets(target: Target) -> None:
    random = Random(1)
    for octets in (b"", b"\0", b"\xff" * 5000, random.randbytes(16), random.randbytes(3000)):
        assert "\n" not in target.run(octets)
