"""Envelope: whether the process groups are inside what an operator was trained on, how far from its edge, and what that
is in the user's units.

The groups are those of `operators.groups`; what the user set is the power, the scan speed, the spot, the alloy and the
build temperature. A number beyond its bounds is told as the user's number and the bound that it passes:
"scan speed 2.1 m/s, trained up to 1.6".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from twin.forecast import Outcome
from twin.process import Process

SPEED_UNIT = "m/s"
LOGARITHMIC = ("evaporation", "q", "peclet", "depth")  # drawn, or felt, by their logarithm
Envelope = Mapping[str, list[float]]


@dataclass(frozen=True)
class Beyond:
    """A number outside its bounds, in the user's units: `by` is what it is above (positive) or below the bound."""

    which: str
    value: float
    by: float
    unit: str

    @property
    def outcome(self) -> Outcome:
        return Outcome("outside_envelope", self.which, self.by, self.unit)

    def __str__(self) -> str:
        edge = f"trained {'up' if self.by > 0 else 'down'} to {_digits(self.value - self.by)}"
        return f"{self.which} {_digits(self.value)} {self.unit}".rstrip() + f", {edge}"


def outside(envelope: Envelope, process: Process, beam_power_w: float, scan_speed_m_per_s: float) -> Outcome | None:
    """The first number outside a card's envelope as an outcome; None inside. Power 0 and speed 0 pass."""
    found = beyond(envelope, process, beam_power_w, scan_speed_m_per_s)
    return None if found is None else found if isinstance(found, Outcome) else found.outcome


def said(envelope: Envelope, process: Process, beam_power_w: float, scan_speed_m_per_s: float) -> str:
    """The same as a person says it; empty inside."""
    found = beyond(envelope, process, beam_power_w, scan_speed_m_per_s)
    return found.which if isinstance(found, Outcome) else str(found or "")


def beyond(
    envelope: Envelope, process: Process, beam_power_w: float, scan_speed_m_per_s: float
) -> Beyond | Outcome | None:
    """The first number outside, in the user's units; an outcome where it is no number (the shape of the beam)."""
    if process.beam_shape != "gaussian":
        return Outcome("outside_envelope", f"{process.beam_shape} beam")
    values = numbers(process, beam_power_w, scan_speed_m_per_s)
    for name, value in values.items():
        by = _past(value, envelope[name]) if name in envelope else 0.0
        if by:
            factor, which, unit = _told(name, value, process, beam_power_w, scan_speed_m_per_s)
            return Beyond(which, value * factor, by * factor, unit)
    return None


def numbers(process: Process, beam_power_w: float, scan_speed_m_per_s: float) -> dict[str, float]:
    """The groups of a process at a power and a speed, by the names of a card's envelope; without power or speed, those
    that need none."""
    groups, surface = process.groups(), process.surface()
    found = dict(zip(groups.names(), groups.vector().tolist(), strict=True))
    found |= {"evaporation": surface.evaporation, "vapour": surface.vapour, "zero": surface.zero}
    if beam_power_w > 0:
        source = process.source(beam_power_w, scan_speed_m_per_s)
        found["q"] = source.q
        if scan_speed_m_per_s > 0:
            found["peclet"] = process.peclet(scan_speed_m_per_s)
        found["depth"] = source.depth
    return found


def distance(envelope: Envelope, values: Mapping[str, float]) -> float:
    """How far outside the nearest edge, in widths of the envelope; negative inside. The number that is furthest out
    counts; those without a width, or at the end that nothing can pass (no tail), do not."""
    worst = -math.inf
    for name, value in values.items():
        if name not in envelope:
            continue
        low, high = envelope[name]
        if name in LOGARITHMIC:
            low, high, value = (math.log(max(each, 1e-9)) for each in (low, high, value))
        past = max(value - high, -math.inf if low == 0.0 else low - value)
        worst = max(worst, past / (high - low))
    return worst


def _told(
    name: str, value: float, process: Process, beam_power_w: float, scan_speed_m_per_s: float
) -> tuple[float, str, str]:
    """What a group is to the user: factor, name, unit."""
    if name == "q":
        return beam_power_w / value, "beam power", "W"
    if name == "peclet":
        return scan_speed_m_per_s / value, "scan speed", SPEED_UNIT
    if name == "depth":
        return process.length_m, "source depth", "m"
    return 1.0, f"{name} of {process.material.name}", ""


def _digits(value: float) -> str:
    """Three digits, and no power of ten where a person would write none."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _past(value: float, bounds: list[float]) -> float:
    """How far outside [low, high]: negative below, positive above, 0 inside."""
    low, high = bounds
    return value - high if value > high else value - low if value < low else 0.0
