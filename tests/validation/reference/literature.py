"""Literature: the reference, Eagar-Tsai, Rosenthal and a guess without physics over the melt pools of many papers, and
how well regime numbers sort the melting modes that people saw.

Split by paper always: a paper is a machine, a powder and a way to measure, and its rows share their errors.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from operators.window import WindowGrid
from tests.validation.reference import measures, meltpoolnet
from tests.validation.reference.meltpoolnet import Row
from tests.validation.reference.solve import Found, Solver, Task
from tests.validation.reference.tables import bar
from twin import regime
from twin.forecast import CUT

Table = dict[str, Any]

MOST_SETTINGS = 20  # of one paper and alloy
FORMULAS = ("eagar-tsai", "rosenthal")
METHODS = ("reference", *FORMULAS, "guess")
SIZES = ("width", "depth")
SPOTS_M = (60e-6, 90e-6)  # no laser machine in MeltpoolNet's own list has a spot below the first
DEEP = 0.5  # measured depth over width
FEWEST = 5  # of a label, to say how well it is sorted
NEAR = (0.1, 0.15, 0.2)  # relative distance in power, scan speed and beam diameter of two rows that ask the same


def task(row: Row, by: str = "reference") -> Task:
    return Task(row.alloy, row.beam_power_w, row.scan_speed_m_per_s, row.beam_diameter_m, by=by)


def literature_table(solver: Solver) -> Table:
    """Width and depth: by paper, then medians over papers; by alloy, regime, aspect and powder."""
    known = meltpoolnet.measured(meltpoolnet.geometry())
    some = meltpoolnet.capped(known.rows, MOST_SETTINGS)
    sources = [_source(row) for row in some]
    fits = [source["depth"] < CUT * WindowGrid().deep for source in sources]
    asked = [row for row, fit in zip(some, fits, strict=True) if fit]
    answers = {
        by: solver.many([task(row, by) for row in asked], f"literature, {by}") for by in ("reference", *FORMULAS)
    }
    rows, declined = [], Counter({"the rule's source is deeper than the window": len(some) - len(asked)})
    for n, row in enumerate(asked):
        found = {by: answers[by][n] for by in answers}
        outcomes = [f"{by} {answer.outcome}" for by, answer in found.items() if not answer.ok]
        if outcomes:
            declined[outcomes[0]] += 1
        else:
            rows.append(_line(row, found))
    _guess(rows)
    melt = [line for line in rows if not line["cavity"]]
    over = {"melt pool": _over_papers(melt), "vapour cavity": _over_papers([r for r in rows if r["cavity"]])}
    return {
        "rows": rows,
        "bars": better(over["melt pool"]),
        "counts": {
            "all": len(meltpoolnet.geometry()),
            "usable": len(known.rows),
            "usable_settings": len({row.setting for row in known.rows}),
            "drawn": len(some),
            "drawn_settings": len({row.setting for row in some}),
            "most_settings_a_paper": MOST_SETTINGS,
            "compared": len(rows),
            "papers": len({line["paper"] for line in rows}),
        },
        "left_out": [
            {"why": why, "rows": count, "papers": known.papers[why]} for why, count in _by_count(known.left_out)
        ],
        "declined": [{"why": why, "rows": count} for why, count in _by_count(declined)],
        "papers_disagree": disagreement(known.rows),
        "sources": _source_depths(some, sources, fits),
        "by_paper": [
            {"paper": paper, "alloy": alloy, **_tally(group), "cavity": group[0]["cavity"]}
            for (paper, alloy), group in _grouped(rows, lambda line: (line["paper"], line["alloy"]))
        ],
        "over_papers": over,
        "by_alloy": _groups(melt, lambda line: line["alloy"]),
        "by_regime": _groups(melt, lambda line: line["regime"]),
        "by_aspect": _groups(melt, _aspect),
        "by_powder": _groups(melt, lambda line: "powder" if line["layer_thickness_m"] else "bare, or not told"),
        "by_spot": _groups(melt, _spot),
        "remelted": _remelted(melt),
    }


def better(over: Table) -> list[Table]:
    """The least to be asked: errors over papers no larger than a formula's, or a guess's."""
    return [
        bar(f"{size} over papers, MAPE over that of {by}", ours / theirs, 1.0)
        for size in SIZES
        for by in ("eagar-tsai", "guess")
        if (ours := over[size]["reference"]["mape"]["median"]) and (theirs := over[size][by]["mape"]["median"])
    ]


def disagreement(rows: Sequence[Row]) -> Table:
    """How far two papers are apart that ask nearly the same of the same alloy: what no model can be expected to beat.

    Each pair of rows counts once, each pair of papers with its median; larger over smaller, less 1.
    """
    told: Table = {"near": dict(zip(("beam_power", "scan_speed", "beam_diameter"), NEAR, strict=True))}
    for size in SIZES:
        apart: dict[tuple[str, str], list[float]] = defaultdict(list)
        there = [(row, getattr(row, f"{size}_m")) for row in rows if getattr(row, f"{size}_m") > 0 and not row.cavity]
        for n, (row, mine) in enumerate(there):
            for other, theirs in there[:n]:
                if other.paper != row.paper and _near(row, other):
                    apart[other.paper, row.paper].append(max(mine, theirs) / min(mine, theirs) - 1)
        told[size] = {
            "pairs": sum(len(them) for them in apart.values()),
            "papers": measures.spread([float(np.median(them)) for them in apart.values()]),
        }
    return told


def _near(row: Row, other: Row) -> bool:
    return row.alloy == other.alloy and all(
        abs(math.log(mine / theirs)) <= near
        for mine, theirs, near in zip(row.setting[1:], other.setting[1:], NEAR, strict=True)
    )


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(((why, n) for why, n in counts.items() if n), key=lambda item: -item[1])


def _source(row: Row) -> Table:
    source = row.on().source(row.beam_power_w, row.scan_speed_m_per_s)
    return {"depth": source.depth, "boiling_number": source.boiling_number}


def _line(row: Row, found: Mapping[str, Found]) -> Table:
    """One row of a paper and what each method says of it."""
    reference = found["reference"]
    return {
        "paper": row.paper,
        "alloy": row.alloy,
        "beam_power_w": row.beam_power_w,
        "scan_speed_m_per_s": row.scan_speed_m_per_s,
        "beam_diameter_m": row.beam_diameter_m,
        "layer_thickness_m": row.layer_thickness_m if row.powder else 0.0,
        "cavity": row.cavity,
        "regime": reference.regime,
        "boiling_number": reference.boiling_number,
        "measured": {"width": _there(row.width_m), "depth": _there(row.depth_m)},
        **{by: {"width": answer.width_m, "depth": answer.depth_m} for by, answer in found.items()},
    }


def _there(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _guess(rows: Sequence[Table]) -> None:
    """Leave one paper out: the geometric mean of the other papers' geometric means, whatever was asked."""
    means = {
        size: {
            paper: float(np.mean([math.log(line["measured"][size]) for line in group]))
            for paper, group in _grouped([r for r in rows if r["measured"][size]], lambda line: line["paper"])
        }
        for size in SIZES
    }
    for line in rows:
        line["guess"] = {
            size: math.exp(float(np.mean([mean for paper, mean in of.items() if paper != line["paper"]])))
            for size, of in means.items()
        }


