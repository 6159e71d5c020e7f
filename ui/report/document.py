"""Document: rows and a stamp in, one HTML page out. It loads nothing, needs no script, and prints on A4.

The same rows and the same stamp give the same bytes; of another stamp, only section 9 and the seal differ.
"""

from html import escape
from pathlib import Path

from ui.report.rows import Rows
from ui.report.seal import about, close, meta
from ui.report.sections import melt_pool, place, seen, sources, told, what
from ui.report.sections.html import badge, bold, paragraph, section, utc
from ui.report.sections.sources import Stamp

STYLE = Path(__file__).with_name("report.css")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
MARK = Path(__file__).parents[1] / "assets" / "mark.svg"


def document(rows: Rows, stamp: Stamp) -> str:
    """The page, sealed."""
    where = f"{rows.stretch.machine} · {rows.stretch.build}"
    title = f"Build report: {where}, {place.layers_of(rows)}"
    parts = [
        section(1, "What was built", what.what(rows), "what"),
        section(2, "What is known, and what is not", what.verdict(rows), "verdict"),
        section(3, "Melt pool", melt_pool.melt_pool(rows), "melt-pool"),
        section(4, "Layers from above", seen.maps(rows), "maps"),
        section(5, "Temperature field", seen.field(rows), "field"),
        section(6, "Alerts", told.alerts(rows), "alerts"),
        section(7, "Notes", told.notes(rows), "notes"),
        section(8, "Operators", sources.cards(rows), "operators"),
        section(9, "Data, versions, checks", sources.data(rows, stamp), "data"),
        section(10, "Certification and signatures", sources.signature(), "sign"),
    ]
    page = "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            meta(about(rows)),
            f"<title>{escape(title)}</title>",
            f"<style>\n{STYLE.read_text()}\n{_margins(where)}</style>",
            "</head>",
            "<body>",
            _head(rows, stamp, title),
            "<main>",
            *parts,
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )
    return close(page)


def _head(rows: Rows, stamp: Stamp, title: str) -> str:
    mark = MARK.read_text().replace("<svg ", '<svg class="mark" aria-hidden="true" ', 1)
    what, where = (
        rows.build.get("part") or rows.stretch.build,
        f"Machine {rows.stretch.machine}, build {rows.stretch.build}",
    )
    lines = [
        f'<div class="brand">{mark}<span>Meltwin</span></div>',
        f"<h1>{escape(title.partition(':')[0])}</h1>",
        paragraph(bold(what), f", {rows.build['material']}, {place.layers_of(rows)}"),
        paragraph(f"{where}. Made {utc(stamp.made_s)} by {stamp.made_by}.", kind="small"),
        paragraph(badge("not certified", "caution"), " ", place.NOT_CERTIFIED, kind="small"),
    ]  # fmt: skip
    if rows.running:
        lines.append(
            paragraph(
                bold("This build is not at its end. "),
                f"{rows.running}: a later report will say more.",
                kind="verdict advice",
            )
        )
    return f"<header>{''.join(lines)}</header>"


def _margins(where: str) -> str:
    """What stands in the margins of every printed page."""
    return (
        f'@page {{ @bottom-left {{ content: "{where}"; }} @bottom-center {{ content: "not certified"; }} '
        '@bottom-right { content: counter(page) " / " counter(pages); } }\n'
    )
