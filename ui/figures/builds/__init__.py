"""Figures of a stored build: against limits by layer, in space, over time in layers, and one layer from above."""

from ui.figures.builds.limits import limits_chart
from ui.figures.builds.measure import MEASURES, Measure, measure
from ui.figures.builds.plane import plane
from ui.figures.builds.stack import heat, stack

__all__ = ["MEASURES", "Measure", "heat", "limits_chart", "measure", "plane", "stack"]
