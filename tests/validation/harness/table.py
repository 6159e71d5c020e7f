"""Tables: the rows of one suite and budget, seeds put together, best first within each kind.

Narrow enough to be read: what was missed, by test split; what more was asked of a row that reads a law from its past;
and what it costs. The best learned row of a column is bold; a trivial or classical one that is better is italic.
"""

import statistics
from collections import defaultdict

from tests.validation.harness.rows import Results, Row
from tests.validation.harness.stress import is_stress

KINDS = ("trivial", "classical", "learned")
FIRST = ("rollout", "error", "end", "one")  # of a split's measures, in this order; one column
LARGER_IS_BETTER = ("valid time",)
Cells = list[list[str]]
Measure = tuple[str, str]  # split, and what of it


def errors(results: Results, budget: str) -> Cells:
    """Header and rows, a column a split for FIRST and one for each other measure: mean over seeds, and half the range
    where there are several."""
    return _table(results, budget, [m for m in _measures(results, budget) if not is_stress(m[1])])


def more(results: Results, budget: str) -> Cells:
    """The same for what `stress` asks, a column a split; the header alone where nothing was asked."""
    return _table(results, budget, [m for m in _measures(results, budget) if is_stress(m[1])])


def costs(results: Results, budget: str) -> Cells:
    """Header and rows: seeds, size, training and one evaluation of what was scored."""
    groups = list(_groups(results, budget).values())
    header = ["operator", "seeds", "parameters", "training, s", "ms a step", "GFLOP", "MB"]
    coded = any(r.code_r2 is not None for rows in groups for r in rows)
    body = []
    for rows in groups:
        told = rows[0].parameters
        seconds, latency = statistics.mean(r.seconds for r in rows), statistics.median(r.latency_ms for r in rows)
        cells = [rows[0].operator, str(len(rows)), f"{told:,}" if told else "-", f"{seconds:.0f}", f"{latency:.2f}"]
        cells += [f"{each:.2g}" if each else "" for each in (rows[0].gflop, rows[0].memory_mb)]
        if coded:
            cells.append(_spread([r.code_r2 for r in rows if r.code_r2 is not None]))
        body.append(cells)
    whole = [[*header, "code R²"] if coded else header, *body]
    said = [n for n, cells in enumerate(zip(*whole, strict=True)) if any(cells[1:])]
    return [[row[n] for n in said] for row in whole]


def standings(results: Results, budget: str, subject: str) -> Cells:
    """A row a split, by the first of FIRST that it has: the best learned row, the next one, where `subject` stands
    among them, and the best trivial and the best classical row."""
    body = []
    for split in dict.fromkeys(split for split, _ in _measures(results, budget)):
        known = {m for rows in _groups(results, budget).values() for m in rows[0].errors.get(split, {})}
        measure = next((m for m in FIRST if m in known), None)
        if measure is None:
            continue
        found = sorted(
            (statistics.mean(values), name, rows[0].kind)
            for name, rows in _groups(results, budget).items() if (values := _values(rows, (split, measure)))
        )  # fmt: skip
        trivial, classical, learned = ([(error, name) for error, name, each in found if each == kind] for kind in KINDS)
        place = [name for _, name in learned].index(subject) if subject in {name for _, name in learned} else None
        body.append([
            split, *(_named(learned[n : n + 1]) for n in (0, 1)),
            "-" if place is None else f"{_named(learned[place:place + 1])}, {place + 1} of {len(learned)}",
            _named(trivial[:1]), _named(classical[:1]),
        ])  # fmt: skip
    return [["split", "first", "next", "the suite's own", "trivial", "classical"], *body]


def _named(some: list[tuple[float, str]]) -> str:
    return f"{some[0][1].split(' (')[0]} {some[0][0]:.2g}" if some else "-"


