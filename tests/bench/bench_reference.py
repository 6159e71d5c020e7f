"""How fast the reference is: cell updates per second of the kernels beside a memory copy, one millisecond of laser
powder bed fusion, and the torch solver's step beside the time that its bytes alone would take.

A cell update is one cell's explicit step. A copy of an array of the same size and type moves each cell once in and once
out, the least that a step can do: updates over copied cells is the share of that limit, and means the same on every
machine. Kernel and copy run in one thread and are timed by its own clock, so that other work on the machine counts
less; the rest by the wall. Everything is the median of several repeats, measured one after the other in the same run.
"""

import json
import os
import platform
import statistics
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver, stretches
from twin.material import IN625
from twin.process import Process

BOXES = {
    "window 9 x 3 x 2.5 d, 8 cells, one box": Boxes(8, along=9, across=3, deep=2.5, levels=1, lead=2.5),
    "nested boxes as shipped": Boxes(),
}
PROCESS = Process(IN625, 100e-6)
POWER_W, SPEED_M_PER_S = 195.0, 0.8  # AMB2018-02, case B
LPBF_S = 1e-3
STRETCH = 4.0  # d of track in one timed call
LINE_S = 5.0

Figures = dict[str, Any]


def track(begin: float, end: float) -> np.ndarray:
    """Rows (t, x, y, q, depth) of a straight track from x = begin to end, in d, by the rule."""
    source, peclet = PROCESS.source(POWER_W, SPEED_M_PER_S), PROCESS.peclet(SPEED_M_PER_S)
    return np.array([[x / peclet, x, 0.0, source.q, source.depth] for x in (begin, end)])


def updates(boxes: Boxes, path: np.ndarray, largest_step: float) -> int:
    """Cell updates along this path: the finest box takes 2^n steps for each of the outermost."""
    cycles = sum(n for n, _, _ in stretches(path, boxes, largest_step))
    nz, ny, nx = boxes.shape
    return cycles * nz * ny * nx * sum(2**n for n in range(boxes.levels))


