"""Sources: which operators made the numbers, from which data, by which program, and how to check it all."""

import shlex
from dataclasses import dataclass
from typing import Any

from ui.report.rows import Rows
from ui.report.seal import FORMAT
from ui.report.sections.html import Raw, bold, code, count, facts, number, paragraph, table, utc
from ui.report.sections.place import NOT_CERTIFIED

MOST_METRICS = 40  # lines of a card's validation


@dataclass(frozen=True)
class Stamp:
    """When a report is made, by whom and by what: the only part of it that is not in the rows."""

    made_s: float  # wall clock
    made_by: str
    program: str  # name and version
    view_3d: str = ""  # name of the file beside it with the view that turns


def cards(rows: Rows) -> list[str]:
    """Each operator that made forecasts of record in the stretch: name, hash, envelope, metrics."""
    if not rows.operators:
        return [paragraph("No operator made a forecast in this stretch.")]
    found = []
    for name, frames in rows.operators.items():
        found.append(f"<h3>{Raw(code(name).text).text}</h3>")
        known = rows.cards.get(name) or []
        if not known:
            found.append(
                paragraph(
                    f"{count(frames, 'frame')}; no card of this name is stored: what it was trained for cannot be told."
                )
            )
            continue
        found += _card(known[0], frames)
        if len(known) > 1:
            dates = ", ".join(f"{each['sha256'][:12]}… ({utc(each['received_s'])})" for each in known[1:])
            found.append(
                paragraph(
                    bold("The card changed under its name. "), f"Shown is the newest; before it: {dates}.", kind="small"
                )
            )
    return found


def _card(kept: dict[str, Any], frames: int) -> list[str]:
    card = kept["json"]
    weights = card.get("sha256")
    lines: list[tuple[Any, Any]] = [
        ("Operator", card.get("operator") or card.get("architecture") or card.get("kind") or "not stated"),
        ("Frames of this stretch", f"{frames:,}"),
        ("SHA-256 of the weights", code(weights) if weights else "it has no weights"),
        ("SHA-256 of the card", code(kept["sha256"])),
        *([("Card last said", utc(kept["received_s"]))] if kept["received_s"] else []),
    ]
    data = card.get("data")
    if isinstance(data, dict):
        lines.append(
            (
                "Trained on",
                ", ".join(
                    f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}"
                    for key, value in sorted(data.items())
                ),
            )
        )
    found = [facts("Card", lines)]
    beside: list[str] = []
    envelope = card.get("envelope")
    if isinstance(envelope, dict) and envelope:
        bounds = [
            (key, *(number(edge, 4) for edge in limits)) for key, limits in sorted(envelope.items()) if _pair(limits)
        ]
        if bounds:
            beside.append(
                table(
                    "Trained envelope: process numbers without units (docs/operators.md)",
                    ("Number", "From", "To"),
                    bounds,
                    "narrow",
                    1,
                )
            )
    metrics = list(_leaves(card.get("validation"), ())) + list(_leaves(card.get("calibration"), ("calibration",)))
    if metrics:
        told = [(" · ".join(path), said) for path, said in metrics[:MOST_METRICS]]
        beside.append(table("Validation, as the card says it", ("Of what", "Value"), told, "narrow"))
    return [*found, f'<div class="pair">{"".join(beside)}</div>'] if beside else found


def _leaves(value: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    """What a nested card says, flat; figures by seed are left to the card."""
    if isinstance(value, dict):
        found = []
        for key, inner in value.items():
            if "by_seed" not in str(key) and "curve" not in str(key):
                found += _leaves(inner, (*path, str(key)))
        return found
    if isinstance(value, list):
        if len(value) > 6 or any(isinstance(each, (dict, list)) for each in value):
            return []
        return [(path, ", ".join(_plain(each) for each in value))]
    return [] if value is None else [(path, _plain(value))]


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _pair(limits: Any) -> bool:
    return isinstance(limits, list) and len(limits) == 2 and all(isinstance(edge, (int, float)) for edge in limits)


def data(rows: Rows, stamp: Stamp) -> list[str]:
    """Hashes, versions, when and by whom, and the commands that check and export."""
    stretch, said = rows.stretch, rows.said
    named = shlex.quote(f"{stretch.machine}/{stretch.build}")
    whole = stretch.from_s is None and stretch.to_s is None
    covers = f"{said.messages:,} messages of {count(len(rows.layers), 'layer')} and of the build"
    hashes = [
        ("Data hash (SHA-256)", code(said.data_hash)),
        ("It covers", covers if whole else f"{covers}: the layers whole, of which this report shows a time"),
        ("Forecast hash (SHA-256)", code(rows.forecast_hash)),
        ("Received", f"{utc(said.begin_s)} to {utc(said.end_s)}"),
        ("Sources", ", ".join(said.sources) or "–"),
        (
            "Hash of the file it came from",
            code(rows.build["data_hash"]) if rows.build.get("data_hash") else "not stated",
        ),
    ]
    made = [
        ("Made", utc(stamp.made_s)), ("Made by", stamp.made_by), ("Program", stamp.program),
        ("Schema of the store", rows.schema), ("Format", FORMAT), ("Data certified", "no"),
    ]  # fmt: skip
    of = rows.snapshot
    field = f"./meltwin export {named} --to field.vtr --layer {of.layer} --frame {of.frame}" if of else ""
    commands = [
        ("Check this file against the store", code("./meltwin report --verify FILE")),
        ("Everything, with units", code(f"./meltwin export {named} --to build.h5")),
        ("Forecasts as a table", code(f"./meltwin export {named} --to forecasts.parquet")),
        ("Alerts as a table", code(f"./meltwin export {named} --to alerts.csv --table alerts")),
        ("The temperature field", code(field) if field else "none is stored"),
        ("The melt pool, to be turned", _view(stamp)),
    ]  # fmt: skip
    return [
        facts("Where the numbers come from", hashes), facts("How this report was made", made),
        facts("To check it, and to go on from it", commands),
        paragraph(
            "The data hash is over what the machine said, message by message, whenever it was sent and however it is "
            "stored; the forecast hash over the estimates of record. The file carries a hash of itself, which shows "
            "damage and careless editing; it is no signature.", kind="small",
        ),
    ]  # fmt: skip


def _view(stamp: Stamp) -> Any:
    if stamp.view_3d:
        return Raw(f'<a href="{stamp.view_3d}">{stamp.view_3d}</a>, beside this file')
    return Raw(f"{code('./meltwin report … --view-3d').text} writes it beside the report (4.9 MB)")


def signature() -> list[str]:
    """Lines for those who read it and stand for it."""
    rows = "".join(
        f'<tr><th scope="row">{who}</th><td></td><td></td><td></td></tr>'
        for who in ("Prepared", "Reviewed", "Released")
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", "Name", "Date", "Signature"))
    head = head.replace('<th scope="col"></th>', "<td></td>")
    return [
        paragraph(bold("Data certified: no. "), NOT_CERTIFIED),
        f'<table class="sign"><caption>Signatures</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>',
    ]
