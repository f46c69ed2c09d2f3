"""A pace that lasts: mailings and single messages that come in at the rate at which others go out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bench.figure import CannotRun
from bench.rig import Rig
from bench.traffic import bulks, singles
from bench.wrk import run_wrk

__all__ = ["RATE", "steady_load"]

RATE: Final = 900
"""Messages a second that the link of the backlog may take; mailings bring a little more."""

_BULK: Final = 1_000
_BULK_PAUSE: Final = 850  # ms between an answer and the next bulk
_SINGLE_CONNECTIONS: Final = 32
_SINGLE_PAUSE: Final = 100  # ms


@asynccontextmanager
async def steady_load(rig: Rig, url: str, mailing: str, codes: str, seconds: float) -> AsyncIterator[None]:
    """Bulks to numbers that begin with `mailing`, singles to those of `codes`; the block has to end before they do."""
    folder = rig.home.parent
    bulk = _paced(bulks(folder, _BULK, mailing), _BULK_PAUSE)
    single = _paced(singles(folder, codes, f"steady-{time.time_ns()}"), _SINGLE_PAUSE)
    loads = [
        asyncio.create_task(run_wrk(f"{url}/api/v1/sms/bulk", seconds, bulk, 1)),
        asyncio.create_task(run_wrk(f"{url}/api/v1/sms", seconds, single, _SINGLE_CONNECTIONS)),
    ]
    try:
        yield
        ended = [load for load in loads if load.done()]
        await asyncio.gather(*loads)
        if ended:
            raise CannotRun("the load ended too soon")
    finally:
        for load in loads:
            load.cancel()


def _paced(script: Path, pause: int) -> Path:
    """The same script, each of whose connections waits so many ms before each request."""
    paced = script.with_name(f"paced-{script.name}")
    paced.write_text(f"{script.read_text()}\nfunction delay()\n    return {pause}\nend\n")
    return paced
