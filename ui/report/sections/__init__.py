"""Sections of a report, in the order in which someone who answers for a part reads them: what it is, what is known of
it and what is not, the melt pool, the field, alerts, notes, and where all that comes from."""

from ui.report.sections import melt_pool, place, seen, sources, told, what

__all__ = ["melt_pool", "place", "seen", "sources", "told", "what"]
