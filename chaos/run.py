"""A whole run: start, load and faults, settling, judgement."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from chaos import report as reports
from chaos.counts import wrong_counts
from chaos.faults import Faults
from chaos.judgement import MUSTS, judge, sent_twice
from chaos.lag import LagMeter, worst
from chaos.load import Load
from chaos.program import Program
from chaos.reading import read_incarnations, read_rows, read_states, read_timelines, settled
from chaos.records import Observations, Strike
from chaos.schedule import Kind, schedule
from chaos.stage import OPERATORS, SENDER, Stage, stage
from chaos.takeovers import take_overs

__all__ = ["Options", "failed", "run"]

KINDS_AT_LEAST: Final = 0.7
"""The share of the kinds of faults without which a run shows little."""
READY_WITHIN: Final = 60.0
NO_DATABASE: Final = 2
"""Exit code of a process that cannot start."""


@dataclass(frozen=True, slots=True)
class Options:
    """Seconds of load, messages a second, and what decides everything that is left to chance."""

    seconds: float
    rate: float
    seed: int

    @property
    def settle(self) -> float:
        """Seconds in which every message has to become final once nothing fails any more."""
        return min(240.0, max(90.0, 1.5 * self.seconds))


async def run(options: Options, folder: Path, logs: Path) -> dict[str, Any]:
    """What came of it, as the report tells it. `folder` is for what is gone afterwards, `logs` is kept."""
    gc.disable()  # nothing here is cyclic, and a walk over all that was observed would hold the loop
    lag = LagMeter()
    async with asyncio.TaskGroup() as group:
        metering = group.create_task(lag.run())
        async with stage(folder, logs, group) as made:
            found = await _on_stage(options, made, lag)
        metering.cancel()
    return found


async def _on_stage(options: Options, made: Stage, lag: LagMeter) -> dict[str, Any]:
    load = Load(
        made.doors, rate=options.rate, seed=f"{options.seed}/load", prefixes=list(OPERATORS.values()), sender=SENDER
    )
    began_at = time.time()
    faults = Faults(made, lambda strike: _tell(strike, began_at))
    planned = schedule(options.seed, options.seconds)
    async with asyncio.TaskGroup() as group:
        group.create_task(faults.run(planned))
        group.create_task(load.run(options.seconds))
    ended_at = min(time.time(), began_at + options.seconds)
    async with asyncio.timeout(READY_WITHIN):
        for program in made.programs:
            await program.ready.wait()
    took = await settled(made.database.dsn, within=options.settle)
    lags = [span for span in lag.spans if span[1] > began_at]  # reading and judging will hold the loop for long
    print(f"  {time.time() - began_at:6.1f} s  {'settled' if took is not None else 'NOT settled'}", flush=True)
    seen = await _observations(made, load, faults, lags, began_at, ended_at)
    judgement = judge(seen)
    told = [violation.message_id for violation in judgement.violations[: 20 * reports.EVIDENCE]]
    unknown = {message_id for message_id in told if message_id is not None} - seen.timelines.keys()
    seen = replace(seen, timelines={**seen.timelines, **await read_timelines(made.doors, unknown)})
    found = take_overs(seen.sessions, seen.lives, seen.strikes, ended_at)
    return {
        "seconds": options.seconds,
        "rate": options.rate,
        "seed": options.seed,
        **judgement.figures,
        **reports.take_over_figures(found),
        "settled_after": None if took is None else round(took, 1),
        "unexpected_answers": len(load.refusals),
        "ended_by_themselves": len(_own_ends(made.programs)),
        "tracebacks": len(_tracebacks(made.programs)),
        "unattributed_sessions": sum(session.pid is None for session in seen.sessions),
        "worst_lag": round(worst(lags), 3),
        "faults": reports.faults_by_kind(seen.strikes),
        "schedule": [reports.strike_line(strike, began_at) for strike in seen.strikes],
        "missed": [asdict(fault) for fault in faults.missed],
        "take_overs": [asdict(each) for each in found],
        "violations": reports.evidence(seen, judgement.violations),
        "refusals": load.refusals[: reports.EVIDENCE],
        "own_ends": _own_ends(made.programs)[: reports.EVIDENCE],
        "traces": _tracebacks(made.programs)[: reports.EVIDENCE],
    }


async def _observations(
    made: Stage, load: Load, faults: Faults, lags: Sequence[tuple[float, float]], began_at: float, ended_at: float
) -> Observations:
    """Everything, with the timelines of what was sent twice."""
    given = {message_id for sent in load.sent.values() for message_id in sent.message_ids}
    states = await read_states(made.doors, given)
    seen = Observations(
        began_at=began_at,
        ended_at=ended_at,
        sent=load.sent,
        rows=await read_rows(made.database.dsn),
        states=states,
        submits=list(made.witness.submits),
        sessions=list(made.witness.sessions),
        incarnations=await read_incarnations(made.database.dsn),
        lives=[replace(life) for program in made.programs for life in program.lives],
        strikes=list(faults.strikes),
        answers=load.answers,
        accepted_at=load.accepted_at,
        lags=lags,
        wrong_counts=await wrong_counts(made.database.dsn),
    )
    return replace(seen, timelines=await read_timelines(made.doors, sent_twice(seen)))


def failed(report: dict[str, Any]) -> list[str]:
    """Why a run does not show what it is to show; nothing if it does."""
    reasons = [f"{name} is {report[name]}, and must be 0" for name in MUSTS if report[name]]
    kinds = sum(count > 0 for count in report["faults"].values())
    if kinds < KINDS_AT_LEAST * len(Kind):
        reasons.append(f"only {kinds} of {len(Kind)} kinds of faults happened")
    return reasons


def _tell(strike: Strike, began_at: float) -> None:
    print(f"  {strike.at - began_at:6.1f} s  {strike.kind}: {strike.target}", flush=True)


def _own_ends(programs: Sequence[Program]) -> list[dict[str, Any]]:
    """Processes that ended without a fault; that is right where they found no database at their start."""
    return [
        {**asdict(life), "ended_at": reports.moment(life.ended_at)}
        for program in programs
        for life in program.lives
        if life.ended_at is not None and life.ended_by is None and (life.ready_at or life.exit_code != NO_DATABASE)
    ]


def _tracebacks(programs: Sequence[Program]) -> list[str]:
    """Log lines that tell of a defect."""
    return [
        f"{program.name}: {line[:3000]}"
        for program in programs
        for line in program.log.read_text(encoding="utf-8", errors="replace").splitlines()
        if "Traceback" in line
    ]
