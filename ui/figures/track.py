"""Track: what has frozen behind the beam, as troughs as wide and deep as the pool was there, in the frame of the beam.

Sections are half ellipses from `Store.melt_pool` estimates: half width at the surface, depth below the middle. Frames
that follow each other with the laser on make one trough; what lies outside the box is left out.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

ACROSS = 9  # points of a section, from one edge to the other
MOST_SECTIONS = 48
BROKEN = 1.8  # frames apart, in which the beam may have been anywhere


@dataclass(frozen=True)
class Track:
    """Points as of a mesh: z up, the surface at 0."""

    points_m: np.ndarray  # (points, 3)
    triangles: np.ndarray  # (triangles, 3)


Box = tuple[float, float, float]  # begin and end along the scan, half the width, m


def track(rows: pd.DataFrame, box: Box, *, from_m: float | None = None) -> Track | None:
    """The troughs of estimates in time order, the newest where the beam is; `from_m`: cut away what lies at lower y,
    flat. None where nothing lies in the box."""
    rows = rows[rows["layer"] == rows["layer"].iloc[-1]] if len(rows) else rows
    if len(rows) < 2:
        return None
    places, tangents = _seen_from_the_beam(rows[["x_m", "y_m"]].to_numpy(float))
    lit = ((rows["beam_power_w"] > 0) & (rows["width_m"] > 0) & (rows["depth_m"] > 0)).to_numpy()
    begin, end, side = box
    inside = (places[:, 0] >= begin) & (places[:, 0] <= end) & (np.abs(places[:, 1]) <= side)
    if from_m is not None:
        inside &= places[:, 1] + 0.5 * rows["width_m"].to_numpy(float) > from_m
    keep = np.flatnonzero(lit & inside)
    if len(keep) < 2:
        return None
    keep = keep[-MOST_SECTIONS:]
    time_s = rows["time_s"].to_numpy(float)
    usual_s = float(np.median(np.diff(time_s)))
    joined = (np.diff(keep) == 1) & (np.diff(time_s[keep]) < BROKEN * usual_s)
    joined &= (tangents[keep[1:]] * tangents[keep[:-1]]).sum(1) > 0.5  # not over a turn
    angles = np.linspace(0.0, 1.0, ACROSS) * np.pi
    across, down = -np.cos(angles), -np.sin(angles)
    width, depth = (rows[f"{name}_m"].to_numpy(float)[keep] for name in ("width", "depth"))
    normal = np.stack([-tangents[keep, 1], tangents[keep, 0]], axis=1)
    flat = places[keep, None, :] + 0.5 * width[:, None, None] * across[None, :, None] * normal[:, None, :]
    points = np.concatenate([flat, (depth[:, None] * down)[..., None]], axis=2).reshape(-1, 3)
    if from_m is not None:
        points[:, 1] = np.maximum(points[:, 1], from_m)
    triangles = _strips(joined)
    return Track(points, triangles) if len(triangles) else None


def _seen_from_the_beam(path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places and directions of motion with the newest at the origin, moving along x."""
    steps = np.diff(path, axis=0, prepend=path[:1])
    length = np.hypot(*steps.T)
    moving = np.flatnonzero(length > 0)
    if not len(moving):
        return path - path[-1], np.tile([1.0, 0.0], (len(path), 1))
    last = np.maximum.accumulate(np.where(length > 0, np.arange(len(path)), moving[0]))
    ways = steps[last] / length[last][:, None]
    cos, sin = ways[-1]
    turned = np.array([[cos, sin], [-sin, cos]])
    return (path - path[-1]) @ turned.T, ways @ turned.T


def _strips(joined: np.ndarray) -> np.ndarray:
    """Triangles between each two sections that are joined."""
    first = (np.flatnonzero(joined)[:, None] * ACROSS + np.arange(ACROSS - 1)).ravel()
    one = np.stack([first, first + 1, first + ACROSS], axis=1)
    return np.concatenate([one, np.stack([first + 1, first + ACROSS + 1, first + ACROSS], axis=1)])
