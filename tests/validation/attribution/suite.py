"""Suite: how faithful attributions are, part by part; figures go to a results file, and to the side file of the card
that says which maps may be shown."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from operators import card
from operators.attribution import faithful
from operators.attribution.gradients import Gradients
from operators.window import WindowGrid
from tests.validation.attribution import adjoint, bdf, green, laws, order, page
from tests.validation.harness.rows import _short, made

NAME = "asno-melt-pool"
RESULTS = Path(__file__).parent / "results.json"
WORK = Path(tempfile.gettempdir()) / "meltwin-attribution"
SIZES = {  # cases of: the adjoint, orders, laws; seconds of the NAO's training
    "smoke": (2, 2, 2, 2.0),
    "small": (100, 30, 24, 60.0),
    "medium": (200, 200, 100, 600.0),
    "full": (400, 400, 200, 1200.0),
}
OTHERS = 1000  # numbers of the cases of orders and laws begin here
FEWEST = 5  # entries (parameter and moment) of a case that count
LAG = 2  # frames: of the spatial map that is shown
RADIAL = Path(__file__).parents[1] / "radial" / "results.json"


def adjoints(budget: str, gradients: Gradients, kept: dict[str, Any], until: float, work: Path) -> dict[str, Any]:
    """Case by case; those that are there are not made again."""
    cases = dict(kept.get("by_case", {}))
    numbers = (n for n in range(SIZES[budget][0]) if str(n) not in cases)
    for number, row in adjoint.run(numbers, work, until, gradients):
        cases[str(number)] = row | {"of": adjoint.SCALARS[number % len(adjoint.SCALARS)]}
        _say(f"adjoint {len(cases)} of {SIZES[budget][0]}: {cases[str(number)]}")
    return {"asked": SIZES[budget][0], "by_case": cases} | medians(cases)


def medians(cases: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Of rank correlations, over all cases and by what was asked; a case with fewer than FEWEST entries that count has
    no ranks to speak of, and is left out."""
    names = ["parameter", "source", *(f"spatial {lag}" for lag in adjoint.LAGS)]
    out = {}
    for of in ("all", *adjoint.SCALARS):
        rows = [row for row in cases.values() if of in ("all", row["of"]) and row["entries"] >= FEWEST]
        if rows:
            told = {name: np.array([row[name] for row in rows]) for name in names}
            out[of] = {"cases": len(rows)} | {
                name: [float(q) for q in np.quantile(values, [0.5, 0.25, 0.75])] for name, values in told.items()
            }
    return {"medians": out, "left_out": sum(row["entries"] < FEWEST for row in cases.values())}


def orders(budget: str, gradients: Gradients) -> dict[str, Any]:
    """Deletion and insertion of the three maps."""
    rng = np.random.default_rng(adjoint.SEED)
    found: dict[str, list[dict[str, float]]] = {"moments": [], "cells": [], "kernel rows": []}
    for one in _others(SIZES[budget][1]):
        found["moments"].append(order.of_moments(one, gradients, rng))
        found["cells"].append(order.of_cells(one, gradients, rng))
        found["kernel rows"].append(order.of_cells(one, gradients, rng, kernel=True))
        _say(f"orders {len(found['cells'])} of {SIZES[budget][1]}")
    return {name: order.summary(cases, rng) for name, cases in found.items()}


def lawful(budget: str, gradients: Gradients) -> dict[str, Any]:
    """Completeness, randomised weights, stability, batches."""
    rng, ones = np.random.default_rng(adjoint.SEED + 1), list(_others(SIZES[budget][2]))
    missed = np.array([laws.completeness(one, gradients) for one in ones])
    steady = np.array([laws.steadiness(one, gradients, rng) for one in ones])
    random = [laws.kept_by_random_weights(one, gradients, n) for n, one in enumerate(ones)]
    batches = [laws.batched(ones[n : n + 8], gradients) for n in range(0, len(ones), 8)]

    def told(values: np.ndarray) -> dict[str, float]:
        return {"median": float(np.median(values)), "p95": float(np.quantile(values, 0.95)), "max": float(values.max())}

    return {
        "cases": len(ones),
        "completeness: missing of the difference": told(missed),
        "stability: relative change of a map over that of its input": told(steady),
        "randomised weights: rank correlation, moments": told(np.array([r["moments"] for r in random])),
        "randomised weights: rank correlation, cells": told(np.array([r["cells"] for r in random])),
        "batch: largest relative difference": max(batches),
    }


