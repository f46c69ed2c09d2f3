"""The bench of a large centre: where its figures go, how it refuses, and rows that are what the doors leave."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import report, rig
from bench.figure import CannotRun, Figure, Reading
from bench.large.__main__ import main
from bench.large.filling import DAYS, LABELS, Stock, fill, partitions_of_messages
from bench.large.run import CLAIM_OLD_RATIO, CLAIM_RATIO, LIST_RATIO, REPORT_RATIO, STATUS_RATIO, disk_needed
from bench.large.snapshot import snapshot
from bench.traffic import store_backlog
from payk.store.claims import Quota, claim_rows, present_flows
from payk.store.database import Database
from payk.store.processes import register

ROOT = Path(__file__).parents[2]
RATIO = Figure("claims_ratio", 1.6, less_is_better=True, digits=2)


def measured(scale: float) -> list[Reading]:
    return [Reading(RATIO, 1.234, 1.234)]


def too_slow(scale: float) -> list[Reading]:
    return [Reading(RATIO, 1.7, 1.7)]


def not_to_be_called(scale: float) -> list[Reading]:
    raise AssertionError("it was measured")


def test_figures_are_added_to_those_of_other_runs(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    output.write_text('{"accept_single_per_s": 4000.0, "claims_ratio": 9.9}')
    assert main(["--output", str(output)], measured) == 0
    assert json.loads(output.read_text()) == {"accept_single_per_s": 4000.0, "claims_ratio": 1.23}
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]


def test_what_fails_half_way_leaves_the_figures_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(scale: float) -> list[Reading]:
        raise CannotRun("the old snapshot was lost")

    output = tmp_path / "bench.json"
    output.write_text("{}")
    assert main(["--output", str(output)], broken) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[1:] == ["make bench-large cannot run: the old snapshot was lost"]
    assert output.read_text() == "{}"


@pytest.mark.parametrize("content", ["", "[1]", "{"])
def test_a_file_that_cannot_be_added_to_is_told_before_anything_is_measured(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "bench.json"
    output.write_text(content)
    assert main(["--output", str(output)], not_to_be_called) == 2
    assert str(output) in capsys.readouterr().err.splitlines()[-1]
    assert output.read_text() == content


def test_a_trial_says_so_and_leaves_the_file_of_figures_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.large.__main__._BUILD", tmp_path)
    scales = []

    def note(scale: float) -> list[Reading]:
        scales.append(scale)
        return measured(scale)

    assert main(["--scale", "0.01"], note) == 0
    assert capsys.readouterr().out.startswith("A trial at 0.01 of the size")
    assert list(tmp_path.iterdir()) == []
    assert main([], note) == 0
    assert capsys.readouterr().out.startswith("figure")
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]
    assert scales == [0.01, 1.0]


@pytest.mark.parametrize("scale", ["0", "2", "0.0001", "many"])
def test_sizes_that_cannot_be(scale: str) -> None:
    with pytest.raises(SystemExit):
        main(["--scale", scale], not_to_be_called)


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--check"], 1)])
def test_a_floor_that_is_missed_is_told_and_fails_only_a_check(
    options: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*options, "--output", str(tmp_path / "bench.json")], too_slow) == code
    assert capsys.readouterr().err.splitlines()[-1] == "claims_ratio is above its floor: 1.70 of 1.60"


def test_floors() -> None:
    assert [figure.floor for figure in (STATUS_RATIO, LIST_RATIO, REPORT_RATIO)] == [1.5, 1.5, 1.5]
    assert [figure.floor for figure in (CLAIM_RATIO, CLAIM_OLD_RATIO)] == [1.6, 1.6]


async def test_too_little_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(ROOT)
    monkeypatch.setattr(rig.shutil, "disk_usage", lambda folder: usage._replace(free=5_000_000_000))
    with pytest.raises(CannotRun, match=r"^5\.0 GB of disk are free for /.*; the benchmark takes 22$"):
        async with rig.Rig.open(disk_needed(1)):
            raise AssertionError("it was opened")


def test_without_wrk_it_says_so_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.large", "--output", str(tmp_path / "bench.json")]
    environment = os.environ | {"PATH": str(tmp_path)}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert ran.stdout == ""
    needs, why = ran.stderr.splitlines()
    assert needs.startswith("make bench-large needs about 22 GB of disk for /")
    assert why == "make bench-large cannot run: wrk is not installed: apt-get install wrk"
    assert list(tmp_path.iterdir()) == []


def test_merging_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "bench.json"
    output.write_text("{}")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="the disk is full"):
        report.merge(measured(1), output)
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]
    assert output.read_text() == "{}"


STOCK = Stock(delivered=300, queued=200, queue_id=7, prefix="992", label="mailing")

_SHAPE = """
select c.relname, c.relkind, c.reloptions, pg_get_expr(c.relpartbound, c.oid) as bounds,
       pg_get_indexdef(i.indexrelid) as index, i.indisprimary, i.indisvalid, h.inhparent::regclass as parent
