"""Readings: of draws and the operator's forecasts for them, the scores and errors that calibration and tests take."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path as File

import numpy as np

from operators.operator import Operator
from twin.observation import Path
from twin.trust.bands import scale
from twin.trust.calibrate.draws import ENVELOPE, Draw
from twin.trust.calibrate.looks import looked
from twin.trust.calibrate.tracks import Track, read
from twin.trust.envelope import distance, numbers
from twin.trust.followed import MEMORY, Followed

JITTER, GAIN = 0.02, 0.01  # of reported places (beam diameters) and powers: within what is tolerated (`followed`)


@dataclass(frozen=True)
class Readings:
    """Of n draws at the leads: what `Look.encoded` says (n, lead, code), sizes forecast and true (n, lead, 3) in d,
    fields forecast and true (n, lead, x, y, z) of asinh(theta), and scores that need no fit."""

    draws: tuple[Draw, ...]
    encoded: np.ndarray
    sizes: np.ndarray
    true: np.ndarray
    field: np.ndarray
    true_field: np.ndarray
    envelope: np.ndarray  # (n,) distance
    place: np.ndarray
    power: np.ndarray

    def __len__(self) -> int:
        return len(self.draws)

    def take(self, rows: np.ndarray) -> "Readings":
        """Some of them, by a mask or by number."""
        chosen = np.flatnonzero(rows) if rows.dtype == bool else rows
        arrays = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name != "draws"}
        return Readings(tuple(self.draws[i] for i in chosen.tolist()), **arrays)

    @property
    def groups(self) -> np.ndarray:
        return np.array([draw.group for draw in self.draws])

    @property
    def errors(self) -> np.ndarray:
        """(n, lead, 4): of sizes over `bands.scale`, and the largest of asinh(theta)."""
        sizes = np.abs(self.true - self.sizes) / scale(self.sizes)
        return np.concatenate([sizes, self.field_errors.max(axis=(2, 3, 4))[..., None]], axis=-1)

    @property
    def field_errors(self) -> np.ndarray:
        return np.abs(self.field.astype(np.float32) - self.true_field.astype(np.float32))


def readings(operator: Operator, tracks: Sequence[Track], told: Sequence[Draw] | None = None) -> Readings:
    """What an operator makes of draws whose truth is known. `told`: what it is told of each in their place; the envelope
    and the plan are judged by what is told."""
    draws = tuple(track.draw for track in tracks)
    given = draws if told is None else tuple(told)
    looks = list(looked(operator, given))
    grid = operator.grid
    rng = np.random.default_rng(0)
    departed = [departures(draw, reported(draw, rng)) for draw in given]
    return Readings(
        draws,
        np.stack([np.stack([look.encoded for look in some]) for some in looks]),
        np.array(
            [[grid.sizes(a.theta, d.stream.groups.solidus) for a in some] for d, some in zip(given, looks, strict=True)]
        ),
        np.stack([track.sizes for track in tracks]),
        np.stack([np.stack([np.arcsinh(look.theta) for look in some]) for some in looks]).astype(np.float16),
        np.stack([track.field for track in tracks]),
        np.array([envelope(draw) for draw in given]),
        *np.array(departed).T,
    )


def of_shards(operator: Operator, paths: Sequence[File]) -> Readings:
    """The readings of shards, one after the other."""
    return joined([readings(operator, list(read(path))) for path in paths])


def joined(several: Sequence[Readings]) -> Readings:
    arrays = {f.name: np.concatenate([getattr(each, f.name) for each in several]) for f in fields(Readings)[1:]}
    return Readings(tuple(draw for each in several for draw in each.draws), **arrays)


def envelope(draw: Draw) -> float:
    """Distance from the envelope's edge of what is set as the forecast is made."""
    if draw.process is not None:
        return distance(ENVELOPE, numbers(draw.process, *draw.setting))
    groups, surface, now = draw.stream.groups, draw.stream.surface, draw.stretches[draw.issued]
    told = dict(zip(groups.names(), groups.vector().tolist(), strict=True))
    told |= {"evaporation": surface.evaporation, "vapour": surface.vapour, "zero": surface.zero}
    q, depth = draw.source(now)
    told |= {"peclet": draw.stream.peclet * now.pace} | ({"q": q, "depth": depth} if q > 0 else {})
    return distance(ENVELOPE, told)


def as_path(draw: Draw) -> Path:
    """The frames of a draw as a machine plans them: times in its own unit, places in d, power as q."""
    rows = np.vstack([*(frame[0] for frame in draw.rows), draw.rows[-1][1]])
    return Path(rows[:, 0], rows[:, 1], rows[:, 2], np.zeros(len(rows)), rows[:, 3])


def reported(draw: Draw, rng: np.random.Generator) -> Path:
    """The same as a good machine reports it."""
    path = as_path(draw)
    near = rng.normal(0.0, JITTER, (2, len(path.time_s)))
    return path._replace(
        x_m=path.x_m + near[0], y_m=path.y_m + near[1], beam_power_w=path.beam_power_w * (1 + rng.normal(0.0, GAIN))
    )


def departures(draw: Draw, path: Path, planned: Path | None = None) -> tuple[float, float]:
    """Scores `place` and `power` as the forecast is made, of a reported path against the plan (else the draw's own)."""
    plan, followed = planned or as_path(draw), Followed()
    found: dict[str, float] = {}
    for frame in range(max(draw.issued - MEMORY, 0), draw.issued + 1):
        found = followed.take(Path(*(column[frame : frame + 2] for column in path)), plan, 1.0)
    return found.get("place", np.nan), found.get("power", np.nan)

