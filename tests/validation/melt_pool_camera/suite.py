"""Suite: the table of the melt pool by a camera, its bars, ledger and pictures."""

import argparse
import hashlib
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from operators import card
from operators.camera import draws
from operators.camera.draws import CELLS, CONTEXT, SHAPE
from operators.camera.operator import CameraFluxNo
from operators.camera.plate import CELLS as FINE
from operators.camera.recipe import NAME as CARD
from operators.camera.recipe import CameraLearner, run_of, sets, share
from operators.camera.samples import Tracks, made, solved
from operators.camera.score import errors, seen_of, summary
from operators.nets.heat import Beam, Heated
from operators.options import at_least
from operators.train import Run
from tests.validation.harness import page, table
from tests.validation.harness.rows import Results, Row
from tests.validation.harness.rows import made as made_by
from tests.validation.melt_pool_camera import plots
from tests.validation.melt_pool_camera.rows import LEARNED, PLAIN

NAME = "melt_pool_camera"
RESULTS = Path(__file__).parent / "results.json"
SPLITS = ("id", "alloys")  # of the table: the test split, and alloys that no draw of fit knows
LONG = 1000  # steps of the ledger's test
SLOW = ("absorptivity by surface, average alloy", "absorptivity by surface, alloy told")  # run on the first split alone


@dataclass(frozen=True)
class Budget:
    """tracks: that readings learn from, in coarse cells; fine: in fine ones; steps: of a training."""

    tracks: int
    fine: int
    validation: int
    test: int
    steps: int
    seeds: int


BUDGETS = {
    "smoke": Budget(4, 3, 1, 2, 4, 1),
    "small": Budget(1400, 300, 20, 40, 600, 3),
    "medium": Budget(4000, 1000, 40, 100, 3000, 3),
    "full": Budget(20000, 4000, 60, 200, 20000, 3),
}


