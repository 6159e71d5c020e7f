"""Page: the tables and pictures of docs/attribution.md from the results file. No number there is typed in."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from operators import card
from operators.attribution.gradients import Gradients
from operators.window import WindowGrid
from tests.validation.attribution import adjoint

ROOT = Path(__file__).parents[3]
PAGE, IMAGES = ROOT / "docs" / "attribution.md", ROOT / "docs" / "images"
GREY, BLUE, ORANGE = "#8b949e", "#3b82f6", "#e8830c"
SHOWN = 2  # frames: lag of the picture of places
SCALE = 26  # px a diameter


def text(told: dict[str, Any]) -> str:
    """The tables, as Markdown."""
    blocks = []
    if "adjoint" in told:
        lags = [f"spatial {lag}" for lag in adjoint.LAGS]
        head = ["number", "cases", "power and speed of each moment", "its source (q, depth, speed)",
                *(f"places, heat {lag} frames ago" for lag in adjoint.LAGS)]  # fmt: skip
        rows = [
            [of, str(row["cases"]), *(_spread(row[name]) for name in ("parameter", "source", *lags))]
            for of, row in told["adjoint"]["medians"].items()
        ]
        blocks.append(_table("Rank correlation with the reference's adjoint: median (quartiles)", head, rows))
    if "orders" in told:
        names = ("map", "random", "reverse")
        head = ["map", "cases", *(f"{kind}, {name}" for kind in ("deletion", "insertion") for name in names),
                "deletion: ahead of random", "insertion: ahead of random", "deletion: ahead of reverse"]  # fmt: skip
        rows = []
        for of, row in told["orders"].items():
            cells = [f"{row[f'{kind} {name}'][0]:.2f}" for kind in ("deletion", "insertion") for name in names]
            ahead = [row[name] for name in ("deletion: map - random", "insertion: map - random",
                                            "deletion: map - reverse")]  # fmt: skip
            rows.append([of, f"{row['cases'][0]:.0f}", *cells, *(_interval(each) for each in ahead)])
        blocks.append(_table("Deletion and insertion: area (95 % interval of a bootstrap over cases)", head, rows))
    if "laws" in told:
        rows = []
        for name, row in told["laws"].items():
            if isinstance(row, dict):
                rows.append([name, *(f"{row[q]:.3g}" for q in ("median", "p95", "max"))])
            elif name != "cases":
                rows.append([name, "", "", f"{row:.2g}"])
        blocks.append(
            _table(f"Laws, over {told['laws']['cases']} cases", ["measure", "median", "p95", "largest"], rows)
        )
    if "bdf" in told:
        rows = [[name, f"{value:.2%}"] for name, value in told["bdf"].items()]
        blocks.append(_table("BDF's coefficients on linear dynamics", ["rule", "largest error"], rows))
    if "green" in told:
        rows = [[name, f"{value:.3f}"] for name, value in told["green"].items()]
        blocks.append(_table("Green's functions: relative L2 off the diagonal", ["by, of", "kernel error"], rows))
    if "radial" in told:
        rows = [
            [name, str(row["parameters"]), f"{row['id']:.3f}", f"{row['ood']:.3f}"]
            for name, row in told["radial"].items()
        ]
        head = ["by, budget", "parameters", "kernels seen", "kernel never seen"]
        blocks.append(_table("Radial kernels: relative L2 off the diagonal", head, rows))
    return "\n\n".join(blocks)


def _spread(values: list[float]) -> str:
    return f"{values[0]:.2f} ({values[1]:.2f} to {values[2]:.2f})"


def _interval(values: list[float]) -> str:
    return f"{values[0]:+.2f} ({values[1]:+.2f} to {values[2]:+.2f})"


def _table(title: str, head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return f"**{title}**\n\n" + "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def write(told: dict[str, Any], budget: str, work: Path) -> list[Path]:
    """Fill the page's block, and draw the two pictures of the first cases whose reference maps are kept."""
    made, written = told["made"], [PAGE]
    note = f"Budget {budget}; made {made['date']} on {made['device']} (shared), torch {made['torch']}."
    body = f"{note}\n\n{text(told)}"
    mark = re.compile(r"(<!-- attribution -->\n).*?(<!-- /attribution -->)", re.DOTALL)
    PAGE.write_text(mark.sub(lambda found: f"{found[1]}\n{body}\n\n{found[2]}", PAGE.read_text()))
    model, _ = card.load("asno-melt-pool")
    gradients = Gradients(model, WindowGrid())
    for of in ("depth", "length"):
        numbers = [n for n in range(100) if adjoint.SCALARS[n % 4] == of and adjoint.kept_at(work, n).is_file()]
        if not numbers:
            continue
        one = adjoint.asked(numbers[0])
        with np.load(adjoint.kept_at(work, numbers[0])) as kept:
            reference = adjoint.Maps(float(kept["value"]), kept["parameter"], kept["spatial"])
        operator = adjoint.of_operator(one, gradients)
        for name, svg in (("moments", moments(one, operator, reference)), ("places", places(one, operator, reference))):
            path = IMAGES / f"attribution_{of}_{name}.svg"
            path.write_text(svg)
            written.append(path)
    return written


