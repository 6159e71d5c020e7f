"""Pictures along a stretch: sizes with their bands, shares of outcomes. Lengths become um or mm here."""

import numpy as np
import pandas as pd

from ui.figures import LengthUnit
from ui.report.drawing import svg
from ui.report.drawing.svg import TONES, WIDE
from ui.report.sizes import SIZES

LEFT, RIGHT = 58, 16  # px
DOTS = 60  # observed means that are drawn
CRISP = ' shape-rendering="crispEdges"'


def sizes(stations: pd.DataFrame, unit: LengthUnit, at: str) -> str:
    """Width, length and depth over the stretch: median, 5 to 95 %, and what sensors saw."""
    high, gap, top = 104, 38, 30
    seen = [size for size in SIZES if stations[f"{size}_observed_m"].notna().any()]
    place, x_low, x_high = _along(stations)
    every = max(1, len(stations) // DOTS)
    body = _key(seen, every, bool((~stations["fine"]).any()))
    for panel, size in enumerate(SIZES):
        down = top + panel * (high + gap) + 14
        values = {name: stations[f"{size}_{name}_m"].to_numpy(float) * unit.per_m for name in ("p05", "p50", "p95")}
        observed = stations[f"{size}_observed_m"].to_numpy(float) * unit.per_m
        peak = np.nanmax([*values["p95"], *observed, 1e-9]) * 1.06
        levels = svg.ticks(0.0, float(peak), 4)
        body.append(svg.words(LEFT, down - 8, f"{size.capitalize()}, {unit.name}", fill=svg.INK, bold=True))
        body += _grid(down, high, levels, float(peak))

        def level(metres: np.ndarray, down: float = down, peak: float = float(peak)) -> np.ndarray:
            return down + high * (1 - metres / peak)

        body += svg.band(place, level(values["p05"]), level(values["p95"]), "#c9dbef")
        median = level(values["p50"])
        fine = stations["fine"].to_numpy(bool)
        body.append(svg.path(np.c_[place, _joined(median, fine)], "#1c4f8f", 1.8))
        body.append(
            svg.path(np.c_[place, _joined(median, ~fine)], TONES["caution"], 2.2, more=' stroke-dasharray="3 2"')
        )
        if len(stations) == 1:
            body += [svg.rect(place[0] - 5, median[0] - 1, 10, 2, "#1c4f8f")]
        body += svg.dots(np.c_[place, level(observed)][::every], svg.INK)
    bottom = top + 3 * (high + gap) - gap + 14
    body += _below(bottom, x_low, x_high, at)
    told = ", ".join(f"{size} {unit.say(float(stations[f'{size}_p50_m'].median()))}" for size in SIZES)
    description = f"Medians over the stretch: {told}. The table below gives the numbers."
    return svg.document(WIDE, bottom + 42, f"Melt-pool sizes by {at}", description, body, "sizes")


def outcomes(stations: pd.DataFrame, tones: dict[str, str], names: dict[str, str], at: str) -> str:
    """Share of frames by outcome along the stretch, stacked; `tones` and `names` are by outcome."""
    high, top = 70, 34
    place, x_low, x_high = _along(stations)
    kinds = sorted({kind for row in stations["outcomes"] for kind in row}, key=lambda kind: (kind != "ok", kind))
    body = []
    x = float(LEFT)
    for kind in kinds:
        body += [svg.rect(x, 6, 11, 11, TONES[tones[kind]]), svg.words(x + 16, 15.5, names[kind])]
        x += 34 + 6.4 * len(names[kind])
    half = _half_width(place)
    for middle, row in zip(place, stations["outcomes"], strict=True):
        total, down = sum(row.values()), float(top)
        for kind in kinds:
            share = high * row.get(kind, 0) / total
            if share > 0:
                body.append(svg.rect(middle - half, down, 2 * half, share, TONES[tones[kind]], CRISP))
            down += share
    body += [svg.words(LEFT - 8, top + 9, "100 %", "end"), svg.words(LEFT - 8, top + high, "0", "end")]
    body += _below(top + high, x_low, x_high, at)
    description = "The table beside it gives the same shares for the whole stretch."
    return svg.document(WIDE, top + high + 42, f"Frames by outcome, by {at}", description, body, "outcomes")


def _along(stations: pd.DataFrame) -> tuple[np.ndarray, float, float]:
    at = stations["at"].to_numpy(float)
    step = float(np.median(np.diff(at))) if len(at) > 1 else 1.0
    low, high = float(at[0] - step / 2), float(at[-1] + step / 2)
    return LEFT + (at - low) / (high - low) * (WIDE - LEFT - RIGHT), low, high


def _half_width(place: np.ndarray) -> float:
    return float(np.median(np.diff(place))) / 2 if len(place) > 1 else (WIDE - LEFT - RIGHT) / 2


def _grid(down: float, high: float, levels: list[float], peak: float) -> list[str]:
    found = []
    for value in levels:
        y = down + high * (1 - value / peak)
        found.append(f'<path d="M{LEFT} {y:.1f}H{WIDE - RIGHT}" stroke="{svg.LINE}"/>')
        found.append(svg.words(LEFT - 8, y + 4, f"{value:g}", "end"))
    return found


def _below(bottom: float, low: float, high: float, at: str) -> list[str]:
    """The axis under a picture: layers by whole numbers, or seconds."""
    found = [f'<path d="M{LEFT} {bottom:.1f}H{WIDE - RIGHT}" stroke="{svg.MUTED}" stroke-opacity=".6"/>']
    marks = svg.ticks(low, high, 7)
    if at == "layer":
        marks = [value for value in marks if abs(value - round(value)) < 1e-9]
    for value in marks:
        x = LEFT + (value - low) / (high - low) * (WIDE - LEFT - RIGHT)
        found.append(f'<path d="M{x:.1f} {bottom:.1f}v4" stroke="{svg.MUTED}"/>')
        found.append(svg.words(x, bottom + 17, f"{value:,.0f}" if at == "layer" else f"{value:.6g}", "middle"))
    label = "layer" if at == "layer" else "process time, s"
    found.append(svg.words((LEFT + WIDE - RIGHT) / 2, bottom + 34, label, "middle"))
    return found


def _key(seen: list[str], every: int, odd: bool) -> list[str]:
    entries: list[tuple[str, str]] = [
        ('<path d="M0 0h20" stroke="#1c4f8f" stroke-width="2"/>', "median of the estimates"),
        (svg.rect(0, -5, 20, 10, "#c9dbef"), "5 to 95 %"),
    ]
    if seen:
        entries.append(
            (
                f'<circle cx="10" cy="0" r="2.6" fill="none" stroke="{svg.INK}" stroke-width="1.2"/>',
                "mean observed" + (f", every {every}th" if every > 3 else ""),
            )
        )
    if odd:
        dashes = f'<path d="M0 0h20" stroke="{TONES["caution"]}" stroke-width="2.2" stroke-dasharray="3 2"/>'
        entries.append((dashes, "not in order"))
    found, x = [], float(LEFT)
    for mark, said in entries:
        found.append(f'<g transform="translate({x:.1f} 10)">{mark}</g>')
        found.append(svg.words(x + 26, 14, said))
        x += 50 + 6.3 * len(said)
    return found


def _joined(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.where(chosen, values, np.nan)
