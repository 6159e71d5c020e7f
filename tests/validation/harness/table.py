"""Table: the rows of one suite and budget, seeds put together, best first within each kind."""

import statistics
from collections import defaultdict

from tests.validation.harness.rows import Results, Row

KINDS = ("trivial", "classical", "learned")


def lines(results: Results, budget: str) -> list[list[str]]:
    """Header and rows: mean over seeds, and half the range where there are several."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in results.rows.values():
        if row.budget == budget:
            groups[row.operator].append(row)
    measures = sorted(
        {(s, m) for rows in groups.values() for r in rows for s, e in r.errors.items() for m in e}, key=_order
    )
    costs = ["seeds", "parameters", "training, s", "ms a step", "GFLOP", "MB"]
    header = ["operator", "kind", *(f"{s} {m}" for s, m in measures), *costs]
    coded = any(r.code_r2 is not None for rows in groups.values() for r in rows)
    if coded:
        header.append("code R²")

    def first(rows: list[Row]) -> tuple[int, float]:
        found = [r.errors[measures[0][0]][measures[0][1]] for r in rows if r.errors] if measures else []
        return KINDS.index(rows[0].kind), statistics.mean(found) if found else float("inf")

    body = []
    for operator, rows in sorted(groups.items(), key=lambda item: first(item[1])):
        scored = [r for r in rows if r.errors]
        if not scored:
            body.append([operator, rows[0].kind, f"not run: {rows[0].refused}", *[""] * (len(header) - 3)])
            continue
        cells = [_cell([r.errors[s][m] for r in scored if m in r.errors.get(s, {})]) for s, m in measures]
        told = scored[0].parameters
        seconds, latency = statistics.mean(r.seconds for r in scored), statistics.median(r.latency_ms for r in scored)
        costs = [str(len(scored)), f"{told:,}" if told else "-", f"{seconds:.0f}", f"{latency:.2f}"]
        costs += [f"{each:.2g}" if each else "" for each in (scored[0].gflop, scored[0].memory_mb)]
        if coded:
            costs.append(_cell([r.code_r2 for r in scored if r.code_r2 is not None]))
        body.append([operator, rows[0].kind, *cells, *costs])
    return [header, *body]


def text(results: Results, budget: str) -> str:
    """As Markdown."""
    header, *body = lines(results, budget)
    rule = ["---"] * len(header)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *body))


def _cell(values: list[float]) -> str:
    if not values:
        return ""
    mean = statistics.mean(values)
    half = (max(values) - min(values)) / 2
    return f"{mean:.3g}" if len(values) == 1 else f"{mean:.3g} ±{half:.1g}"


def _order(key: tuple[str, str]) -> tuple[int, str, str]:
    split, measure = key
    ranks = ("rollout", "error", "end", "one")
    return 0 if split == "id" else 1, split, str(ranks.index(measure)) if measure in ranks else measure
