"""Made: a report from a store to bytes, HTML or PDF: what the command line and the page both do."""

import re
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from ui.report.document import document
from ui.report.printing import browser, pdf
from ui.report.rows import ReportError, Rows, read, stretch_of
from ui.report.seal import about, close_pdf
from ui.report.sections.sources import Stamp

if TYPE_CHECKING:
    from twin.store.sql.stretch import Stretches

Layers = tuple[int, int] | None


def content(
    store: "Stretches", machine: str, build: str, layers: Layers, ending: str, made_s: float, by: str,
    progress: Callable[[str], None] = lambda _: None,
) -> bytes:  # fmt: skip
    """The file. Raises `ReportError` in words."""
    if ending not in ("html", "pdf"):
        raise ReportError(f"a report is html or pdf, not {ending!r}")
    if ending == "pdf":
        browser()  # that there is none is told before anything is read
    rows = with_pool(read(store, stretch_of(store, machine, build, layers), progress))
    return sealed(document(rows, Stamp(made_s, by, program())), rows, ending)


def named(machine: str, build: str, layers: Layers, ending: str) -> str:
    """`m2-P5-layers-50-60.html`, of letters that every file system takes."""
    part = f"-layers-{layers[0]}-{layers[1]}" if layers else ""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", f"{machine}-{build}{part}") + f".{ending}"


def sealed(page: str, rows: Rows, ending: str) -> bytes:
    """The page as the file's bytes."""
    return page.encode() if ending == "html" else close_pdf(pdf(page), about(rows))


def with_pool(rows: Rows) -> Rows:
    """With the picture of the pool that needs OpenGL, or why there is none."""
    from ui.report.drawing.pool import picture

    if rows.snapshot is None:
        return rows
    drawn, reason = picture(rows.snapshot.field)
    return replace(rows, pool_png=drawn, no_pool=reason)


def program() -> str:
    """Name and version."""
    try:
        return f"meltwin {version('meltwin')}"
    except PackageNotFoundError:
        return "meltwin, from source"