from pg_class c left join pg_index i on i.indexrelid = c.oid left join pg_inherits h on h.inhrelid = c.oid
where c.relnamespace = 'payk'::regnamespace and c.relname like 'message%' order by c.relname
"""
_MESSAGE = "select to_jsonb(m) - 'message_id' - 'phone' - 'accepted_at' as row from message m where message_id = $1"
_WAITING = "select to_jsonb(w) - 'message_id' as row from waiting w where message_id = $1"


async def test_filling_leaves_the_partitions_as_the_product_made_them(database: Database) -> None:
    async with database.connection() as connection:
        before = [tuple(row) for row in await connection.fetch(_SHAPE)]
        await fill(database, STOCK)
        after = [tuple(row) for row in await connection.fetch(_SHAPE)]
    assert [row for row in after if row[0] in {each[0] for each in before}] == before


async def test_rows_are_what_the_doors_leave(database: Database) -> None:
    ids = await fill(database, STOCK)
    await store_backlog(database, 1, client_id=1, queue_id=7, prefix="992", label="mailing")
    async with database.connection() as connection:
        stored = await connection.fetchval("select max(message_id) from message")
        for query in (_MESSAGE, _WAITING):
            ours, theirs = [await connection.fetchval(query, message_id) for message_id in (ids.stop - 1, stored)]
            assert ours == theirs
        phones = "select count(distinct phone) from message where message_id < $1"
        assert await connection.fetchval(phones, ids.stop) == len(ids)
        delivered = "select {} from message where state = 2"
        assert await connection.fetchval(delivered.format("count(*)")) == STOCK.delivered
        assert await connection.fetchval(delivered.format("count(distinct label)")) == LABELS
        days = "count(distinct (accepted_at at time zone 'UTC')::date)"
        assert await connection.fetchval(delivered.format(days)) in (DAYS, DAYS + 1)
        order = "bool_and(accepted_at <= submitted_at and submitted_at <= done_at)"
        assert await connection.fetchval(delivered.format(order))
        assert await connection.fetchval("select count(*) from waiting") == STOCK.queued + 1
        assert stored == ids.stop, "the next id comes right behind"
        low = ids.start + STOCK.delivered
        assert low in [partition.low for partition in await partitions_of_messages(database)]


async def test_what_waits_is_one_flow_that_can_be_claimed(database: Database) -> None:
    ids = await fill(database, STOCK)
    ((flow, low),) = (await present_flows(database)).items()
    assert low == ids.start + STOCK.delivered
    incarnation = await register(database, host="bench", pid=1, roles=["dispatch"])
    claimed = await claim_rows(database, incarnation, 1, [Quota(flow, low, 1_000)])
    assert [claim.message_id for claim in claimed] == list(ids)[STOCK.delivered :]


async def test_a_snapshot_that_was_lost_is_told(database: Database) -> None:
    await fill(database, STOCK)
    async with snapshot(database) as old, database.connection() as connection:
        await connection.execute("delete from waiting")
        await old.look()
        await connection.execute("select pg_terminate_backend($1)", old.connection.get_server_pid())
        with pytest.raises(CannotRun, match="the old snapshot was lost"):
            await old.look()
