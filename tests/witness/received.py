"""What our server understood of what a foreign client sent: the simulator's record, read back."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from payk.smpp import EsmClass, parse_udh
from payk.text import alphabet_of, decode_user_data

__all__ = ["Received"]


@dataclass(frozen=True)
class Received:
    path: Path

    async def submits(self, amount: int) -> list[dict[str, Any]]:
        """The lines of the first submits, as soon as there are so many."""
        async with asyncio.timeout(10):
            while True:
                lines = [json.loads(line) for line in self.path.read_bytes().split(b"\n")[:-1]]
                submits = [line for line in lines if line["kind"] == "submit_sm"]
                if len(submits) >= amount:
                    return submits
                await asyncio.sleep(0.02)

    async def text(self, amount: int, *, after: int = 0) -> str:
        """The text of so many submits (`after` those of earlier messages): of all parts of one, or of a whole one."""
        pieces: dict[int, bytes] = {}
        references = set()
        submits = (await self.submits(after + amount))[after:]
        assert len(submits) == amount
        for line in submits:
            octets = bytes.fromhex(line["octets"])
            number = 1
            if line["esm_class"] & EsmClass.UDHI:
                user_data = parse_udh(octets)
                assert user_data and user_data.concatenation
                assert user_data.concatenation.total == amount
                references.add(user_data.concatenation.reference)
                number, octets = user_data.concatenation.number, user_data.text
            pieces[number] = octets
        assert sorted(pieces) == list(range(1, amount + 1))
        assert len(references) == (amount > 1)
        whole = b"".join(pieces[number] for number in sorted(pieces))
        return decode_user_data(whole, alphabet_of(submits[0]["data_coding"]))
