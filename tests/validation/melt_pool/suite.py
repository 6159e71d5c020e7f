"""Suite: the melt pool's tables. Each trajectory is made once (or read from where it is kept) and met by every row.
Baselines that learn (`learned`) are trained first, from the samples that the shipped operator learned from."""

import argparse
import math
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from operators.options import add_device
from tests.validation.harness import page, plots
from tests.validation.harness.rows import Results, Row, made
from tests.validation.melt_pool import builds, case, learned, pictures
from tests.validation.melt_pool.case import CELLS, SEED, SIZES, Case, Trajectory, budget_cases, convergence, kept
from tests.validation.melt_pool.measure import SIZE_NAMES, Score
from tests.validation.melt_pool.rows import FREE, LEADS, Contender, contenders

RESULTS = Path(__file__).parent / "results.json"
SIZES_AT = "lead 20"  # of the table; the file has all
QUANTILES = ("median", "p95")


def run(
    budget: str, operators: Sequence[str], results: Path = RESULTS, fields: Path | None = None, again: bool = False,
    samples: Path | None = None, device: str = "cpu",
) -> Results:  # fmt: skip
    """Fill a results file with the rows that it lacks. ValueError where a row has nothing to learn from."""
    kept_rows, known = Results(results), contenders()
    wanted = [name for name in operators if again or (case.NAME, name, SEED, budget) not in kept_rows.rows]
    if not wanted:
        return kept_rows
    began = time.monotonic()
    learning = [name for name in wanted if name in learned.CONTENDERS]
    if learning and samples is None:
        raise ValueError(
            f"{', '.join(learning)}: trained on the samples of `./meltwin train melt-pool`: --samples FOLDER"
        )
    material = learned.Material.read(samples) if learning and samples else None
    by_training: dict[str, learned.Trained] = {}
    for name in learning:
        by_training[name] = each = learned.trained(name, material, learned.SECONDS[budget], SEED, device)
        known[name] = partial(learned.free, name, each.model, device)
        _say(f"{name}: {each.run.steps} steps, {time.monotonic() - began:.0f} s")
    cases = budget_cases(budget)
    _say(f"{len(cases)} cases drawn, {time.monotonic() - began:.0f} s")
    rows: dict[str, Contender] = {name: known[name]() for name in wanted}
    scores = {name: Score() for name in wanted}
    tally, shown = Tally(), shown_of(cases)
    growths: dict[str, list[np.ndarray]] = defaultdict(list)
    profiles: dict[str, dict[str, list[float]]] = {}
    for number, each in enumerate(cases, 1):
        trajectory = kept(each, fields)
        tally.add(trajectory)
        for name, row in rows.items():
            for lead in (FREE, *LEADS):
                estimate = row.forecast(trajectory, lead) if lead < len(trajectory) else None
                if estimate is None:
                    continue
                scores[name].add(trajectory, lead, estimate)
                if lead == FREE:
                    growths[name].append(scores[name].errors(trajectory, estimate))
                if lead == FREE and each is shown:
                    profiles[name] = scores[name].pool(trajectory, estimate)
        _say(
            f"{number} of {len(cases)}, {time.monotonic() - began:.0f} s: {each.alloy}, {each.machine}, {each.regime}, "
            f"{each.features.shape}, reference {1e3 * trajectory.seconds / len(trajectory):.0f} ms a frame"
        )
        if each is shown:
            tally.shown = told_of(trajectory)
    held = scored_builds(rows, budget, fields)
    kept_rows.about[budget] = tally.about() | {"convergence": {} if budget == "smoke" else convergence()}
    for name, row in rows.items():
        ms = 1e3 * getattr(row, "seconds", 0.0) / max(getattr(row, "frames", 0), 1)
        errors = scores[name].summary() | {f"{builds.NAME} {key}": of for key, of in held[name].summary().items()}
        kept_rows.rows.pop((case.NAME, name, SEED, budget), None)
        longest = min(map(len, growths[name]), default=0)
        done = Row(
            case.NAME, name, row.kind, SEED, budget, errors, row.parameters, latency_ms=ms, made=made(device),
            growth=np.mean([wrong[:longest] for wrong in growths[name]], axis=0).tolist() if longest else [],
            profile=profiles.get(name, {}),
        )  # fmt: skip
        if name in by_training:
            how = by_training[name]
            done = replace(done, seconds=how.seconds, steps=how.run.steps, rate=how.rate, curve=how.run.curve)
        kept_rows.add(done)
    return kept_rows


def scored_builds(rows: dict[str, Contender], budget: str, fields: Path | None) -> dict[str, Score]:
    """Free runs of every row along `builds`."""
    found, hatches = {name: Score() for name in rows}, builds.build_cases(budget)
    for number, each in enumerate(hatches, 1):
        trajectory = kept(each, fields)
        for name, row in rows.items():
            estimate = row.forecast(trajectory, FREE)
            if estimate is not None:
                found[name].add(trajectory, FREE, estimate)
        what = f"{each.alloy}, {each.machine}, {each.regime}, {each.features.shape}"
        _say(f"build {number} of {len(hatches)}: {what}, reference {1e3 * trajectory.seconds / len(trajectory):.0f} ms")
    return found


