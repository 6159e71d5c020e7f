"""Plots: how the error of rollouts grows, and where shocks come to stand, as SVG written by hand; mid-tone colours for
light pages and dark ones."""

import math
import statistics
from collections import defaultdict
from html import escape

from tests.validation.harness.rows import Results, Row

WIDE, HIGH, LEFT, TOP, RIGHT, BELOW = 470, 280, 62, 34, 190, 44  # px
GREY = "#8b949e"
COLOURS = ("#3b82f6", "#e8830c", "#2da44e", "#e5534b", "#a475f9", "#0ea5a5", "#c0569f", "#7a8b2f", "#5b6bd6", "#b7791f")
FLOOR = 1e-3  # what is lower lies on the axis: solvers do, and the lines to tell apart do not
LONGEST = 26  # letters of a name
PANEL_WIDE, PANEL_HIGH, GAP = 330, 170, 46  # px, of a split's profile
DRAWN = 4  # operators in a panel: the best


def growth(results: Results, budget: str, title: str, along: str = "step of the rollout") -> str | None:
    """Mean over seeds of the error at each step of a rollout, a line an operator that errs; None without any."""
    lines: dict[str, list[list[float]]] = defaultdict(list)
    kinds = {}
    for row in results.rows.values():
        if row.budget == budget and any(row.growth):
            lines[row.operator].append(row.growth)
            kinds[row.operator] = row.kind
    if not lines:
        return None
    means = {name: [statistics.mean(v) for v in zip(*rows, strict=True)] for name, rows in lines.items()}
    steps = max(len(m) for m in means.values())
    values = [max(v, FLOOR) for m in means.values() for v in m]
    low, high = math.floor(math.log10(min(values))), min(1, math.ceil(math.log10(max(values))))

    def at(step: int, value: float) -> str:
        level = min(max(math.log10(max(value, FLOOR)), low), high)
        return f"{WIDE * step / steps:.1f} {HIGH * (high - level) / (high - low):.1f}"

    body = [f'<rect width="{WIDE}" height="{HIGH}" fill="none" stroke="{GREY}"/>']
    for decade in range(low, high + 1):
        y = HIGH * (high - decade) / (high - low)
        body += [
            f'<path d="M0 {y:.1f}H{WIDE}" stroke="{GREY}" stroke-opacity=".3"/>',
            text(-6, y + 4, f"1e{decade}", "end"),
        ]
    for step in (1, steps // 2, steps):
        body.append(text(WIDE * step / steps, HIGH + 16, str(step), "middle"))
    body.append(text(WIDE / 2, HIGH + 34, along, "middle"))
    order = sorted(means, key=lambda name: means[name][-1])
    for n, name in enumerate(order):
        colour = COLOURS[n % len(COLOURS)]
        dash = "" if kinds[name] == "learned" else ' stroke-dasharray="5 3"'
        path = "M" + "L".join(at(step, value) for step, value in enumerate(means[name], 1))
        body.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>')
        y = 10 + 19 * n
        body.append(f'<path d="M{WIDE + 14} {y}h22" stroke="{colour}" stroke-width="1.8"{dash}/>')
        body.append(text(WIDE + 42, y + 4, name if len(name) <= LONGEST else name[:LONGEST] + "…", "start"))
    whole = f"0 0 {LEFT + WIDE + RIGHT} {TOP + HIGH + BELOW}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{whole}" font-family="sans-serif" font-size="12">\n'
        f'<g transform="translate({LEFT} {TOP})">{text(0, -12, title, "start")}\n'
        + "\n".join(body)
        + "\n</g>\n</svg>\n"
    )


def profiles(results: Results, budget: str, title: str) -> str | None:
    """States along a line at the end of a rollout, a panel a test split: where it began, the truth, and the best
    learned rows of the first seed. None without any."""
    true = results.about.get(budget, {}).get("profiles")
    rows = [
        r for r in results.rows.values() if r.budget == budget and r.profile and r.kind == "learned" and r.seed == 0
    ]
    if not true or not rows:
        return None
    first = next(iter(true))
    best = sorted(rows, key=lambda r: r.errors[first]["rollout"])[:DRAWN]
    body = []
    for n, (split, known) in enumerate(true.items()):
        left, top = (n % 2) * (PANEL_WIDE + GAP), (n // 2) * (PANEL_HIGH + GAP)
        lines = {"start": known["start"], "truth": known["truth"]} | {r.operator: r.profile[split] for r in best}
        low, high = min(map(min, known.values())), max(map(max, known.values()))
        pad = 0.1 * (high - low) or 1.0
        low, high = low - pad, high + pad
        inner = [f'<rect width="{PANEL_WIDE}" height="{PANEL_HIGH}" fill="none" stroke="{GREY}"/>']
        for value in (low + pad, high - pad):
            inner.append(text(-6, PANEL_HIGH * (high - value) / (high - low) + 4, f"{value:.2g}", "end"))
        for name, values in lines.items():
            points = [
                f"{PANEL_WIDE * (k + 0.5) / len(values):.1f} "
                f"{PANEL_HIGH * (high - min(max(v, low), high)) / (high - low):.1f}"
                for k, v in enumerate(values)
            ]
            inner.append(f'<path d="M{"L".join(points)}" fill="none" {_stroke(name, best)}/>')
        place = f"translate({LEFT + left} {TOP + top})"
        body.append(f'<g transform="{place}">{text(0, -8, f"{title}: {split}", "start")}' + "\n".join(inner) + "</g>")
    names = ["start", "truth", *(r.operator for r in best)]
    down = TOP + ((len(true) + 1) // 2) * (PANEL_HIGH + GAP)
    for n, name in enumerate(names):
        x, y = LEFT + (n % 3) * 230, down + 18 * (n // 3)
        body.append(f'<path d="M{x} {y}h22" {_stroke(name, best)}/>{text(x + 28, y + 4, name, "start")}')
    whole = f"0 0 {LEFT + 2 * PANEL_WIDE + GAP + 20} {down + 18 * ((len(names) + 2) // 3) + 8}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{whole}" font-family="sans-serif" font-size="12">\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _stroke(name: str, best: list[Row]) -> str:
    if name == "start":
        return f'stroke="{GREY}" stroke-width="1" stroke-dasharray="2 3"'
    if name == "truth":
        return f'stroke="{GREY}" stroke-width="4" stroke-opacity=".55"'
    return f'stroke="{COLOURS[[r.operator for r in best].index(name)]}" stroke-width="1.5"'


def text(x: float, y: float, words: str, anchor: str) -> str:
    """Grey words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{GREY}" text-anchor="{anchor}">{escape(words)}</text>'
