"""Samples: tracks solved by the reference plate, as the camera and the operator's grid have them; kept in shards, so
that making them goes on where it stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from operators.camera import draws
from operators.camera.draws import CELLS, CONTEXT, SHAPE, Track
from operators.camera.operator import LAYERS
from operators.camera.plate import CELLS as FINE
from operators.camera.plate import Plate

SHARD = 20  # tracks
SENSOR = (0.25, 1.2)  # theta: some 400 to 1,830 degC over a plate at room temperature
NOISE = 0.03  # of a reading
NAMES = ("surface", "field", "numbers", "tail", "power", "places", "frame")


@dataclass(frozen=True)
class Tracks:
    """surface: theta of the plate's surface after each context frame, what a perfect camera sees; field: theta after
    each frame, means over the cells of the operator's box (frames may be 0: surfaces alone were asked for); numbers,
    tail: what is hidden; power: q of each frame; places: of the beam at the ends of frames, in cells; frame: its
    time."""

    surface: Float[Tensor, "n context y x"]
    field: Float[Tensor, "n frames z y x"]
    numbers: Float[Tensor, "n number"]
    tail: Float[Tensor, "n 2"]
    power: Float[Tensor, "n frame"]
    places: Float[Tensor, "n place 2"]
    frame: Float[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: Tensor | slice | list[int]) -> "Tracks":
        return Tracks(*(getattr(self, name)[rows] for name in NAMES))

    def to(self, device: str) -> "Tracks":
        return Tracks(*(getattr(self, name).to(device) for name in NAMES))


def filmed(surface: Float[Tensor, "n t y x"], draw: torch.Generator) -> Float[Tensor, "n t y x"]:
    """What the camera gives: NOISE of each reading, clipped at the sensor's range."""
    noise = torch.randn(surface.shape, generator=draw).to(surface)
    return (surface.float() * (1 + NOISE * noise)).clamp(*SENSOR)


def solved(track: Track, cells: int = FINE, fields: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """(surface, field) of a track; without `fields` only of its context, in a box no longer than that."""
    nz, ny, nx = (n / CELLS for n in SHAPE)
    frames = track.frames if fields else CONTEXT
    low, high = 0.0, nx
    if not fields:
        x = track.places[: frames + 1, 1]
        low, high = max(0.0, np.floor(x.min() - 2.5)), min(nx, np.ceil(x.max() + 2.5))
    plate = Plate(track.law, (nz, 0.0, ny, low, high), cells)
    surface = np.zeros((CONTEXT, *SHAPE[1:]), np.float16)
    field = np.zeros((frames if fields else 0, *SHAPE), np.float16)
    here = slice(round(low * CELLS), round(high * CELLS))
    for n in range(frames):
        plate.advance(track.power[n], track.places[n], track.places[n + 1], track.frame)
        if n < CONTEXT or fields:
            theta = plate.theta()
        if n < CONTEXT:
            surface[n, :, here] = _means(_surface(theta, cells)[None], cells)[0]
        if fields:
            field[n, :, :, here] = _means(theta, cells)
    return surface, field


def _surface(theta: np.ndarray, cells: int) -> np.ndarray:
    """At a sixteenth of a diameter below the surface, whatever the cells are."""
    part = 0.5 - cells / (2 * FINE)
    return theta[0] + part * (theta[0] - theta[1])


def _means(theta: np.ndarray, cells: int) -> np.ndarray:
    times = cells // CELLS
    if cells % CELLS:
        raise ValueError(f"the plate wants a whole number of cells for one of the box, {CELLS}, got {cells}")
    z, y, x = theta.shape
    plane = theta.reshape(z, y // times, times, x // times, times).mean((2, 4))
    if z == 1:
        return plane
    ends = np.cumsum([0, *(round(thick * times) for thick in LAYERS)])
    return np.stack([plane[low:high].mean(0) for low, high in pairwise(ends)])


def made(
    split: str, count: int, folder: Path, fields: bool = True, cells: int = FINE, begin: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> Tracks:  # fmt: skip
    """Tracks begin, begin + 1, ... of a split, from the shards that lie in the folder, the others made."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for first in range(begin, begin + count, SHARD):
        last = min(first + SHARD, begin + count)
        path = folder / f"{split}-{first}-{last}-{cells}-{'fields' if fields else 'surfaces'}.npz"
        if not path.is_file():
            tracks = [draws.track(split, number) for number in range(first, last)]
            pairs = [solved(track, cells, fields) for track in tracks]
            half = path.with_suffix(".half.npz")
            np.savez(
                half,
                surface=np.stack([pair[0] for pair in pairs]), field=np.stack([pair[1] for pair in pairs]),
                numbers=np.stack([t.law.numbers for t in tracks]), tail=np.stack([t.law.tail for t in tracks]),
                power=np.stack([t.power for t in tracks]), places=np.stack([t.places * CELLS for t in tracks]),
                frame=np.array([t.frame for t in tracks]),
            )  # fmt: skip
            half.replace(path)
            progress(f"{split}: {last - begin} of {count} tracks")
        with np.load(path) as kept:
            parts.append([kept[name] for name in NAMES])
    arrays = [torch.from_numpy(np.concatenate(each)) for each in zip(*parts, strict=True)]
    return Tracks(*arrays[:2], *(a.float() for a in arrays[2:]))
