"""Tables of the page Models: plain HTML tables, each with a caption that says what the numbers are and how to make them
again, in a region that scrolls by itself."""

from collections.abc import Sequence
from typing import Any

from dash import html

from ui.models.calibration import MUCH, SIZES, Calibration
from ui.models.cards import Card
from ui.models.results import Table

NO_RESULTS = (
    "There are no results of validation here: they lie in tests/validation of a checkout, and only the packages are "
    "installed. Clone the project to see them, or make them with ./meltwin validate."
)


def table(label: str, header: Sequence[str], rows: Sequence[Sequence[Any]], caption: Sequence[Any] = ()) -> Any:
    """`rows`: cells as text or components; the first of a row is its header. A row that is short ends in one cell."""
    body = [html.Tr([_first(row[0]), *_cells(row[1:], len(header) - 1)]) for row in rows]
    return html.Div(
        html.Table(
            [
                html.Caption(list(caption)) if caption else None,
                html.Thead(html.Tr([html.Th(name, scope="col") for name in header])),
                html.Tbody(body),
            ]
        ),
        className="scroll", role="region", tabIndex=0, **{"aria-label": label},
    )  # fmt: skip


def validation(found: Table, mine: Sequence[str]) -> Any:
    """One suite. `mine`: names of the rows that are this card's."""
    rows = [[html.B(row[0]) if row[0] in mine else row[0], *row[1:]] for row in found.rows]
    about = [
        html.Span(f"{found.about}. ± is half the range over seeds. "),
        html.Span(f"Budget {found.budget}, made {found.made}; again with "), html.Code(found.command), ".",
    ]  # fmt: skip
    return html.Section([html.H3(found.title), table(found.title, found.header, rows, about)], className="suite")


def coverage(found: Calibration) -> Any:
    """How often bands held, by group; what does not hold has a sign and a word for it."""
    groups: dict[str, list[Any]] = {}
    for each in found.held:
        if each.group not in groups:
            groups[each.group] = [each.group, f"{each.draws:,}"]
        told = f"{each.share:.1%} [{each.low:.1%}, {each.high:.1%}] ±{each.half_width:.3f}"
        groups[each.group].append(told if each.holds(found.wanted) else [_odd(), told])
    caption = [
        f"Share of draws whose band of {found.wanted:.0%} held at all leads, with its 95 % interval, and half of the "
        "band over the size (of the field: in asinh(theta)). ◆: the interval does not contain what is promised. Made ",
        found.made, "; again with ", html.Code(found.command), ".",
    ]  # fmt: skip
    header = ("draws of", "draws", *SIZES)
    rows = [[*row, *["–"] * (len(header) - len(row))] for row in groups.values()]  # of a question no field is told
    return table("Coverage of the bands", header, rows, caption)


def families(found: Calibration) -> Any:
    """What raises the p-value's alarm, and what does not."""
    rows = [
        (each.name, f"{each.draws:,}", f"{each.times:.1f}", f"{each.auroc:.3f}",
         [_odd(), "not noticed"] if each.missed else "noticed" if each.times > MUCH else "errs little")
        for each in found.families
    ]  # fmt: skip
    caption = [
        "Families of faults: how many times larger the error is than in distribution (median), and how well the scores "
        f"tell them apart (AUROC). In distribution {found.false_alarms:.1%} of forecasts raise an alarm, at p ≤ "
        f"{found.alarm_at:g}; p-values exceed evenness by at most {found.uneven:.3f}.",
    ]  # fmt: skip
    return table("Faults noticed", ("family", "draws", "error, times", "AUROC", ""), rows, caption)


def faithfulness(card: Card) -> Any:
    """How far attributions agree with the reference's adjoint, and beat random order."""
    told = card.attribution
    if told is None:
        return html.P("No faithfulness was measured for these weights: no attribution is shown of their forecasts.")
    wanted, made = float(told["wanted"]), told["made"]
    rows = [
        (f"{kind}: {of}", f"{each['median']:.3f}", f"{each['quartiles'][0]:.3f} to {each['quartiles'][1]:.3f}",
         str(each["cases"]),
         "shown" if each["median"] >= wanted else [_odd(), "not shown"])
        for kind, maps in told["maps"].items()
        for of, each in maps.items()
    ]  # fmt: skip
    orders = [
        (f"{kind}: {name}", f"{mean:.3f}", f"{low:.3f} to {high:.3f}", f"{each['cases'][0]:.0f}",
         "better than random" if low > 0 else [_odd(), "no better"])
        for kind, each in told.get("orders", {}).items()
        for name, (mean, low, high) in ((n, v) for n, v in each.items() if n.endswith("map - random"))
    ]  # fmt: skip
    caption = [
        f"Maps: {told['measure']}; wanted {wanted:g}, else a map is not shown. Deletion and insertion: how much better "
        "than random order, with the 95 % interval. Made ", made["date"], ", on ", made["device"], "; again with ",
        html.Code(f"./meltwin validate attribution --budget {told['budget']}"), ".",
    ]  # fmt: skip
    header = ("attribution", "median", "quartiles or interval", "cases", "")
    return table("Faithfulness of attributions", header, [*rows, *orders], caption)


def _odd() -> Any:
    return html.Span("◆ ", className="odd")


def _first(cell: Any) -> Any:
    return html.Th(cell, scope="row")


def _cells(cells: Sequence[Any], wide: int) -> list[Any]:
    if len(cells) >= wide:
        return [html.Td(cell) for cell in cells]
    *plain, last = cells
    return [*(html.Td(cell) for cell in plain), html.Td(last, colSpan=wide - len(plain), className="long")]
