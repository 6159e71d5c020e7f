"""Conservative: steppers that only move what is there. Flux NO, HFluxNO, and ours in viscosity form.

    FluxNo           one learned flux for all samples (Kim and Kang, arXiv 2401.01783)
    HFluxNo          the flux net's weights come from the past frames (arXiv 2605.05488)
    ViscousFluxNo    ours: past frames give the law's flux f, and the scheme around it is one that damps shocks

All take (lags, forcing, static) as any stepper does, read their context once, and then go on through as many planned
times as they are asked for.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.nets import volumes
from operators.nets.context import Context
from operators.nets.flux import Generated, Stencil
from operators.nets.viscous import FASTEST, Law
from operators.problem import Geometry

BEYOND = 2.0  # ranges of what the past had
RUNGE_KUTTA = {1: ((0.0, 1.0),), 2: ((0.0, 1.0), (0.5, 0.5)), 3: ((0.0, 1.0), (0.75, 0.25), (1 / 3, 2 / 3))}
"""Strong-stability-preserving, by order: the share of the first state in each stage, and that of the stage's Euler step
(Shu and Osher 1988). Each is a mean of Euler steps, so it keeps what those keep."""


class _Conservative(nn.Module):
    """A learned flux, its context, and Runge-Kutta steps of the volumes; time is in steps of the data."""

    def __init__(self, geometry: Geometry, order: int, floor: Float[Tensor, " c"]) -> None:
        super().__init__()
        if geometry.shape is None:
            raise ValueError("fluxes pass through the faces of a grid: this geometry is a cloud without a shape")
        if order not in RUNGE_KUTTA:
            raise ValueError(f"order of the time step must be one of {list(RUNGE_KUTTA)}, got {order}")
        self.order, self.shape, self.periodic = order, geometry.shape, geometry.periodic
        self.register_buffer("floor", floor.clone(), persistent=False)

    def read(self, lags: Float[Tensor, "b n point c"]) -> Any:
        """What the context says."""
        raise NotImplementedError

    def fluxes(self, read: Any, u: Float[Tensor, "b c *shape"]) -> volumes.Fluxes:
        """In units of a cell and a step."""
        raise NotImplementedError

    def advance(self, read: Any, u: Float[Tensor, "b c *shape"]) -> Float[Tensor, "b c *shape"]:
        """One step of the data."""
        return self._stages(u, 1.0, lambda now: self.fluxes(read, now))

    def _stages(
        self, u: Float[Tensor, "b c *shape"], dt: Tensor | float, fluxes: Callable[[Tensor], volumes.Fluxes],
        ceiling: Float[Tensor, "b c"] | None = None, floor: Float[Tensor, "b c"] | None = None,
    ) -> Float[Tensor, "b c *shape"]:  # fmt: skip
        """One Runge-Kutta step of this length; no stage goes below the floor or above the ceiling."""
        spacing, first = (1.0,) * len(self.shape), u
        floor = self.floor if floor is None else torch.maximum(floor, self.floor)
        for _, of_stage in RUNGE_KUTTA[self.order]:
            passed = volumes.kept_above(u, fluxes(u), spacing, dt, floor, self.periodic)
            if ceiling is not None:
                passed = volumes.kept_below(u, passed, spacing, dt, ceiling, self.periodic)
            ahead = u + dt * volumes.gain(passed, spacing)
            # in float32 shares of 1/3 and 2/3 do not add up to 1, and every step would add to the sum
            u = ahead if of_stage == 1 else torch.lerp(first, ahead, of_stage)
        return u

    def forward(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"],
    ) -> Float[Tensor, "b step point c"]:  # fmt: skip
        read, states = self.read(lags), []
        u = lags[:, -1].mT.unflatten(2, self.shape)
        for _ in range(forcing.shape[1] - lags.shape[1]):
            u = self.advance(read, u)
            states.append(u.flatten(2).mT)
        return torch.stack(states, 1)


class FluxNo(_Conservative):
    """The same flux whatever the past: right where there is one law."""

    def __init__(
        self, geometry: Geometry, channels: int, width: int = 64, reach: int = 2, depth: int = 2, order: int = 1,
        floor: Tensor | None = None,
    ) -> None:  # fmt: skip
        super().__init__(geometry, order, _none(channels) if floor is None else floor)
        self.flux = Stencil(len(self.shape), channels, reach, width, depth)

    def read(self, lags: Tensor) -> None:
        return None

    def fluxes(self, read: None, u: Tensor) -> volumes.Fluxes:
        return self.flux(u, self.periodic)


class HFluxNo(_Conservative):
    """The published form: context encoder, hypernetwork, flux net on a stencil of 2 * reach cells."""

    def __init__(
        self, geometry: Geometry, channels: int, width: int = 64, flux_width: int = 32, reach: int = 10,
        depth: int = 3, order: int = 1, floor: Tensor | None = None,
    ) -> None:  # fmt: skip
        super().__init__(geometry, order, _none(channels) if floor is None else floor)
        self.context = Context(geometry, channels, width)
        self.flux = Generated(len(self.shape), channels, reach, width, flux_width, depth)

    def code(self, lags: Float[Tensor, "b n point c"]) -> Float[Tensor, "b code"]:
        """What the flux net's weights are made from."""
        return self.context(lags)

    def read(self, lags: Tensor) -> Any:
        return self.flux.nets(self.code(lags))

    def fluxes(self, read: Any, u: Tensor) -> volumes.Fluxes:
        return self.flux(read, u, self.periodic)


