"""Absorptivity over process time: as the operator infers it from camera frames, beside what the build or the rule says.

Time runs relative to the newest frame of the machine, as on the timeline. What is not inferred is not drawn as if it
were.
"""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ui.figures.style import Palette, axis, layout, message_figure, note
from ui.figures.timeline import time_unit_for

BROKEN = ("residual", "non_finite")


def absorbed(rows: pd.DataFrame, now_s: float | None, operator: str, palette: Palette) -> go.Figure:
    """Draw `Store.absorptivity` rows; `now_s`: process time of the newest frame, inferred or not."""
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
    top = note(text, palette, xref="paper", yref="paper", x=0, y=1.0, xanchor="left", yanchor="bottom")
    values = np.concatenate([inferred[seen], nominal])
    low, high = max(float(values.min()) - 0.08, 0.0), min(float(values.max()) + 0.08, 1.0)
    limits = [np.floor(10 * low) / 10, np.ceil(10 * high) / 10]
    return go.Figure(
        data=data,
        layout=layout(
            palette,
            "absorbed",
            annotations=[top],
            margin={"l": 44, "r": 12, "t": 26, "b": 40},
            xaxis=axis(palette, f"process time from now, {time_unit}", range=[float(at[0]), 0.0], nticks=4),
            yaxis=axis(palette, "share of the beam absorbed", range=limits, nticks=5),
            hovermode="closest",
        ),
    )
