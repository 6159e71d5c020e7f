"""Melt-pool size over process time: what was observed, what the twin estimates, and what it forecasts ahead of now.

Time runs relative to now, so that the line of now stands still and the past moves away to the left. The horizon is
drawn strictly to the right of it. Around both stands the band that the forecast claims (`ui.figures.band`).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ui.figures.band import band, ends, told, trace
from ui.figures.style import LengthUnit, Palette, axis, layout, message_figure, note, round_up

SIZES = (("width_m", "Width"), ("length_m", "Length"), ("depth_m", "Depth"))
HISTORY_PER_HORIZON = 6  # so that the horizon is one seventh of the picture
PANEL_GAP = 0.1


def timeline(
    frames: pd.DataFrame,
    signals: pd.DataFrame,
    unit: LengthUnit,
    palette: Palette,
    second: pd.DataFrame | None = None,
    came: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Draw `Store.melt_pool` rows and `Store.signals` rows as three panels over one axis of process time.

    `second`: rows of another operator on the same frames, dashed beside. `came`: where one looks back, what was
    observed (`melt_pool_width_m`) and estimated (`estimate_width_m`) after now: time_s, name, value.

    Gives the figure's data and layout as they go to the browser: this one is drawn with every frame, and half of the
    time that it takes as a `go.Figure` goes into checking it, which the tests do.
    """
    if frames.empty:
        return _said("No frame has been forecast yet: waiting for the machine to scan", palette)
    estimate, horizon = split(frames)
    if estimate.empty:
        return _said("No estimate of the melt pool yet", palette)
    now_s = float(estimate["time_s"].iloc[-1])
    begin_s, end_s = _span(estimate, horizon, now_s)
    estimate = estimate[estimate["time_s"] >= begin_s]
    beside = _within(second, begin_s)
    scale, time_unit = time_unit_for(now_s - begin_s)
    data: list[Any] = []
    notes: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    for panel, (column, name) in enumerate(SIZES, start=1):
        observed = _observed(signals, column, begin_s)
        where = {"xaxis": "x", "yaxis": f"y{panel}" if panel > 1 else "y"}
        data += _panel(estimate, horizon, observed, column, now_s, scale, unit, palette, where)
        data += _beside(beside, column, now_s, scale, unit, palette, where)
        data += _came(came, column, now_s, end_s, scale, unit, palette, where)
        domain = _domain(panel)
        top = _top(pd.concat([estimate, *beside]), horizon, observed, column) * unit.per_m
        axes[f"yaxis{panel}" if panel > 1 else "yaxis"] = axis(
            palette, unit.name, domain=domain, range=[0, top], tickvals=[0, top / 2, top], tickformat=".3~r"
        )
        notes.append(_caption(name, column, estimate, horizon, now_s, scale, time_unit, unit, palette, domain[1]))
        if beside:
            other = unit.say(float(beside[0][column].iloc[-1]))
            text = f"<span style='color:{palette.second}'>{other}</span> second opinion"
            place = {"xref": "paper", "yref": "paper", "x": 1, "y": domain[1], "xanchor": "right", "yanchor": "bottom"}
            notes.append(note(text, palette, **place))
    axes["xaxis"] = axis(
        palette,
        f"process time from now, {time_unit}",
        range=[(begin_s - now_s) * scale, (end_s - now_s) * scale],
        anchor="y3",
    )
    shapes = [*_laser_off(estimate, now_s, scale, palette), *_now(end_s - now_s, scale, palette)]
    return {
        "data": data,
        "layout": layout(
            palette,
            "timeline",
            annotations=notes,
            shapes=shapes,
            meta={"frame": int(estimate["frame"].iloc[-1])},  # the newest that is drawn
            hovermode="closest",
            margin={"l": 54, "r": 12, "t": 24, "b": 40},
            **axes,
        ),
    }


def _said(message: str, palette: Palette) -> dict[str, Any]:
    figure: dict[str, Any] = message_figure(message, palette).to_plotly_json()
    return figure


