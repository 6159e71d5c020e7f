"""Difficulty: the error that is to be expected of a forecast, from what the operator read and what it made of it.

A ridge regression of the logarithm of the error on what the operator was told, what the path did lately, the mean of
its tokens and the logarithms of the sizes: a last layer for the error, fitted on draws that calibrate nothing. It makes
bands narrow where the operator is good; it need not be right for them to hold (`twin.trust.bands`).
"""

from dataclasses import dataclass

import numpy as np

RIDGE = 0.1  # of the number of rows; features have unit variance
LEAST = np.array([3e-3, 3e-3, 3e-3, 1e-2])  # errors below are alike: of length, width, depth (shares), of asinh(theta)
NEAR = 4.0  # standard deviations beyond which a feature says no more
SMALLEST = 0.1  # d: added to sizes before their logarithm is taken


@dataclass(frozen=True)
class Difficulty:
    """Ridge on standardised features: log error = offset + clip((f - mean)/spread) weight; kept within what was seen."""

    mean: np.ndarray  # (feature,)
    spread: np.ndarray
    weight: np.ndarray  # (feature, 4): length, width, depth, field
    offset: np.ndarray  # (4,)
    low: np.ndarray
    high: np.ndarray

    @staticmethod
    def fitted(features: np.ndarray, errors: np.ndarray) -> "Difficulty":
        """From features (row, feature) and errors (row, 4)."""
        mean, spread = features.mean(0), features.std(0) + 1e-6
        rows, wanted = _standard(features, mean, spread), np.log(errors + LEAST)
        offset = wanted.mean(0)
        penalty = RIDGE * len(rows) * np.eye(rows.shape[1])
        weight = np.linalg.solve(rows.T @ rows + penalty, rows.T @ (wanted - offset))
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
