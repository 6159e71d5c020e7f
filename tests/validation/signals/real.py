"""Real: what fires on logs of real machines, and why. Neither log carries a measured size of the melt pool.

AMMT (NIST, `lpbf_ammt_frames`): the same path twice, at constant power (`Base`) and in closed loop on the melt pool's
area (`MPA`), so that frame i of one is frame i of the other. Where the pool is larger than the controller wants it
takes power away: ln(P_MPA/P_Base) says, up to a factor, what the camera saw. That is held against the area that the
twin forecasts at constant power (the loop was open there), and in closed loop the area that is forecast should scatter
less.

Pelican (`ded_pelican`): positions, and laser on or off.
"""

import math
from collections import Counter
from pathlib import Path as File
from typing import Any

import numpy as np

from ingest.files.tables import read_table
from ingest.order import Order
from ingest.readers import open_source
from ingest.readers.columns import read_numbers
from operators.operator import Operator
from twin.forecast import Forecast
from twin.observation import Build, Observation, Window
from twin.sensors.drift import Drift
from twin.sensors.pairing import COMPARED
from twin.twin import Twin
from twin.watch import Watch

BATCH = 64
SETTLED_FRAMES = 12
CONSTANT = 0.01  # of the nominal power: frames of `Base` at half of it (contours) are left out
GAUGE = 0.02  # of ln power: below it the controller does nothing


def forecasts(path: File, operator: Operator, layers: tuple[int, ...], frames: int) -> dict[str, Any]:
    """Windows and forecasts of the first frames of some layers, what was warned of, and which signals came."""
    recording = open_source(path, None, "")
    order, watch, twin = Order(), Watch(), Twin(operator)
    told: dict[int, list[tuple[Window, Forecast]]] = {layer: [] for layer in layers}
    build: Build | None = None
    waiting: list[Window] = []
    alerts: Counter[str] = Counter()
    evidence: dict[str, str] = {}
    names: Counter[str] = Counter()

    def step() -> None:
        found, warned = twin.advance(waiting, lambda m, b: build, 0.0)  # type: ignore[arg-type, return-value]
        for window, forecast in zip(waiting, found, strict=True):
            told[window.layer].append((window, forecast))
        for alert in warned + watch.step([], waiting, order.gaps(), [], {}, 0.0):
            alerts[alert.kind] += 1
            evidence.setdefault(alert.kind, alert.evidence)
        waiting.clear()

    for due in recording.messages():
        message = due.message
        build = message if isinstance(message, Build) else build
        if message.kind == "signal":  # type: ignore[attr-defined]
            names[message.name] += len(message.value)  # type: ignore[attr-defined]
        for window in order.add(Observation("real", recording.name, message), 0.0):  # type: ignore[arg-type]
            if window.layer in told and window.index < frames:
                waiting.append(window)
        if len(waiting) >= BATCH:
            step()
        if waiting == [] and all(len(each) >= frames for each in told.values()):
            break
    step()
    return {"told": told, "alerts": dict(alerts), "evidence": evidence, "signals": dict(names), "build": build}


def columns(told: list[tuple[Window, Forecast]]) -> dict[str, np.ndarray]:
    """Power, speed, sizes and outcome of each frame; NaN where nothing was forecast."""
    sizes = np.full((len(told), 3), np.nan)
    power, outcome = np.zeros(len(told)), np.empty(len(told), object)
    for n, (window, forecast) in enumerate(told):
        power[n], outcome[n] = float(window.path.beam_power_w[:-1].max()), str(forecast.outcome.kind)
        if forecast.leads:
            pool = forecast.leads[0].melt_pool
            sizes[n] = pool.length_m, pool.width_m, pool.depth_m
    with np.errstate(invalid="ignore"):
        sizes = np.where(sizes > 0, sizes, np.nan)
    return {
        "power_w": power,
        "length_m": sizes[:, 0],
        "width_m": sizes[:, 1],
        "depth_m": sizes[:, 2],
        "outcome": outcome,
    }


