"""Parts of the replay page: those of the machine's page, drawn from a moment, and the build's own timeline."""

from collections.abc import Mapping

import pandas as pd
from dash import html

from twin.course import Course
from ui import ids
from ui.figures import Palette, layer_map, message_figure
from ui.figures.coloured import DEFAULT
from ui.figures.course import course_figure
from ui.live import Props
from ui.pages import machine
from ui.replay.moment import Moment
from ui.replay.words import NO_FORECASTS, Told

OF_THE_BEAM = ("beam_power", "scan_speed", "line_energy")  # known without a forecast
LEFT_OUT = ("counts", "missed")  # they are of the store as it is now


def drawn(moment: Moment, told: Told, palette: Palette, asked: Mapping[str, str] | None = None) -> dict[str, Props]:
    """Props by part; `asked`: what a person chose of how things are drawn, by the name of the choice."""
    snapshot, chosen = moment.snapshot, asked or {}
    parts = {
        part.name: part.draw(snapshot, palette, *([chosen.get(part.choice, "")] if part.choice else []))
        for part in machine.PARTS
        if part.name not in LEFT_OUT
    }
    if snapshot.fresh.latest is None:
        parts |= _without_forecasts(moment, palette, chosen.get("colour", ""))
    if len(snapshot.fresh.came):
        key = parts["second"][ids.SECOND_KEY]
        key["children"] = [*key["children"], html.Span(className="swatch came"), "what came"]
    if "alerts" in parts and snapshot.slow.alerts.empty:
        parts["alerts"][ids.ALERTS] = {"children": [html.P("No alert by this moment.", className="quiet")]}
    return parts | {"moment": _words(told)}


def course_part(course: Course, notes: pd.DataFrame, palette: Palette) -> Props:
    """The build's timeline."""
    return {ids.COURSE: {"figure": course_figure(course, palette, notes)}}


def _words(told: Told) -> Props:
    return {
        ids.MOMENT_WHERE: {"children": told.where},
        ids.MOMENT_NOTE: {"children": told.note},
        ids.MOMENT_WALL: {"children": told.wall},
        ids.STALE_TEXT: {"children": told.stale},
    }


def _without_forecasts(moment: Moment, palette: Palette, by: str) -> dict[str, Props]:
    """A build that nobody has forecast shows where the beam went, and how to get forecasts."""
    slow = moment.snapshot.slow
    build, by = slow.build or {}, by if by in OF_THE_BEAM else DEFAULT
    nominal = (build.get("nominal_beam_power_w"), build.get("nominal_scan_speed_m_per_s"))
    path = moment.path if moment.path is not None else moment.snapshot.fresh.frames
    said = message_figure("No forecast of this build by this moment", palette)
    told = message_figure(NO_FORECASTS.replace(": ", ":<br>"), palette)
    return {
        "timeline": {ids.TIMELINE: {"figure": told}},
        "field": {ids.FIELD: {"figure": said}, ids.FIELD_AGE: {"children": ""}},
        "pool": {ids.POOL: {"figure": said}, ids.POOL_AGE: {"children": ""}},
        "layer": {ids.LAYER: {"figure": layer_map(path, slow.vectors, palette, *nominal, by=by)}},
    }
