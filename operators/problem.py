"""Problem: what an operator is to learn, as tensors. A `March` goes on in time, a `Map` takes a field to another.

Every suite makes one of these with its own reference solver; every operator, baseline and classical row meets it
through them. Fields stand on points; a grid is points in row-major order with its shape told. Splits are by
trajectory (or by sample): no draw is shared between them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Geometry:
    """Where fields are sampled. `volume` are quadrature weights that sum to 1; `shape` is that of a structured grid in
    row-major order, None for a cloud; `periodic` where every axis is."""

    points: Float[Tensor, "point dim"]
    volume: Float[Tensor, " point"]
    shape: tuple[int, ...] | None = None
    periodic: bool = False

    def __post_init__(self) -> None:
        count = len(self.points)
        weighed = self.volume.shape == (count,) and bool((self.volume >= 0).all())
        if not weighed or not abs(float(self.volume.sum()) - 1) < 1e-4:
            raise ValueError("volume must have a weight for each point, none of them negative, and sum to 1")
        if not torch.isfinite(self.points).all():
            raise ValueError("points must be finite")
        if self.shape is not None and torch.Size(self.shape).numel() != count:
            raise ValueError(f"a grid of shape {self.shape} does not have {count} points")

    @staticmethod
    def grid(*sizes: int, periodic: bool = False, ends: bool = False) -> "Geometry":
        """The unit square (line, cube) with so many points a side: cell centres, or with `ends` from edge to edge."""
        axes = [torch.linspace(0, 1, n) if ends else (torch.arange(n) + 0.5) / n for n in sizes]
        points = torch.stack([a.flatten() for a in torch.meshgrid(*axes, indexing="ij")], -1)
        weights = torch.ones(())
        for n in sizes:
            side = torch.full((n,), 1.0)
            if ends:
                side[[0, -1]] = 0.5
            weights = weights[..., None] * side / side.sum()
        return Geometry(points, weights.flatten(), tuple(sizes), periodic)

    def to(self, device: str | torch.device) -> "Geometry":
        return replace(self, points=self.points.to(device), volume=self.volume.to(device))


@dataclass(frozen=True)
class Trajectories:
    """Fields in time. forcing[t] is what acts at the time of state[t]; a step to t may use forcing[t], which is
    planned, and all that was before. `static` does not change within a trajectory."""

    state: Float[Tensor, "trajectory time point channel"]
    forcing: Float[Tensor, "trajectory time point forcing"]
    static: Float[Tensor, "trajectory point static"]

    def __post_init__(self) -> None:
        b, t, n, _ = self.state.shape
        if self.forcing.shape[:3] != (b, t, n) or self.static.shape[:2] != (b, n):
            raise ValueError("state, forcing and static must agree in trajectories, times and points")

    @staticmethod
    def of(state: Tensor, forcing: Tensor | None = None, static: Tensor | None = None) -> "Trajectories":
        """With no forcing or nothing static those have no channels."""
        b, t, n, _ = state.shape
        return Trajectories(
            state.float(),
            state.new_zeros(b, t, n, 0).float() if forcing is None else forcing.float(),
            state.new_zeros(b, n, 0).float() if static is None else static.float(),
        )

    def __len__(self) -> int:
        return len(self.state)

    def to(self, device: str | torch.device) -> "Trajectories":
        return Trajectories(self.state.to(device), self.forcing.to(device), self.static.to(device))


@dataclass(frozen=True)
class Samples:
    """Pairs of an input field and an output field. `where` tells each sample's points where they differ."""

    given: Float[Tensor, "sample point channel"]
    wanted: Float[Tensor, "sample point out"]
    where: Float[Tensor, "sample point dim"] | None = None

    def __post_init__(self) -> None:
        if self.given.shape[:2] != self.wanted.shape[:2]:
            raise ValueError("given and wanted must agree in samples and points")
        if self.where is not None and self.where.shape[:2] != self.given.shape[:2]:
            raise ValueError("where must have a place for each point of each sample")

    def __len__(self) -> int:
        return len(self.given)

    def to(self, device: str | torch.device) -> "Samples":
        where = None if self.where is None else self.where.to(device)
        return Samples(self.given.to(device), self.wanted.to(device), where)


@dataclass(frozen=True)
class March:
    """Forecast in time: from `lags` past states, the forcing then and as planned, and what is static."""

    name: str
    geometry: Geometry
    dt: float
    lags: int
    fit: Trajectories
    validation: Trajectories
    tests: Mapping[str, Trajectories]
    horizon: int
    """Steps of the rollout whose error is scored."""
    about: Mapping[str, object] = field(default_factory=dict)
    """What made the data, for the results file: solver, sizes, seed, its own convergence."""
    in_context: bool = False
    """Whether each trajectory has a law of its own, which nothing but its past tells."""
    positive: tuple[int, ...] = ()
    """Channels that are never below zero."""
    conserved: bool = False
    """Whether all that happens in a cell is what passes through its faces."""

    def __post_init__(self) -> None:
        if self.lags < 1 or self.horizon < 1:
            raise ValueError(f"a march wants a lag and a step ahead at least, got {self.lags} and {self.horizon}")
        for name, part in {"fit": self.fit, "validation": self.validation, **self.tests}.items():
            _agrees(name, part.state, self.fit.state, self.geometry)
            if part.forcing.shape[3] != self.fit.forcing.shape[3] or part.static.shape[2] != self.fit.static.shape[2]:
                raise ValueError(f"{name} has other channels of forcing, or of what is static, than fit")
            wanted = self.lags + (1 if name == "fit" else self.horizon)
            if part.state.shape[1] < wanted:
                raise ValueError(f"{name} has {part.state.shape[1]} times, and wants {wanted}")


@dataclass(frozen=True)
class Map:
    """One field from another."""

    name: str
    geometry: Geometry
    fit: Samples
    validation: Samples
    tests: Mapping[str, Samples]
    about: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, part in {"fit": self.fit, "validation": self.validation, **self.tests}.items():
            _agrees(name, part.given, self.fit.given, self.geometry)
            _agrees(name, part.wanted, self.fit.wanted, self.geometry)


def _agrees(name: str, field: Tensor, fit: Tensor, geometry: Geometry) -> None:
    """ValueError where a split is empty, or of other points or channels than the problem."""
    if len(field) == 0:
        raise ValueError(f"{name} is empty")
    if field.shape[-2] != len(geometry.points):
        raise ValueError(f"{name} has {field.shape[-2]} points, and the geometry {len(geometry.points)}")
    if field.shape[-1] != fit.shape[-1]:
        raise ValueError(f"{name} has {field.shape[-1]} channels, and fit {fit.shape[-1]}")


Problem = March | Map
