"""Recipe: how the calibration beside the weights is made: `./meltwin calibrate`.

One command draws (`draws.py`), asks the reference and the operator, fits what is expected of an error on one split
(`difficulty.py`, `features.py`, the profile), and calibrates on another. `./meltwin validate trust` does the same five
times with a fifth of the draws left for a test (`folds`), and holds what is shipped against draws of its own.
Deterministic given the seed; killed and called again with the same `--work` folder it goes on where it was.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twin.trust import bands
from twin.trust.bands import SIZES
from twin.trust.calibrate import draws, readings, tracks
from twin.trust.calibrate.readings import Readings
from twin.trust.calibrated import LEAST, SCORES, WEIGHTS, Calibrated, group_of, heats_of, save
from twin.trust.conformal import Combination
from twin.trust.difficulty import Difficulty, features_of
from twin.trust.features import Cloud

COVERAGE = 0.9
COUNT = 1200
FLOOR_OF_PROFILE = 0.3  # of its mean: a node where fitted errors are smaller may still be wrong


def fitted(fit: Readings, tokens: int) -> tuple[Cloud, Difficulty, np.ndarray, np.ndarray]:
    """What is learned before anything is calibrated: the cloud of features, the expected error, how errors of a field
    lie in the window, and the usual heat of what a path did before."""
    rows = fit.encoded.reshape(-1, fit.encoded.shape[-1])
    errors = fit.errors.reshape(-1, 4)
    difficulty = Difficulty.fitted(features_of(fit.encoded, fit.sizes).reshape(-1, rows.shape[1] + 3), errors)
    heats = heats_of(fit.encoded, tokens)
    usual = np.stack([(heats <= LEAST).mean(0), heats.max(0)])
    return Cloud.of(rows[:, -tokens:].astype(np.float64)), difficulty, profile(fit), usual


def profile(fit: Readings) -> np.ndarray:
    """(x, y, z) root mean square of errors of asinh(theta), each forecast's over its largest; even in y, like the
    physics; 1 at its mean."""
    errors = fit.field_errors
    share = errors / np.maximum(errors.max(axis=(2, 3, 4), keepdims=True), 1e-6)
    found = np.sqrt((share**2).mean(axis=(0, 1)))
    found = 0.5 * (found + found[:, ::-1])
    found /= found.mean()
    return np.asarray(np.maximum(found, FLOOR_OF_PROFILE))


def scores_of(some: Readings, found: Calibrated) -> np.ndarray:
    """(n, SCORES)."""
    expected = found.expected(some.encoded, some.sizes)
    each = [found.scores(encoded, hard) for encoded, hard in zip(some.encoded, expected, strict=True)]
    rest = {"envelope": some.envelope, "place": some.place, "power": some.power}
    columns = [rest[name] if name in rest else np.array([score[name] for score in each]) for name in SCORES]
    return np.stack(columns, axis=1)


def strangeness(some: Readings, found: Calibrated) -> dict[str, np.ndarray]:
    """What bands are calibrated on: (n,) for each size and the field."""
    expected = found.expected(some.encoded, some.sizes)
    sizes = bands.score(some.true, some.sizes, expected[..., :3])
    field = bands.field_score(
        some.true_field.astype(np.float32), some.field.astype(np.float32), expected[..., 3], found.profile
    )
    return {name: sizes[:, column] for column, name in enumerate(SIZES)} | {"field": field}


def groups_of(some: Readings, tokens: int) -> np.ndarray:
    """What the bands of draws go by."""
    pairs = zip(some.groups, some.encoded, strict=True)
    return np.array([group_of(regime, encoded, tokens) for regime, encoded in pairs])


def calibrated(fit: Readings, calibration: Readings, tokens: int, told: dict[str, Any]) -> Calibrated:
    """The whole of it, from two splits."""
    cloud, difficulty, shape, usual = fitted(fit, tokens)
    bare = Calibrated(
        cloud, difficulty, Combination(SCORES, np.zeros((0, len(SCORES)))), {}, COVERAGE, tokens, shape, usual, {}
    )
    strange = strangeness(calibration, bare)
    reach = {name: bands.mondrian(values, groups_of(calibration, tokens), COVERAGE) for name, values in strange.items()}
    combination = Combination(SCORES, scores_of(calibration, bare))
    return Calibrated(cloud, difficulty, combination, reach, COVERAGE, tokens, shape, usual, told)


def of_all(some: Readings, tokens: int, told: dict[str, Any]) -> Calibrated:
    """From all draws, by their parts."""
    part = np.array([draw.part for draw in some.draws])
    return calibrated(some.take(part == "fit"), some.take(part == "calibration"), tokens, told)


def folds(some: Readings, tokens: int) -> list[tuple[Readings, Calibrated]]:
    """What each fold's draws are, and what the others calibrate: every draw is tested once, by what never saw it."""
    fold = np.array([draw.fold for draw in some.draws])
    return [
        (some.take(fold == left), of_all(some.take(fold != left), tokens, {})) for left in sorted(set(fold.tolist()))
    ]


def engine(name: str) -> Any:
    """A shipped card's operator, as it is served."""
    from operators import card
    from operators.engine import Engine

    model, told = card.load(name)
    return Engine(model, told)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="twin.trust.calibrate", description="Calibrate trust in an operator.")
    parser.add_argument("--card", default="asno-melt-pool", help="whose weights")
    parser.add_argument("--draws", type=int, default=COUNT, help="all splits together; blocks of 40 are whole")
    parser.add_argument("--seed", type=int, default=draws.SEED)
    parser.add_argument("--work", type=Path, help="keep the reference's fields here, and go on from them")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    told = parser.parse_args(argv)
    told.out.mkdir(parents=True, exist_ok=True)  # before the hour, not after it
    work = told.work or Path(tempfile.mkdtemp(prefix="meltwin-trust-"))
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    began = time.monotonic()
    paths = tracks.made(told.draws, work, seed=told.seed, say=lambda line: print(line, flush=True))
    operator = engine(told.card)
    some = readings.of_shards(operator, paths)
    fit = sum(draw.part == "fit" for draw in some.draws)
    about = {
        "draws": {"seed": told.seed, "stream": hex(draws.STREAM), "fit": fit, "calibration": len(some) - fit,
                  "teacher": "fine", "leads_frames": list(draws.LEADS)},
    }  # fmt: skip
    path = save(of_all(some, operator.token_width, about), operator.card, told.out)
    print(f"wrote {path} after {time.monotonic() - began:.0f} s", flush=True)
    return 0
