"""Page: the tables and plots of docs/operators.md from the results files. No number there is typed in."""

import re
from pathlib import Path

from tests.validation.harness import plots, table
from tests.validation.harness.rows import Results

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "operators.md"
IMAGES = ROOT / "docs" / "images"
BEST_FIRST = ("full", "medium", "small")


def shown(results: Results) -> str | None:
    """The largest budget that has rows."""
    there = {row.budget for row in results.rows.values()}
    return next((budget for budget in BEST_FIRST if budget in there), None)


def write(suites: list[str], folder: Path = ROOT / "tests" / "validation") -> list[Path]:
    """Rewrite the block of every suite that has results, and its plot."""
    text, written = PAGE.read_text(), [PAGE]
    for suite in suites:
        results = Results(folder / suite / "results.json")
        budget = shown(results)
        if budget is None:
            continue
        body = block(results, budget)
        if (svg := plots.growth(results, budget, f"{suite}: error of rollouts")) is not None:
            image = IMAGES / f"operators_{suite}.svg"
            image.write_text(svg)
            written.append(image)
            body += f"\n\n![{suite}: error against the step of a rollout](images/{image.name})"
        mark = re.compile(rf"(<!-- {suite} -->\n).*?(<!-- /{suite} -->)", re.DOTALL)
        text = mark.sub(lambda found, body=body: f"{found[1]}\n{body}\n\n{found[2]}", text)
    PAGE.write_text(text)
    return written


def block(results: Results, budget: str) -> str:
    """What made the rows, and the table."""
    rows = [row for row in results.rows.values() if row.budget == budget]
    made = sorted({f"{row.made.get('device', '?')}, {row.made.get('threads', '?')} thread(s) a row" for row in rows})
    dates = sorted({row.made.get("date", "?") for row in rows})
    told = f"Budget {budget}; made {' to '.join(dict.fromkeys((dates[0], dates[-1])))} on {'; '.join(made)}."
    return f"{told}\n\n{table.text(results, budget)}"
