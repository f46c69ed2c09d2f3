"""Cutting a stream into frames: the same ones however the stream is sliced, and nothing held but what has arrived."""

from __future__ import annotations

from random import Random
from typing import Final

from fuzz.broken import hold
from fuzz.corpus import golden_frames
from fuzz.frames import frame_of, random_frame
from fuzz.target import Target
from payk.smpp import CommandId, Framer, FramingError
from payk.smpp.framing import BOUND_LIMIT, UNBOUND_LIMIT

__all__ = ["STREAM"]

_BY_OCTETS: Final = 3_000
"""Longer streams are fed in slices of this many octets' prime neighbours instead of one by one."""


def run(octets: bytes) -> str:
    """The first octet chooses the limit, the rest is the stream."""
    limit = BOUND_LIMIT if octets[:1] < b"\x80" else UNBOUND_LIMIT
    stream = octets[1:]
    whole, lost = _feed(limit, [stream])
    step = 1 if len(stream) <= _BY_OCTETS else 997
    sliced = _feed(limit, [stream[start : start + step] for start in range(0, len(stream), step)])
    hold((whole, lost) == sliced, "slices do not change the frames")
    hold(b"".join(whole) == stream[: sum(map(len, whole))], "frames are the stream in order")
    return (
        f"{min(len(whole), 5)} frames, {'lost' if lost else 'whole' if len(b''.join(whole)) == len(stream) else 'rest'}"
    )


def _feed(limit: int, slices: list[bytes]) -> tuple[list[bytes], bool]:
    """The frames, and whether the stream was lost at last."""
    framer = Framer(limit)
    frames: list[bytes] = []
    fed = 0
    for piece in slices:
        framer.push(piece)
        fed += len(piece)
        while True:
            try:
                taken = framer.take()
            except FramingError as exc:
                hold(exc.head == b"".join(slices)[sum(map(len, frames)) :][: len(exc.head)], "the head is what came")
                return frames, True
            frames += taken
            if not taken:
                break
        hold(framer.buffered == fed - sum(map(len, frames)), "what is not taken is kept, and nothing else")
        hold(framer.buffered < limit, "no more is kept than one PDU")
    for frame in frames:
        hold(len(frame) == int.from_bytes(frame[:4], "big") <= limit, "a frame is as long as it says")
    return frames, False


def make(random: Random) -> bytes:
    frames = [random_frame(random) for _ in range(random.choice((1, 2, 3, 5)))]
    return random.choice((b"\0", b"\xff")) + b"".join(frames)


_SEEDS: Final = (
    b"\0" + b"".join(golden_frames()[:8]),
    b"\xff",
    b"\0" + frame_of(CommandId.ENQUIRE_LINK, b"") * 4_000,
    b"\0" + frame_of(CommandId.DATA_SM, bytes(BOUND_LIMIT - 16)),
    b"\0" + frame_of(CommandId.DATA_SM, bytes(BOUND_LIMIT - 15)),
    b"\xff" + frame_of(CommandId.BIND_RECEIVER, bytes(UNBOUND_LIMIT - 16)),
)
STREAM: Final = Target("stream", run, _SEEDS, make, batch=20)
