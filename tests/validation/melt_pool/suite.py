"""Suite: the melt pool's table. Each trajectory is made once (or read from where it is kept) and met by every row."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.validation.harness import page
from tests.validation.harness.rows import Results, Row, made
from tests.validation.melt_pool import case
from tests.validation.melt_pool.case import CELLS, SEED, SIZES, Case, Trajectory, budget_cases, convergence, kept
from tests.validation.melt_pool.measure import SIZE_NAMES, Score
from tests.validation.melt_pool.rows import FREE, LEADS, Contender, contenders

RESULTS = Path(__file__).parent / "results.json"
SIZES_AT = "lead 20"  # of the table; the file has all


def run(
    budget: str, operators: Sequence[str], results: Path = RESULTS, fields: Path | None = None, again: bool = False
) -> Results:
    """Fill a results file with the rows that it lacks."""
    kept_rows, known = Results(results), contenders()
    wanted = [name for name in operators if again or (case.NAME, name, SEED, budget) not in kept_rows.rows]
    if not wanted:
        return kept_rows
    began = time.monotonic()
    cases = budget_cases(budget)
    _say(f"{len(cases)} cases drawn, {time.monotonic() - began:.0f} s")
    rows: dict[str, Contender] = {name: known[name]() for name in wanted}
    scores = {name: Score() for name in wanted}
    tally = Tally()
    for number, each in enumerate(cases, 1):
        trajectory = kept(each, fields)
        tally.add(trajectory)
        for name, row in rows.items():
            for lead in (FREE, *LEADS):
                estimate = row.forecast(trajectory, lead) if lead < len(trajectory) else None
                if estimate is not None:
                    scores[name].add(trajectory, lead, estimate)
        _say(
            f"{number} of {len(cases)}, {time.monotonic() - began:.0f} s: {each.alloy}, {each.machine}, {each.regime}, "
            f"{each.features.shape}, reference {1e3 * trajectory.seconds / len(trajectory):.0f} ms a frame"
        )
    kept_rows.about[budget] = tally.about() | {"convergence": {} if budget == "smoke" else convergence()}
    for name, row in rows.items():
        ms = 1e3 * getattr(row, "seconds", 0.0) / max(getattr(row, "frames", 0), 1)
        errors = scores[name].summary()
        kept_rows.rows.pop((case.NAME, name, SEED, budget), None)
        kept_rows.add(Row(case.NAME, name, row.kind, SEED, budget, errors, row.parameters, latency_ms=ms, made=made()))
    return kept_rows


class Tally:
    """What the test set came to."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
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
        }


def table(results: Results, budget: str) -> str:
    """As Markdown, in the order of the contenders. Errors in %, events / steady."""
    leads = [f"lead {lead}" for lead in LEADS]
    sizes = [f"{name} at {SIZES_AT}, median / p95" for name in SIZE_NAMES]
    lines = [["operator", "kind", *leads, "free", "drift", *sizes, "ms a frame"]]
    order = list(contenders())
    rows = [row for row in results.rows.values() if row.budget == budget]
    for row in sorted(rows, key=lambda row: order.index(row.operator) if row.operator in order else len(order)):
        errors, at = row.errors, row.errors.get(f"sizes {SIZES_AT}", {})
        cells = [_pair(errors.get(name, {}), "event", "steady") for name in (*leads, "free")]
        drift = errors.get("free", {}).get("drift")
        cells.append("" if drift is None else f"{drift:.2f}")
        cells += [_pair(at, f"{name} median", f"{name} p95") for name in SIZE_NAMES]
        lines.append([row.operator, row.kind, *cells, f"{row.latency_ms:.1f}" if row.latency_ms else ""])
    return _markdown(lines)


def parts(results: Results, budget: str) -> str:
    """Errors of sizes at SIZES_AT in each regime and of each alloy, in %, of the rows that learned."""
    lines = [["operator", "of", "pools", *(f"{name}, median / p95" for name in SIZE_NAMES), "open in one only"]]
    learned = [row for row in results.rows.values() if row.budget == budget and row.kind == "learned"]
    for row in sorted(learned, key=lambda row: row.operator):
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
    parser.add_argument("--operators", help="some, with commas; left out: all")
    parser.add_argument("--out", type=Path, default=RESULTS, help="results file; left out: beside the suite")
    parser.add_argument("--fields", type=Path, help="folder where solved trajectories are kept, and read again")
    parser.add_argument("--again", action="store_true", help="make rows that are there already once more")
    parser.add_argument("--docs", action="store_true", help="run nothing: write docs/operators.md from the results")
    told = parser.parse_args(argv)
    if told.docs:
        results = Results(told.out)
        budget = page.shown(results)
        if budget is not None:
            page.fill(
                "melt_pool", f"{page.made(results, budget)}\n\n{table(results, budget)}\n\n{parts(results, budget)}"
            )
        return 0
    known = list(contenders())
    asked = told.operators.split(",") if told.operators else known
    unknown = [name for name in asked if name not in known]
    if unknown:
        print(f"no contender {', '.join(unknown)}: there are {', '.join(known)}", file=sys.stderr)
        return 2
    told.out.parent.mkdir(parents=True, exist_ok=True)
    print(table(run(told.budget, asked, told.out, told.fields, told.again), told.budget))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
