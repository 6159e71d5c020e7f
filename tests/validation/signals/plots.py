"""Plots: the AMMT's closed loop beside the forecast, as SVG."""

from typing import Any

import numpy as np

from tests.validation.harness.plots import COLOURS, GREY

WIDE, HIGH, LEFT, TOP = 760, 150, 70, 34
SHOWN = 600  # frames


def ammt(found: dict[str, Any]) -> str:
    """Above: forecast area at constant power and in closed loop; below: what the controller did with the power."""
    series = found["_series"]
    areas = {"constant power": series["area_base"][:SHOWN], "closed loop": series["area_loop"][:SHOWN]}
    control = {"closed loop over constant power": series["control"][:SHOWN]}
    body = _panel(areas, "forecast length x width, over its mean (ln)", 0)
    body += _panel(control, "beam power, over its mean (ln)", HIGH + 50)
    high = TOP + 2 * HIGH + 80
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 20} {high}" font-family="sans-serif" '
        f'font-size="12">\n<g transform="translate({LEFT} {TOP})">\n' + "\n".join(body) + "\n</g>\n</svg>\n"
    )


def _panel(lines: dict[str, np.ndarray], title: str, y0: float) -> list[str]:
    lines = {name: values - values.mean() for name, values in lines.items()}
    low, high = (f(float(f(each)) for each in lines.values()) for f in (min, max))
    body = [
        f'<rect x="0" y="{y0}" width="{WIDE}" height="{HIGH}" fill="none" stroke="{GREY}"/>',
        f'<text x="0" y="{y0 - 8}" fill="{GREY}">{title}</text>',
    ]
    for level in (low, 0.0, high):
        y = y0 + HIGH * (high - level) / (high - low)
        body.append(f'<text x="-6" y="{y + 4:.1f}" fill="{GREY}" text-anchor="end">{level:+.2f}</text>')
    for k, (name, values) in enumerate(lines.items()):
        points = "L".join(
            f"{WIDE * i / len(values):.1f} {y0 + HIGH * (high - v) / (high - low):.1f}" for i, v in enumerate(values)
        )
        body.append(f'<path d="M{points}" fill="none" stroke="{COLOURS[k]}" stroke-width="1.2"/>')
        place = f'x="{WIDE - 8 - 150 * k}" y="{y0 - 8}"'
        body.append(f'<text {place} fill="{COLOURS[k]}" text-anchor="end">{name}</text>')
    body.append(f'<text x="{WIDE}" y="{y0 + HIGH + 16}" fill="{GREY}" text-anchor="end">compared frames</text>')
    return body
