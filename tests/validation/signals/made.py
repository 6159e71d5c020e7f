"""Made: widths and lengths that the reference solver gives at a hidden absorptivity, and the operator's forecasts at
the nominal one; what the calibration then says.

A straight track of IN625, 100 um beam, 0.8 m/s, the power stepping every 15 frames. The solver is told `hidden` times
what the rule says is absorbed; the twin is not. Sensors read four times a frame with the scatter of real tracks.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from ingest.machines.sensor import MeltPoolSensor, decorrelation_s
from operators.operator import Operator, Stream, Task
from operators.reference.operator import ReferenceOperator
from twin.forecast import Calibrated, Forecast
from twin.material import material
from twin.observation import Build, Path, Samples, Window
from twin.process import Process
from twin.sensors.following import Following
from twin.twin import Place, Twin

FRAME_S, SPEED, DIAMETER_M = 62.5e-6, 0.8, 100e-6
POWERS_W = (160.0, 175.0, 195.0, 215.0, 230.0)
HELD_FRAMES = 15
A_FRAME = 4  # readings
BUILD = Build(
    source="m", sequence=0, time_s=0.0, build="b", material="IN625", beam_diameter_m=DIAMETER_M,
    layer_thickness_m=40e-6, nominal_beam_power_w=195.0, nominal_scan_speed_m_per_s=SPEED, frame_s=FRAME_S,
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A series: the windows, what was forecast of them, and the true width and length at the end of each, m."""

    hidden: float
    operator: Operator
    process: Process
    places: list[Place]
    forecasts: list[Forecast]
    width_m: np.ndarray
    length_m: np.ndarray


def windows(frames: int, seed: int = 0) -> list[Window]:
    """The track."""
    powers = np.random.default_rng(seed).choice(POWERS_W, frames // HELD_FRAMES + 1)
    told = []
    for n in range(frames):
        times = np.array([n, n + 1]) * FRAME_S
        flat = np.zeros(2)
        path = Path(times, SPEED * times, flat, flat, np.full(2, powers[n // HELD_FRAMES]))
        told.append(Window("m", "b", 1, n, float(times[0]), float(times[1]), path))
    return told


def make(hidden: float, operator: Operator, frames: int = 600, cells: int = 8) -> Made:
    """A series of so many frames; `cells` a beam diameter of the solver."""
    process = Process(material("IN625"), DIAMETER_M, layer_thickness_m=40e-6)
    track = windows(frames)
    operator.forget("m/b/1")  # it may have served another series
    forecasts = Twin(operator, following=Following(deaf=True)).advance(track, lambda m, b: BUILD, 0.0)[0]
    d, unit_s, peclet = process.length_m, process.time_s, process.peclet(SPEED)
    stretches = []
    for window in track:
        power_w = float(window.path.beam_power_w[0])
        source = process.source(power_w, SPEED)
        rows = np.zeros((2, 5))
        rows[:, 0], rows[:, 1] = window.path.time_s / unit_s, window.path.x_m / d
        rows[:, 3:] = hidden * source.q, source.depth
        stretches.append(rows)
    reference = ReferenceOperator(cells)
    looks = reference.step([Task(Stream("truth", process.groups(), peclet, process.surface()), stretches, [])])[0]
    sizes = np.array([reference.grid.sizes(look.theta, process.groups().solidus) for look in looks]) * d
    places = [Place(w, BUILD, process, "", float(w.path.beam_power_w[0]), SPEED) for w in track]
    return Made(hidden, operator, process, places, forecasts, sizes[:, 1], sizes[:, 0])


def observed(made: Made, seed: int, *, lengths: bool = True, scale: float = 1.0, step: float = 1.0) -> list[Place]:
    """The places with what sensors say in them. `scale`: of the width sensor; `step`: on all from the middle on."""
    rng = np.random.default_rng(seed)
    tau_s = decorrelation_s(DIAMETER_M, SPEED)
    sensors = {"melt_pool_width_m": (made.width_m * scale, MeltPoolSensor(rng, 1e-9, tau_s))}
    if lengths:
        sensors["melt_pool_length_m"] = (made.length_m, MeltPoolSensor(rng, 1e-9, tau_s))
    told = []
    for n, place in enumerate(made.places):
        times = place.window.start_s + FRAME_S * np.arange(1, A_FRAME + 1) / A_FRAME
        signals = []
        for name, (sizes_m, sensor) in sensors.items():
            before = sizes_m[n - 1] if n else 0.0
            at = before + (sizes_m[n] - before) * np.arange(1, A_FRAME + 1) / A_FRAME
            changed = step if n >= len(made.places) // 2 else 1.0
            values = np.array([sensor.read(float(size) * changed, FRAME_S / A_FRAME) for size in at])
            signals.append(Samples(name, 1, times, values))  # type: ignore[arg-type]
        told.append(replace(place, window=replace(place.window, signals=tuple(signals))))
    return told


def estimated(made: Made, seed: int, **fields: float | bool) -> tuple[Calibrated, list[Forecast]]:
    """The last estimate of the absorptivity, and the forecasts with their outcomes."""
    following = Following()
    told = following.compare(observed(made, seed, **fields), made.process, made.operator, made.forecasts)  # type: ignore[arg-type]
    rows = [row for forecast in told for row in forecast.calibrated if row.quantity == "absorptivity"]
    return rows[-1], told


def coverage(made: Made, seeds: int, **fields: float | bool) -> dict[str, float]:
    """How often the interval holds the hidden absorptivity, how far off the estimate is, and how wide the interval."""
    rows = [estimated(made, seed, **fields)[0] for seed in range(seeds)]
    factors = np.array([row.estimate / row.nominal for row in rows])
    holds = np.mean([row.low / row.nominal <= made.hidden <= row.high / row.nominal for row in rows])
    half = np.mean([math.log(row.high / row.low) / 2 for row in rows])
    return {
        "hidden": made.hidden, "seeds": seeds, "frames": rows[0].frames, "covered": float(holds),
        "bias": float(np.log(factors).mean() - math.log(made.hidden)), "spread": float(np.log(factors).std()),
        "half_width": float(half), "identifiable": float(np.mean([row.identifiable for row in rows])),
    }  # fmt: skip
