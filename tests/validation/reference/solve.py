"""Solve: the melt pool of one setting, by the reference or a formula, in two worker processes, each setting once."""

import math
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace

from operators.reference import track
from tests.validation.reference.cases import Case
from twin import query
from twin.material import Material, material
from twin.process import Process
from twin.query import COOLING_K

LINE_S = 5.0  # between two lines of progress


@dataclass(frozen=True)
class Task:
    """One straight track on a plate, and who computes it. `changes` are to the alloy's properties; `cells`, of the
    reference, are its cells a diameter (None: as shipped)."""

    material: str
    beam_power_w: float
    scan_speed_m_per_s: float
    beam_diameter_m: float
    preheat_k: float = 298.15
    by: str = "reference"
    changes: tuple[tuple[str, float], ...] = ()
    cells: int | None = None

    @classmethod
    def of(cls, case: Case, **changed: object) -> "Task":
        task = cls(
            case.material, case.beam_power_w, case.scan_speed_m_per_s, case.beam_diameter_m, case.preheat_k
        )  # fmt: skip
        return replace(task, **changed)  # type: ignore[arg-type]

    @property
    def alloy(self) -> Material:
        alloy = material(self.material)
        for name, value in self.changes:
            alloy = alloy.varied(name, value)
        return alloy


@dataclass(frozen=True)
class Found:
    """What was computed; NaN where nothing was. `outcome` is ok, or why the answer may not be trusted."""

    length_m: float = math.nan
    width_m: float = math.nan
    depth_m: float = math.nan
    cooling_k_per_s: float = math.nan
    regime: str = ""
    boiling_number: float = math.nan
    keyhole_number: float = math.nan
    absorptivity: float = math.nan
    outcome: str = "ok"

    @property
    def ok(self) -> bool:
        return self.outcome == "ok"


def solve(task: Task) -> Found:
    """One task; what the reference refuses comes back as its outcome."""
    if task.cells is not None:
        return _with_cells(task, task.cells)
    try:
        answer = query.melt_pool(
            task.alloy, task.beam_power_w, task.scan_speed_m_per_s, task.beam_diameter_m, task.preheat_k, by=task.by
        )
    except ValueError as refusal:
        return Found(outcome=f"refused: {refusal}")
    pool, outcome = answer.melt_pool, answer.outcome
    told = "ok" if outcome.kind == "ok" else f"{outcome.kind}: {outcome.which}"
    return Found(
        pool.length_m, pool.width_m, pool.depth_m, answer.cooling_k_per_s, answer.regime, answer.boiling_number,
        answer.keyhole_number, answer.absorptivity, told,
    )  # fmt: skip


def _with_cells(task: Task, cells: int) -> Found:
    """The reference on another grid."""
    process = Process(task.alloy, task.beam_diameter_m, task.preheat_k)
    source = process.source(task.beam_power_w, task.scan_speed_m_per_s)
    found = track.steady(
        process.groups(), process.surface(), source.q, process.peclet(task.scan_speed_m_per_s), source.depth,
        drop=COOLING_K / process.temperature_k_rise, cells_per_diameter=cells,
    )  # fmt: skip
    d, rate = process.length_m, process.temperature_k_rise / process.time_s
    return Found(
        found.length * d, found.width * d, found.depth * d, found.cooling * rate, boiling_number=source.boiling_number,
        absorptivity=source.absorptivity,
    )  # fmt: skip


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


class Solver:
    """Answers many tasks, remembers each, and says how far it is.

    >>> with Solver() as solver:
    ...     found = solver.many(tasks, "nist")
    """

    def __init__(self, processes: int = 2, quiet: bool = False) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle threads must not spin where a worker wants the core
        self._pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_one_thread)
        self._known: dict[Task, Found] = {}
        self._quiet = quiet

    def __enter__(self) -> "Solver":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def many(self, tasks: Sequence[Task], what: str) -> list[Found]:
        """The answers in the order of the tasks."""
        asked: dict[Task, Future[Found]] = {
            task: self._pool.submit(solve, task) for task in dict.fromkeys(tasks) if task not in self._known
        }
        said_s = start_s = time.monotonic()
        for n, (task, future) in enumerate(asked.items(), 1):
            self._known[task] = future.result()
            now_s = time.monotonic()
            if now_s - said_s >= LINE_S and n < len(asked):
                said_s = now_s
                self._say(f"{what}: {n} of {len(asked)}, {now_s - start_s:.0f} s")
        if asked:
            self._say(f"{what}: {len(asked)} solved in {time.monotonic() - start_s:.0f} s")
        return [self._known[task] for task in tasks]

    def _say(self, line: str) -> None:
        if not self._quiet:
            print(line, file=sys.stderr, flush=True)
