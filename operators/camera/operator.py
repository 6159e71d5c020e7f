"""HFluxNO of the melt pool: what is hidden is read from a camera's frames and then solved for, and the field goes on by
the conservative scheme.

    numbers = squash(s),   s = argmin |(c(s) - seen)/sd|^2/CORRELATED + (s - s0)' K (s - s0)

c(s) are the frames that the scheme would give from the field at the start of the past (a cold plate, if nothing else is
told), through the same camera; s0 is the reading's guess and K what training found its errors to be. Gauss and Newton,
damped (Levenberg), with differences for the Jacobian: all columns are one batch.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.camera.kernel import Films
from operators.camera.law import NAMES, matter_of, squash
from operators.camera.reading import Reading, Seen
from operators.nets.heat import Beam, Heat, Heated, Matter

MODEL = 0.004, 0.06
"""What the scheme's surface is off by where it is told everything, beside the camera's noise: so much, and such a share
of what is above the sensor's coldest; cells are few where it is hot."""
CORRELATED = 4.0
"""Residuals of neighbouring cells and frames are alike: so many count as one."""
DIFFERENCE = 0.1
LAYERS = (0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.5, 1.5)
"""Thickness of the box's layers in cells: under the surface a quarter of a diameter is too much."""
ROUNDS = 8
SETTLED = 2e-3  # fall of the cost, of itself, below which a round was the last
EASED, STIFFENED, FIRST = 0.25, 8.0, 0.1  # of the damping


class Plan(NamedTuple):
    """Of the frames ahead: power, places (one more), and how long one is."""

    power: Float[Tensor, "b m"]
    places: Float[Tensor, "b place 2"]
    frame: Float[Tensor, " b"]


