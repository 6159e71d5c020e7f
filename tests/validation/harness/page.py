"""Page: the tables and plots of docs/operators.md from the results files. No number there is typed in."""

import re
from pathlib import Path

from tests.validation.harness import plots, table
from tests.validation.harness.rows import Results

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "operators.md"
IMAGES = ROOT / "docs" / "images"
BEST_FIRST = ("full", "medium", "small")
SUBJECTS = {"asno": "asno", "lrsa": "lrsa", "flux": "flux-no", "hfluxno": "hfluxno"}  # whose a group of suites is


def budgets(results: Results) -> list[str]:
    """Those that have rows: first the one with the most learned operators, the largest of these; then the others."""
    learned = {(row.budget, row.operator) for row in results.rows.values() if row.kind == "learned"}
    there = [budget for budget in BEST_FIRST if any(row.budget == budget for row in results.rows.values())]
    return sorted(there, key=lambda budget: -sum(each == budget for each, _ in learned))


def shown(results: Results) -> str | None:
    """The budget that speaks for a suite."""
    return next(iter(budgets(results)), None)


def write(suites: list[str], folder: Path = ROOT / "tests" / "validation") -> list[Path]:
    """Rewrite the block of every suite that has results, and its plot."""
    written = [PAGE]
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
        if (svg := plots.profiles(results, budget, suite)) is not None:
            image = IMAGES / f"operators_{suite}_lines.svg"
            image.write_text(svg)
            written.append(image)
            body += f"\n\n![{suite}: states at the end of a rollout](images/{image.name})"
        fill(suite, "\n\n".join([body, *(block(results, other) for other in budgets(results)[1:])]))
    return written


def standings(groups: dict[str, tuple[str, ...]], folder: Path = ROOT / "tests" / "validation") -> str:
    """Who is first in each suite and split, and where the operator stands whose suites they are."""
    header, body = [""], []
    for group, suites in groups.items():
        for suite in suites:
            results = Results(folder / suite / "results.json")
            if (budget := shown(results)) is None:
                continue
            header, *rows = table.standings(results, budget, SUBJECTS[group])
            body += [[suite if n == 0 else "", *row] for n, row in enumerate(rows)]
    return table.markdown([["suite", *header], *body])


def fill(name: str, body: str) -> None:
    """Put this between `<!-- name -->` and `<!-- /name -->` of the page."""
    mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    PAGE.write_text(mark.sub(lambda found: f"{found[1]}\n{body}\n\n{found[2]}", PAGE.read_text()))


def made(results: Results, budget: str) -> str:
    """When and where the rows of a budget were made."""
    rows = [row for row in results.rows.values() if row.budget == budget]
    where = sorted({f"{row.made.get('device', '?')}, {row.made.get('threads', '?')} thread(s) a row" for row in rows})
    dates = sorted({row.made.get("date", "?") for row in rows})
    return f"Budget {budget}; made {' to '.join(dict.fromkeys((dates[0], dates[-1])))} on {'; '.join(where)}."


def block(results: Results, budget: str) -> str:
    """What made the rows, and the table."""
    return f"{made(results, budget)}\n\n{table.text(results, budget)}"
