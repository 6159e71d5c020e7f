"""Trust: what a forecast may claim. Here the first reasons not to: outside the trained envelope, a ledger of energy
that does not close, and not a number.

Each is an `Outcome` with the quantity, how far, and in which unit; the process groups are those of `operators.groups`.
"""

from collections.abc import Mapping

import numpy as np

from twin.forecast import Outcome
from twin.process import Process

SPEED_UNIT = "m/s"
LEDGER_CLOSES = 1e-3
"""Share of the absorbed energy that may be missing in an operator's own ledger; round-off is 1e-6 at most."""


def outside(
    envelope: Mapping[str, list[float]], process: Process, beam_power_w: float, scan_speed_m_per_s: float
) -> Outcome | None:
    """The first number outside a card's envelope, in the user's units; None inside. Power 0 and speed 0 pass."""
    if process.beam_shape != "gaussian":
        return Outcome("outside_envelope", f"{process.beam_shape} beam")
    groups, surface = process.groups(), process.surface()
    numbers = dict(zip(groups.names(), groups.vector().tolist(), strict=True))
    numbers |= {"evaporation": surface.evaporation, "vapour": surface.vapour, "zero": surface.zero}
    for name, value in numbers.items():
        if name in envelope:
            by = _beyond(value, envelope[name])
            if by:
                return Outcome("outside_envelope", f"{name} of {process.material.name}", by, "")
    if beam_power_w > 0:
        source = process.source(beam_power_w, scan_speed_m_per_s)
        by = _beyond(source.q, envelope["q"])
        if by:
            return Outcome("outside_envelope", "beam power", by * beam_power_w / source.q, "W")
        if scan_speed_m_per_s > 0:
            peclet = process.peclet(scan_speed_m_per_s)
            by = _beyond(peclet, envelope["peclet"])
            if by:
                return Outcome("outside_envelope", "scan speed", by * scan_speed_m_per_s / peclet, SPEED_UNIT)
        if "depth" in envelope:
            by = _beyond(source.depth, envelope["depth"])
            if by:
                return Outcome("outside_envelope", "source depth", by * process.length_m, "m")
    return None


def _beyond(value: float, bounds: list[float]) -> float:
    """How far outside [low, high]: negative below, positive above, 0 inside."""
    low, high = bounds
    return value - high if value > high else value - low if value < low else 0.0


def residual(defect: float | None) -> Outcome | None:
    """Whether the ledger of an operator that keeps one closes; None where it does, or there is none."""
    if defect is None or abs(defect) <= LEDGER_CLOSES:
        return None
    return Outcome("residual", "energy", defect, "of the absorbed heat")


def finite(theta: np.ndarray) -> Outcome | None:
    """Whether every value of a field is a number."""
    wrong = int(np.size(theta) - np.isfinite(theta).sum())
    return Outcome("non_finite", "temperature", float(wrong), "nodes") if wrong else None
