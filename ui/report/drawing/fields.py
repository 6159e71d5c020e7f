"""Fields: temperature around the beam, from above and in section, on the colours of the page. Pure functions."""

from typing import Any

import numpy as np

from twin.forecast import Field
from ui.figures import LengthUnit
from ui.figures.field import view
from ui.figures.style import COLDEST_K, TEMPERATURE_SCALE
from ui.report.drawing import svg
from ui.report.drawing.svg import WIDE


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
            f'<path d="M{beam_x - 6:.1f} {beam_y:.1f}h12M{beam_x:.1f} {beam_y - 6:.1f}v12" '
            'stroke="#fff" stroke-width="1.6"/>'
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
    description = "Inside the white line, the solidus, the metal counts as melt pool. Grey: above boiling, not a fact."
    return svg.document(
        WIDE, bottom + 40, "Temperature field around the beam", description, [part for part in body if part], "field"
    )


def _resampled(x: Any, y: Any, values: np.ndarray, grid_x: np.ndarray, grid_y: np.ndarray) -> np.ndarray:
    """values[i, j] at (x[i], y[j]) onto grid[row of y, column of x], bilinear."""
    along = np.stack([np.interp(grid_x, x, values[:, j]) for j in range(values.shape[1])], axis=1)
    return np.stack([np.interp(grid_y, y, along[i]) for i in range(len(grid_x))], axis=1)