class ViscousFluxNo(_Conservative):
    """Ours: a law read from the past (`reader`: lags to a Law) in a scheme that damps (`viscous`). A law knows no
    grid: trained on the cells of the data, it may go on in cells `inner` times smaller, where shocks are sharper. A law
    of several unknowns that was read wrongly may have no waves at all, and then nothing damps it: states stay within
    BEYOND of the range that the past had on either side, fluxes being lessened where they would not.
    `fastest`: cells a step, of waves that are not slowed."""

    def __init__(
        self, geometry: Geometry, channels: int, reader: Callable[[Tensor], Law], order: int = 2, inner: int = 1,
        floor: Tensor | None = None, fastest: float = FASTEST,
    ) -> None:  # fmt: skip
        super().__init__(geometry, order, _none(channels) if floor is None else floor)
        self.reader, self.inner, self.fastest = reader, inner, fastest

    def code(self, lags: Float[Tensor, "b n point c"]) -> Float[Tensor, "b code"]:
        """What the reader makes its law from."""
        return self.reader.code(lags)

    def read(self, lags: Tensor) -> Law:
        law = self.reader(lags)
        if lags.shape[-1] == 1:  # makes no new extremum
            return law
        low, high = lags.detach().flatten(1, 2).aminmax(dim=1)
        beyond = BEYOND * (high - low)
        return replace(law, least=low - beyond, most=high + beyond)

    def advance(self, read: Law, u: Tensor, times: int = 1) -> Tensor:
        """As many steps as the sample's own waves want: those of one do not depend on another's."""
        steps, slowed = read.pace(u, times * self.fastest)
        dt = (1 / steps).view(-1, *[1] * (u.dim() - 1))
        for step in range(int(steps.max())):
            rows = (step < steps).nonzero()[:, 0]
            u = u.index_copy(0, rows, self._one(read.of(rows), u[rows], dt[rows], slowed[rows], steps[rows]))
        return u

    def _one(self, law: Law, u: Tensor, dt: Tensor, slowed: Tensor, steps: Tensor) -> Tensor:
        return self._stages(u, dt, lambda now: law.fluxes(now, slowed, steps, self.periodic), law.most, law.least)

    def forward(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"],
    ) -> Float[Tensor, "b step point c"]:  # fmt: skip
        times = 1 if self.training else self.inner
        if times == 1:
            return super().forward(lags, forcing, static)
        read, states = self.read(lags).finer(times), []
        u = volumes.refined(lags[:, -1].mT.unflatten(2, self.shape), times, self.periodic)
        for _ in range(forcing.shape[1] - lags.shape[1]):
            u = self.advance(read, u, times)
            states.append(volumes.coarsened(u, times).flatten(2).mT)
        return torch.stack(states, 1)


def _none(channels: int) -> Tensor:
    return torch.full((channels,), -torch.inf)
