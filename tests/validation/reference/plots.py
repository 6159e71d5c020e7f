"""Plots: predicted against measured as SVG, written by hand so that they want no browser. Mid-tone colours on no
background, for light pages and dark ones."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

SIDE, GAP, LEFT, TOP = 250, 78, 62, 44  # of a panel and around it, px
GREY, BLUE, ORANGE, GREEN, RED, VIOLET = "#8b949e", "#3b82f6", "#e8830c", "#2da44e", "#e5534b", "#a475f9"
ALLOYS = {"IN625": BLUE, "IN718": ORANGE, "SS316L": GREEN, "Ti-6Al-4V": RED, "AlSi10Mg": VIOLET}


@dataclass
class Panel:
    """One square of predicted over measured, on equal axes, linear or logarithmic."""

    title: str
    unit: str
    low: float
    high: float
    log: bool = False
    factors: tuple[float, ...] = ()  # dashed rays beside equality
    body: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self._along(x), SIDE - self._along(y)

    def _along(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        if self.log:
            return SIDE * math.log(value / self.low) / math.log(self.high / self.low)
        return SIDE * (value - self.low) / (self.high - self.low)

    def point(self, x: float, y: float, colour: str, *, hollow: bool = False, size: float = 4, label: str = "") -> None:
        i, j = self.at(x, y)
        fill = "none" if hollow else colour
        self.body.append(
            f'<circle cx="{i:.1f}" cy="{j:.1f}" r="{size}" fill="{fill}" fill-opacity="0.75" stroke="{colour}"/>'
        )
        if label:
            self.body.append(_text(i + 7, j + 4, label, size=11))

    def bar(self, x: float, low: float, high: float, colour: str) -> None:
        (i, j), (_, k) = self.at(x, low), self.at(x, high)
        self.body.append(f'<path d="M{i:.1f} {j:.1f}V{k:.1f}" stroke="{colour}" stroke-width="1.5"/>')

    def drawn(self, left: float, top: float) -> str:
        ticks = _decades(self.low, self.high) if self.log else _round_ticks(self.low, self.high)
        parts = [
            f'<g transform="translate({left} {top})">',
            f'<rect width="{SIDE}" height="{SIDE}" fill="none" stroke="{GREY}"/>',
        ]
        for factor, dash in [(1.0, ""), *((factor, "4 3") for factor in self.factors)]:
            parts.append(self._ray(factor, dash))
        for value in ticks:
            i = self._along(value)
            name = f"{value:g}"
            parts.append(f'<path d="M{i:.1f} {SIDE}v4M0 {SIDE - i:.1f}h-4" stroke="{GREY}"/>')
            parts.append(_text(i, SIDE + 17, name, anchor="middle", size=11))
            parts.append(_text(-7, SIDE - i + 4, name, anchor="end", size=11))
        parts.append(_text(SIDE / 2, -10, self.title, anchor="middle", size=13))
        parts.append(_text(SIDE / 2, SIDE + 35, f"measured, {self.unit}", anchor="middle", size=12))
        parts.append(_text(-44, SIDE / 2, "predicted", anchor="middle", size=12, turned=True))
        return "\n".join([*parts, *self.body, "</g>"])

    def _ray(self, factor: float, dash: str) -> str:
        """The line y = factor x, as far as it lies inside."""
        low, high = max(self.low, self.low / factor), min(self.high, self.high / factor)
        (i, j), (k, m) = self.at(low, low * factor), self.at(high, high * factor)
        style = f' stroke-dasharray="{dash}"' if dash else ""
        return f'<path d="M{i:.1f} {j:.1f}L{k:.1f} {m:.1f}" stroke="{GREY}"{style}/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, turned: bool = False) -> str:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{GREY}" '
        f'font-family="sans-serif"{turn}>{escape(words)}</text>'
    )


def _decades(low: float, high: float) -> list[float]:
    first = math.floor(math.log10(low))
    return [10.0**n for n in range(first, math.ceil(math.log10(high)) + 1) if low <= 10.0**n <= high]


def _round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    rough = (high - low) / about
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= rough)
    return [step * n for n in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def _page(panels: Sequence[Panel], across: int, legend: Sequence[tuple[str, str, bool]]) -> str:
    down = math.ceil(len(panels) / across)
    width, height = LEFT + across * (SIDE + GAP) - 20, TOP + down * (SIDE + GAP) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    ]
    for n, panel in enumerate(panels):
        parts.append(panel.drawn(LEFT + n % across * (SIDE + GAP), TOP + n // across * (SIDE + GAP)))
    x = float(LEFT)
    for words, colour, hollow in legend:
        fill = "none" if hollow else colour
        parts.append(f'<circle cx="{x:.1f}" cy="{height - 14}" r="4" fill="{fill}" stroke="{colour}"/>')
        parts.append(_text(x + 9, height - 10, words))
        x += 24 + 7.2 * len(words)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _reach(values: Sequence[float]) -> float:
    """A round number above them all."""
    most = 1.06 * max(values)
    unit = 10 ** math.floor(math.log10(most))
    return unit * math.ceil(5 * most / unit) / 5


def nist(results: Mapping[str, Any]) -> str | None:
    """Length, width and depth of AMB2018-02, with what the property intervals leave open."""
    if (t := results["tables"].get("nist")) is None:
        return None
    panels = []
    for size in ("length", "width", "depth"):
        rows = [r for r in t["rows"] if r["quantity"] == size]
        panel = Panel(
            size, "um", 0.0, _reach([1e6 * max(r["measured"], r["predicted"], r["interval"][1]) for r in rows])
        )
        for r in rows:
            colour = BLUE if r["name"].startswith("AMMT") else ORANGE
            panel.bar(1e6 * r["measured"], 1e6 * r["interval"][0], 1e6 * r["interval"][1], colour)
            panel.point(
                1e6 * r["measured"], 1e6 * r["predicted"], colour, hollow=r["fitted"], size=5, label=r["name"][-1]
            )
        panels.append(panel)
    legend = [("AMMT, conduction", BLUE, False), ("CBM, keyhole", ORANGE, False), ("set the rule", GREY, True)]
    return _page(panels, 3, legend)


def chen(results: Mapping[str, Any]) -> str | None:
    """Width, depth, and the rise of depth with preheat."""
    if (t := results["tables"].get("chen")) is None:
        return None
    panels = []
    for size in ("width", "depth"):
        rows = [r for r in t["rows"] if r["quantity"] == size]
        panel = Panel(
            size, "um", 0.0, _reach([1e6 * max(r["measured"], r["predicted"]) for r in rows]), factors=(0.8, 1.2)
        )
        for r in rows:
            panel.point(1e6 * r["measured"], 1e6 * r["predicted"], BLUE, hollow=r["fitted"], size=3.5)
        panels.append(panel)
    pairs = [p for p in t["slopes"] if p["quantity"] == "depth"]
    reach = _reach([1e6 * max(p["measured"], p["predicted"]) for p in pairs])
    panel = Panel("depth slope", "um per +100 K", 0.0, reach, factors=(0.7, 1.3))
    for p in pairs:
        panel.point(1e6 * p["measured"], 1e6 * p["predicted"], BLUE, hollow=p["fitted"])
    return _page([*panels, panel], 3, [("checked", BLUE, False), ("set the rule", BLUE, True)])


def literature(results: Mapping[str, Any]) -> str | None:
    """Width and depth of many papers on logarithmic axes, the reference beside Eagar and Tsai."""
    if (t := results["tables"].get("literature")) is None:
        return None
    panels = []
    for size in ("width", "depth"):
        for by, name in (("reference", "reference"), ("eagar-tsai", "Eagar-Tsai")):
            panel = Panel(f"{size}, {name}", "um", 5.0, 1500.0, log=True, factors=(0.5, 2.0))
            for r in t["rows"]:
                if r["measured"][size]:
                    panel.point(
                        1e6 * r["measured"][size], max(1e6 * r[by][size], 1e-3), ALLOYS[r["alloy"]],
                        hollow=r["cavity"], size=2.5,
                    )  # fmt: skip
            panels.append(panel)
    legend = [(alloy, colour, False) for alloy, colour in ALLOYS.items()]
    return _page(panels, 2, [*legend, ("vapour cavity", GREY, True)])


PLOTS: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "reference_nist.svg": nist,
    "reference_chen.svg": chen,
    "reference_literature.svg": literature,
}
