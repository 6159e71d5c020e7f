"""Readings: of draws and the operator's forecasts for them, the scores and errors that calibration and tests take."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np

from operators.operator import Look, Operator
from twin.process import Process
from twin.trust.bands import scale
from twin.trust.calibrate.draws import ENVELOPE, STREAM, Draw
from twin.trust.calibrate.looks import looked
from twin.trust.calibrate.tracks import Track, read
from twin.trust.envelope import Envelope, distance, numbers
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


def readings(
    operator: Operator, tracks: Sequence[Track], told: Sequence[Draw] | None = None,
    said: Sequence[Sequence[np.ndarray]] | None = None,
) -> Readings:  # fmt: skip
    """What an operator makes of draws whose truth is known. `told`: what it is told of each in their place. `said`: the
    frames that the machine reports of each, while the draws' own were planned."""
    draws = tuple(track.draw for track in tracks)
    given = draws if told is None else tuple(told)
    looks = list(looked(operator, given, said))
    grid = operator.grid
    paths = [as_path(draw.rows) for draw in given] if said is None else [as_path(frames) for frames in said]
    departed = [
        departures(draw.issued, reported(path, draw.number), as_path(draw.rows))
        for draw, path in zip(given, paths, strict=True)
    ]
    return Readings(
        draws,
        np.stack([np.stack([_encoded(look) for look in some]) for some in looks]),
        np.array(
            [[grid.sizes(a.theta, d.stream.groups.solidus) for a in some] for d, some in zip(given, looks, strict=True)]
        ),
        np.stack([track.sizes for track in tracks]),
        np.stack([np.stack([np.arcsinh(look.theta) for look in some]) for some in looks]).astype(np.float16),
        np.stack([track.field for track in tracks]),
        np.array([envelope(draw) for draw in given]),
        *np.array(departed).T,
    )


def _encoded(look: Look) -> np.ndarray:
    if look.encoded is None:
        raise ValueError("only an operator with an encoder can be calibrated so")
    return look.encoded


def of_shards(operator: Operator, paths: Sequence[Path]) -> Readings:
    """The readings of shards, one after the other."""
    return joined([readings(operator, list(read(path))) for path in paths])


def joined(several: Sequence[Readings]) -> Readings:
    arrays = {f.name: np.concatenate([getattr(each, f.name) for each in several]) for f in fields(Readings)[1:]}
    return Readings(tuple(draw for each in several for draw in each.draws), **arrays)


def envelope(draw: Draw, box: Envelope = ENVELOPE) -> float:
    """Distance from the envelope's edge of what is set as the forecast is made."""
    if isinstance(draw.process, Process):
        return distance(box, numbers(draw.process, *draw.setting))
    groups, surface, now = draw.stream.groups, draw.stream.surface, draw.stretches[draw.issued]
    told = dict(zip(groups.names(), groups.vector().tolist(), strict=True))
    told |= {"evaporation": surface.evaporation, "vapour": surface.vapour, "zero": surface.zero}
    q, depth = draw.source(now)
    told |= {"peclet": draw.stream.peclet * now.pace, "q": q, "depth": depth} if q > 0 else {}
    return distance(box, told)


class Samples(NamedTuple):
    """A path as `twin.trust.followed` reads it."""

    time_s: np.ndarray
    x_m: np.ndarray
    y_m: np.ndarray
    beam_power_w: np.ndarray


def as_path(frames: Sequence[np.ndarray]) -> Samples:
    """Frames as a machine has them: times in their own unit, places in d, power as q."""
    rows = np.vstack([*(frame[0] for frame in frames), frames[-1][1]])
    return Samples(*rows[:, :4].T)


def reported(path: Samples, number: int) -> Samples:
    """The same as a good machine reports it."""
    rng = np.random.default_rng([STREAM, number])
    near = rng.normal(0.0, JITTER, (2, len(path.time_s)))
    return path._replace(
        x_m=path.x_m + near[0], y_m=path.y_m + near[1], beam_power_w=path.beam_power_w * (1 + rng.normal(0.0, GAIN))
    )


def departures(issued: int, path: Samples, planned: Samples) -> tuple[float, float]:
    """Scores `place` and `power` after so many frames of a reported path against the plan."""
    followed, found = Followed(), dict[str, float]()
    for frame in range(max(issued - MEMORY, 0), issued + 1):
        found = followed.take(Samples(*(column[frame : frame + 2] for column in path)), planned, 1.0)
    return found.get("place", np.nan), found.get("power", np.nan)
