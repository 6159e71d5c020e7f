"""Absorptivity over process time: as the operator infers it from camera frames, and as the machine's sensors of size
say with an interval of 95 %, beside what the build or the rule says.

Time runs relative to the newest frame of the machine, as on the timeline. What is not inferred is not drawn as if it
were; an estimate that the sensors do not determine, or contradict, is drawn pale and said so.
"""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ui.figures.style import Palette, axis, layout, message_figure, note
from ui.figures.timeline import time_unit_for

BROKEN = ("residual", "non_finite")


def absorbed(
    rows: pd.DataFrame, now_s: float | None, operator: str, palette: Palette, sensed: pd.DataFrame | None = None
) -> go.Figure:
    """Draw `Store.absorptivity` rows and `Store.calibration` rows (`sensed`); `now_s`: process time of the newest
    frame, inferred or not."""
    known = sensed is not None and len(sensed) > 0
    inferring = not rows.empty and bool((rows["camera_frames"] > 0).any())
    if now_s is not None and known and not inferring:
        return _sensed_alone(sensed, now_s, palette)  # type: ignore[arg-type]
    if rows.empty or now_s is None:
        return message_figure(
            f"{operator or 'No operator'} infers no absorptivity:<br>it goes by the nominal one", palette
        )
    time_s = rows["time_s"].to_numpy(float)
    scale, time_unit = time_unit_for(now_s - float(time_s[0]))
    at = ((time_s - now_s) * scale).astype(np.float32)
    inferred, nominal = (rows[name].to_numpy(float) for name in ("absorptivity", "nominal_absorptivity"))
    seen = rows["camera_frames"].to_numpy(float) > 0
    hover = "%{y:.3f}<extra>%{meta}</extra>"
    data: list[Any] = [
        go.Scatter(
            x=at, y=nominal, mode="lines", meta="nominal", hovertemplate=hover,
            line={"width": 1.6, "color": palette.faint, "dash": "2px,3px", "shape": "hv"},
        )
    ]  # fmt: skip
    if seen.any():
        drawn = np.where(seen, inferred, np.nan).astype(np.float32)
        data.append(
            go.Scatter(
                x=at, y=drawn, mode="lines", line={"width": 2, "color": palette.estimate}, connectgaps=False,
                meta="inferred", hovertemplate=hover,
            )
        )  # fmt: skip
    if known:
        data += _interval(sensed, at_of(sensed, now_s, scale), palette)  # type: ignore[arg-type]
    broken = rows["outcome"].isin(BROKEN).to_numpy() & seen
    if broken.any():
        data.append(
            go.Scatter(
                x=at[broken], y=inferred[broken], mode="markers", meta="not ok", hovertemplate=hover,
                marker={"size": 6, "symbol": "triangle-up-open", "color": palette.caution, "line": {"width": 1}},
            )
        )  # fmt: skip
    newest = rows.iloc[-1]
    text = f"<b>{float(newest['absorptivity']):.3f}</b> inferred" if seen[-1] else "not inferred yet"
    text += f"  ·  {float(newest['nominal_absorptivity']):.3f} nominal"
    values = np.concatenate([inferred[seen], nominal])
    return _chart(data, text, values, 0.08, f"process time from now, {time_unit}", float(at[0]), palette)


def at_of(sensed: pd.DataFrame, now_s: float, scale: float) -> np.ndarray:
    """Times of estimates on the figure's axis."""
    return ((sensed["time_s"].to_numpy(float) - now_s) * scale).astype(np.float32)


def _interval(sensed: pd.DataFrame, at: np.ndarray, palette: Palette) -> list[Any]:
    """The estimate as steps in its interval."""
    sound = bool(sensed["identifiable"].iloc[-1]) and bool(sensed["consistent"].iloc[-1])
    low, high, middle = (sensed[name].to_numpy(np.float32) for name in ("low", "high", "estimate"))
    fill = palette.observed if sound else "rgba(128,128,128,0.12)"
    bounds = np.stack([low, high], axis=1)
    said = "%{y:.3f}<br>95 %%: %{customdata[0]:.3f} to %{customdata[1]:.3f}<extra>from sensors</extra>".replace(
        "%%", "%"
    )
    edge = {"width": 0, "shape": "hv"}
    return [
        go.Scatter(x=at, y=high, mode="lines", line=edge, hoverinfo="skip", meta="high"),
        go.Scatter(x=at, y=low, mode="lines", line=edge, fill="tonexty", fillcolor=fill, hoverinfo="skip", meta="low"),
        go.Scatter(
            x=at, y=middle, mode="lines", meta="from sensors", customdata=bounds, hovertemplate=said,
            line={"width": 2, "color": palette.forecast if sound else palette.faint, "shape": "hv"},
        ),
    ]  # fmt: skip


def _sensed_alone(sensed: pd.DataFrame, now_s: float, palette: Palette) -> go.Figure:
    """What the sensors say, where no operator infers anything."""
    newest = sensed.iloc[-1]
    scale, time_unit = time_unit_for(now_s - float(sensed["time_s"].iloc[0]))
    at = np.append(at_of(sensed, now_s, scale), np.float32(0.0))
    held = pd.concat([sensed, sensed.iloc[[-1]]], ignore_index=True)
    nominal = held["nominal"].to_numpy(np.float32)
    data: list[Any] = [
        go.Scatter(
            x=at, y=nominal, mode="lines", meta="nominal", hovertemplate="%{y:.3f}<extra>%{meta}</extra>",
            line={"width": 1.6, "color": palette.faint, "dash": "2px,3px", "shape": "hv"},
        ),
        *_interval(held, at, palette),
    ]  # fmt: skip
    interval = f"{float(newest['low']):.2f}–{float(newest['high']):.2f}"
    text = f"<b>{float(newest['estimate']):.3f}</b> ({interval})  ·  {float(newest['nominal']):.3f} nominal"
    values = np.concatenate([held["low"].to_numpy(float), held["high"].to_numpy(float), nominal])
    return _chart(data, text, values, 0.04, f"process time from now, {time_unit}", float(at[0]), palette)


def _chart(
    data: list[Any], text: str, values: np.ndarray, beyond: float, time: str, begin: float, palette: Palette
) -> go.Figure:
    """Shares of the beam over process time, the numbers in words on top; the axis holds all values and `beyond`."""
    top = note(text, palette, xref="paper", yref="paper", x=0, y=1.0, xanchor="left", yanchor="bottom")
    low, high = max(float(values.min()) - beyond, 0.0), min(float(values.max()) + beyond, 1.0)
    limits = [np.floor(10 * low) / 10, np.ceil(10 * high) / 10]
    return go.Figure(
        data=data,
        layout=layout(
            palette,
            "absorbed",
            annotations=[top],
            margin={"l": 44, "r": 12, "t": 26, "b": 40},
            xaxis=axis(palette, time, range=[begin, 0.0], nticks=4),
            yaxis=axis(palette, "share of the beam absorbed", range=limits, nticks=5),
            hovermode="closest",
        ),
    )
