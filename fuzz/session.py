"""The session in both roles: what peer, owner and clock do must go alike in long reads and in short ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final, cast

from fuzz.broken import hold
from fuzz.owner import Owner
from fuzz.script import SEEDS, Act, Setting, Step, random_script, read_script, setting_of
from fuzz.target import Target
from payk.smpp import (
    Closed,
    CommandStatus,
    Event,
    GenericNack,
    Pdu,
    PeerError,
    RequestUncertain,
    ResponseReceived,
)

__all__ = ["SESSION"]

_BY_OCTETS: Final = 1_500
"""Scripts up to this length are fed octet by octet, longer ones in slices."""


def run(script: bytes) -> str:
    setting = setting_of(script)
    steps = list(read_script(script))
    whole = _played(setting, _joined(steps))
    sliced = _played(setting, steps, 1 if len(script) <= _BY_OCTETS else 7 + len(script) % 500)
    hold(_told(whole.events) == _told(sliced.events), "slices do not change the events")
    hold(list(_pdus(whole.sent)) == list(_pdus(sliced.sent)), "slices do not change what is sent")
    kinds = sorted({type(event).__name__ for _, event in whole.events})
    said = sorted({type(pdu).__name__ for pdu in whole.sent})
    reason = getattr(whole.events[-1][1], "reason", "")
    return f"{setting.role.value}: {' '.join(kinds)}; sent {' '.join(said)}; {reason}"


def _played(setting: Setting, steps: Iterable[Step], slices: int | None = None) -> Owner:
    owner = Owner(setting, slices)
    owner.play(steps)
    return owner


def _joined(steps: Iterable[Step]) -> Iterable[Step]:
    """What the peer sends in steps that follow each other comes in one read."""
    for by_peer, group in groupby(steps, lambda step: step.act in (Act.FRAME, Act.OCTETS)):
        if by_peer:
            yield Step(Act.OCTETS, octets=b"".join([step.octets for step in group]))
        else:
            yield from group


def _told(events: Sequence[tuple[float, Event]]) -> list[object]:
    """The events, but for how requests were completed by the end of the session.

    An answer behind the PDU that ended it counts if both came in one read; in slices it comes to a closed session.
    """
    end = start = len(events) - 1
    if not isinstance(events[end][1], Closed):
        return list(map(_event, events))
    while start and isinstance(events[start - 1][1], ResponseReceived | RequestUncertain):
        start -= 1
    completed = sorted(cast(ResponseReceived | RequestUncertain, event).token for _, event in events[start:end])
    return [*map(_event, events[:start]), completed, events[end]]


def _event(timed: tuple[float, Event]) -> tuple[float, Event]:
    """A lost stream is told with as much of its head as has come: in slices, less."""
    now, event = timed
    if isinstance(event, PeerError):
        return now, replace(event, description=event.description.partition("; it began with")[0])
    return now, event


def _pdus(sent: Iterable[Pdu]) -> Iterable[Pdu]:
    """Without the nack of a lost stream: whose sequence number, and whether at all, hangs on how much has come."""
    return (pdu for pdu in sent if not _is_length_nack(pdu))


def _is_length_nack(pdu: Pdu) -> bool:
    return isinstance(pdu, GenericNack) and pdu.command_status == CommandStatus.ESME_RINVCMDLEN


SESSION: Final = Target("session", run, SEEDS, random_script, batch=30, seconds=1.0)
