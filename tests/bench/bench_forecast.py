"""What a forecast costs: the shipped operator against the reference, the same twenty frames on the same device in one
run, the whole window decoded.

A frame is half a beam diameter of travel. "As it was taught" is the reference on the grid of the operator's (fine)
teacher; "as wrong" is the reference coarsened to the first grid whose field is as far from a fine reference's as the
operator's. Its fields are compared at the end of the frames, weighted by volume. Times are medians of calls that take
turns, so that what else runs on the machine meets them alike.
"""

import json
import os
import platform
import statistics
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from operators import card
from operators.engine import Engine
from operators.melt_pool.trajectories import teacher
from operators.operator import Stream, Task
from operators.options import add_device, at_least
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.window import WindowGrid
from twin.material import IN625, IN718, Material
from twin.process import Process

FRAMES, TRAVEL, BEFORE = 20, 0.5, 40  # frames; d a frame; frames of track before they begin
COARSER = (10, 8, 7, 6, 5, 4, 3, 2)  # cells a diameter
FINE = 12
WANTED = {"IN625": 10.0, "IN718": 50.0}  # times faster than as taught, on 2 CPU cores at batch 1
CASES: dict[str, tuple[Material, float, float, float]] = {  # beam power, W; scan speed, m/s; beam diameter, m
    "IN625": (IN625, 195.0, 0.8, 100e-6),
    "IN718": (IN718, 360.0, 0.02, 0.8e-3),
}
Figures = dict[str, Any]


class Case:
    """One setting: its stream, the track until now, and the frames that are asked."""

    def __init__(self, name: str) -> None:
        material, power_w, speed, diameter_m = CASES[name]
        process = Process(material, diameter_m)
        source, self.peclet = process.source(power_w, speed), process.peclet(speed)
        self.name, self.depth, self.groups, self.surface = name, source.depth, process.groups(), process.surface()
        self.stream = Stream(name, self.groups, self.peclet, self.surface)
        at = TRAVEL * np.arange(BEFORE + FRAMES + 1)
        self.rows = np.stack(
            [at / self.peclet, at, 0 * at, np.full_like(at, source.q), np.full_like(at, source.depth)], 1
        )

    def frames(self) -> list[np.ndarray]:
        return [self.rows[n : n + 2] for n in range(BEFORE, BEFORE + FRAMES)]

    def boxes(self, cells: int) -> Boxes:
        return Boxes.fitting(max(self.depth, 0.3), cells)

    def taught(self) -> Boxes:
        """Those of the teacher whose fields the operator is meant to give."""
        return teacher(self.peclet, max(self.depth, 0.3), fine=True)


def reference(case: Case, boxes: Boxes) -> tuple[Callable[[], np.ndarray], Callable[[], object]]:
    """The frames by the solver from where the track has come to, every window decoded (last one given); and the same
    with only sizes decoded."""
    grid = WindowGrid()
    x, y, z = grid.points
    begun = MeltPoolSolver(case.groups, boxes, surface=case.surface)
    begun.advance(case.rows[: BEFORE + 1])

    def fields() -> np.ndarray:
        solver, theta = begun.copy(), np.zeros(grid.shape)
        for rows in case.frames():
            solver.advance(rows)
            theta = solver.theta(x + rows[-1, 1], y, z)
        return theta

    def sizes() -> tuple[float, float, float]:
        return grid.sizes(fields(), case.groups.solidus)

    return fields, sizes


def operator(case: Case, engine: Engine, batch: int) -> tuple[Callable[[], np.ndarray], Callable[[], object]]:
    """The same by the operator, `batch` streams side by side."""
    names = [f"{case.name} {n}" for n in range(batch)]
    streams = [Stream(name, case.groups, case.peclet, case.surface) for name in names]
    history, frames = case.rows[: BEFORE + 1], case.frames()
    engine.step([Task(stream, [history], []) for stream in streams])
    past = {name: engine._past[name] for name in names}

    def fields() -> np.ndarray:
        engine._past.update(past)  # back to where the track had come to
        return engine.step([Task(stream, frames, []) for stream in streams])[0][-1].theta

    def sizes() -> object:
        engine._past.update(past)
        looks = engine.step([Task(stream, frames, []) for stream in streams])
        return [engine.grid.sizes(look.theta, case.groups.solidus) for some in looks for look in some]

    return fields, sizes


