"""Results: the tables that validation leaves in tests/validation/*/results.json, as rows of text for a page.

A row of a file is (suite, operator, seed, budget). A table is of one suite and the budget at which most operators
were trained: the trivial rows first, then the classical ones, then what was learned, the best first; seeds put together
as their mean ± half their range. They lie in a checkout; where only the packages were installed there are none, and the
page says so.
"""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "tests" / "validation"
KINDS = ("trivial", "classical", "learned")
BUDGETS = ("smoke", "small", "medium", "full")
RANKS = ("rollout", "error", "end", "one")
MOST_MEASURES = 6
RELATIVE = "relative error, 1 is as large as the field"
ABOUT = {
    "melt_pool": ("Melt pool along real scan paths", "error of the temperature field near the beam, %: with an event "
                  "in the last frames / steady; lead in frames; free: told only the path"),
    "melt_pool_camera": ("Melt pool from a camera, alloy not told", f"{RELATIVE}; alloys: none that was trained on"),
    "lorenz": ("Lorenz 63: chaos", RELATIVE + "; valid time in time units"),
    "darcy_march": ("Darcy flow, marched", RELATIVE),
    "darcy_steady": ("Darcy flow, steady", RELATIVE),
    "navier_stokes_30": ("Navier-Stokes, 30 x 30", RELATIVE),
    "heat": ("Heat in a rod that varies", RELATIVE),
    "gray_scott": ("Gray-Scott reactions", RELATIVE),
    "radial": ("Green's function of a radial kernel", RELATIVE),
    "points": ("Potential on scattered points", RELATIVE),
    "transport": ("Transport by a shift", RELATIVE),
    "inviscid_burgers": ("Burgers, inviscid", RELATIVE),
    "burgers": ("Burgers, law not told", RELATIVE),
    "cubic": ("Cubic conservation law, law not told", RELATIVE),
    "shallow_water": ("Shallow water, law not told", RELATIVE),
}  # fmt: skip
COMMANDS = {"melt_pool": "melt-pool"}  # the others are called as their folder
PAIRS = {"melt_pool": tuple((split, "event", "steady") for split in ("lead 1", "lead 20", "lead 40", "free"))}


@dataclass(frozen=True)
class Table:
    """One suite. `header` names the columns of `rows`; the second is the kind."""

    suite: str
    title: str
    about: str  # what the numbers are, with their unit
    budget: str
    command: str
    made: str  # when, on what
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    operators: frozenset[str]


def read_results(folder: Path = FOLDER) -> tuple[Table, ...]:
    """Every suite that has rows, those of the melt pool first; empty where the folder is not there."""
    paths = sorted(folder.glob("*/results.json")) if folder.is_dir() else []
    return _read(tuple((path, path.stat().st_mtime_ns) for path in paths))


def of_card(tables: Iterable[Table], name: str, operator: str) -> list[Table]:
    """The suites in which this card, or its operator, was held against others; those of the card first."""
    kind = operator.lower()
    mine = [table for table in tables if {name, kind} & table.operators]
    return sorted(mine, key=lambda table: (not table.suite.startswith("melt_pool"), table.suite))


@lru_cache(maxsize=4)
def _read(paths: tuple[tuple[Path, int], ...]) -> tuple[Table, ...]:
    made = {path.parent.name: _table(path.parent.name, _rows(path)) for path, _ in paths if path.parent.name in ABOUT}
    return tuple(table for suite in ABOUT if (table := made.get(suite)) is not None)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        told = json.loads(path.read_text())
    except ValueError:
        return []
    return list(told.get("rows", ())) if isinstance(told, dict) else []


def _table(suite: str, rows: list[dict[str, Any]]) -> Table | None:
    if not rows:
        return None
    budget = _speaks(rows)
    rows = [row for row in rows if row["budget"] == budget]
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["operator"]].append(row)
    columns = _columns(suite, rows)
    body = [_line(group, columns) for group in sorted(groups.values(), key=lambda group: _order(group, columns))]
    title, about = ABOUT[suite]
    names = [" ".join(dict.fromkeys(column[:1] if len(column) > 2 else column)) for column in columns]
    header = ("operator", "kind", *names, "seeds", "parameters", "training, s", "ms a step")
    command = f"./meltwin validate {COMMANDS.get(suite, suite)} --budget {budget}"
    bare = frozenset(name.split(",")[0].split(" ")[0] for name in groups)
    return Table(suite, title, about, budget, command, _made(rows), header, tuple(body), bare)


def _speaks(rows: list[dict[str, Any]]) -> str:
    """The budget with the most learned operators; of these the largest."""
    learned = {(row["budget"], row["operator"]) for row in rows if row["kind"] == "learned"}
    there = {row["budget"] for row in rows}
    return max(there, key=lambda budget: (sum(each == budget for each, _ in learned), BUDGETS.index(budget)))


def _columns(suite: str, rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """(split, measure), or (split, measure, measure) where two stand in one cell, as %."""
    if suite in PAIRS:
        return list(PAIRS[suite])
    every = {(split, each) for row in rows for split, errors in row["errors"].items() for each in errors}

    def first(column: tuple[str, str]) -> tuple[bool, int, str, str]:
        split, measure = column
        return split != "id", RANKS.index(measure) if measure in RANKS else len(RANKS), split, measure

    return list(sorted(every, key=first)[:MOST_MEASURES])


def _line(group: list[dict[str, Any]], columns: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    scored, one = [row for row in group if row["errors"]], group[0]
    if not scored:
        return (one["operator"], one["kind"], f"not run: {one['refused']}")
    cells = []
    for split, *measures in columns:
        found = [[row["errors"].get(split, {}).get(each) for row in scored] for each in measures]
        told = [_cell([value for value in values if value is not None], len(measures) > 1) for values in found]
        cells.append(" / ".join(told) if any(told) else "")
    seconds = statistics.mean(row["seconds"] for row in scored)
    costs = (
        str(len({row["seed"] for row in scored})), f"{one['parameters']:,}" if one["parameters"] else "–",
        f"{seconds:.0f}" if one["kind"] == "learned" and seconds >= 1 else "–",
        _milliseconds(statistics.median(row["latency_ms"] for row in scored)),
    )  # fmt: skip
    return (one["operator"], one["kind"], *cells, *costs)


def _milliseconds(value: float) -> str:
    return f"{value:.3g}" if value > 0 else "–"


def _cell(values: list[float], percent: bool) -> str:
    if not values:
        return ""
    mean, half = statistics.mean(values), (max(values) - min(values)) / 2
    told = f"{100 * mean:.2f}" if percent else f"{mean:.3g}"
    return told if len(values) == 1 else f"{told} ±{100 * half if percent else half:.1g}"


def _order(group: list[dict[str, Any]], columns: Sequence[tuple[str, ...]]) -> tuple[int, float]:
    split, measure = columns[0][:2] if columns else ("", "")
    found = [row["errors"].get(split, {}).get(measure) for row in group]
    known = [value for value in found if value is not None]
    kind = group[0]["kind"]
    return KINDS.index(kind) if kind in KINDS else len(KINDS), statistics.mean(known) if known else float("inf")


def _made(rows: list[dict[str, Any]]) -> str:
    dates = sorted({row["made"]["date"] for row in rows if row.get("made")})
    devices = sorted({row["made"]["device"] for row in rows if row.get("made")})
    span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}" if dates else "at an unknown date"
    return f"{span}, on {' and '.join(devices)}" if devices else span
