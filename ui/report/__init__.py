"""Report: a build, or a stretch of it, as a page that one may hand to a customer.

    rows = read(store, stretch_of(store, machine, build))     everything it says, read once
    page = document(rows, Stamp(now_s, "who", "meltwin 0.1"))  one HTML file: no network, no script
    printed = pdf(page)                                        the same by Chromium

Loads neither torch nor the operators.
"""

from ui.report.document import document
from ui.report.printing import pdf
from ui.report.rows import ReportError, Rows, read, stretch_of
from ui.report.sections.sources import Stamp

__all__ = ["ReportError", "Rows", "Stamp", "document", "pdf", "read", "stretch_of"]
