"""Features: how far what an operator's encoder makes of a forecast is from what it makes of forecasts in distribution.

The Mahalanobis distance of the mean token (Lee et al., NeurIPS 2018, arXiv 1807.03888): d^2 = (f - m)^T S^-1 (f - m)/n,
one on average in distribution. It sees combinations that the envelope, a box, does not; it does not see what the
operator was not told (docs/trust.md).
"""

from dataclasses import dataclass

import numpy as np

SHRINKAGE = 0.05  # of the covariance towards its diagonal: features are many, draws are few


@dataclass(frozen=True)
class Cloud:
    """Mean (width,) and whitening (width, width) of the features in distribution: S^-1 = W W^T."""

    mean: np.ndarray
    whitening: np.ndarray

    @staticmethod
    def of(features: np.ndarray) -> "Cloud":
        """From features (row, width)."""
        mean = features.mean(0)
        centred = features - mean
        covariance = centred.T @ centred / len(features)
        diagonal = np.diag(np.diag(covariance) + 1e-9)
        values, vectors = np.linalg.eigh((1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal)
        return Cloud(mean, vectors / np.sqrt(values))

    def distance(self, features: np.ndarray) -> np.ndarray:
        """(...,) of features (..., width)."""
        white = (features - self.mean) @ self.whitening
        return np.asarray(np.sqrt((white**2).mean(-1)))
