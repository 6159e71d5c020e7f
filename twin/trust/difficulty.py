"""Difficulty: the error that is to be expected of a forecast, from what the operator read and what it made of it.

The logarithm of the error that nine in ten stay below, linear in what the operator was told, what the path did lately,
the mean of its tokens and the logarithms of the sizes: a last layer for the error, fitted on draws that calibrate
nothing. It makes bands narrow where the operator is good; it need not be right for them to hold (`twin.trust.bands`).
"""

from dataclasses import dataclass

import numpy as np

RIDGE, LEVEL = 0.03, 0.9  # of the number of rows, features have unit variance; share of errors below
ROUNDS, NARROW = 30, 0.05  # of reweighting, which ends where a residual is as small as that
LEAST = np.array([3e-3, 3e-3, 3e-3, 1e-2])  # errors below are alike: of length, width, depth (shares), of asinh(theta)
NEAR = 4.0  # standard deviations beyond which a feature says no more
SMALLEST = 0.1  # d: added to sizes before their logarithm is taken


@dataclass(frozen=True)
class Difficulty:
    """On standardised features: log error = offset + clip((f - mean)/spread) weight; kept within what was seen."""

    mean: np.ndarray  # (feature,)
    spread: np.ndarray
    weight: np.ndarray  # (feature, 4): length, width, depth, field
    offset: np.ndarray  # (4,)
    low: np.ndarray
    high: np.ndarray

    @staticmethod
    def fitted(features: np.ndarray, errors: np.ndarray) -> "Difficulty":
        """From features (row, feature) and errors (row, 4): quantile regression (Koenker and Bassett 1978) by weighted
        least squares, weights LEVEL above and 1 - LEVEL below, over the distance."""
        mean, spread = features.mean(0), features.std(0) + 1e-6
        rows, wanted = _standard(features, mean, spread), np.log(errors + LEAST)
        fitted = np.stack([_quantile(rows, each) for each in wanted.T], axis=1)
        offset, weight = fitted[0], fitted[1:]
        told = offset + rows @ weight
        return Difficulty(mean, spread, weight, offset, *np.quantile(told, [0.005, 0.995], axis=0))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Expected errors (..., 4) of features (..., feature)."""
        told = self.offset + _standard(features, self.mean, self.spread) @ self.weight
        return np.asarray(np.exp(np.clip(told, self.low, self.high)))


def features_of(encoded: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """What difficulty is told from: `Look.encoded` (..., n) and sizes (..., 3) in d."""
    return np.concatenate([encoded, np.log(sizes + SMALLEST)], axis=-1).astype(np.float64)


def _standard(features: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip((features - mean) / spread, -NEAR, NEAR))


def _quantile(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(1 + feature,) offset and weights of one output."""
    full = np.hstack([np.ones((len(rows), 1)), rows])
    penalty = RIDGE * len(rows) * np.eye(full.shape[1])
    penalty[0, 0] = 0.0
    found = np.zeros(full.shape[1])
    found[0] = np.quantile(wanted, LEVEL)
    for _ in range(ROUNDS):
        off = wanted - full @ found
        scaled = full * (np.where(off > 0, LEVEL, 1 - LEVEL) / np.maximum(np.abs(off), NARROW))[:, None]
        found = np.linalg.solve(scaled.T @ full + penalty, scaled.T @ wanted)
    return found
