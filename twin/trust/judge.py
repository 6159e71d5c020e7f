"""Judge: all that is known about one forecast's worth, as one outcome, one p-value and a band at every lead.

What is certain comes first (parameters missing, outside the envelope, a ledger that does not close); then what is only
unlike what was checked: where so few forecasts in distribution look as strange (ALARM), the outcome says which score
fired and by how much, and no band is claimed, for it would not hold.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from operators.melt_pool.earlier import AGES
from operators.operator import Look
from twin.forecast import Band, MeltPool, Outcome
from twin.process import Process
from twin.trust import envelope
from twin.trust.calibrated import Calibrated, calibrated, group_of
from twin.trust.followed import TOLERATED

ALARM = 0.0075
"""p at or below which a forecast is called unfamiliar: the share of false alarms among forecasts in distribution. Below
the one in a hundred that is tolerated, above the least p that the shipped calibration can tell."""
USUAL = 0.99  # the share of calibration draws that evidence compares with
SILENT = "not calibrated"


@dataclass(frozen=True)
class Setting:
    """What a forecast is made for: power and speed now (the nominal ones while the laser is off), their regime, and the
    envelope of the operator whose place it is (a fallback's own has no edge)."""

    process: Process
    beam_power_w: float
    scan_speed_m_per_s: float
    regime: str
    envelope: Mapping[str, list[float]] | None = None


@dataclass(frozen=True)
class Judgement:
    """An outcome with its evidence, and a band at each lead."""

    outcome: Outcome
    evidence: str = ""
    credibility: float | None = None
    strangest: str = ""
    bands: tuple[Band | None, ...] = ()


def judged(
    card: Mapping[str, Any], setting: Setting, looks: Sequence[Look], sizes: np.ndarray, outcome: Outcome,
    followed: Mapping[str, float] | None = None,
) -> Judgement:  # fmt: skip
    """`outcome`: what is known already. sizes (lead, 3) in d. `followed`: departures from the plan (`followed.py`)."""
    none: tuple[None, ...] = (None,) * len(looks)
    told = Judgement(outcome, _evidence(setting, outcome), bands=none)
    known = calibrated(card)
    if not isinstance(known, Calibrated):
        if "sha256" in card and outcome.kind == "ok":
            return replace(told, outcome=Outcome(which=SILENT), evidence=f"{SILENT}: {known.reason}")
        return told
    if any(look.encoded is None for look in looks) or not np.isfinite(sizes).all():
        return told
    encoded = np.stack([look.encoded for look in looks if look.encoded is not None])
    if not np.isfinite(encoded).all():
        return told
    expected = known.expected(encoded, sizes)
    scores = known.scores(encoded, expected) | dict(followed or {})
    if setting.envelope is not None:
        numbers = envelope.numbers(setting.process, setting.beam_power_w, setting.scan_speed_m_per_s)
        scores["envelope"] = envelope.distance(setting.envelope, numbers)
    p, strangest = known.combination(scores)
    told = replace(told, credibility=p, strangest=strangest)
    if outcome.kind == "ok" and p <= ALARM:
        found, evidence = _fired(known, strangest, scores[strangest], encoded, setting.process)
        told = replace(told, outcome=found, evidence=evidence)
    if told.outcome.kind != "ok":
        return told
    d = setting.process.beam_diameter_m
    group = group_of(setting.regime, encoded, known.tokens)
    return replace(
        told, bands=tuple(_band(known, size, hard, group, d) for size, hard in zip(sizes, expected, strict=True))
    )


def _band(known: Calibrated, sizes: np.ndarray, expected: np.ndarray, group: str, d: float) -> Band | None:
    found = known.band(sizes, expected, group)
    if found is None:
        return None
    low, high = (MeltPool(*(getattr(each, end) * d for each in found)) for end in ("low", "high"))
    return Band(low, high, known.coverage)


def _evidence(setting: Setting, outcome: Outcome) -> str:
    """Why something is outside, as a person says it."""
    if outcome.kind != "outside_envelope" or setting.envelope is None:
        return ""
    told = envelope.said(setting.envelope, setting.process, setting.beam_power_w, setting.scan_speed_m_per_s)
    return told or outcome.which


def _fired(known: Calibrated, name: str, score: float, encoded: np.ndarray, process: Process) -> tuple[Outcome, str]:
    """The outcome of a score that is stranger than what was checked, and the sentence that says by how much."""
    column = known.combination.names.index(name)
    limit = float(np.quantile(known.combination.scores[:, column], USUAL))
    if name == "place":
        far = score * process.beam_diameter_m
        text = (
            f"beam {far:.3g} m from where it was planned, tolerated {TOLERATED[name] * process.beam_diameter_m:.3g} m"
        )
        return Outcome("off_plan", "beam place against its plan", far, "m"), text
    if name == "power":
        text = f"beam power {score:.0%} off its plan, tolerated {TOLERATED[name]:.0%}"
        return Outcome("off_plan", "beam power against its plan", score, "of the power"), text
    if name == "difficulty":
        text = f"expected error {math.exp(score):.1%}, in 99 of 100 below {math.exp(limit):.1%}"
        return Outcome("unfamiliar", "expected error", math.exp(score), "of the size"), text
    if name == "heat":
        return _warm(known, encoded, process)
    if name == "features":
        text = f"encoder features {score:.2f} from their mean, 99 of 100 within {limit:.2f}"
        return Outcome("unfamiliar", "encoder features", score - limit, "beyond 99 of 100"), text
    return (
        Outcome("unfamiliar", "process groups", score, "of the trained range"),
        f"{-score:.2%} of the trained range from its edge, 99 of 100 further inside",
    )


def _warm(known: Calibrated, encoded: np.ndarray, process: Process) -> tuple[Outcome, str]:
    """Of what the path heated earlier, by the age at which it is least usual."""
    heats = known.heats(encoded)
    rung = int(known.unusual(heats).argmax())
    rise_k, begin_mm = process.temperature_k_rise, AGES[rung] * process.beam_diameter_m * 1e3
    without, most = known.usual[:, rung]
    warm_k, most_k = (float(theta) * rise_k for theta in (heats[rung], most))
    return (
        Outcome("unfamiliar", "heat of earlier vectors", warm_k, "K"),
        f"what the beam left {begin_mm:.3g} mm of travel ago and more keeps its place {warm_k:.0f} K warmer; "
        + ("none" if without == 1 else f"{1 - without:.2%}")
        + " of what was checked had such heat"
        + ("" if without == 1 else f", {most_k:.0f} K at most"),
    )
