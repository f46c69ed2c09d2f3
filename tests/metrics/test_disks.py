"""The figures of disks: read beside the event loop, and told while they are true."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from payk.app.disks import FRESH, Disks
from payk.metrics.catalogue import DISK_FREE, DISK_SIZE
from tests.access.conftest import MovedClock


async def test_what_is_free_is_told_by_place_and_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    disks = Disks({"home": tmp_path, "database": tmp_path / "not yet"}, MovedClock())
    assert disks.readings == {}
    await disks.look()
    found = os.statvfs(tmp_path)
    assert disks.readings[DISK_SIZE] == {("home",): found.f_blocks * found.f_frsize}
    assert 0 < disks.readings[DISK_FREE]["home",] < disks.readings[DISK_SIZE]["home",]


async def test_a_disk_that_does_not_answer_holds_up_nothing_and_is_told_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = MovedClock()
    disks = Disks({"home": tmp_path}, clock)
    await disks.look()
    asked, answers, ask = threading.Event(), threading.Event(), os.statvfs

    def stands_still(folder: Path) -> os.statvfs_result:
        asked.set()
        assert answers.wait(10)
        return ask(folder)

    monkeypatch.setattr(os, "statvfs", stands_still)
    looking = asyncio.create_task(disks.run())
    await asyncio.to_thread(asked.wait, 10)
    assert disks.readings[DISK_FREE]
    clock.ahead = FRESH
    assert disks.readings == {}
    answers.set()
    async with asyncio.timeout(10):
        while not disks.readings:
            await asyncio.sleep(0.01)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
