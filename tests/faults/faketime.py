"""A wall clock that jumps, for single processes: libfaketime between them and the machine's clock.

Only the wall clock is moved. What counts seconds since the start of the machine goes on as it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.requires import require_program

__all__ = ["WallClock"]


class WallClock:
    """The clock of every process that is started with `environment`. `folder` must be one that they may read."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "wall-clock"
        self.set(0)
        library = require_program("/usr/lib/*/faketime/libfaketime.so.1", "faketime")
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, hours: float) -> None:
        """So many hours ahead of the true time, from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{hours * 3600:+.0f}")
        new.chmod(0o644)
        new.rename(self._file)  # whoever reads it meanwhile finds the one or the other