def split(frames: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The estimates (lead 0) in time order, and the horizon of the newest frame: leads strictly after now."""
    estimate = frames[frames["lead_s"] == 0].drop_duplicates("time_s", keep="last").sort_values("time_s")
    if estimate.empty:
        return estimate, frames.iloc[0:0]
    newest = estimate.iloc[-1]
    ahead = frames[(frames["frame"] == newest["frame"]) & (frames["layer"] == newest["layer"]) & (frames["lead_s"] > 0)]
    return estimate, ahead[ahead["time_s"] > newest["time_s"]].sort_values("lead_s")


def time_unit_for(span_s: float) -> tuple[float, str]:
    """Seconds for a DED wall, milliseconds for an LPBF vector."""
    return (1.0, "s") if span_s >= 0.5 else (1e3, "ms")


def laser_off_spans(estimate: pd.DataFrame) -> list[tuple[float, float]]:
    """Stretches of process time without beam power; a frame stands for the time since the frame before it."""
    times = estimate["time_s"].to_numpy(float)
    off = estimate["beam_power_w"].to_numpy(float) <= 0
    spans: list[tuple[float, float]] = []
    for index in np.flatnonzero(off):
        begin = times[index - 1] if index else times[index]
        if spans and index and off[index - 1]:
            spans[-1] = (spans[-1][0], times[index])
        else:
            spans.append((begin, times[index]))
    return [(begin, end) for begin, end in spans if end > begin]


def _span(estimate: pd.DataFrame, horizon: pd.DataFrame, now_s: float) -> tuple[float, float]:
    frame_s = _frame_s(estimate)
    ahead_s = float(horizon["time_s"].max() - now_s) if len(horizon) else 0.0
    past_s = max(HISTORY_PER_HORIZON * ahead_s, 40 * frame_s) or 40e-3
    return now_s - past_s, now_s + max(ahead_s * 1.04, past_s * 0.04)


def _frame_s(estimate: pd.DataFrame) -> float:
    steps = np.diff(estimate["time_s"].to_numpy(float))
    return float(np.median(steps)) if len(steps) else 0.0


def _observed(signals: pd.DataFrame, column: str, begin_s: float) -> pd.DataFrame:
    if signals.empty:
        return signals
    return signals[(signals["name"] == f"melt_pool_{column}") & (signals["time_s"] >= begin_s)]


def _panel(
    estimate: pd.DataFrame,
    horizon: pd.DataFrame,
    observed: pd.DataFrame,
    column: str,
    now_s: float,
    scale: float,
    unit: LengthUnit,
    palette: Palette,
    where: dict[str, str],
) -> Iterator[Any]:
    hover = f"%{{y:.{unit.digits}f}} {unit.name}<extra>%{{meta}}</extra>"
    if len(observed):
        yield trace(
            x=_relative(observed, now_s, scale),
            y=_metres(observed, "value", unit),
            mode="markers",
            marker={"size": 5, "color": palette.observed},
            meta="observed",
            hovertemplate=hover,
            **where,
        )
    yield from band(estimate, column, now_s, scale, unit, palette, where, 1.8 * _frame_s(estimate))
    yield from band(_from_now(estimate, horizon), column, now_s, scale, unit, palette, where)
    broken = _with_breaks(estimate)
    yield trace(
        x=_relative(broken, now_s, scale),
        y=_metres(broken, column, unit),
        mode="lines",
        line={"width": 2, "color": palette.estimate},
        connectgaps=False,
        meta="estimate",
        hovertemplate=hover,
        **where,
    )
    bad = estimate[estimate["outcome"].astype(str) != "ok"]
    if len(bad):
        yield trace(
            x=_relative(bad, now_s, scale),
            y=_metres(bad, column, unit),
            mode="markers",
            marker={"size": 6, "symbol": "triangle-up-open", "color": palette.caution, "line": {"width": 1}},
            text=bad["outcome"].astype(str),
            meta="not ok",
            hovertemplate=f"%{{y:.{unit.digits}f}} {unit.name}, %{{text}}<extra>%{{meta}}</extra>",
            **where,
        )
    if len(horizon):
        yield trace(
            x=_relative(horizon, now_s, scale),
            y=_metres(horizon, column, unit),
            mode="lines+markers",
            line={"width": 2, "color": palette.forecast, "dash": "4px,3px"},
            marker={"size": 6, "color": palette.panel, "line": {"width": 1.8, "color": palette.forecast}},
            meta="forecast",
            hovertemplate=hover,
            **where,
        )


def _from_now(estimate: pd.DataFrame, horizon: pd.DataFrame) -> pd.DataFrame:
    """The horizon with the estimate of now before it; nothing where there is none."""
    return pd.concat([estimate.tail(1), horizon]) if len(horizon) else horizon


def _within(second: pd.DataFrame | None, begin_s: float) -> tuple[pd.DataFrame, ...]:
    """Estimates and horizon of a second opinion, as far as they lie in the picture; nothing where there is none."""
    if second is None or second.empty:
        return ()
    estimate, horizon = split(second)
    estimate = estimate[estimate["time_s"] >= begin_s]
    return (estimate, horizon) if len(estimate) else ()


def _beside(
    second: tuple[pd.DataFrame, ...],
    column: str,
    now_s: float,
    scale: float,
    unit: LengthUnit,
    palette: Palette,
    where: dict[str, str],
) -> Iterator[Any]:
    for rows, dash, meta in zip(second, ("6px,4px", "2px,3px"), ("second", "second, ahead"), strict=False):
        if len(rows):
            shown = _with_breaks(rows) if meta == "second" else rows
            yield trace(
                x=_relative(shown, now_s, scale),
                y=_metres(shown, column, unit),
                mode="lines",
                line={"width": 1.8, "color": palette.second, "dash": dash},
                connectgaps=False,
                meta=meta,
                hovertemplate=f"%{{y:.{unit.digits}f}} {unit.name}<extra>%{{meta}}</extra>",
                **where,
            )


def _came(
    came: pd.DataFrame | None,
    column: str,
    now_s: float,
    end_s: float,
    scale: float,
    unit: LengthUnit,
    palette: Palette,
    where: dict[str, str],
) -> Iterator[Any]:
    """What came where the forecast had spoken of: it is drawn over the horizon."""
    if came is None or came.empty:
        return
    hover = f"%{{y:.{unit.digits}f}} {unit.name}<extra>%{{meta}}</extra>"
    within = came[(came["time_s"] > now_s) & (came["time_s"] <= end_s)]
    for name, meta in ((f"estimate_{column}", "came, estimated"), (f"melt_pool_{column}", "came, observed")):
        rows = within[within["name"] == name]
        if rows.empty:
            continue
        estimated = meta.endswith("estimated")
        yield trace(
            x=_relative(rows, now_s, scale),
            y=_metres(rows, "value", unit),
            mode="lines" if estimated else "markers",
            line={"width": 1.4, "color": palette.muted},
            marker={"size": 5, "color": palette.observed},
            meta=meta,
            hovertemplate=hover,
            **where,
        )


def _relative(rows: pd.DataFrame, now_s: float, scale: float) -> np.ndarray:
    return ((rows["time_s"].to_numpy(float) - now_s) * scale).astype(np.float32)


def _metres(rows: pd.DataFrame, column: str, unit: LengthUnit) -> np.ndarray:
    return (rows[column].to_numpy(float) * unit.per_m).astype(np.float32)


def _with_breaks(estimate: pd.DataFrame) -> pd.DataFrame:
    """Missing frames break the line: what was not estimated is not drawn."""
    times = estimate["time_s"].to_numpy(float)
    gaps = np.flatnonzero(np.diff(times) > 1.8 * _frame_s(estimate))
    columns = ["time_s", *(column for column, _ in SIZES)]
    if not len(gaps):
        return estimate[columns]
    holes = pd.DataFrame({name: np.full(len(gaps), np.nan) for name in columns})
    holes["time_s"] = (times[gaps] + times[gaps + 1]) / 2
    return pd.concat([estimate[columns], holes]).sort_values("time_s")


def _top(estimate: pd.DataFrame, horizon: pd.DataFrame, observed: pd.DataFrame, column: str) -> float:
    heights = [estimate[column].max(), horizon[column].max() if len(horizon) else 0.0]
    highest = np.concatenate([ends(rows, column)[1] for rows in (estimate, horizon)])
    if np.isfinite(highest).any():
        heights.append(min(float(np.nanquantile(highest, 0.95)), 1.5 * heights[0]))
    if len(observed):
        heights.append(observed["value"].quantile(0.99))
    return round_up(float(np.nanmax([*heights, 1e-6])) * 1.08 * 1e6) * 1e-6


def _domain(panel: int) -> list[float]:
    height = (1 - 2 * PANEL_GAP) / 3
    bottom = (3 - panel) * (height + PANEL_GAP)
    return [round(bottom, 4), round(min(bottom + height, 1.0), 4)]


def _caption(
    name: str,
    column: str,
    estimate: pd.DataFrame,
    horizon: pd.DataFrame,
    now_s: float,
    scale: float,
    time_unit: str,
    unit: LengthUnit,
    palette: Palette,
    y: float,
) -> dict[str, Any]:
    now = unit.say(float(estimate[column].iloc[-1]))
    text = f"<b>{name}</b>  <span style='color:{palette.ink}'>{now}</span> now"
    if len(horizon):
        last = horizon.iloc[-1]
        ahead = (float(last["time_s"]) - now_s) * scale
        text += f"  →  <span style='color:{palette.forecast}'>{unit.say(float(last[column]))}</span>"
        text += f" in {ahead:.2g} {time_unit}"
    if between := told(estimate, column, unit):
        of_now = "now " if len(horizon) else ""  # not of the forecast, which it stands behind
        text += f" <span style='color:{palette.muted}'>({of_now}{between})</span>"
    return note(text, palette, xref="paper", yref="paper", x=0, y=y, xanchor="left", yanchor="bottom")


def _laser_off(estimate: pd.DataFrame, now_s: float, scale: float, palette: Palette) -> list[dict[str, Any]]:
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": (begin - now_s) * scale,
            "x1": (end - now_s) * scale,
            "y0": 0,
            "y1": 1,
            "fillcolor": palette.off_wash,
            "line": {"width": 0},
            "layer": "below",
            "name": "laser off",
        }
        for begin, end in laser_off_spans(estimate)
    ]


def _now(ahead_s: float, scale: float, palette: Palette) -> list[dict[str, Any]]:
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": 0,
            "x1": ahead_s * scale,
            "y0": 0,
            "y1": 1,
            "fillcolor": palette.forecast_wash,
            "line": {"width": 0},
            "layer": "below",
            "name": "horizon",
        },
        {
            "type": "line",
            "xref": "x",
            "yref": "paper",
            "x0": 0,
            "x1": 0,
            "y0": 0,
            "y1": 1,
            "line": {"width": 1.2, "color": palette.muted},
            "name": "now",
        },
    ]
