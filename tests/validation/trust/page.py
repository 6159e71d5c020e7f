"""Page: the tables and pictures of docs/trust.md from the results file. No number there is typed in."""

import re
from html import escape
from pathlib import Path
from typing import Any

from tests.validation.harness.page import IMAGES, ROOT, made, shown
from tests.validation.harness.rows import Results, Row
from tests.validation.trust.measure import COMBINED, OBSERVED
from twin.trust.bands import SIZES
from twin.trust.calibrated import SCORES

PAGE = ROOT / "docs" / "trust.md"
GREY, BLUE, AMBER = "#8b949e", "#3b82f6", "#e8830c"
WIDE, STEP, LEFT = 420, 22, 225  # px


def write(results: Results) -> list[Path]:
    """Rewrite what stands between the marks, and the pictures."""
    budget = shown(results)
    if budget is None:
        return []
    for name, svg in (("trust_coverage", covered(results, budget)), ("trust_families", told_apart(results, budget))):
        (IMAGES / f"{name}.svg").write_text(svg)
    body = f"{made(results, budget)}\n\n{text(results, budget)}"
    mark = re.compile(r"(<!-- trust -->\n).*?(<!-- /trust -->)", re.DOTALL)
    PAGE.write_text(mark.sub(lambda found: f"{found[1]}\n{body}\n\n{found[2]}", PAGE.read_text()))
    return [PAGE]


def rows_of(results: Results, budget: str) -> dict[str, Row]:
    return {row.operator: row for row in results.rows.values() if row.budget == budget}


def text(results: Results, budget: str) -> str:
    """All tables, as Markdown."""
    rows, about = rows_of(results, budget), results.about.get(budget, {})
    if not rows:
        return "no rows"
    return "\n\n".join([bands(rows["bands"]), quiet(about), families(rows), by_score(rows)])