def radials() -> dict[str, Any]:
    """The radial suite's kernel errors, by contender and budget: read, not run again."""
    rows = json.loads(RADIAL.read_text())["rows"] if RADIAL.is_file() else []
    return {
        f"{row['operator']}, {row['budget']}": {
            "parameters": row["parameters"], **{split: e["kernel"] for split, e in row["errors"].items()}
        }
        for row in rows
    }  # fmt: skip


def _others(count: int) -> list[adjoint.Asked]:
    return [adjoint.asked(OTHERS + n) for n in range(count)]


def run(budget: str, parts: list[str], out: Path, seconds: float, work: Path, again: bool = False) -> dict[str, Any]:
    """Fill the results file with the parts that it lacks."""
    model, told = card.load(NAME)
    gradients = Gradients(model, WindowGrid())
    results = json.loads(out.read_text()) if out.is_file() else {}
    mine = results.get(budget, {})
    if mine.get("sha256") != told["sha256"]:
        mine = {"sha256": told["sha256"]}
    if again:
        mine = {name: part for name, part in mine.items() if name not in parts}
    until = time.time() + seconds
    makers: dict[str, Callable[[], Any]] = {
        "bdf": bdf.errors,
        "green": lambda: green.errors(budget, SIZES[budget][3]),
        "radial": radials,
        "laws": lambda: lawful(budget, gradients),
        "orders": lambda: orders(budget, gradients),
        "adjoint": lambda: adjoints(budget, gradients, mine.get("adjoint", {}), until, work),
    }
    for part in parts:
        if part in mine and part not in ("adjoint", "radial"):
            continue
        began = time.process_time()
        mine[part] = makers[part]()
        _say(f"{part}: {time.process_time() - began:.0f} s of CPU")
        results[budget] = _short(mine | {"made": made()})
        out.write_text(json.dumps(results, indent=1) + "\n")
    return results


def side_file(results: dict[str, Any], budget: str, folder: Path = card.WEIGHTS) -> Path:
    """What the card's maps are worth, beside its weights."""
    mine = results[budget]
    found = mine["adjoint"]["medians"]

    def row(of: str, name: str) -> dict[str, Any]:
        median, low, high = found[of][name]
        return {"median": median, "quartiles": [low, high], "cases": found[of]["cases"]}

    maps = {
        "parameter": {of: row(of, "parameter") for of in found if of != "all"},
        "spatial": {of: row(of, f"spatial {LAG}") for of in found if of != "all"},
    }
    told = {
        "of": NAME, "sha256": mine["sha256"], "made": mine["made"], "budget": budget, "wanted": faithful.WANTED,
        "measure": "rank correlation with the adjoint of the reference, median over cases of a number",
        "maps": maps, "all": {"parameter": row("all", "parameter"), "spatial": row("all", f"spatial {LAG}")},
        **{part: mine[part] for part in ("orders", "laws", "bdf", "green", "radial") if part in mine},
    }  # fmt: skip
    path = faithful.path_of(NAME, folder)
    path.write_text(json.dumps(told, indent=1) + "\n")
    return path


def _say(line: str) -> None:
    print(f"attribution {line}", file=sys.stderr, flush=True)


PARTS = ("bdf", "green", "radial", "laws", "orders", "adjoint")


def main(argv: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.validation attribution", description="How faithful attributions are.")
    parser.add_argument("--budget", choices=list(SIZES), default="small")
    parser.add_argument("--operators", help=f"some parts, with commas: {', '.join(PARTS)}; left out: all")
    parser.add_argument("--out", type=Path, default=RESULTS, help="results file; left out: beside the suite")
    parser.add_argument("--work", type=Path, default=WORK, help="folder where the reference's maps are kept")
    parser.add_argument("--for", dest="seconds", type=float, default=1e9, help="wall seconds for the adjoint's cases")
    parser.add_argument("--again", action="store_true", help="make once more what is there already")
    parser.add_argument("--docs", action="store_true", help="run nothing: write the page and the card's side file")
    told = parser.parse_args(argv)
    if told.docs:
        results = json.loads(told.out.read_text())
        budget = next(name for name in reversed(SIZES) if name in results and "adjoint" in results[name])
        print(f"wrote {side_file(results, budget)}")
        print("\n".join(f"wrote {path}" for path in page.write(results[budget], budget, told.work)))
        return 0
    parts = told.operators.split(",") if told.operators else list(PARTS)
    if unknown := [part for part in parts if part not in PARTS]:
        print(f"no part {', '.join(unknown)}: there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    told.out.parent.mkdir(parents=True, exist_ok=True)
    results = run(told.budget, parts, told.out, told.seconds, told.work, told.again)
    print(page.text(results[told.budget]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
