"""What the comparison and its rule say to a person."""

from typing import Any

from dash import html

from twin.golden import LEAST_FRAMES
from ui.figures import LengthUnit
from ui.figures.builds import measure
from ui.pages.builds.listing import address
from ui.shelf import OneBuild

MOST_OUTSIDE = 200


def against(one: OneBuild, reading: str) -> list[Any]:
    """Which good builds the limits are from, by which rule, and what they cannot tell."""
    if not one.kin.builds:
        told = [
            html.P([html.B("Nothing to compare with. "), f"No other build of {one.kin.alike} is marked good. Mark one "
                    "that was inspected; from two on the limits know how good builds differ."])
        ]  # fmt: skip
        return [*told, *_left_out(one)]
    if one.within.empty:
        return [html.P(f"Reading the good builds: {reading}.", className="quiet")]
    links: list[Any] = []
    for place in one.kin.builds:
        links += [", " if links else "", html.A(place[1], href=address(*place))]
    count = len(one.kin.builds)
    first = [html.B(f"Against {count} good build{'s' * (count > 1)} "), f"of {one.kin.alike}: ", *links, ". "]
    if count == 1:
        rule = (
            "One good build says where its own frames lay (5 to 95 %), not how good builds differ: a layer outside "
            "may be no more than another build. Times have no limits yet."
        )
    else:
        rule = (
            "Grey: where 5 to 95 % of their frames lie, widened by how their layers' medians differ (Student's t, "
            f"{count - 1} degree{'s' * (count > 2)} of freedom)."
        )
    last = "A layer is outside when its median is: a fault in less than half of a layer does not show here."
    return [html.P([*first, rule, " ", last]), *_left_out(one)]


def _left_out(one: OneBuild) -> list[Any]:
    if not one.kin.left_out:
        return []
    named = "; ".join(f"{build} ({why})" for _, build, why in one.kin.left_out)
    return [html.P(f"Marked good, but not comparable: {named}.", className="quiet")]


def outside(one: OneBuild, unit: LengthUnit) -> list[Any]:
    """The layers beyond a limit with by how much, worst first; each opens its layer."""
    if one.within.empty:
        return [html.P("Nothing to compare with yet.", className="quiet")]
    rows, judged = one.outside, one.comparison["by"].notna()
    layers = one.comparison.loc[judged, "layer"].nunique()
    if rows.empty:
        return [html.P(f"All {layers:,} layers that can be compared are within the limits.", className="quiet"),
                *_unjudged(one)]  # fmt: skip
    told = html.P([html.B(f"{rows['layer'].nunique():,} of {layers:,}"), " layers are outside in something"])
    items = [_item(row, unit) for row in rows.head(MOST_OUTSIDE).itertuples()]
    return [told, html.Ul(items), *_unjudged(one)]


def _item(row: Any, unit: LengthUnit) -> Any:
    of = measure(row.quantity, unit)
    way = "above" if row.by > 0 else "below"
    limits = f"limits {of.number(row.low)} to {of.number(row.high)}, median {of.say(row.median)}"
    said = [
        html.Span(className="glyph triangle", **{"aria-hidden": "true"}),
        html.B(f"Layer {row.layer:,}"), html.Span(f"{of.name} {of.say(row.value)}", className="what"),
        html.Span(f"{of.say(abs(row.by))} {way} the limit"),
        html.Span(limits, className="moments"),
    ]  # fmt: skip
    look = {"data-layer": str(row.layer), "data-quantity": row.quantity}
    return html.Li(html.Button(said, type="button", className="outside", **look))


def _unjudged(one: OneBuild) -> list[Any]:
    """What could not be compared, and why."""
    without = sorted(set(one.layers) - set(one.comparison.loc[one.comparison["by"].notna(), "layer"]))
    if not without:
        return []
    named = ", ".join(f"{layer:,}" for layer in without[:8]) + (
        f" and {len(without) - 8:,} more" if len(without) > 8 else ""
    )
    why = f"no good build has them, or fewer than {LEAST_FRAMES} frames count"
    return [html.P(f"Not compared: layer{'s' * (len(without) > 1)} {named}: {why}.", className="quiet")]