def _grouped(rows: Iterable[Table], key: Callable[[Table], Any]) -> list[tuple[Any, list[Table]]]:
    groups: dict[Any, list[Table]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return sorted(groups.items())


def _aspect(line: Table) -> str:
    width, depth = line["measured"]["width"], line["measured"]["depth"]
    if not (width and depth):
        return "one size only"
    return "depth over width up to 0.5" if depth / width <= DEEP else "depth over width above 0.5"


def _spot(line: Table) -> str:
    spot_m = line["beam_diameter_m"]
    if spot_m < SPOTS_M[0]:
        return "spot below 60 um"
    return "spot 60 to 90 um" if spot_m < SPOTS_M[1] else "spot from 90 um on"


def _tally(rows: Sequence[Table]) -> Table:
    """MAPE and median ratio of each method on these rows."""
    told: Table = {"n": len(rows), "powder": sum(line["layer_thickness_m"] > 0 for line in rows)}
    for size in SIZES:
        there = [line for line in rows if line["measured"][size]]
        measured = [line["measured"][size] for line in there]
        told[size] = {"n": len(there)} | {
            by: {
                "mape": measures.mape(predicted, measured),
                "ratio": measures.median_ratio(predicted, measured),
            }
            for by in METHODS
            if there and (predicted := [line[by][size] for line in there])
        }
    return told


def _over_papers(rows: Sequence[Table]) -> Table:
    """Median over papers of each paper's MAPE, with quartiles and an interval over papers; median ratio alike."""
    papers = [_tally(group) for _, group in _grouped(rows, lambda line: line["paper"])]
    return {
        "rows": len(rows),
        **{
            size: {
                by: {
                    which: measures.spread([paper[size][by][which] for paper in papers if paper[size]["n"]])
                    for which in ("mape", "ratio")
                }
                for by in METHODS
            }
            for size in SIZES
        },
    }


def _groups(rows: Sequence[Table], key: Callable[[Table], str]) -> list[Table]:
    """For each kind of row: how many rows and papers, and for each method the median over papers."""
    return [{"group": group, **_over_papers(some)} for group, some in _grouped(rows, key)]


def _remelted(rows: Sequence[Table]) -> Table:
    """On powder: measured depth beside the depth from the layer's top and beside what is remelted below it."""
    there = [line for line in rows if line["layer_thickness_m"] and line["measured"]["depth"]]
    papers = [group for _, group in _grouped(there, lambda line: line["paper"])]
    told: Table = {"rows": len(there), "papers": len(papers)}
    for which, packing in (("depth", 0.0), ("remelted", 1.0)):
        predicted = [
            [
                regime.remelted_m(line["reference"]["depth"], packing * line["layer_thickness_m"])
                for line in group
            ]
            for group in papers
        ]  # fmt: skip
        measured = [[line["measured"]["depth"] for line in group] for group in papers]
        told[which] = {
            "mape": measures.spread([measures.mape(p, m) for p, m in zip(predicted, measured, strict=True)]),
            "ratio": measures.spread([measures.median_ratio(p, m) for p, m in zip(predicted, measured, strict=True)]),
        }
    return told


def _source_depths(rows: Sequence[Row], sources: Sequence[Table], fits: Sequence[bool]) -> list[Table]:
    """By paper: the depth of the rule's source over the measured depth, those that leave the window with them."""
    lines = [
        {
            "paper": row.paper,
            "alloy": row.alloy,
            "fits": fit,
            "boiling_number": source["boiling_number"],
            "depth": source["depth"],
            "measured": row.depth_m / row.beam_diameter_m,
        }
        for row, source, fit in zip(rows, sources, fits, strict=True)
    ]
    told = []
    for (paper, alloy), group in _grouped(lines, lambda line: (line["paper"], line["alloy"])):
        deep = [line for line in group if math.isfinite(line["measured"])]
        told.append(
            {
                "paper": paper,
                "alloy": alloy,
                "rows": len(group),
                "left_the_window": sum(not line["fits"] for line in group),
                "boiling_number": float(np.median([line["boiling_number"] for line in group])),
                "ratio": measures.median_ratio([r["depth"] for r in deep], [r["measured"] for r in deep])
                if deep
                else None,
            }
        )
    return told


def modes_table(solver: Solver) -> Table:
    """Melting modes: do the boiling and the keyhole number sort keyholes, length over width balling, and the index of
    lack of fusion its label."""
    rows, left_out = meltpoolnet.labelled()
    lines = [_numbers(row) for row in rows]
    drawn = meltpoolnet.capped(rows, MOST_SETTINGS)
    sizes = [row for row in drawn if _worth_solving(row) and _has(rows, row.paper, ("balling", "lof"))]
    found = dict(zip(sizes, solver.many([task(row) for row in sizes], "modes"), strict=True))
    pools = [
        line | _indices(row, found[row])
        for row, line in zip(rows, lines, strict=True)
        if row in found and found[row].ok
    ]
    return {
        "rows": lines,
        "bars": [],
        "left_out": [{"why": why, "rows": count} for why, count in _by_count(left_out)],
        "labels": dict(Counter(row.label for row in rows)),
        "pools": len(pools),
        "keyhole": [_sorts(lines, number, "keyhole") for number in ("boiling_number", "keyhole_number")],
        "regimes": _confusion(lines),
        "balling": [_sorts(pools, "length_over_width", "balling")],
        "lack_of_fusion": [
            _sorts([line for line in pools if line[number] is not None], number, "lof")
            for number in ("layer_over_depth", "lack_of_fusion")
        ],
    }


def _numbers(row: Row) -> Table:
    """Of a labelled row, without solving anything."""
    process = row.on()
    source = process.source(row.beam_power_w, row.scan_speed_m_per_s)
    return {
        "paper": row.paper,
        "alloy": row.alloy,
        "label": row.label,
        "boiling_number": source.boiling_number,
        "keyhole_number": regime.keyhole_number(process, row.beam_power_w, row.scan_speed_m_per_s),
        "regime": regime.regime(source.boiling_number),
    }


def _worth_solving(row: Row) -> bool:
    return _source(row)["depth"] < CUT * WindowGrid().deep


def _has(rows: Sequence[Row], paper: str, labels: Sequence[str]) -> bool:
    theirs = Counter(row.label for row in rows if row.paper == paper)
    return any(FEWEST <= theirs[label] < sum(theirs.values()) for label in labels)


def _indices(row: Row, found: Found) -> Table:
    """What wants the size of the pool."""
    width, depth = found.width_m, found.depth_m
    layer, hatch = row.layer_thickness_m, row.hatch_spacing_m
    index = regime.lack_of_fusion(hatch, layer, width, depth) if layer > 0 and hatch > 0 else None
    return {
        "length_over_width": found.length_m / width if width > 0 else 0.0,
        "layer_over_depth": min(layer / depth, 1e6) if layer > 0 and depth > 0 else None,
        "lack_of_fusion": None if index is None else min(index, 1e6),
    }


def _sorts(lines: Sequence[Table], number: str, label: str) -> Table:
    """Area under the curve of one number for one label: in all, by alloy, and within each paper with both kinds."""

    def area(some: Sequence[Table]) -> Table:
        values, kind = [line[number] for line in some], [line["label"] == label for line in some]
        return {
            "rows": len(some),
            "of_it": sum(kind),
            "auc": measures.auc(values, kind),
            "interval": measures.auc_interval(values, kind),
        }

    papers = [
        {"paper": paper, "alloy": alloy, **area(some)}
        for (paper, alloy), some in _grouped(lines, lambda line: (line["paper"], line["alloy"]))
    ]
    papers = [p for p in papers if p["auc"] is not None and min(p["of_it"], p["rows"] - p["of_it"]) >= 2]
    return {
        "number": number,
        "label": label,
        "all": area(lines),
        "by_alloy": [{"alloy": alloy, **area(some)} for alloy, some in _grouped(lines, lambda line: line["alloy"])],
        "by_paper": papers,
        "over_papers": measures.spread([p["auc"] for p in papers]),
    }


def _confusion(lines: Sequence[Table]) -> list[Table]:
    """Rows of each label by our regime."""
    return [
        {"label": label, **{kind: sum(line["regime"] == kind for line in some) for kind in KINDS}}
        for label, some in _grouped(lines, lambda line: line["label"])
    ]


KINDS = ("conduction", "transition", "keyhole")
