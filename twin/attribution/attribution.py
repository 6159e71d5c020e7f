"""Attribution: why a forecast says what it says, from the operator's gradients into the user's units.

The operator knows strength, depth and motion of the source of each moment (`operators.attribution`); a user knows beam
power and scan speed. The rule (`operators.reference.rule`) makes the former of the latter, so what a moment's source
has brought is parted between power and speed by what each changes of it, the other held at either end (Shapley's way
for two); the parts still add up. The baseline is a straight track at nominal power and speed for as long, and of
the same absorbed share: what sensors say of that is no doing of power or speed.
"""

from dataclasses import dataclass, replace

import numpy as np

from operators.attribution.gradients import Gradients, Scalar
from operators.attribution.moments import Moments
from operators.attribution.shares import Shares, between
from operators.operator import Stream, heading_after
from operators.path import joined
from twin.attribution.because import Attribution, Of, cuts
from twin.process import Process
from twin.sensors.calibration import bounded

SPOT_STEP, PREHEAT_STEP_K, PERCENT = 0.01, 10.0, 0.01
HOT = (28, 12, 3)  # the node of which a temperature is asked: .8 d behind the beam, .2 d deep


@dataclass(frozen=True)
class Trace:
    """What an operator was told of one frame at one lead: rows (t, x, y, q, depth, beam power in W), dimensionless but
    for the last, and what stays constant. absorbs: the share that q has of what the rule says."""

    rows: np.ndarray
    heading: float
    stream: Stream
    process: Process
    nominal_power_w: float
    nominal_speed_m_per_s: float
    frame_s: float
    lead_s: float
    absorbs: float = 1.0

    def source(self, power_w: float, speed_m_per_s: float) -> tuple[float, float]:
        """q and depth at a power and a speed."""
        found = self.process.source(power_w, speed_m_per_s)
        return found.q * bounded(self.absorbs, found.absorptivity), found.depth


def traced(
    observed: list[np.ndarray], ahead: np.ndarray | None, stream: Stream, process: Process, *,
    nominal_power_w: float, nominal_speed_m_per_s: float, frame_s: float, lead_s: float,
    absorbs: float = 1.0,
) -> Trace:  # fmt: skip
    """The path as the engine keeps it, from stretches with their powers."""
    past, heading = np.zeros((0, 6)), 0.0
    for rows in observed if ahead is None else [*observed, ahead]:
        past, heading = joined(past, rows), heading_after(heading, rows)
    constant = nominal_power_w, nominal_speed_m_per_s, frame_s, lead_s, absorbs
    return Trace(past, heading, stream, process, *constant)


def explained(gradients: Gradients, trace: Trace, of: Of, node: tuple[int, int, int] = (0, 0, 0)) -> tuple[
    Attribution, Shares, Moments
]:  # fmt: skip
    """The attribution of a number: a size, or the temperature at a node; with what it was made of."""
    process, scalar = trace.process, Scalar(None if of == "temperature" else of, node)
    moments, power = _moments(trace)
    unit = process.temperature_k_rise if of == "temperature" else process.beam_diameter_m
    speed = moments.values[:, 2] * process.beam_diameter_m / process.time_s
    q, depth = trace.source(trace.nominal_power_w, trace.nominal_speed_m_per_s)
    pace = trace.nominal_speed_m_per_s * process.time_s / process.beam_diameter_m
    baseline = np.tile([q, depth, pace, 0.0], (len(moments), 1))
    shares = between(gradients, moments, baseline, scalar)
    by_source = [_sources(trace, p, v if p > 0 else trace.nominal_speed_m_per_s) for p, v in
                 zip(power, speed, strict=True)]  # fmt: skip
    of_power = _of_power(trace, power, speed, moments.values[:, :2] - baseline[:, :2])
    step = moments.values[:, :2] - baseline[:, :2]
    slope = np.divide(shares.parts[:, :2], step, out=np.zeros_like(step), where=step != 0)
    brings = np.stack(
        [(slope * of_power).sum(1), (slope * (step - of_power)).sum(1) + shares.parts[:, 2], shares.parts[:, 3]], 1
    )
    by = shares.at.by_moment
    logs = np.array(by_source)  # (m, of power or speed, q or depth)
    by_percent = np.stack(
        [
            (by[:, :2] * moments.values[:, :2] * logs[:, 0]).sum(1),
            (by[:, :2] * moments.values[:, :2] * logs[:, 1]).sum(1) + by[:, 2] * moments.values[:, 2],
        ],
        1,
    )
    spot, preheat = _constants(gradients, trace, scalar, of, shares.value * unit)
    told = Attribution(
        of, trace.lead_s, _shown(shares.value, of, process), _shown(shares.baseline, of, process),
        edges_s=trace.lead_s - moments.ages * process.time_s, power_w=power, speed_m_per_s=speed,
        direction_rad=moments.values[:, 3], nominal_power_w=trace.nominal_power_w,
        nominal_speed_m_per_s=trace.nominal_speed_m_per_s, brings=brings * unit,
        by_percent=PERCENT * by_percent * unit, by_spot=spot, by_preheat=preheat, defect=shares.defect,
    )  # fmt: skip
    return told, shares, moments


