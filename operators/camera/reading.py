"""Reading: past frames of a camera, the power and the path then, to a first guess of what is hidden.

Each frame is cut to a window around the beam, so a code does not depend on where in the box the beam was; a recurrent
vision Transformer (`operators.nets.context`) makes a code of the windows, and a small net twelve numbers of the code.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.camera.law import NAMES
from operators.nets.context import Context
from operators.problem import Geometry


class Seen(NamedTuple):
    """What is known of the past, oldest first: frames of the surface as a camera gives them (theta, clipped at the
    sensor's range; a pixel that is no number says nothing), the power q of each, where the beam was at their ends, in
    cells (y, x) from the box's corner, one place more than frames, and how long a frame is."""

    frames: Float[Tensor, "b n y x"]
    power: Float[Tensor, "b n"]
    places: Float[Tensor, "b place 2"]
    frame: Float[Tensor, " b"]

    def checked(self) -> "Seen":
        n = self.frames.shape[1]
        if n < 1 or self.power.shape[1] != n or self.places.shape[1] != n + 1:
            raise ValueError(
                f"{n} frames want as many powers and one place more, got {self.power.shape[1]}, {self.places.shape[1]}"
            )
        told = (self.power, self.places, self.frame)
        if not all(each.isfinite().all() for each in told) or not (self.frame > 0).all():
            raise ValueError("power and places must be finite, and a frame lasts longer than 0")
        return self

    def take(self, rows: Tensor | slice) -> "Seen":
        return Seen(*(each[rows] for each in self))


class Reading(nn.Module):
    """Frames to free numbers (`law.squash`). It starts at what all samples share."""

    def __init__(self, window: int = 24, width: int = 32, patch: int = 4, depth: int = 2) -> None:
        super().__init__()
        self.window = window
        self.context = Context(Geometry.grid(window, window), 3, width, patch=patch, depth=depth)
        self.head = nn.Sequential(nn.Linear(width + 2, width), nn.GELU(), nn.Linear(width, len(NAMES)))
        self.register_buffer("mean", torch.zeros(len(NAMES)))
        self.register_buffer("spread", torch.ones(len(NAMES)))
        with torch.no_grad():
            self.head[-1].weight.mul_(0.1)
            self.head[-1].bias.zero_()

    def code(self, seen: Seen) -> Float[Tensor, "b code"]:
        windows = self.windows(seen)
        power = (0.1 * seen.power[:, :, None, None]).expand_as(windows)
        going = seen.places.diff(dim=1) / 2  # in frames' travel at nominal speed on four cells a diameter
        ahead = going[:, :, 1, None, None].expand_as(windows)
        code = self.context(torch.stack([windows, power, ahead], -1).flatten(2, 3))
        return torch.cat([code, seen.frame.log()[:, None], seen.power.amax(1).clamp(min=1e-3).log()[:, None]], 1)

    def forward(self, seen: Seen) -> Float[Tensor, "b number"]:
        return self.mean + self.spread * self.head(self.code(seen))

    def windows(self, seen: Seen) -> Float[Tensor, "b n y x"]:
        """Around where the beam stood at the end of each frame; outside the box the coldest that was seen."""
        size = self.window
        cold = seen.frames.flatten(1).amin(1)[:, None, None, None]
        padded = nn.functional.pad(seen.frames - cold, (size, size, size, size))
        corner = seen.places[:, 1:].round().long() + size - size // 2
        limit = torch.tensor(padded.shape[2:], device=padded.device) - size
        corner = torch.minimum(corner.clamp(min=0), limit)
        span = torch.arange(size, device=padded.device)
        rows, columns = (corner[..., axis, None] + span for axis in (0, 1))
        flat = (rows[..., :, None] * padded.shape[3] + columns[..., None, :]).flatten(2)
        return padded.flatten(2).gather(2, flat).unflatten(2, (size, size)) + cold
