"""What the twin told people and people told the twin: alerts, acknowledgements, notes. Pure functions to HTML."""

import numpy as np
import pandas as pd

from ui import words
from ui.report.rows import ALERTS, Rows
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
    """What people wrote beside layers."""
    noted = rows.layers[rows.layers["note"].astype(str) != ""]
    if noted.empty:
        return [paragraph("No layer of this stretch has a note.")]
    return [table("Notes of layers", ("Layer", "Note"), [(f"{row.layer:,}", row.note) for row in noted.itertuples()])]
