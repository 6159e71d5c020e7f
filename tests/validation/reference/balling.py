"""Balling: does length over width tell tracks apart that people labelled? MeltpoolNet's measured pools, by paper.

`python -m tests.validation.reference.balling` prints the table that stands in docs/alerts.md. The threshold is fitted
(Youden's J, the largest of sensitivity and specificity together) on all papers but one and judged on that one: rows of
one paper share powder, machine and eye. A length over width of 0 in the file is no number, and is not read.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.validation.reference import measures
from tests.validation.reference.meltpoolnet import FOLDER, LABELLED_BY_RULE, LASER_ON_A_BED
from twin.regime import BALLING

DRAWS = 2000
LABEL = "balling"
BEGIN, END = "<!-- balling -->", "<!-- /balling -->"


@dataclass(frozen=True)
class Track:
    """A measured pool and what people called it."""

    paper: str
    alloy: str
    ratio: float
    balls: bool


def tracks() -> list[Track]:
    """Every row with a measured length and width and a label that somebody saw."""
    with (FOLDER / "melt_pool_fixture_geometry.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = []
    for row in rows:
        label = (row["melt_pool_shape"] or "").strip().lower()
        sizes = (row["melt_pool_length"], row["melt_pool_width"])
        if not label or not all(sizes) or row["paper_id"] in LABELLED_BY_RULE:
            continue
        if row["process"] == "PBF" and (row["sub_process"] or "SLM") in LASER_ON_A_BED:
            ratio = float(sizes[0]) / float(sizes[1])
            found.append(Track(row["paper_id"], row["material"], ratio, label == LABEL))
    return found


def fitted(rows: Sequence[Track]) -> float | None:
    """The threshold with the largest J; None without both kinds."""
    values, kind = np.array([row.ratio for row in rows]), np.array([row.balls for row in rows], dtype=bool)
    if kind.all() or not kind.any():
        return None
    tried = np.unique(values)
    scores = [np.mean(values[kind] >= t) - np.mean(values[~kind] >= t) for t in tried]
    return float(tried[int(np.argmax(scores))])


def area_over_papers(rows: Sequence[Track], seed: int = 0) -> tuple[float, float]:
    """What holds 95 of 100 areas when the papers are drawn again, not the rows."""
    rng = np.random.default_rng(seed)
    papers = sorted({row.paper for row in rows})
    areas = []
    for _ in range(DRAWS):
        drawn = [row for paper in rng.choice(papers, len(papers)) for row in rows if row.paper == paper]
        area = measures.auc([row.ratio for row in drawn], [row.balls for row in drawn])
        areas += [] if area is None else [area]
    low, high = np.quantile(areas, [0.025, 0.975])
    return float(low), float(high)


def shares(rows: Sequence[Track], threshold: float) -> tuple[str, str]:
    """Of those that ball and those that do not: how many are at the threshold or above."""
    told = []
    for balls in (True, False):
        values = [row.ratio for row in rows if row.balls == balls]
        told.append(f"{sum(value >= threshold for value in values)} of {len(values)}" if values else "–")
    return told[0], told[1]


def table(rows: Sequence[Track]) -> str:
    """The page's table, from the rows alone."""
    values, kind = [row.ratio for row in rows], [row.balls for row in rows]
    area, by_row = measures.auc(values, kind), measures.auc_interval(values, kind)
    assert area is not None
    assert by_row is not None
    low, high = area_over_papers(rows)
    lines = [
        f"All {len(rows)} rows of {len({row.paper for row in rows})} papers, {sum(kind)} of them labelled balling: "
        f"area under the curve {area:.2f} (95 %: {by_row[0]:.2f} to {by_row[1]:.2f} drawing rows, {low:.2f} to "
        f"{high:.2f} drawing papers). Fitted on all rows the threshold is {fitted(rows):.2f}.",
        "",
        "| paper left out | alloy | L/W there, balling and not | threshold of the others | balling found there | "
        "others hit there |",
        "|---|---|---|---|---|---|",
    ]
    for paper in sorted({row.paper for row in rows}, key=int):
        mine, others = [r for r in rows if r.paper == paper], [r for r in rows if r.paper != paper]
        ranges = [_range([r.ratio for r in mine if r.balls == balls]) for balls in (True, False)]
        limit = fitted(others)
        hit = shares(mine, limit) if limit is not None else ("–", "–")
        said = "none: no balling left" if limit is None else f"{limit:.2f}"
        lines.append(f"| {paper} | {mine[0].alloy} | {ranges[0]}; {ranges[1]} | {said} | {hit[0]} | {hit[1]} |")
    found, false = shares(rows, BALLING)
    lines += ["", f"At {BALLING:g}, the product's: {found} balling tracks found, {false} others hit."]
    return "\n".join(lines)


def _range(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{min(values):.1f} to {max(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


if __name__ == "__main__":
    print(table(tracks()))
