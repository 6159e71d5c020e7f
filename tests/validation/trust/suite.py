"""Suite: whether what the shipped calibration claims holds, on draws that it never saw."""

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from operators.melt_pool import beam, plan, trajectories
from operators.operator import Operator
from tests.validation.harness.rows import Results, Row, made
from tests.validation.trust import asked, families, measure, page
from twin.process import Process
from twin.trust.calibrate import draws as drawing
from twin.trust.calibrate import recipe, tracks
from twin.trust.calibrate.draws import SHIFTS, drawn
from twin.trust.calibrate.readings import Readings, joined, readings
from twin.trust.calibrate.tracks import Track
from twin.trust.calibrated import WEIGHTS, Calibrated, calibrated

NAME = "trust"
CARD = "asno-melt-pool"
RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True)
class Budget:
    """fresh: draws that what is shipped is held against; draws: those of the recipe, for folds (0: none); shifted: of
    each family with a truth of its own; told: of the families that keep it; asked: single questions."""

    fresh: int
    draws: int
    shifted: int
    told: int
    asked: int


BUDGETS = {
    "smoke": Budget(6, 0, 0, 3, 2),
    "small": Budget(80, 0, 4, 40, 40),
    "medium": Budget(0, 1200, 20, 160, 160),
    "full": Budget(400, 3200, 200, 400, 800),
}
FRESH = 100_000  # first number of the draws that calibrated nothing


def folder_of() -> Path:
    """Where fields are kept: under a name that changes with the code that draws."""
    code = b"".join(Path(part.__file__).read_bytes() for part in (drawing, tracks, beam, plan, trajectories))
    return Path(tempfile.gettempdir()) / f"meltwin-{NAME}-{hashlib.sha256(code).hexdigest()[:12]}"


def run(budget: str, results: Path = RESULTS, fields: Path | None = None, again: bool = False) -> Results:
    """Fill a results file with the rows that it lacks."""
    kept, how, folder = Results(results), BUDGETS[budget], fields or folder_of()
    if not again and any(row.budget == budget for row in kept.rows.values()):
        return kept
    began = time.monotonic()
    operator = recipe.engine(CARD)
    found = calibrated(operator.card, WEIGHTS)
    if not isinstance(found, Calibrated):
        raise SystemExit(f"{NAME}: {found.reason}; make it with ./meltwin calibrate")
    tested, tracks_left = tested_of(operator, found, how, folder)
    inside, held = tested[0]
    _say(f"{time.monotonic() - began:.0f} s: {sum(len(some) for some, _ in tested)} draws in distribution")
    kept.about[budget] = about(found, how) | {
        "alarms": measure.alarms(tested), "adaptive": measure.adaptive(tested),
        "error in distribution": {"median": float(np.median(measure.error(inside))),
                                  "p90": float(np.quantile(measure.error(inside), 0.9))},
    }  # fmt: skip
    rows: dict[str, dict[str, Any]] = {}
    for name, outside in every_family(operator, tracks_left, folder, how):
        for score, measured in measure.detection(inside, outside, held).items():
            rows.setdefault(score, {})[name] = measured
        _say(f"{time.monotonic() - began:.0f} s: {name}: {rows[measure.COMBINED][name]}")
    if len(tested) > 1:
        known = joined([some for some, _ in tested[1:]])
        calm, deep, of_calm = families.keyhole(known, inside, found.tokens)
        for score, measured in measure.detection(calm, deep, of_calm).items():
            rows[score]["keyhole, calibrated on conduction"] = measured
    covered = measure.coverage(tested) | {asked.GROUP: asked.held(how.asked)}
    seconds = time.monotonic() - began
    _say(f"{seconds:.0f} s: {asked.GROUP}: {covered[asked.GROUP]}")
    kept.add(Row(NAME, "bands", "band", 0, budget, covered, seconds=seconds, made=made()))
    for score, measured in rows.items():
        kept.add(Row(NAME, score, "score", 0, budget, measured, seconds=seconds, made=made()))
    return kept


def tested_of(
    operator: Operator, found: Calibrated, how: Budget, folder: Path
) -> tuple[list[tuple[Readings, Calibrated]], list[Track]]:
    """Draws with a calibration that never saw them: those of the recipe in folds, else fresh ones with what is shipped.
    And the tracks of the first of them, for the families that keep their truth."""
    if not how.draws:
        fresh = made_of(FRESH, FRESH + how.fresh, folder)
        return [(together(operator, fresh), found)], fresh
    every = made_of(0, how.draws, folder)
    folds = recipe.folds(together(operator, every), found.tokens)
    return folds, [track for track in every if track.draw.fold == 0]


def made_of(first: int, end: int, folder: Path, shift: str = "") -> list[Track]:
    """The tracks of some numbers, kept by the shard where there is a whole one."""
    if end - first < tracks.SIZE:
        return [tracks.solved(drawn(n, shift)) for n in range(first, end)]
    paths = tracks.made(end, folder, shift, first=first, say=_say)
    return [track for path in paths for track in tracks.read(path)]


def every_family(operator: Operator, left: Sequence[Track], folder: Path, how: Budget) -> Any:
    """(name, readings) of each, the ones with a truth of their own first."""
    for shift in SHIFTS if how.shifted else ():
        own = made_of(0, how.shifted, folder, shift)
        yield "unseen alloy" if shift == "alloy" else f"{shift} outside", readings(operator, own)
    alloys = [track for track in left if isinstance(track.draw.process, Process)]
    some = alloys[:: max(1, len(alloys) // how.told)][: how.told]
    for name in (*families.TOLD, *families.SAID):
        yield name, families.shifted(name, operator, some)


def together(operator: Operator, some: Sequence[Track]) -> Readings:
    """The readings of many, some at a time."""
    return joined([readings(operator, some[n : n + 20]) for n in range(0, len(some), 20)])


def about(found: Calibrated, how: Budget) -> dict[str, Any]:
    return {
        "card": CARD, "weights": found.told["weights_sha256"][:12], "calibration": found.told["draws"],
        "coverage": found.coverage, "seed": drawing.SEED, "stream": hex(drawing.STREAM),
        "teacher": "fine",
    }  # fmt: skip


def _say(line: str) -> None:
    print(f"{NAME} {line}", file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog=f"tests.validation {NAME}", description="Whether trust is deserved.")
    parser.add_argument("--budget", choices=list(BUDGETS), default="small")
    parser.add_argument("--operators", help="taken and not used: scores are measured together")
    parser.add_argument("--seeds", type=int, help="taken and not used: one calibration is shipped")
    parser.add_argument("--jobs", type=int, help="taken and not used: one process")
    parser.add_argument("--device", help="taken and not used: the reference runs on the CPU")
    parser.add_argument("--out", type=Path, help="folder of the results file; left out: beside the suite")
    parser.add_argument("--fields", type=Path, help="folder where the reference's fields are kept")
    parser.add_argument("--again", action="store_true", help="make rows that are there already once more")
    parser.add_argument("--docs", action="store_true", help="run nothing: write docs/trust.md from the results")
    told = parser.parse_args(argv)
    if told.out is not None:
        told.out.mkdir(parents=True, exist_ok=True)
    out = told.out / f"{NAME}.json" if told.out is not None else RESULTS
    if told.docs:
        page.write(Results(out))
        return 0
    results = run(told.budget, out, told.fields, told.again)
    print(page.text(results, told.budget))
    return 0