def _shown(value: float, of: Of, process: Process) -> float:
    return process.temperature_k(value) if of == "temperature" else value * process.beam_diameter_m


def _moments(trace: Trace) -> tuple[Moments, np.ndarray]:
    """Moments, parted where the table wants it, and the beam power in each."""
    parted = (cuts(trace.frame_s)) / trace.process.time_s
    moments = Moments.of(trace.rows[:, :5], trace.stream, trace.heading, parted)
    middle = 0.5 * (moments.ages[:-1] + moments.ages[1:])
    rows = np.searchsorted(trace.rows[:, 0], trace.rows[-1, 0] - middle, side="right") - 1
    return moments, trace.rows[rows, 5]


def _of_power(trace: Trace, power: np.ndarray, speed: np.ndarray, step: np.ndarray) -> np.ndarray:
    """What of the step of (q, depth) of each moment comes from its power."""
    p0, v0 = trace.nominal_power_w, trace.nominal_speed_m_per_s

    def source(p: float, v: float) -> np.ndarray:
        return np.array(trace.source(p, v))

    out = np.zeros_like(step)
    for n, (p, v) in enumerate(zip(power.tolist(), speed.tolist(), strict=True)):
        if p <= 0:
            out[n] = step[n]
        elif p != p0:
            v = round(v, 6)
            out[n] = 0.5 * (source(p, v) - source(p0, v) + source(p, v0) - source(p0, v0))
    return out


def _sources(trace: Trace, power_w: float, speed: float) -> list[list[float]]:
    """d ln(q, depth)/d ln power and d ln speed, by differences."""
    if power_w <= 0:
        return [[0.0, 0.0], [0.0, 0.0]]
    speed, out = round(speed, 6), []
    for up, down in (
        ((1 + PERCENT, 1.0), (1 - PERCENT, 1.0)),
        ((1.0, 1 + PERCENT), (1.0, 1 - PERCENT)),
    ):
        high, low = (np.array(trace.source(power_w * p, speed * v)) for p, v in (up, down))
        out.append((np.log(high / low) / (2 * PERCENT)).tolist())
    return out


def _constants(
    gradients: Gradients, trace: Trace, scalar: Scalar, of: Of, value: float
) -> tuple[float, float]:  # fmt: skip
    """What a wider beam, and a warmer plate, would change: the whole chain once more."""
    process, found = trace.process, []
    for changed in (
        replace(process, beam_diameter_m=process.beam_diameter_m * (1 + SPOT_STEP)),
        replace(process, preheat_k=process.preheat_k + PREHEAT_STEP_K),
    ):
        moved = _again(trace, changed)
        moments, _ = _moments(moved)
        (each,) = gradients.values([moments], scalar)
        found.append(_shown(each, of, changed) - _shown(value / _unit(process, of), of, process))
    return found[0], found[1]


def _unit(process: Process, of: Of) -> float:
    return process.temperature_k_rise if of == "temperature" else process.beam_diameter_m


def _again(trace: Trace, process: Process) -> Trace:
    """The same path of the beam, of another process."""
    before, rows = trace.process, trace.rows.copy()
    rows[:, 0] *= before.time_s / process.time_s
    rows[:, 1:3] *= before.beam_diameter_m / process.beam_diameter_m
    steps = np.hypot(*np.diff(trace.rows[:, 1:3], axis=0).T)
    spans = np.diff(trace.rows[:, 0])
    speed = np.divide(steps, spans, out=np.zeros_like(steps), where=spans > 0) * before.beam_diameter_m / before.time_s
    for n, (power, v) in enumerate(zip(trace.rows[:-1, 5].tolist(), speed.tolist(), strict=True)):
        if power > 0:
            was, now = (each.source(power, round(v, 6)) for each in (before, process))
            rows[n, 3:5] *= now.q / was.q, now.depth / was.depth
    stream = replace(
        trace.stream, groups=process.groups(), peclet=process.peclet(trace.nominal_speed_m_per_s),
        surface=process.surface(), scales=process.scales(),
    )  # fmt: skip
    return replace(trace, rows=rows, stream=stream, process=process)
