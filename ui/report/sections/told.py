"""What the twin told people and people told the twin: alerts, acknowledgements, notes. Pure functions to HTML."""

from typing import Any

import numpy as np
import pandas as pd

from ui import words
from ui.report.rows import ALERTS, NOTES, Rows
from ui.report.sections.html import Raw, badge, bold, paragraph, table, utc
from ui.report.sections.place import numbered

SEVERITIES = {"high": ("fault", "act now"), "medium": ("caution", "watch"), "low": ("advice", "advice")}


def alerts(rows: Rows) -> list[str]:
    """Place, first and last seen, evidence, action, who acknowledged with which note, when cleared."""
    if rows.alerts.empty:
        return [paragraph("No alert was raised in this stretch.")]
    head = ("No.", "Alert", "Place", "First and last seen", "Evidence and action", "Acknowledged", "Cleared")
    lines = []
    for number_, alert in numbered(rows.alerts)[:ALERTS]:
        tone, said = SEVERITIES.get(alert.severity, ("advice", alert.severity))
        kind = words.ALERT_KINDS.get(alert.kind, alert.kind.replace("_", " "))
        place = f"layer {alert.layer:,}"
        if alert.x_m is not None and np.isfinite([float(alert.x_m), float(alert.y_m)]).all():
            place += f", x {alert.x_m * 1e3:.2f}, y {alert.y_m * 1e3:.2f} mm"
        who = badge("by nobody", "caution")
        if not pd.isna(alert.acknowledged_s):
            note = f": “{alert.acknowledged_note}”" if alert.acknowledged_note else ", without a note"
            who = Raw(paragraph(f"{alert.acknowledged_by}, {utc(alert.acknowledged_s)}{note}"))
        cleared = utc(alert.cleared_s) if not pd.isna(alert.cleared_s) else badge("open", "caution")
        lines.append((
            str(number_), Raw(f"{badge(said, tone).text} {paragraph(bold(kind))}"), place,
            Raw(f"{paragraph(utc(alert.first_seen_s))}{paragraph(utc(alert.last_seen_s))}"),
            Raw(f"{paragraph(alert.evidence)}{paragraph('Do: ', alert.action)}"), who, cleared,
        ))  # fmt: skip
    over = (
        paragraph(f"These are the {ALERTS} severest; more are in the exported table of alerts.")
        if len(rows.alerts) > ALERTS
        else ""
    )
    return [table("Alerts, the severest first", head, lines, "wide alerts"), over]


def notes(rows: Rows) -> list[str]:
    """What people wrote about the build, its layers and places, what the machine says beside layers, and whether
    somebody marked the build as good."""
    found = [_good(rows)]
    if len(rows.notes):
        lines = [_note(note) for note in rows.notes.tail(NOTES).itertuples()]
        head = ("No.", "Place", "Note", "By whom, when", "Withdrawn")
        found.append(table("Notes of people", head, lines, "wide"))
        if len(rows.notes) > NOTES:
            found.append(paragraph(f"These are the newest {NOTES}; more are in the exported table of notes."))
    noted = rows.layers[rows.layers["note"].astype(str) != ""]
    if len(noted):
        found.append(
            table(
                "Notes of layers, by the machine",
                ("Layer", "Note"),
                [(f"{r.layer:,}", r.note) for r in noted.itertuples()],
            )
        )
    if rows.notes.empty and noted.empty:
        found.append(paragraph("Nobody has noted anything of this stretch."))
    return found


def _good(rows: Rows) -> str:
    """The mark that stands, and who said it."""
    if rows.marks.empty:
        return paragraph("Nobody has marked this build as good.")
    last = rows.marks.iloc[-1]
    word = "Marked good" if last["good"] else "No longer marked good"
    return paragraph(bold(word), f" by {last['by']}, {utc(last['at_s'])}: “{last['note']}”")


def _note(note: Any) -> tuple[Any, ...]:
    back: Any = "–"
    if not pd.isna(note.withdrawn_s):
        told = paragraph(f"{note.withdrawn_by}, {utc(note.withdrawn_s)}: “{note.withdrawn_why}”")
        back = Raw(f"{badge('withdrawn', 'caution').text} {told}")
    return (str(note.id), words.where(note), note.text, f"{note.by}, {utc(note.at_s)}", back)
