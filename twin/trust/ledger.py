"""Ledger: whether the energy of a forecast adds up. An operator that keeps one says what is missing (`Look.defect`)."""

import numpy as np

from twin.forecast import Outcome

LEDGER_CLOSES = 1e-5
"""Share of the absorbed energy that may be missing in an operator's own ledger; round-off is 1e-6 at most."""


def residual(defect: float | None) -> Outcome | None:
    """Whether the ledger of an operator that keeps one closes; None where it does, or there is none."""
    if defect is None or abs(defect) <= LEDGER_CLOSES:
        return None
    return Outcome("residual", "energy", defect, "of the absorbed heat")


def finite(theta: np.ndarray) -> Outcome | None:
    """Whether every value of a field is a number."""
    wrong = int(np.size(theta) - np.isfinite(theta).sum())
    return Outcome("non_finite", "temperature", float(wrong), "nodes") if wrong else None
