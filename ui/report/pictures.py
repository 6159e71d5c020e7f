"""Pictures of a report: pure functions from rows to SVG text. Lengths become um or mm here."""

from typing import Any

import numpy as np
import pandas as pd

from twin.forecast import Field
from ui.figures import LengthUnit
from ui.figures.field import view
from ui.figures.style import COLDEST_K, TEMPERATURE_SCALE
from ui.report import svg
from ui.report.sizes import SIZES, with_pool

WIDE = 680  # px, of the text's width
LEFT, RIGHT = 58, 16
MAP_SCALE = "Viridis"
TONES = {"normal": "#8fa3b8", "advice": "#8a6fb0", "caution": "#e0912f", "fault": "#b3261e", "waiting": "#c3cad2"}
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


def layer_map(
    frames: pd.DataFrame, size: str, unit: LengthUnit, limits: tuple[float, float], places: list[tuple[str, float, float]],
    beam_m: float,     name: str,
) -> str:  # fmt: skip
    """A layer from above: the beam's path coloured by a size, and numbers where alerts were seen. `limits` in m."""
    wide, top, left, room = WIDE / 2 - 8, 26, 44, 62
    pools = with_pool(frames)
    x_m, y_m = pools["x_m"].to_numpy(float), pools["y_m"].to_numpy(float)
    low, span = np.array([x_m.min(), y_m.min()]), max(np.ptp(x_m), np.ptp(y_m), 1e-6)
    pad = max(0.03 * span, 0.6 * beam_m)
    low, extent = low - pad, np.array([np.ptp(x_m), np.ptp(y_m)]) + 2 * pad
    scale = min((wide - left - room) / extent[0], 330 / extent[1])
    across, high = extent * scale
    body = [svg.words(left, 14, f"Layer {int(frames.attrs['layer']):,}: {size}", fill=svg.INK, bold=True)]
    body.append(svg.rect(left, top, across, high, "#f7f8fa", f' stroke="{svg.LINE}"'))
    body.append(svg.image(left, top, across, high, _raster(pools, size, low, extent, limits, beam_m)))
    odd = pools[pools["outcome"] != "ok"]
    spots = _thinned(np.c_[odd["x_m"], odd["y_m"]], 1.0 / 40, low, extent)
    for x, y in spots:
        px, py = left + (x - low[0]) * scale, top + high - (y - low[1]) * scale
        body.append(
            f'<path d="M{px:.1f} {py - 4:.1f}l4 7h-8z" fill="none" stroke="{TONES["fault"]}" stroke-width="1.2"/>'
        )
    for number, x, y in _gathered(places):
        px, py = left + (x - low[0]) * scale, top + high - (y - low[1]) * scale
        half = 5 + 3.4 * len(number)
        if left - 1 <= px <= left + across + 1 and top - 1 <= py <= top + high + 1:
            body.append(
                f'<rect x="{px - half:.1f}" y="{py - 8:.1f}" width="{2 * half:.1f}" height="16" rx="8" fill="#fff" '
                f'stroke="{TONES["fault"]}" stroke-width="1.5"/>'
            )
            body.append(svg.words(px, py + 4, number, "middle", fill=TONES["fault"], bold=True))
    for value in svg.ticks(low[0] * 1e3, (low[0] + extent[0]) * 1e3, 4):
        body.append(svg.words(left + (value * 1e-3 - low[0]) * scale, top + high + 15, f"{value:g}", "middle"))
    for value in svg.ticks(low[1] * 1e3, (low[1] + extent[1]) * 1e3, 4):
        body.append(svg.words(left - 6, top + high - (value * 1e-3 - low[1]) * scale + 4, f"{value:g}", "end"))
    body.append(svg.words(left + across / 2, top + high + 30, "x, mm", "middle"))
    body.append(svg.turned(11, top + high / 2, "y, mm"))
    marks = [(value, f"{value * unit.per_m:.{unit.digits}f}") for value in np.linspace(*limits, 5)]
    body += svg.colour_bar(left + across + 12, top + 12, min(high - 14, 150.0), *limits, MAP_SCALE, unit.name, marks)
    description = (
        f"Path of the beam in x and y, coloured by {size}: median {unit.say(float(pools[f'{size}_m'].median()))}."
    )
    return svg.document(
        wide, max(top + high + 38, 60), f"Map of {size}, layer {frames.attrs['layer']}", description, body, name
    )