def ammt(folder: File, operator: Operator, frames: int = 3000) -> dict[str, Any]:
    """What the closed loop says of the forecasts."""
    path = next(folder.glob("*.csv.gz"))
    found = forecasts(path, operator, (0, 1), frames)
    base, loop = (columns(found["told"][layer]) for layer in (0, 1))
    count = min(len(base["power_w"]), len(loop["power_w"]))
    base, loop = ({k: v[:count] for k, v in each.items()} for each in (base, loop))
    table = read_table(path)
    shapes = {s: table.loc[table["strategy"] == s, "shape_class"].to_numpy()[:count] for s in ("Base", "MPA")}
    raw = read_numbers(path, ["residual_heat_feature"])["residual_heat_feature"]  # the table's own, no unit stated
    heat = raw[(table["strategy"] == "Base").to_numpy()][:count]
    lit = (base["power_w"] > 0) & (loop["power_w"] > 0)
    since = np.zeros(count, int)
    for n in range(1, count):
        since[n] = since[n - 1] + 1 if lit[n] else 0
    held = np.abs(base["power_w"] / found["build"].nominal_beam_power_w - 1) < CONSTANT
    good = lit & held & (since >= SETTLED_FRAMES) & np.isfinite(base["width_m"]) & np.isfinite(loop["width_m"])
    areas = [np.log(each["length_m"][good] * each["width_m"][good]) for each in (base, loop)]
    control = np.log(loop["power_w"][good] / base["power_w"][good])
    drift = Drift(found["build"].frame_s)
    drift.take(-areas[1])
    acting = np.abs(control) > GAUGE
    return {
        "frames": count, "compared": int(good.sum()), "signals": found["signals"], "compared_signals": sorted(COMPARED),
        "outcomes": {n: dict(Counter(each["outcome"].tolist())) for n, each in (("Base", base), ("MPA", loop))},
        "alerts": found["alerts"], "evidence": found["evidence"],
        "area_sd": [float(each.std()) for each in areas],
        "width_sd": [float(np.log(each["width_m"][good]).std()) for each in (base, loop)],
        "spearman_area_control": spearman(areas[0], control),
        "spearman_interval": interval(areas[0], control),
        "spearman_feature_control": spearman(heat[good], control),
        "spearman_time_control": spearman(since[good].astype(float), control),
        "spearman_width_control": spearman(np.log(base["width_m"][good]), control),
        "spearman_acting": spearman(areas[0][acting], control[acting]), "acting": int(acting.sum()),
        "control_sd": float(control.std()), "control_mean": float(control.mean()),
        "shape_eta2": {s: eta2(a, shapes[s][good]) for s, a in zip(("Base", "MPA"), areas, strict=True)},
        "drift": {"batch": drift.batch, "standing": drift.standing, "means": drift.means, "spread": drift.spread},
        "_series": {"area_base": areas[0], "area_loop": areas[1], "control": control, "at": np.flatnonzero(good)},
    }  # fmt: skip


def pelican(folder: File, operator: Operator, frames: int = 10**9) -> dict[str, Any]:
    """What fires on a DED log."""
    recording = open_source(folder, None, "")
    layers = tuple(layer.layer for layer in recording.layers)
    found = forecasts(folder, operator, layers, frames)
    rows = [each for layer in layers for each in found["told"][layer]]
    each = columns(rows)
    reasons = Counter(f"{f.outcome.kind}: {f.outcome.which}" for _, f in rows if f.outcome.kind != "ok")
    lit = (each["power_w"] > 0) & np.isfinite(each["width_m"])
    return {
        "frames": len(rows), "layers": len(layers), "signals": found["signals"],
        "outcomes": dict(Counter(each["outcome"].tolist())),
        "reasons": dict(reasons), "alerts": found["alerts"], "evidence": found["evidence"],
        "width_mm": [float(v * 1e3) for v in np.percentile(each["width_m"][lit], (5, 50, 95))],
        "_series": {"width_m": each["width_m"], "power_w": each["power_w"]},
    }  # fmt: skip


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Rank correlation."""
    if len(x) < 3:
        return math.nan
    ranks = [np.argsort(np.argsort(each)).astype(float) for each in (x, y)]
    return float(np.corrcoef(*ranks)[0, 1])


def interval(x: np.ndarray, y: np.ndarray, block: int = 50, draws: int = 400) -> list[float]:
    """95 % of the rank correlation over blocks of neighbouring frames, drawn again."""
    rng, starts = np.random.default_rng(0), np.arange(0, len(x) - block, block)
    found = []
    for _ in range(draws):
        at = (rng.choice(starts, len(starts))[:, None] + np.arange(block)).ravel()
        found.append(spearman(x[at], y[at]))
    return [float(each) for each in np.percentile(found, (2.5, 97.5))]


def eta2(values: np.ndarray, classes: np.ndarray) -> float:
    """Share of the variance of values that lies between classes."""
    total = float(((values - values.mean()) ** 2).sum())
    between = sum((classes == c).sum() * (values[classes == c].mean() - values.mean()) ** 2 for c in np.unique(classes))
    return float(between / total) if total > 0 else math.nan