class CameraFluxNo(nn.Module):
    """sensor: theta at which a frame is clipped; noise: of a reading; sides, bottom: what walls pass (`Heat`); lift:
    the surface's theta is that of the first cells and so much of what they are hotter than the second."""

    def __init__(
        self, shape: Sequence[int] = (9, 24, 72), cells_per_diameter: float = 4.0, sides: float = 0.2,
        bottom: float = 0.2, layers: Sequence[float] | None = LAYERS, lift: float = 0.0,
        sensor: Sequence[float] = (0.25, 1.2), noise: float = 0.03,
        window: int = 24, width: int = 32, patch: int = 4, depth: int = 2,
    ) -> None:  # fmt: skip
        super().__init__()
        self.sizes: dict[str, Any] = {
            "shape": list(shape), "cells_per_diameter": cells_per_diameter, "sides": sides, "bottom": bottom,
            "layers": None if layers is None else list(layers), "lift": lift, "sensor": list(sensor), "noise": noise,
            "window": window, "width": width, "patch": patch,
            "depth": depth,
        }  # fmt: skip
        self.shape, self.lift, self.sensor, self.noise = tuple(shape), lift, tuple(sensor), noise
        self.heat = Heat(cells_per_diameter, sides, bottom, layers)
        self.reading = Reading(window, width, patch, depth)
        self.register_buffer("precision", 0.3 * torch.eye(len(NAMES)))
        self.register_buffer("shared", torch.zeros(len(NAMES)))

    def forward(
        self, seen: Seen, plan: Plan, start: Heated | None = None, rounds: int = ROUNDS
    ) -> tuple[Float[Tensor, "b m z y x"], Heated]:
        """theta after each frame ahead, and how the plate stands at the end. start: the plate as the past begins."""
        matter = self.infer(seen, start, rounds)
        _, state = self.run(matter, self._start(seen, start), Plan(seen.power, seen.places, seen.frame), fields=False)
        return self.run(matter, state, plan)

    def run(
        self, matter: Matter, state: Heated, plan: Plan, fields: bool = True
    ) -> tuple[Float[Tensor, "b m z y x"], Heated]:
        """Frame by frame; fields: theta after each (else none)."""
        found = []
        for n in range(plan.power.shape[1]):
            state = self.heat.advance(matter, state, _beam(plan, n))
            if fields:
                found.append(matter.theta.at(state.h))
        return torch.stack(found, 1) if fields else state.h.new_zeros(len(state.h), 0, *self.shape), state

    def infer(self, seen: Seen, start: Heated | None = None, rounds: int = ROUNDS) -> Matter:
        """The matter of each sample: as read (rounds 0), then solved for."""
        return matter_of(squash(self.free(seen, start, rounds)))

    def free(self, seen: Seen, start: Heated | None = None, rounds: int = ROUNDS) -> Float[Tensor, "b number"]:
        """Its numbers before `squash`. Each sample is solved for by itself: those beside it in a batch do not count."""
        seen = seen.checked()
        guess = self.reading(seen._replace(frames=seen.frames.nan_to_num(*3 * (self.sensor[0],))))
        if not rounds:
            return guess
        start = self._start(seen, start)
        with torch.no_grad():
            rows = [
                self._solved(one, Seen(*(each[n : n + 1] for each in seen)), _row(start, n), rounds)
                for n, one in enumerate(guess)
            ]
        return torch.stack(rows)

    def camera(self, matter: Matter, h: Float[Tensor, "b z y x"]) -> Float[Tensor, "b y x"]:
        """What it would see of a plate, without noise."""
        return self._seen(matter.theta.at(h[:, :2]))

    def _seen(self, theta: Float[Tensor, "b 2 y x"]) -> Float[Tensor, "b y x"]:
        top, below = theta.unbind(1)
        return (top + self.lift * (top - below)).clamp(*self.sensor)

    def filmed(
        self, free: Float[Tensor, "b number"], seen: Seen, start: Heated, steps: Tensor | None = None
    ) -> Float[Tensor, "b n y x"]:
        """The frames that these numbers would have given. steps: of every frame, the same for all, where all are of one
        track; on a CPU that goes through numba."""
        matter, state, found = matter_of(squash(free)), start, []
        plan = Plan(seen.power, seen.places, seen.frame)
        if steps is not None and free.device.type == "cpu":  # one track for all
            films = Films(self.heat, matter, start)
            for n in range(seen.power.shape[1]):
                films.advance(_beam(plan, n), int(steps[0]))
                found.append(self._seen(films.top()))
            return torch.stack(found, 1)
        for n in range(seen.power.shape[1]):
            state = self.heat.advance(matter, state, _beam(plan, n), steps, ledger=False)
            found.append(self.camera(matter, state.h))
        return torch.stack(found, 1)

    def _start(self, seen: Seen, start: Heated | None) -> Heated:
        return Heated.cold(len(seen.frames), self.shape, seen.frames.device) if start is None else start

    def _solved(self, guess: Float[Tensor, " number"], seen: Seen, start: Heated, rounds: int) -> Tensor:
        count = len(guess)
        moves = torch.cat([guess.new_zeros(1, count), DIFFERENCE * torch.eye(count, device=guess.device)])
        many = seen._replace(**{
            name: getattr(seen, name).expand(count + 1, *getattr(seen, name).shape[1:])
            for name in ("power", "places", "frame")
        })  # fmt: skip
        starts = Heated(
            *(each.expand(count + 1, *each.shape[1:]) for each in start[:3]), Heated.start(start.h[:1]).balance
        )
        best, cost, damping = guess, float("inf"), FIRST
        normal, slope = self.precision, guess.new_zeros(count)
        dead = ~seen.frames.flatten().isfinite()
        tried, wanted = guess, seen.frames.flatten().masked_fill(dead, self.sensor[0])
        model = MODEL[0] + MODEL[1] * (wanted - self.sensor[0])
        sd = (CORRELATED * (model**2 + (self.noise * wanted) ** 2)).sqrt().masked_fill(dead, torch.inf)
        for _ in range(rounds):
            columns = tried + moves
            matter = matter_of(squash(columns))
            steps = self.heat.steps(matter, many.frame).amax().expand(count + 1)
            films = self.filmed(columns, many, starts, steps).flatten(1)
            off = (films[0] - wanted) / sd
            away = tried - guess
            found = float(off.square().sum() + away @ self.precision @ away)
            if found < cost:
                settled = cost - found < SETTLED * found
                best, cost, damping = tried, found, damping * EASED
                if settled:
                    return best
                jacobian = (films[1:] - films[0]) / (DIFFERENCE * sd)
                normal = jacobian @ jacobian.T + self.precision
                slope = jacobian @ off + self.precision @ away
            else:
                damping *= STIFFENED
            damped = normal + damping * torch.diag(normal.diagonal())
            tried = best - torch.linalg.solve(damped, slope).clamp(-2, 2)
        off = (self.filmed(tried[None], seen, start, steps[:1]).flatten() - wanted) / sd
        away = tried - guess
        return tried if float(off.square().sum() + away @ self.precision @ away) < cost else best


def _beam(plan: Plan, n: int) -> Beam:
    return Beam(plan.power[:, n], plan.places[:, n], plan.places[:, n + 1], plan.frame)


def _row(state: Heated, n: int) -> Heated:
    """One sample of a batch."""
    one = slice(n, n + 1)
    return Heated(
        state.h[one], state.rest[one], state.fused[one], type(state.balance)(*(e[one] for e in state.balance))
    )