def field_sections(field: Field, unit: LengthUnit) -> str:
    """Temperature of the top surface and of the section along the scan, both at one scale, with the solidus line."""
    begin, end, half, depth = view(field)
    top, left, gap, room = 26, 58, 44, 112
    scale = min((WIDE - left - room) / (end - begin), 300 / (2 * half + depth))
    wide = (end - begin) * scale
    body: list[str] = []
    down = float(top)
    surface = field.temperature_k[:, :, 0]
    middle = field.temperature_k[:, int(np.abs(field.y_m).argmin()), :]
    for title, values, other, low, high, flip in (
        ("Top surface (scan direction →)", surface, field.y_m, -half, half, True),
        ("Section along the scan", middle, field.z_m, 0.0, depth, False),
    ):
        tall = (high - low) * scale
        body.append(svg.words(left, down - 8, title, fill=svg.INK, bold=True))
        grid_x = np.linspace(begin, end, 320)
        grid_y = np.linspace(high, low, 160) if flip else np.linspace(low, high, 160)
        shown = _resampled(field.x_m, other, values, grid_x, grid_y)
        rgba = svg.colours(np.minimum(shown, field.boiling_k), COLDEST_K, field.boiling_k, TEMPERATURE_SCALE).copy()
        rgba[shown > field.boiling_k] = (0x8D, 0x99, 0xA6, 255)
        body.append(svg.image(left, down, wide, tall, rgba, smooth=True))
        lines = svg.contour(
            np.asarray(field.x_m, float), np.asarray(other, float), np.asarray(values, float), field.solidus_k
        )
        pixels = np.empty_like(lines)
        pixels[..., 0] = left + (lines[..., 0] - begin) * scale
        pixels[..., 1] = down + ((high - lines[..., 1]) if flip else (lines[..., 1] - low)) * scale
        inside = ((pixels[..., 0] >= left) & (pixels[..., 0] <= left + wide)).all(axis=1)
        drawn = "".join(f"M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}" for a, b in pixels[inside])
        body.append(f'<path d="{drawn}" fill="none" stroke="#fff" stroke-width="1.8"/>' if drawn else "")
        beam_y = down + (half * scale if flip else 0.0)
        beam_x = left - begin * scale
        body.append(
            f'<path d="M{beam_x - 6:.1f} {beam_y:.1f}h12M{beam_x:.1f} {beam_y - 6:.1f}v12" stroke="#fff" stroke-width="1.6"/>'
        )
        for value in svg.ticks(low * unit.per_m, high * unit.per_m, 4):
            at = down + ((high - value / unit.per_m) if flip else (value / unit.per_m - low)) * scale
            body.append(svg.words(left - 6, at + 4, f"{value:g}", "end"))
        body.append(svg.turned(12, down + tall / 2, f"{'across' if flip else 'depth'}, {unit.name}"))
        down += tall + gap
    bottom = down - gap
    for value in svg.ticks(begin * unit.per_m, end * unit.per_m, 6):
        body.append(svg.words(left + (value / unit.per_m - begin) * scale, bottom + 15, f"{value:g}", "middle"))
    body.append(svg.words(left + wide / 2, bottom + 32, f"along the scan, {unit.name}; the beam is at 0", "middle"))
    marks = [(value, said) for value, said in (
        (COLDEST_K, f"{COLDEST_K:.0f}"), (field.solidus_k, f"{field.solidus_k:.0f} solidus"),
        (field.boiling_k, f"{field.boiling_k:.0f} boiling"),
    )]  # fmt: skip
    body += svg.colour_bar(
        left + wide + 14, top + 12, bottom - top - 12, COLDEST_K, field.boiling_k, TEMPERATURE_SCALE, "K", marks
    )
    description = "The white line is the solidus: inside it the metal counts as melt pool. Grey is above boiling: not shown as a fact."
    return svg.document(
        WIDE, bottom + 40, "Temperature field around the beam", description, [part for part in body if part], "field"
    )