def moments(one: adjoint.Asked, operator: adjoint.Maps, reference: adjoint.Maps) -> str:
    """What 1 % more of the source's strength, and of the speed, in each frame does: bars beside bars."""
    wide, high, body = 460, 150, []
    for row, (column, name) in enumerate(((0, "strength"), (2, "scan speed"))):
        o, r = operator.parameter[:, column], reference.parameter[:, column]
        largest = max(np.abs(o).max(), np.abs(r).max(), 1e-30)
        top, count = 40 + row * (high + 60), len(o)
        body.append(_text(60, top - 12, f"{one.name}: 1 % more {name} in one frame (largest {0.01 * largest:.3g} d)"))
        body.append(f'<path d="M60 {top + high / 2}h{wide}" stroke="{GREY}"/>')
        for n in range(count):
            for side, (values, colour) in enumerate(((r, GREY), (o, BLUE))):
                length = 0.48 * high * values[n] / largest
                x = 60 + wide * (n + 0.15 + 0.35 * side) / count
                y = top + high / 2 - max(length, 0)
                body.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{0.33 * wide / count:.1f}" height="{abs(length):.1f}" '
                    f'fill="{colour}"/>'
                )
        body.append(_text(60, top + high + 14, f"{count} frames ago"))
        body.append(_text(60 + wide, top + high + 14, "now", "end"))
    body.append(_text(60, 2 * (high + 60) + 44, "grey: the reference, blue: the operator"))
    return _svg(560, 2 * (high + 60) + 60, body)


def places(one: adjoint.Asked, operator: adjoint.Maps, reference: adjoint.Maps) -> str:
    """The surface from above: where a little heat two frames ago changes the number."""
    grid, body = WindowGrid(), []
    lag = adjoint.LAGS.index(SHOWN)
    shown = [n for n, x in enumerate(grid.x) if x > -9.0]
    for row, (name, maps) in enumerate((("reference", reference), ("operator", operator))):
        surface = maps.spatial[lag][:, :, 0]
        largest, top = np.abs(surface).max(), 44 + row * 180
        body.append(_text(40, top - 10, f"{one.name}, {name}: heat at the surface {SHOWN} frames ago"))
        for i in shown:
            for j in range(len(grid.y)):
                (x0, x1), (y0, y1) = _cell(grid.x, i), _cell(grid.y, j)
                share = surface[i, j] / largest
                if abs(share) < 0.01:
                    continue
                body.append(
                    f'<rect x="{40 + SCALE * (x0 + 9.5):.1f}" y="{top + SCALE * (y0 + 2.8):.1f}" '
                    f'width="{SCALE * (x1 - x0):.1f}" height="{SCALE * (y1 - y0):.1f}" '
                    f'fill="{BLUE if share > 0 else ORANGE}" fill-opacity="{abs(share):.2f}"/>'
                )
        x = 40 + SCALE * 9.5
        body.append(f'<circle cx="{x:.1f}" cy="{top + SCALE * 2.8:.1f}" r="4" fill="none" stroke="{GREY}"/>')
        body.append(f'<rect x="40" y="{top}" width="{SCALE * 11.2:.0f}" height="{SCALE * 5.6:.0f}" fill="none" '
                    f'stroke="{GREY}"/>')  # fmt: skip
    body.append(_text(40, 44 + 2 * 180, "circle: the beam, which goes to the right; 11 by 5.6 beam diameters"))
    return _svg(400, 44 + 2 * 180 + 16, body)


def _cell(nodes: np.ndarray, n: int) -> tuple[float, float]:
    middles = np.concatenate([[nodes[0]], 0.5 * (nodes[1:] + nodes[:-1]), [nodes[-1]]])
    return float(middles[n]), float(middles[n + 1])


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{GREY}" text-anchor="{anchor}">{words}</text>'


def _svg(wide: int, high: int, body: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" '
        'font-size="12">\n' + "\n".join(body) + "\n</svg>\n"
    )
