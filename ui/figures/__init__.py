"""Figures: pure functions from DataFrames and arrays to `plotly.graph_objects.Figure`. They read no store, no clock."""

from ui.figures.absorbed import absorbed
from ui.figures.attribution import moments, places
from ui.figures.field import field_maps
from ui.figures.layer import layer_map
from ui.figures.pool import PoolMesh, melt_pool_3d, pool_mesh
from ui.figures.style import DARK, DED, LIGHT, LPBF, LengthUnit, Palette, blank, message_figure
from ui.figures.timeline import timeline

__all__ = [
    "DARK",
    "DED",
    "LIGHT",
    "LPBF",
    "LengthUnit",
    "Palette",
    "PoolMesh",
    "absorbed",
    "blank",
    "field_maps",
    "layer_map",
    "melt_pool_3d",
    "message_figure",
    "moments",
    "places",
    "pool_mesh",
    "timeline",
]