def shown_of(cases: Sequence[Case]) -> Case:
    """The one that is drawn: the first with turns, power steps and laser-off, else the first."""
    busy = [each for each in cases if each.features.steps and each.features.off and each.features.shape != "straight"]
    return (busy or list(cases))[0]


def told_of(trajectory: Trajectory) -> dict[str, Any]:
    """What its picture shows of the truth: sizes in d, frames with an event, frames that end with the laser off."""
    each = trajectory.case
    return {
        "named": f"{each.alloy}, {each.machine}, {each.regime}, {each.features.shape}",
        "events": np.flatnonzero(each.events).tolist(),
        "off": np.flatnonzero(~each.lit).tolist(),
        **{name: trajectory.sizes[:, n].tolist() for n, name in enumerate(SIZE_NAMES)},
    }


class Tally:
    """What the test set came to."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
        self.shown: dict[str, Any] = {}
        self.frames = self.events = 0
        self.seconds = self.averaging = 0.0

    def add(self, trajectory: Trajectory) -> None:
        self.cases.append(trajectory.case)
        self.frames += len(trajectory)
        self.events += int(trajectory.case.events.sum())
        self.seconds += trajectory.seconds
        self.averaging += trajectory.seconds_averaging

    def about(self) -> dict[str, Any]:
        def counted(values: Sequence[str]) -> dict[str, int]:
            return dict(sorted(Counter(values).items()))

        features = [each.features for each in self.cases]
        return {
            "seed": SEED,
            "stream": hex(case.STREAM),
            "trajectories": len(self.cases),
            "frames": self.frames,
            "frames with an event": self.events,
            "tries a trajectory": float(np.mean([each.attempt + 1 for each in self.cases])),
            "machines": counted([each.machine for each in self.cases]),
            "alloys": counted([each.alloy for each in self.cases]),
            "regimes": counted([each.regime for each in self.cases]),
            "shapes": counted([each.shape for each in features]),
            "with power steps": sum(each.steps for each in features),
            "with laser-off": sum(each.off for each in features),
            "reference": f"{CELLS} cells a diameter, more in shallow pools",
            "reference ms a frame": 1e3 * self.seconds / self.frames,
            "averaging ms a frame": 1e3 * self.averaging / self.frames,
            "shown": self.shown,
        }


def table(results: Results, budget: str) -> str:
    """As Markdown, in the order of the contenders. Errors in %, events / steady."""
    leads = [f"lead {lead}" for lead in LEADS]
    sizes = [f"{name} at {SIZES_AT}, median / p95" for name in SIZE_NAMES]
    lines = [["operator", "kind", *leads, "free", "drift", *sizes, "ms a frame"]]
    order = list(contenders())
    rows = [row for row in results.rows.values() if row.budget == budget and not row.steps]
    for row in sorted(rows, key=lambda row: order.index(row.operator) if row.operator in order else len(order)):
        errors, at = row.errors, row.errors.get(f"sizes {SIZES_AT}", {})
        cells = [_pair(errors.get(name, {}), "event", "steady") for name in (*leads, "free")]
        drift = errors.get("free", {}).get("drift")
        cells.append("" if drift is None else f"{drift:.2f}")
        cells += [_pair(at, f"{name} median", f"{name} p95") for name in SIZE_NAMES]
        lines.append([row.operator, row.kind, *cells, f"{row.latency_ms:.1f}" if row.latency_ms else ""])
    return _markdown(lines)


def drawn(results: Results, budget: str) -> list[str]:
    """The pictures, written, and what leads to them."""
    said = []
    for name, svg, what in (
        ("growth", plots.growth(results, budget, "melt pool: error of free runs", "frame since the cold plate"),
         "mean error of free runs against their frame"),
        ("sizes", pictures.sizes(results, budget), "length, width and depth of a pool along its free run"),
    ):  # fmt: skip
        if svg is not None:
            image = page.IMAGES / f"melt_pool_{name}.svg"
            image.write_text(svg)
            said.append(f"![{what}](images/{image.name})")
    return said


def peers(results: Results, budget: str) -> str:
    """Rows that were trained for the table, best first, and what each had to learn with. Errors in %, of free runs with
    events / steady; sizes at the median / 95th percentile. The best of a column is bold."""
    rows = [row for row in results.rows.values() if row.budget == budget and row.steps]
    if not rows:
        return ""
    pairs = [[("free", "event"), ("free", "steady")]]
    pairs += [[("sizes free", f"{name} {quantile}") for quantile in QUANTILES] for name in SIZE_NAMES]

    def error(row: Row, at: tuple[str, str]) -> float:
        return row.errors.get(at[0], {}).get(at[1], math.nan)

    best = {at: min(error(row, at) for row in rows) for pair in pairs for at in pair}

    def cell(row: Row, at: tuple[str, str]) -> str:
        told = f"{100 * error(row, at):.2f}"
        return f"**{told}**" if error(row, at) == best[at] else told

    named = [f"{name}, {' / '.join(QUANTILES)}" for name in SIZE_NAMES]
    lines = [["operator", "free", *named, "parameters", "steps", "training, s", "ms a frame"]]
    for row in sorted(rows, key=lambda row: error(row, pairs[0][0])):
        cost = [f"{row.parameters:,}", f"{row.steps:,}", f"{row.seconds:.0f}", f"{row.latency_ms:.1f}"]
        lines.append([row.operator, *(" / ".join(cell(row, at) for at in pair) for pair in pairs), *cost])
    return _markdown(lines)


def hatched(results: Results, budget: str) -> str:
    """Free runs along hatches of long vectors. Errors in %, events / steady; sizes at the median / 95th percentile."""
    free, sizes = f"{builds.NAME} free", f"{builds.NAME} sizes free"
    rows = [row for row in results.rows.values() if row.budget == budget and free in row.errors]
    named = [f"{name}, {' / '.join(QUANTILES)}" for name in SIZE_NAMES]
    lines = [["operator", "kind", "builds", "drift", *named, "open in one only"]]
    for row in sorted(rows, key=lambda row: row.errors[free]["event"]):
        told, at = row.errors[free], row.errors.get(sizes, {})
        cells = [_pair(told, "event", "steady"), f"{told['drift']:.2f}"]
        cells += [_pair(at, f"{name} median", f"{name} p95") for name in SIZE_NAMES]
        lines.append([row.operator, row.kind, *cells, f"{100 * at['alone']:.1f}" if "alone" in at else ""])
    return _markdown(lines)


def parts(results: Results, budget: str) -> str:
    """Errors of sizes at SIZES_AT in each regime and of each alloy, in %, of the shipped rows."""
    lines = [["operator", "of", "pools", *(f"{name}, median / p95" for name in SIZE_NAMES), "open in one only"]]
    shipped = [row for row in results.rows.values() if row.budget == budget and row.kind == "learned" and not row.steps]
    for row in sorted(shipped, key=lambda row: row.operator):
        begins = f"sizes {SIZES_AT}"
        for key in sorted(key for key in row.errors if key.startswith(f"{begins}, ")):
            told = row.errors[key]
            cells = [_pair(told, f"{name} median", f"{name} p95") for name in SIZE_NAMES]
            alone = f"{100 * told['alone']:.1f}" if "alone" in told else ""
            lines.append([row.operator, key.removeprefix(f"{begins}, "), f"{told['pools']:,.0f}", *cells, alone])
    return _markdown(lines)


def _markdown(lines: list[list[str]]) -> str:
    ruled = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in ruled)


def _pair(told: dict[str, float], first: str, second: str) -> str:
    parts = [f"{100 * told[name]:.2f}" if name in told else "-" for name in (first, second)]
    return " / ".join(parts) if told else ""


def _say(line: str) -> None:
    print(f"melt-pool {line}", file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.validation melt-pool", description="Forecasters of the melt pool.")
    parser.add_argument("--budget", choices=list(SIZES), default="small")
    parser.add_argument("--operators", help="some, with commas; left out: all that need no training")
    parser.add_argument(
        "--samples", type=Path, help="of those that learn: the folder samples-... of `./meltwin train melt-pool --work`"
    )
    add_device(parser)
    parser.add_argument("--out", type=Path, default=RESULTS, help="results file; left out: beside the suite")
    parser.add_argument("--fields", type=Path, help="folder where solved trajectories are kept, and read again")
    parser.add_argument("--again", action="store_true", help="make rows that are there already once more")
    parser.add_argument("--docs", action="store_true", help="run nothing: write docs/operators.md from the results")
    told = parser.parse_args(argv)
    if told.docs:
        results = Results(told.out)
        budget = page.shown(results)
        if budget is not None:
            said = [page.made(results, budget), table(results, budget), *drawn(results, budget), parts(results, budget)]
            page.fill("melt_pool", "\n\n".join(said))
            page.fill("melt_pool_builds", hatched(results, budget))
            page.fill("melt_pool_peers", peers(results, budget))
        return 0
    known = list(contenders())
    asked = told.operators.split(",") if told.operators else known
    unknown = [name for name in asked if name not in {*known, *learned.CONTENDERS}]
    if unknown:
        there = ", ".join([*known, *learned.CONTENDERS])
        print(f"no contender {', '.join(unknown)}: there are {there}", file=sys.stderr)
        return 2
    told.out.parent.mkdir(parents=True, exist_ok=True)
    if told.device == "cpu":
        torch.set_num_threads(1)  # seconds are of one core
    try:
        found = run(told.budget, asked, told.out, told.fields, told.again, told.samples, told.device)
    except ValueError as refusal:
        print(refusal, file=sys.stderr)
        return 2
    print("\n\n".join(filter(None, (table(found, told.budget), peers(found, told.budget)))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
