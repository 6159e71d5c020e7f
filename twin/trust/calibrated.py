"""Calibrated: what calibration found out about one card's weights, kept beside them: NAME-trust.json and .safetensors.

Tied to the weights by their checksum: of other weights nothing is known, and then no band is told and every forecast
says that it is not calibrated.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

import operators
from operators.melt_pool.earlier import EARLIER
from operators.melt_pool.recent import RECENT
from twin.trust.bands import SIZES, Interval, interval
from twin.trust.conformal import Combination
from twin.trust.difficulty import Difficulty, features_of
from twin.trust.features import Cloud

WEIGHTS = Path(operators.__file__).parent / "weights"
SCORES = ("envelope", "features", "difficulty", "heat", "place", "power")
LEAST = 0.01  # theta: a hundredth of the way from the build temperature to melting
ROOM = 10.0  # times as much: nothing of the kind was looked at; three times was as good (docs/LOG.md)
EVEN = 0.999  # share of the recent path (`melt_pool.recent`) from which nothing has changed
DIFFICULTY = ("mean", "spread", "weight", "offset", "low", "high")
ARRAYS = (
    "cloud.mean", "cloud.whitening", "profile", "usual", "scores", *(f"difficulty.{name}" for name in DIFFICULTY),
)  # fmt: skip


@dataclass(frozen=True)
class Calibrated:
    """One card's calibration. `reach`: by name of a size, or `field`, the quantile of each regime
    (`bands.mondrian`)."""

    cloud: Cloud
    difficulty: Difficulty
    combination: Combination
    reach: dict[str, dict[str, float]]
    coverage: float
    tokens: int  # how many of the last numbers of `Look.encoded` are the encoder's
    profile: np.ndarray  # (x, y, z) of errors of asinh(theta)
    usual: np.ndarray  # (2, EARLIER): the share of forecasts that had no such heat, the most that one had (theta)
    told: dict[str, Any]  # the readable half

    def expected(self, encoded: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Expected errors (..., 4) of length, width and depth (over `bands.scale`) and of the field over its
        profile."""
        return self.difficulty(features_of(encoded, sizes))

    def scores(self, encoded: np.ndarray, expected: np.ndarray) -> dict[str, float]:
        """Of one forecast, the largest of its leads: encoded (lead, code), expected (lead, 4)."""
        return {
            "features": float(self.cloud.distance(encoded[..., -self.tokens :]).max()),
            "difficulty": float(np.log(expected).mean(-1).max()),
            "heat": float(self.unusual(self.heats(encoded)).max()),
        }

    def heats(self, encoded: np.ndarray) -> np.ndarray:
        """(EARLIER,) theta of one forecast, the largest of its leads; what is less than LEAST counts for nothing."""
        return heats_of(encoded, self.tokens)

    def unusual(self, heats: np.ndarray) -> np.ndarray:
        """(EARLIER,) of heats: the share of forecasts that had none of that age; where there is ROOM times as much as
        any had, how many times more (its logarithm) is added."""
        without, most = self.usual
        seldom = np.where(heats > LEAST, without, 0.0)
        return np.asarray(seldom + np.log(np.maximum(heats / (ROOM * most), 1.0)))

    def band(self, sizes: np.ndarray, expected: np.ndarray, group: str) -> tuple[Interval, ...] | None:
        """Of length, width and depth (3,) at one lead, d; None where too few of its group were seen."""
        found = [
            interval(float(size), float(hard), self.reach[name].get(group, np.inf))
            for name, size, hard in zip(SIZES, sizes, expected, strict=False)
        ]
        return None if any(each is None for each in found) else tuple(each for each in found if each is not None)


def heats_of(encoded: np.ndarray, tokens: int) -> np.ndarray:
    """(..., EARLIER) theta of forecasts (..., lead, code), the largest of the leads; LEAST at least."""
    return np.asarray(np.maximum(encoded[..., -tokens - len(EARLIER) : -tokens].max(-2), LEAST))


def group_of(regime: str, encoded: np.ndarray, tokens: int) -> str:
    """What a band goes by: the regime, and whether the beam is on and nothing changes over all leads; encoded
    (lead, code)."""
    end = encoded.shape[1] - tokens - len(EARLIER)
    lately = encoded[:, end - len(RECENT) : end]
    steady = (lately[:, RECENT.index("even")] >= EVEN).all() and (lately[:, RECENT.index("on")] > 0).all()
    return f"{regime}, {'steady' if steady else 'changing'}"


@dataclass(frozen=True)
class Uncalibrated:
    """Why there is no calibration."""

    reason: str


def calibrated(card: Mapping[str, Any], folder: Path = WEIGHTS) -> Calibrated | Uncalibrated:
    """The calibration of a card's weights. Of an operator without weights there is none to be had."""
    if "sha256" not in card:
        return Uncalibrated(f"{card.get('name', 'an operator')} has no weights")
    return _read(folder / f"{card['name']}-trust.json", str(card["sha256"]))


@lru_cache(maxsize=16)
def _read(path: Path, weights: str) -> Calibrated | Uncalibrated:
    arrays = path.with_suffix(".safetensors")
    if not path.is_file() or not arrays.is_file():
        return Uncalibrated(f"no {path.name}")
    told = json.loads(path.read_text())
    if told["weights_sha256"] != weights:
        return Uncalibrated(f"{path.name} is of other weights")
    if hashlib.sha256(arrays.read_bytes()).hexdigest() != told["sha256"]:
        return Uncalibrated(f"{arrays.name} is not the file that {path.name} describes")
    kept = load_file(arrays)
    lacking = sorted(set(ARRAYS) - set(kept))
    if lacking:
        return Uncalibrated(f"{arrays.name} lacks {', '.join(lacking)}: made by an earlier version")
    return Calibrated(
        Cloud(kept["cloud.mean"], kept["cloud.whitening"]),
        Difficulty(*(kept[f"difficulty.{name}"] for name in DIFFICULTY)),
        Combination(tuple(told["scores"]), kept["scores"]),
        {name: {group: float(q) for group, q in groups.items()} for name, groups in told["reach"].items()},
        told["coverage"],
        told["tokens"],
        kept["profile"],
        kept["usual"],
        told,
    )


def save(found: Calibrated, card: Mapping[str, Any], folder: Path = WEIGHTS) -> Path:
    """Write NAME-trust.safetensors and NAME-trust.json."""
    path = folder / f"{card['name']}-trust.json"
    arrays = {"cloud.mean": found.cloud.mean, "cloud.whitening": found.cloud.whitening, "profile": found.profile}
    arrays["usual"] = found.usual
    arrays |= {f"difficulty.{name}": getattr(found.difficulty, name) for name in DIFFICULTY}
    arrays["scores"] = found.combination.scores
    packed = {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in arrays.items()}
    save_file(packed, path.with_suffix(".safetensors"))
    path.with_suffix(".safetensors").chmod(0o644)
    digest = hashlib.sha256(path.with_suffix(".safetensors").read_bytes()).hexdigest()
    head = {
        "kind": "trust",
        "name": card["name"],
        "weights_sha256": card["sha256"],
        "sha256": digest,
        "coverage": found.coverage,
        "scores": list(found.combination.names),
        "tokens": found.tokens,
        "reach": {name: {g: q for g, q in each.items() if np.isfinite(q)} for name, each in found.reach.items()},
    }
    path.write_text(json.dumps(head | found.told, indent=1) + "\n")
    return path