def bands(row: Row) -> str:
    """Coverage by group, with its interval, and the half-width."""
    lines = ["| group | draws | " + " | ".join(f"{s} | ±" for s in (*SIZES, "field")) + " |"]
    lines += ["|---|---|" + "---|" * 8]
    for group, told in row.errors.items():
        cells = []
        for size in (*SIZES, "field"):
            if size not in told:
                cells += ["-", "-"]
                continue
            missed = "" if told[f"{size} low"] <= 0.9 <= told[f"{size} high"] else " (!)"
            cells += [f"{_share(told[size])} [{_share(told[f'{size} low'])}, {_share(told[f'{size} high'])}]{missed}"]
            cells += [f"{told[f'{size} half-width']:.3f}"]
        lines.append(f"| {group} | {told['draws']:.0f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def quiet(about: dict[str, Any]) -> str:
    """False alarms, and the band in a drifting world."""
    alarms, adaptive = about["alarms"], about["adaptive"]
    return (
        f"False alarms in distribution, p <= {alarms['at']:g}: {alarms['false alarms']:.2%} of {alarms['draws']:.0f} "
        f"forecasts; the smallest p that can be told is {alarms['least p']:.4f}; p-values exceed evenness by at most "
        f"{alarms['largest excess over even']:.3f}. Where errors double little by little, a fixed band of the width "
        f"misses {adaptive['fixed']:.0%} of the last quarter, one that adapts {adaptive['adaptive']:.0%} (wanted "
        f"{adaptive['wanted']:.0%})."
    )


def families(rows: dict[str, Row]) -> str:
    """Each family by the combined score."""
    lines = [
        "| family | draws | error, of in distribution | AUROC | AUPR | FPR at 95 % TPR | error AUROC | Spearman | "
        "goal |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, told in rows[COMBINED].errors.items():
        ratio = told["error ratio"]
        goal = "-" if ratio <= 2 else "met" if told["auroc"] >= 0.95 else "missed"
        lines.append(
            f"| {name} | {told['draws']:.0f} | {ratio:.1f} | {told['auroc']:.3f} | {told['aupr']:.3f} | "
            f"{told['fpr95']:.3f} | {told['error auroc']:.3f} | {told['spearman']:.2f} | {goal} |"
        )
    return "\n".join(lines)


def by_score(rows: dict[str, Row]) -> str:
    """AUROC of each score by family."""
    names = [name for name in (*SCORES, COMBINED, OBSERVED) if name in rows]
    lines = ["| AUROC | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for family in rows[COMBINED].errors:
        lines.append(f"| {family} | " + " | ".join(f"{rows[n].errors[family]['auroc']:.3f}" for n in names) + " |")
    return "\n".join(lines)


def covered(results: Results, budget: str) -> str:
    """Coverage of each group and size with its interval, against what is stated."""
    told = rows_of(results, budget)["bands"].errors
    low, high = 0.75, 1.0

    def at(share: float) -> float:
        return WIDE * (min(max(share, low), high) - low) / (high - low)

    body, line = [], 0
    for group, found in told.items():
        for size in (each for each in (*SIZES, "field") if each in found):
            y = STEP * line * 0.62
            begin, end = at(found[f"{size} low"]), at(found[f"{size} high"])
            colour = BLUE if found[f"{size} low"] <= 0.9 <= found[f"{size} high"] else AMBER
            body.append(f'<path d="M{begin:.1f} {y:.1f}H{end:.1f}" stroke="{colour}" stroke-width="2"/>')
            body.append(f'<circle cx="{at(found[size]):.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
            body.append(_text(-8, y + 4, f"{group}, {size}", "end"))
            line += 1
        line += 1
    high_px = STEP * line * 0.62
    body.append(f'<path d="M{at(0.9):.1f} -8V{high_px:.1f}" stroke="{GREY}" stroke-dasharray="4 3"/>')
    for share in (0.75, 0.8, 0.85, 0.9, 0.95, 1.0):
        body.append(_text(at(share), high_px + 14, f"{share:.0%}", "middle"))
    return _svg(body, "Coverage of the 90 % bands, a draw counted once, with 95 % intervals", high_px + 30)


def told_apart(results: Results, budget: str) -> str:
    """AUROC of the combined score by family; the size of the error in words."""
    told = rows_of(results, budget)[COMBINED].errors
    body = []
    for line, (name, found) in enumerate(told.items()):
        y, far = STEP * line, WIDE * max(found["auroc"] - 0.5, 0.0) / 0.5
        colour = AMBER if found["error ratio"] > 2 and found["auroc"] < 0.95 else BLUE
        body.append(f'<rect x="0" y="{y - 7}" width="{far:.1f}" height="12" fill="{colour}"/>')
        body.append(_text(-8, y + 3, name, "end"))
        body.append(_text(WIDE + 8, y + 3, f"{found['auroc']:.2f}, error x {found['error ratio']:.1f}", "start"))
    high_px = STEP * len(told)
    body.append(f'<path d="M{WIDE * 0.9:.1f} -12V{high_px - 8}" stroke="{GREY}" stroke-dasharray="4 3"/>')
    for share in (0.5, 0.75, 0.95, 1.0):
        body.append(_text(WIDE * (share - 0.5) / 0.5, high_px + 8, f"{share:g}", "middle"))
    return _svg(body, "AUROC of the combined score, and the error against in distribution", high_px + 24)


def _svg(body: list[str], title: str, high: float) -> str:
    whole = f"0 0 {LEFT + WIDE + 150} {high + 44:.0f}"
    inner = "\n".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{whole}" font-family="sans-serif" font-size="12">\n'
        f'{_text(10, 16, title, "start")}\n<g transform="translate({LEFT} 40)">\n{inner}\n</g>\n</svg>\n'
    )


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{GREY}" text-anchor="{anchor}">{escape(words)}</text>'


def _share(value: float) -> str:
    return f"{100 * value:.1f}"
