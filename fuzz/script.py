"""What happens to a session, written in octets: any octets are a script, so mutations of one are scripts too.

Three octets set the session up; each step is an octet and what it needs. Steps that the octets end in the middle of are
cut short, never refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from random import Random
from typing import Final

from fuzz.corpus import golden_frames
from fuzz.frames import random_frame
from payk.smpp import (
    BindReceiver,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    QuerySm,
    Role,
    SessionOptions,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
    UnknownPdu,
    encode,
)

__all__ = ["SECONDS", "SEEDS", "Act", "Setting", "Step", "random_script", "read_script", "setting_of"]


class Act(IntEnum):
    FRAME = 0
    """The peer sends a PDU of `FRAMES`: which, and its sequence number."""
    OCTETS = 1
    """The peer sends octets: how many (two octets), and they."""
    REQUEST = 2
    """We send a request: which."""
    ANSWER = 3
    """We answer a request of the peer: which, and how."""
    PASS = 4
    """Time goes by: how much."""
    DUE = 5
    """The timer of the loop rings when it is due."""
    TAKE = 6
    """The octets to send are taken."""
    UNBIND = 7
    CLOSE = 8
    LOSE = 9
    """The connection is lost."""
    REPLY = 10
    """The peer answers a request of ours, the last ones first: which, and how."""


@dataclass(frozen=True)
class Step:
    act: Act
    one: int = 0
    two: int = 0
    octets: bytes = b""


@dataclass(frozen=True)
class Setting:
    role: Role
    options: SessionOptions
    bound: bool
    """The bind went well before the script begins."""


FRAMES: Final[tuple[Pdu, ...]] = (
    BindTransceiver(system_id="bank"),
    BindTransceiverResp(system_id="smsc"),
    BindTransceiverResp(command_status=0x0D),
    SubmitSm(destination_addr="992"),
    SubmitSmResp(message_id="1"),
    SubmitSmResp(command_status=0x58),
    DeliverSm(source_addr="992"),
    DeliverSmResp(),
    EnquireLink(),
    EnquireLinkResp(),
    GenericNack(command_status=3),
    Unbind(),
    UnbindResp(),
    DataSm(),
    DataSmResp(message_id="1"),
    QuerySm(message_id="1"),
    BindReceiver(),
    BindTransmitter(),
    Outbind(),
    UnknownPdu(0x110),
    UnknownPdu(0x80000110),
)
_ARGUMENTS: Final = {Act.FRAME: 2, Act.OCTETS: 2, Act.REQUEST: 1, Act.ANSWER: 2, Act.PASS: 1, Act.REPLY: 2}
SECONDS: Final = (0.0, 0.001, 1.0, 4.999, 5.0, 9.5, 10.0, 15.0, 29.9, 30.0, 31.0, 61.0, 150.0)
"""What `Act.PASS` chooses from."""
_WEIGHTS: Final = (8, 3, 8, 6, 3, 2, 1, 0.2, 0.05, 0.05, 8)
"""How often each act is drawn."""
_LONGEST_SCRIPT: Final = 400
"""Steps; the rest is passed over."""


def setting_of(script: bytes) -> Setting:
    """The first three octets."""
    first, second, third = (script[:3] + b"\0\0\0")[:3]
    options = SessionOptions(
        window=1 + second % 4,
        max_unanswered=1 + (second >> 2) % 4,
        enquire_flood=2 + (second >> 4) % 3,
        max_errors_per_minute=(3, 6, 60, 60)[second >> 6],
        enquire_interval=(0.0, 30.0, 30.0, 10.0)[third % 4],
        enquire_always=bool(third & 4),
        enquire_misses=1 + (third >> 3) % 2,
        max_timeouts=1 + (third >> 4) % 3,
        inactivity_timeout=(None, 12.0)[third >> 7],
    )
    return Setting(Role.ESME if first & 1 else Role.SMSC, options, bool(first >> 1 & 3))


def read_script(script: bytes) -> Iterator[Step]:
    """The steps behind the first three octets."""
    start = 3
    for _ in range(_LONGEST_SCRIPT):
        if start >= len(script):
            return
        act = Act(script[start] % len(Act))
        width = _ARGUMENTS.get(act, 0)
        one, two, *_ = (*script[start + 1 : start + 1 + width], 0, 0)
        start += 1 + width
        octets = b""
        if act is Act.OCTETS:
            length = one << 8 | two
            octets = script[start : start + length]
            start += length
        elif act is Act.FRAME:
            octets = encode(FRAMES[one % len(FRAMES)], two if two < 0xF0 else 0xFFFFFF00 | two)
        yield Step(act, one, two, octets)


def random_script(random: Random) -> bytes:
    """A life of some steps; answers are as frequent as requests, and sequence numbers low, so that they meet."""
    script = [random.randbytes(3)]
    for _ in range(random.choice((3, 8, 15, 30, 60))):
        act = random.choices(tuple(Act), _WEIGHTS)[0]
        script.append(bytes((act,)))
        match act:
            case Act.FRAME:
                script.append(bytes((random.randrange(len(FRAMES)), random.choice((0, 1, 1, 2, 2, 3, 4, 5, 0xFF)))))
            case Act.OCTETS:
                octets = _octets(random)
                script += (len(octets).to_bytes(2, "big"), octets)
            case Act.ANSWER | Act.REPLY:
                script.append(bytes((random.randrange(4), random.choice((0, 0, 0, 0, 1, 2, 3, 4)))))
            case Act.REQUEST:
                script.append(random.randbytes(1))
            case Act.PASS:
                script.append(bytes((int(random.random() ** 3 * len(SECONDS)),)))
    return b"".join(script)


def _octets(random: Random) -> bytes:
    """A golden frame or a random one; seldom a piece of one, or any octets, which mostly end the session."""
    frame = random.choice(golden_frames()) if random.randrange(2) else random_frame(random)
    match random.randrange(25):
        case 0:
            return frame[: random.randrange(len(frame) + 1)]
        case 1:
            return random.randbytes(random.randrange(40))
        case 2:
            return frame + random_frame(random)[: random.randrange(30)]
        case 3 | 4 | 5:
            return frame + random_frame(random)
        case _:
            return frame


_FLOODS: Final = [encode(pdu, 1) for pdu in FRAMES]
SEEDS: Final = (
    # An operator's link: bound, three submits, two answers, time-outs, unbind.
    b"\x03\x03\x01" + b"\x02\x00\x02\x00\x02\x00" + b"\x00\x04\x02" + b"\x00\x05\x03" + b"\x04\x07\x05\x05\x07\x05\x05",
    # Our door: a bind, its answer, submits that wait, enquire_link in a flood, time.
    b"\x00\x00\x01\x00\x00\x01\x03\x00\x00\x00\x03\x02\x00\x03\x03" + b"\x00\x08\x04" * 6 + b"\x05\x03\x00\x00\x05",
    *(b"\x03\x0f\x01\x01" + len(frame).to_bytes(2, "big") + frame + b"\x05\x05" for frame in golden_frames()),
    *(b"\x02\x0f\x01\x01" + len(frame).to_bytes(2, "big") + frame + b"\x05\x05" for frame in golden_frames()),
    # Thousands of one PDU in one read, to either role.
    *(
        role + b"\x8f\x01\x01\xfd\xe8" + (pdu * 4_062)[:65_000] + b"\x05\x05"
        for role in (b"\x02", b"\x03")
        for pdu in _FLOODS
    ),
)