def limits(maps: dict[int, pd.DataFrame], size: str) -> tuple[float, float]:
    """One colour scale for all maps of a size: 2 to 98 % of what they hold."""
    values = np.concatenate(
        [with_pool(frames)[f"{size}_m"].to_numpy(float) for frames in maps.values()] or [np.zeros(1)]
    )
    low, high = np.quantile(values, [0.02, 0.98])
    return (float(low), float(high)) if high > low else (float(low) * 0.99, float(high) * 1.01 + 1e-9)


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


def _raster(
    pools: pd.DataFrame, size: str, low: np.ndarray, extent: np.ndarray, limits: tuple[float, float], beam_m: float
) -> np.ndarray:
    """The path as pixels, a beam diameter wide: each frame's stretch back to the frame before it, where that is near;
    the mean where several fall on one pixel."""
    pixel_m = max(beam_m / 4, float(extent.max()) / 320)
    columns, rows = (max(int(np.ceil(length / pixel_m)), 8) for length in extent)
    place = np.c_[pools["x_m"], pools["y_m"]].astype(float)
    before = np.concatenate([place[:1], place[:-1]])
    steps = np.linalg.norm(place - before, axis=1)
    near = steps <= 3 * max(float(np.median(steps)), 1e-12)
    before = np.where(near[:, None], before, place)
    shares = np.linspace(0.0, 1.0, 6)[1:, None, None]
    points = (before[None] * (1 - shares) + place[None] * shares).reshape(-1, 2)
    values = np.tile(pools[f"{size}_m"].to_numpy(float), 5)
    column = ((points[:, 0] - low[0]) / extent[0] * columns).astype(int)
    row = ((low[1] + extent[1] - points[:, 1]) / extent[1] * rows).astype(int)
    count, total = np.zeros(rows * columns), np.zeros(rows * columns)
    reach = int(beam_m / 2 / pixel_m)
    for down, right in np.ndindex(2 * reach + 1, 2 * reach + 1):
        if np.hypot(down - reach, right - reach) * pixel_m <= beam_m / 2:
            flat = np.clip(row + down - reach, 0, rows - 1) * columns + np.clip(column + right - reach, 0, columns - 1)
            count += np.bincount(flat, minlength=rows * columns)
            total += np.bincount(flat, weights=values, minlength=rows * columns)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return svg.colours(mean.reshape(rows, columns), *limits, MAP_SCALE)


def _gathered(places: list[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    """Numbers at one place as one label."""
    found: dict[tuple[float, float], list[str]] = {}
    for number, x, y in places:
        found.setdefault((round(x, 4), round(y, 4)), []).append(number)
    return [(", ".join(numbers[:3]) + ("…" if len(numbers) > 3 else ""), x, y) for (x, y), numbers in found.items()]


def _thinned(places: np.ndarray, cell: float, low: np.ndarray, extent: np.ndarray) -> np.ndarray:
    """One place a cell of this share of the picture."""
    if not len(places):
        return places
    cells = np.floor((places - low) / (extent.max() * cell)).astype(int)
    _, first = np.unique(cells, axis=0, return_index=True)
    return places[np.sort(first)]


def _resampled(x: Any, y: Any, values: np.ndarray, grid_x: np.ndarray, grid_y: np.ndarray) -> np.ndarray:
    """values[i, j] at (x[i], y[j]) onto grid[row of y, column of x], bilinear."""
    along = np.stack([np.interp(grid_x, x, values[:, j]) for j in range(values.shape[1])], axis=1)
    return np.stack([np.interp(grid_y, y, along[i]) for i in range(len(grid_x))], axis=1)