def folder_of(budget: str) -> Path:
    """Where data and checkpoints are kept: under a name that changes with the code that makes them."""
    parts = [p for p in sorted(Path(draws.__file__).parent.glob("*.py")) if p.stem in ("draws", "plate", "samples")]
    code = hashlib.sha256(b"".join(p.read_bytes() for p in parts)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"meltwin-{NAME}-{budget}-{code}"


def run(
    budget: str, operators: list[str] | None = None, seeds: int | None = None, results: Path = RESULTS,
    fields: Path | None = None, again: bool = False,
) -> Results:  # fmt: skip
    """Fill a results file with the rows that it lacks."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    kept, how, folder = Results(results), BUDGETS[budget], fields or folder_of(budget)
    asked = operators or [*PLAIN, *LEARNED]
    wanted = [(o, s) for s in range(seeds or how.seeds) for o in asked if s == 0 or o in LEARNED]
    wanted = [(o, s) for o, s in wanted if again or (NAME, o, s, budget) not in kept.rows]
    if not wanted:
        return kept
    began = time.monotonic()
    choosers = made("validation", how.validation, folder, progress=_say)
    parts = {"id": made("test", how.test, folder, progress=_say)}
    parts["alloys"] = made("alloys", max(1, how.test // 2), folder, progress=_say)
    told = kept.about.get(budget, {}).get("convergence") or ({} if budget == "smoke" else convergence())
    kept.about[budget] = about(parts) | {"convergence": told}
    learning = sets(how.tracks, how.fine, folder)
    plain = CameraLearner(*learning, 0).camera.eval()
    share(plain, choosers)
    runs: dict[int, Run] = {}
    for name, seed in wanted:
        kind, call = (PLAIN | LEARNED)[name]
        learned = name in LEARNED
        if learned and seed not in runs:
            runs[seed] = run_of(*learning, seed, how.steps, folder / f"{CARD}-{seed}.checkpoint")
        model = runs[seed].learner.camera if learned else plain
        found, growth = {}, []
        start = time.perf_counter()
        for split, some in parts.items():
            if name in SLOW and split != SPLITS[0]:
                continue
            with torch.no_grad():
                off = errors(model, call(model, some), some)
            found[split] = summary(off)
            growth = growth or off.mean(0).tolist()
        count = sum(len(parts[split]) for split in found)
        ms = 1e3 * (time.perf_counter() - start) / count
        kept.add(Row(
            NAME, name, kind, seed, budget, found, parameters=_parameters(model.reading) if learned else 0,
            seconds=runs[seed].spent if learned else 0.0, steps=runs[seed].steps if learned else 0, latency_ms=ms,
            curve=runs[seed].curve if learned else [], growth=growth, made=made_by(),
        ))  # fmt: skip
        _say(f"{time.monotonic() - began:.0f} s: {name} seed {seed}: {found}")
    return kept


def about(parts: dict[str, Tracks]) -> dict[str, Any]:
    return {
        "tracks": {name: len(some) for name, some in parts.items()}, "stream": hex(draws.STREAM),
        "reference": f"{FINE} cells a diameter", "operator": f"{CELLS} cells a diameter, {SHAPE}",
    }  # fmt: skip


def convergence(numbers: tuple[int, ...] = (0, 3)) -> dict[str, float]:
    """Relative L2 between the reference and one of twice its cells, over the context of some tracks of the test split,
    on the operator's cells; and of their surfaces."""
    out = {}
    for number in numbers:
        track = draws.track("test", number, CONTEXT)
        (surface, field), (finer, exact) = (solved(track, cells) for cells in (FINE, 2 * FINE))
        for name, a, b in (("field", field, exact), ("surface", surface, finer)):
            a, b = a.astype(np.float64), b.astype(np.float64)
            out[f"{name}, track {number}"] = float(np.linalg.norm(a - b) / np.linalg.norm(b))
    return out


def long_run(model: CameraFluxNo, tracks: Tracks, steps: int = LONG) -> dict[str, list[float]]:
    """The energy of a plate over so many steps by the law that was found for a track (to and fro over its path, the
    laser off in each fifth frame), after each frame in units of what was absorbed by the end."""
    one = tracks.take([0])
    matter = model.infer(seen_of(one))
    state, frames, taken = Heated.cold(1, SHAPE), [], 0
    before, t = model.heat.stored(state), 0
    each = int(model.heat.steps(matter, one.frame)[0])
    last = one.power.shape[1]
    while taken < steps:
        n = t % (2 * last)
        ends = (n, n + 1) if n < last else (2 * last - n, 2 * last - n - 1)
        power = one.power[:, min(n, 2 * last - n - 1)] * float(t % 5 != 4)
        with torch.no_grad():
            state = model.heat.advance(matter, state, Beam(power, *(one.places[:, e] for e in ends), one.frame))
        absorbed, walls, surface = (float(part[0]) for part in state.balance)
        frames.append(
            [float(model.heat.stored(state)[0]), absorbed, walls, surface, float(model.heat.defect(state, before)[0])]
        )
        taken, t = taken + each, t + 1
    stored, absorbed, walls, surface, defect = (list(column) for column in zip(*frames, strict=True))
    top = absorbed[-1]
    told = {"stored": stored, "absorbed": absorbed, "walls": walls, "surface": surface}
    return {name: [v / top for v in column] for name, column in told.items()} | {
        "defect": defect,
        "steps": [float(taken)],
    }


def bars(results: Results, budget: str) -> str:
    """The two ratios of issue 5, by seed."""
    rows = {(r.operator, r.seed): r.errors for r in results.rows.values() if r.budget == budget}
    if ("hfluxno", 0) not in rows:
        return ""
    lines = []
    for split in SPLITS:
        own = [rows[key][split]["error"] for key in sorted(rows) if key[0] == "hfluxno"]
        none, told = (rows[name, 0][split]["error"] for name in ("hfluxno without context", "told"))
        cut = ", ".join(f"{none / mine:.2f}" for mine in own)
        over = ", ".join(f"{mine / told:.2f}" for mine in own)
        lines.append(
            f"On {split}, by seed: context cuts the error {cut} times (wanted 5), and leaves {over} times that "
            "of the operator that was told (wanted at most 1.5)."
        )
    return "\n".join(lines)


def docs(results: Results, fields: Path | None = None) -> None:
    """The block of docs/operators.md, its ledger and picture by the shipped card."""
    budget = page.shown(results)
    if budget is None:
        return
    body = f"{page.made(results, budget)}\n\n{table.text(results, budget)}\n\n{bars(results, budget)}"
    if CARD in card.names():
        model, _ = card.load(CARD)
        some = made("test", plots.SHOWN + 1, fields or folder_of(budget), progress=_say)
        told = long_run(model, some)
        (page.IMAGES / "camera_ledger.svg").write_text(plots.ledger(told))
        (page.IMAGES / "camera_rollout.svg").write_text(plots.rollout(model, some.take([plots.SHOWN])))
        worst = max(abs(v) for v in told["defect"])
        body += (
            f"\n\n![ledger of a long run](images/camera_ledger.svg)\n\nOver {told['steps'][0]:.0f} steps in float32 "
            f"the ledger is off by {worst:.1e} of what was absorbed at most.\n\n![surface and section after 20 frames]"
            "(images/camera_rollout.svg)"
        )
    page.fill(NAME, body)


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _say(line: str) -> None:
    print(f"{NAME} {line}", file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog=f"tests.validation {NAME}", description="The melt pool by a camera.")
    parser.add_argument("--budget", choices=list(BUDGETS), default="small")
    parser.add_argument("--operators", help="some, with semicolons; left out: all")
    parser.add_argument("--seeds", type=at_least(1), help="of each learned row; left out: the budget's")
    parser.add_argument("--jobs", type=int, help="taken and not used: rows come one after the other")
    parser.add_argument("--device", help="taken and not used: the solve is on the CPU")
    parser.add_argument("--out", type=Path, help="folder of the results file; left out: beside the suite")
    parser.add_argument("--fields", type=Path, help="folder where tracks and checkpoints are kept")
    parser.add_argument("--again", action="store_true", help="make rows that are there already once more")
    parser.add_argument("--docs", action="store_true", help="run nothing: write docs/operators.md from the results")
    told = parser.parse_args(argv)
    if told.out is not None:
        told.out.mkdir(parents=True, exist_ok=True)
    out = told.out / f"{NAME}.json" if told.out is not None else RESULTS
    if told.docs:
        docs(Results(out), told.fields)
        return 0
    asked = told.operators.split(";") if told.operators else None
    unknown = [name for name in asked or [] if name not in PLAIN | LEARNED]
    if unknown:
        print(f"no contender {'; '.join(unknown)}: there are {'; '.join([*PLAIN, *LEARNED])}", file=sys.stderr)
        return 2
    found = run(told.budget, asked, told.seeds, out, told.fields, told.again)
    print(table.text(found, told.budget))
    print(bars(found, told.budget))
    return 0