def turns(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median milliseconds of each, taking turns."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            took[name].append(1e3 * (time.perf_counter() - began))
    return {name: statistics.median(each) for name, each in took.items()}


def case_figures(name: str, engine: Engine, batch: int, repeats: int) -> Figures:
    """Milliseconds for FRAMES frames, ratios, and field errors."""
    case, weight = Case(name), engine.grid.weights()
    fine = reference(case, case.boxes(FINE))[0]()

    def off(theta: np.ndarray) -> float:
        return float(np.sqrt((weight * (theta - fine) ** 2).sum() / (weight * fine**2).sum()))

    fields, sizes = operator(case, engine, batch)
    taught, _ = reference(case, case.taught())
    error = off(fields())
    coarse = {cells: reference(case, case.boxes(cells))[0] for cells in COARSER}
    errors = {cells: off(call()) for cells, call in coarse.items()}
    as_wrong = next((cells for cells in COARSER if errors[cells] >= error), COARSER[-1])
    ms = turns(
        {"operator": fields, "operator, with sizes": sizes, "as taught": taught, "as wrong": coarse[as_wrong]}, repeats
    )
    return {
        "batch": batch, "frames": FRAMES, "ms": ms, "field error": error,
        "as taught, cells": case.taught().cells_per_diameter,
        "as wrong, cells": as_wrong, "coarse errors": {str(c): e for c, e in errors.items()},
        "faster than as taught": batch * ms["as taught"] / ms["operator"],
        "faster than as wrong": batch * ms["as wrong"] / ms["operator"], "wanted": WANTED[name],
    }  # fmt: skip


def _line(name: str, found: Figures) -> str:
    ms, cells = found["ms"], found["as wrong, cells"]
    return (
        f"{name}, batch {found['batch']}, {FRAMES} frames: operator {ms['operator']:.1f} ms (with sizes "
        f"{ms['operator, with sizes']:.1f}), reference {ms['as taught']:.0f} ms at {found['as taught, cells']} cells a "
        f"diameter: {found['faster than as taught']:.1f} times (wanted {found['wanted']:g}). Field error "
        f"{100 * found['field error']:.1f} %; the reference at {cells} cells, "
        f"{100 * found['coarse errors'][str(cells)]:.1f} % off, takes {ms['as wrong']:.0f} ms: "
        f"{found['faster than as wrong']:.1f} times"
    )


def main(argv: list[str]) -> int:
    parser = ArgumentParser(prog="tests.bench forecast", description="The shipped operator against the reference.")
    add_device(parser)
    parser.add_argument("--batch", type=at_least(1), help="streams side by side; left out: 1, on a GPU 64")
    parser.add_argument("--repeats", type=at_least(1), default=7)
    parser.add_argument("--out", type=Path, help="the figures as JSON")
    told = parser.parse_args(argv)
    model, known = card.load(card.names()[0], device=told.device)
    engine = Engine(model, known, told.device)
    batch = told.batch or (64 if told.device == "cuda" else 1)
    figures: Figures = {"operator": known["name"], "device": told.device, "cpu_count": os.cpu_count()}
    figures |= {"machine": platform.machine(), "torch": version("torch"), "threads": torch.get_num_threads()}
    for name in CASES:
        found = figures[name] = case_figures(name, engine, batch, told.repeats)
        print(_line(name, found), flush=True)
    if told.out is not None:
        told.out.write_text(json.dumps(figures, indent=1) + "\n")
    else:
        print(json.dumps(figures), file=sys.stderr)
    return 0
