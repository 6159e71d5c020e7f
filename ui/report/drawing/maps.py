"""Maps: a layer from above, coloured by a size. Pure functions; lengths become mm and um here."""

import numpy as np
import pandas as pd

from ui.figures import LengthUnit
from ui.report.drawing import svg
from ui.report.drawing.svg import TONES, WIDE
from ui.report.sizes import with_pool

MAP_SCALE = "Viridis"
LEAST_SHARE = 0.3  # of the longer side that the shorter one has at least: beside a single track stands a colour bar too


def layer_map(
    frames: pd.DataFrame, size: str, unit: LengthUnit, limits: tuple[float, float],
    places: list[tuple[str, float, float]],
    beam_m: float,     name: str,
) -> str:  # fmt: skip
    """A layer from above: the beam's path coloured by a size, and numbers where alerts were seen. `limits` in m."""
    wide, top, left, room = WIDE / 2 - 8, 26, 44, 62
    pools = with_pool(frames)
    x_m, y_m = pools["x_m"].to_numpy(float), pools["y_m"].to_numpy(float)
    low, span = np.array([x_m.min(), y_m.min()]), max(np.ptp(x_m), np.ptp(y_m), 1e-6)
    pad = max(0.03 * span, 0.6 * beam_m)
    path = np.array([np.ptp(x_m), np.ptp(y_m)])
    extent = np.maximum(path + 2 * pad, LEAST_SHARE * (path.max() + 2 * pad))
    low = low - 0.5 * (extent - path)
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


def limits(maps: dict[int, pd.DataFrame], size: str) -> tuple[float, float]:
    """One colour scale for all maps of a size: 2 to 98 % of what they hold."""
    values = np.concatenate(
        [with_pool(frames)[f"{size}_m"].to_numpy(float) for frames in maps.values()] or [np.zeros(1)]
    )
    low, high = np.quantile(values, [0.02, 0.98])
    return (float(low), float(high)) if high > low else (float(low) * 0.99, float(high) * 1.01 + 1e-9)


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