def refused(results: Results, budget: str) -> dict[str, list[str]]:
    """Why rows have no errors, and which ones."""
    found: dict[str, list[str]] = defaultdict(list)
    ran = _groups(results, budget)
    for row in results.rows.values():
        if row.budget == budget and row.operator not in ran and row.operator not in found[row.refused]:
            found[row.refused].append(row.operator)
    return {why: sorted(names) for why, names in found.items() if names}


def text(results: Results, budget: str) -> str:
    """As Markdown."""
    parts = [markdown(some) for some in (errors(results, budget), more(results, budget)) if len(some[0]) > 2]
    parts.append(markdown(costs(results, budget)))
    why = [f"{', '.join(names)} ({reason})" for reason, names in refused(results, budget).items()]
    if why:
        parts.append(f"Not run: {'; '.join(why)}.")
    return "\n\n".join(parts)


def _groups(results: Results, budget: str) -> dict[str, list[Row]]:
    """The seeds of each operator that have errors, in the order of the table."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in results.rows.values():
        if row.budget == budget and row.errors:
            groups[row.operator].append(row)
    measures = _measures(results, budget)

    def first(rows: list[Row]) -> tuple[int, float]:
        split, measure = measures[0]
        return KINDS.index(rows[0].kind), statistics.mean(r.errors[split][measure] for r in rows)

    return dict(sorted(groups.items(), key=lambda item: first(item[1])))


def _measures(results: Results, budget: str) -> list[Measure]:
    rows = [row for row in results.rows.values() if row.budget == budget]
    return sorted({(s, m) for r in rows for s, each in r.errors.items() for m in each}, key=_order)


def _order(key: Measure) -> tuple[int, str, str]:
    split, measure = key
    return 0 if split == "id" else 1, split, str(FIRST.index(measure)) if measure in FIRST else measure


def _table(results: Results, budget: str, measures: list[Measure]) -> Cells:
    groups = {name: rows for name, rows in _groups(results, budget).items() if any(_values(rows, m) for m in measures)}
    columns: dict[str, list[Measure]] = {}
    for split, measure in measures:
        together = measure in FIRST or is_stress(measure)
        columns.setdefault(split if together else f"{split} {measure}", []).append((split, measure))
    header = [
        name if name not in {s for s, _ in some} else f"{name}: {' / '.join(measure for _, measure in some)}"
        for name, some in columns.items()
    ]
    best = {measure: _best(groups, measure) for measure in measures}
    body = []
    for name, rows in groups.items():
        cells = [
            " / ".join(_marked(rows, m, best[m]) for m in some) if any(_values(rows, m) for m in some) else "-"
            for some in columns.values()
        ]
        body.append([name, rows[0].kind, *cells])
    return [["operator", "kind", *header], *body]


def _values(rows: list[Row], measure: Measure) -> list[float]:
    split, what = measure
    return [r.errors[split][what] for r in rows if what in r.errors.get(split, {})]


def _best(groups: dict[str, list[Row]], measure: Measure) -> float | None:
    """Of the learned rows."""
    found = [
        statistics.mean(v) for rows in groups.values() if rows[0].kind == "learned" and (v := _values(rows, measure))
    ]
    return (max if measure[1] in LARGER_IS_BETTER else min)(found) if found else None


def _marked(rows: list[Row], measure: Measure, best: float | None) -> str:
    values = _values(rows, measure)
    if not values:
        return "-"
    mean, told = statistics.mean(values), _spread(values)
    if best is None:
        return told
    if rows[0].kind == "learned":
        return f"**{told}**" if mean == best else told
    return f"*{told}*" if (mean > best if measure[1] in LARGER_IS_BETTER else mean < best) else told


def _spread(values: list[float]) -> str:
    if not values:
        return ""
    mean = statistics.mean(values)
    half = (max(values) - min(values)) / 2
    return f"{mean:.3g}" if len(values) == 1 else f"{mean:.3g} ±{half:.1g}"


def markdown(cells: Cells) -> str:
    header, *body = cells
    rule = ["---"] * len(header)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *body))