def seconds(call: Callable[[], Any], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Median."""
    found = []
    for _ in range(repeats):
        begin = clock()
        call()
        found.append(clock() - begin)
    return statistics.median(found)


def copied_per_s(like: np.ndarray, repeats: int) -> float:
    """Cells a second that numpy copies from one array of this size and type into another."""
    there, here = np.ones_like(like), np.empty_like(like)
    times = max(1, 20_000_000 // like.size)

    def copies() -> None:
        for _ in range(times):
            np.copyto(here, there)

    copies()
    return like.size * times / seconds(copies, repeats, time.thread_time)


def kernel(name: str, boxes: Boxes, dtype: type, repeats: int) -> Figures:
    """Updates a second of the CPU kernels in the middle of a track."""
    solver = MeltPoolSolver(PROCESS.groups(), boxes, dtype, surface=PROCESS.surface())
    solver.advance(track(0.0, 2.0))  # compiles, and makes a pool
    at = 2.0
    done = updates(boxes, track(at, at + STRETCH), solver.largest_step)

    def advance() -> None:
        nonlocal at
        solver.advance(track(at, at + STRETCH))
        at += STRETCH

    per_s = done / seconds(advance, repeats, time.thread_time)
    copied = copied_per_s(solver.h, repeats)
    return {
        "boxes": name,
        "dtype": np.dtype(dtype).name,
        "cells": solver.h.size,
        "updates_per_s": per_s,
        "copied_cells_per_s": copied,
        "of_a_copy": per_s / copied,
    }


def millisecond(dtype: type, repeats: int) -> Figures:
    """One millisecond of LPBF in the one-box window, from a cold plate."""
    name, boxes = next(iter(BOXES.items()))
    length = SPEED_M_PER_S * LPBF_S / PROCESS.length_m
    edges = np.linspace(0.0, length, 11)

    def simulated() -> MeltPoolSolver:
        solver = MeltPoolSolver(PROCESS.groups(), boxes, dtype, surface=PROCESS.surface())
        begin = said = time.perf_counter()
        for n, (left, right) in enumerate(zip(edges[:-1], edges[1:], strict=True), 1):
            solver.advance(track(left, right))
            now = time.perf_counter()
            if now - said > LINE_S:
                said = now
                done_ms = n / 10 * LPBF_S * 1e3
                print(f"{done_ms:.1f} ms simulated in {now - begin:.0f} s", file=sys.stderr, flush=True)
        return solver

    solver = simulated()
    wall = seconds(simulated, repeats)
    return {
        "what": f"{LPBF_S * 1e3:g} ms of LPBF, IN625, {POWER_W:g} W, {SPEED_M_PER_S:g} m/s, 100 um, {name}",
        "dtype": np.dtype(dtype).name,
        "updates": updates(boxes, track(0.0, length), solver.largest_step),
        "wall_s": wall,
        "realtime_factor": LPBF_S / wall,
        "ledger_defect": solver.ledger.defect,
    }


def torch_steps(device: str, batch: int, repeats: int, compiled: bool) -> list[Figures]:
    """Time a step of the torch solver, beside its bytes over the bandwidth of a copy on that device."""
    import torch

    from operators.reference.torch_melt_pool import TorchMeltPoolSolver

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    torch.set_num_threads(1)  # as the kernels; more threads wait for each other on so few cells
    found = []
    for name, boxes in BOXES.items():
        with torch.no_grad():
            solver = TorchMeltPoolSolver(
                [PROCESS.groups()] * batch, boxes, torch.float32, device, [PROCESS.surface()] * batch
            )  # fmt: skip
            if compiled:
                solver.cycle = torch.compile(solver.cycle)  # type: ignore[method-assign]
            solver.advance([track(0.0, 1.0)] * batch)
            at = 1.0
            step = 0.95 * boxes.dx**2 / (6.0 * PROCESS.groups().fastest_diffusivity)
            cycles = sum(n for n, _, _ in stretches(track(at, at + STRETCH), boxes, step))

            def advance(solver: Any = solver) -> None:
                nonlocal at
                solver.advance([track(at, at + STRETCH)] * batch)
                at += STRETCH
                wait()

            per_cycle = seconds(advance, repeats) / cycles
            there, here = torch.ones_like(solver.h), torch.empty_like(solver.h)

            def copies(there: Any = there, here: Any = here) -> None:
                for _ in range(20):
                    here.copy_(there)
                wait()

            copies()
            moved = 2 * there.numel() * there.element_size()
            bandwidth = 20 * moved / seconds(copies, repeats)
            per_box = moved / boxes.levels
            floor = per_box * sum(2**n for n in range(boxes.levels)) / bandwidth
        found.append(
            {
                "boxes": name,
                "device": device if device == "cpu" else torch.cuda.get_device_name(),
                "batch": batch,
                "compiled": compiled,
                "cells": there.numel(),
                "cycle_s": per_cycle,
                "bandwidth_bytes_per_s": bandwidth,
                "floor_s": floor,
                "over_the_floor": per_cycle / floor,
                "updates_per_s": batch * updates(boxes, track(0.0, STRETCH), step) / cycles / per_cycle,
            }
        )
    return found


def run(repeats: int, batch: int, compiled: bool) -> Figures:
    told: Figures = {
        "machine": {
            "cpu_count": os.cpu_count(),
            "machine": platform.machine(),
            "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "numba", "torch")},
        },
        "kernel": [kernel(name, boxes, dtype, repeats) for name, boxes in BOXES.items() for dtype in DTYPES],
        "millisecond": [millisecond(dtype, repeats) for dtype in DTYPES],
        "torch": [],
        "skipped": [],
    }
    try:
        import torch

        devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        for device in devices:
            for many in dict.fromkeys((1, batch if device == "cuda" else 1)):
                told["torch"] += torch_steps(device, many, repeats, compiled)
        if "cuda" not in devices:
            told["skipped"].append("torch on cuda: no such device here")
    except ImportError as absent:
        told["skipped"].append(f"torch solver: {absent}")
    return told


DTYPES = (np.float32, np.float64)


def text(told: Figures) -> str:
    m = told["machine"]
    lines = [
        f"{m['cpu_count']} CPU cores, load {m['load']:.1f}" if m["load"] is not None else f"{m['cpu_count']} cores"
    ]
    lines.append(f"\n{'kernel':40} {'type':8} {'cells':>9} {'updates/s':>10} {'copied/s':>10} {'of a copy':>10}")
    for k in told["kernel"]:
        lines.append(
            f"{k['boxes']:40} {k['dtype']:8} {k['cells']:9,} {k['updates_per_s']:10.3g} "
            f"{k['copied_cells_per_s']:10.3g} {k['of_a_copy']:10.3f}"
        )
    lines.append("")
    for t in told["millisecond"]:
        lines.append(
            f"{t['what']}, {t['dtype']}: {t['wall_s']:.3f} s, real-time factor {t['realtime_factor']:.2e}, "
            f"{t['updates'] / t['wall_s']:.3g} updates/s, ledger defect {t['ledger_defect']:.1e}"
        )
    if told["torch"]:
        lines.append(f"\n{'torch, float32':40} {'device':16} {'batch':>5} {'cycle':>10} {'floor':>10} {'over it':>8}")
    for t in told["torch"]:
        lines.append(
            f"{t['boxes']:40} {t['device'][:16]:16} {t['batch']:5} {t['cycle_s'] * 1e6:7.0f} us "
            f"{t['floor_s'] * 1e6:7.1f} us {t['over_the_floor']:8.1f}"
        )
    return "\n".join([*lines, *(f"skipped {line}" for line in told["skipped"])])


def main(arguments: Sequence[str]) -> int:
    """`python -m tests.bench reference`."""
    parser = ArgumentParser(prog="python -m tests.bench reference", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="each figure is the median of so many")
    parser.add_argument("--batch", type=int, default=64, help="windows at once of the torch solver on a GPU")
    parser.add_argument("--compile", action="store_true", help="torch.compile what a cycle does")
    parser.add_argument("--out", type=Path, help="also write JSON here")
    asked = parser.parse_args(arguments)
    told = run(asked.repeats, asked.batch, asked.compile)
    print(text(told))
    if asked.out:
        asked.out.write_text(json.dumps(told, indent=1) + "\n")
    return 0
