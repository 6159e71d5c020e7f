"""Learner: what `operators.train.Run` learns from a problem: losses by draws of windows, scores by rollouts.

A stepper takes (lags, forcing at the lags and as planned, static) to the states at the planned times; whatever steps
one time at once or several, `rollout` goes on from its own output.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.problem import Geometry, Map, March, Samples, Trajectories

Stepper = Callable[[Tensor, Tensor, Tensor], Tensor]
STILL = 1e-6  # of its mean: a channel that varies less is the same throughout
STARTS = 4  # of rollouts in a trajectory that choose the step


class Scale(nn.Module):
    """Per-channel mean and spread of a field, over the fitted split; of a channel that is the same throughout, its size
    stands for its spread. ValueError where it is not finite."""

    def __init__(self, field: Tensor) -> None:
        super().__init__()
        flat = field.flatten(0, -2)
        if not torch.isfinite(flat).all():
            raise ValueError("a field to learn from is not finite")
        mean = flat.double().mean(0)
        spread = (flat - mean).square().mean(0).sqrt()
        still = spread <= STILL * mean.abs()
        usual = torch.where(still, torch.where(mean == 0, 1.0, mean.abs()), spread)
        self.register_buffer("mean", mean.float())
        self.register_buffer("spread", usual.float())

    def down(self, field: Tensor) -> Tensor:
        return (field - self.mean) / self.spread

    def up(self, field: Tensor) -> Tensor:
        return field * self.spread + self.mean


class Stepping(nn.Module):
    """A net on points as a stepper: lags, forcing and static side by side as its channels; it gives the increment."""

    def __init__(self, net: nn.Module, geometry: Geometry) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("points", geometry.points.float(), persistent=False)

    def forward(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"],
    ) -> Float[Tensor, "b 1 point c"]:  # fmt: skip
        side = torch.cat([lags.transpose(1, 2).flatten(2), forcing.transpose(1, 2).flatten(2), static], -1)
        return (lags[:, -1] + self.net(side, self.points.expand(len(lags), -1, -1)))[:, None]


class Scaled(nn.Module):
    """A stepper in physical units around one that sees every channel with mean 0 and spread 1."""

    def __init__(self, stepper: nn.Module, fit: Trajectories) -> None:
        super().__init__()
        self.stepper = stepper
        self.state, self.forcing, self.static = Scale(fit.state), Scale(fit.forcing), Scale(fit.static)

    def forward(self, lags: Tensor, forcing: Tensor, static: Tensor) -> Tensor:
        ahead = self.stepper(self.state.down(lags), self.forcing.down(forcing), self.static.down(static))
        return self.state.up(ahead)


class Mapped(nn.Module):
    """The same for a map."""

    def __init__(self, net: nn.Module, fit: Samples, geometry: Geometry) -> None:
        super().__init__()
        self.net, self.given, self.wanted = net, Scale(fit.given), Scale(fit.wanted)
        self.register_buffer("points", geometry.points.float(), persistent=False)

    def forward(self, given: Tensor, where: Tensor | None = None) -> Tensor:
        where = self.points.expand(len(given), -1, -1) if where is None else where
        return self.wanted.up(self.net(self.given.down(given), where))


Term = Callable[[Scaled, torch.Generator], Tensor]


def rollout(
    stepper: Stepper, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
    static: Float[Tensor, "b point s"], steps: int = 1,
) -> Float[Tensor, "b ahead point c"]:  # fmt: skip
    """From n lags through every planned time (m = n + ahead), `steps` of them at once."""
    n = lags.shape[1]
    states, ahead = lags, forcing.shape[1] - n
    for t in range(0, ahead, steps):
        now = min(steps, ahead - t)
        plan = forcing[:, t : t + n + steps] if now == steps else forcing[:, t:]
        states = torch.cat([states, stepper(states[:, -n:], plan, static)[:, :now]], 1)
    return states[:, n:]


def relative(found: Tensor, wanted: Tensor, volume: Tensor | None = None) -> Float[Tensor, " b"]:
    """||found - wanted|| / ||wanted|| of each sample, over all but the first axis; `volume` weighs the points, which
    are the last axis but one."""
    weight = 1.0 if volume is None else volume[:, None]
    off = (weight * (found - wanted) ** 2).flatten(1).sum(1)
    return torch.sqrt(off / (weight * wanted**2).flatten(1).sum(1).clamp(min=1e-30))


class MarchLearner:
    """Windows of trajectories, `unroll` forecasts in a row, noise on the lags; the rollout chooses. A stepper that
    reads its context once and then takes any number of steps (`once`) does so in the loss and in the rollout. `also`
    is added to the loss."""

    def __init__(
        self, stepper: nn.Module, march: March, batch: int = 16, unroll: int = 1, noise: float = 0.0, steps: int = 1,
        once: bool = False, also: Term | None = None,
    ) -> None:  # fmt: skip
        self.march, self.batch, self.noise, self.also = march, batch, noise, also
        self.steps, self.unroll = (unroll, 1) if once else (steps, unroll)
        if march.fit.state.shape[1] < march.lags + unroll * steps:
            raise ValueError(f"fit has {march.fit.state.shape[1]} times: too few for {unroll} forecasts in a row")
        self.rolled_steps = march.horizon if once else steps
        self.device = march.fit.state.device
        self.model = Scaled(stepper, march.fit).to(self.device)
        self.volume = march.geometry.volume.to(self.device)

    def loss(self, draw: torch.Generator, step: int) -> Tensor:
        fit, n, ahead = self.march.fit, self.march.lags, self.unroll * self.steps
        trajectory = torch.randint(len(fit), (self.batch,), generator=draw)
        start = torch.randint(fit.state.shape[1] - n - ahead + 1, (self.batch,), generator=draw)
        time = start[:, None] + torch.arange(n + ahead)
        state, forcing = fit.state[trajectory[:, None], time], fit.forcing[trajectory[:, None], time]
        lags = state[:, :n]
        if self.noise:
            noise = torch.randn(lags.shape, generator=draw).to(lags)
            lags = lags + self.noise * self.model.state.spread * noise
        found = rollout(self.model, lags, forcing, fit.static[trajectory], self.steps)
        down = self.model.state.down
        off = _loss(down(found), down(state[:, n:]), self.volume)
        return off if self.also is None else off + self.also(self.model, draw)

    def score(self) -> tuple[float, str]:
        error = float(rolled(self.model, self.march, self.march.validation, self.rolled_steps, STARTS).mean())
        return error, f"rollout over {self.march.horizon} steps {error:.4f}"


class MapLearner:
    """Pairs of fields; the mean relative error on validation chooses."""

    def __init__(self, net: nn.Module, problem: Map, batch: int = 16) -> None:
        self.problem, self.batch = problem, batch
        self.device = problem.fit.given.device
        self.model = Mapped(net, problem.fit, problem.geometry).to(self.device)
        self.volume = problem.geometry.volume.to(self.device)

    def loss(self, draw: torch.Generator, step: int) -> Tensor:
        fit = self.problem.fit
        rows = torch.randint(len(fit), (self.batch,), generator=draw)
        found = self.model(fit.given[rows], None if fit.where is None else fit.where[rows])
        down = self.model.wanted.down
        return _loss(down(found), down(fit.wanted[rows]), self.volume)

    def score(self) -> tuple[float, str]:
        error = float(mapped(self.model, self.problem, self.problem.validation).mean())
        return error, f"error {error:.4f}"


def _loss(found: Tensor, wanted: Tensor, volume: Tensor) -> Tensor:
    """Relative L2, its norm kept off zero where a field is near its mean."""
    off = (volume[:, None] * (found - wanted) ** 2).flatten(1).sum(1)
    whole = (volume[:, None] * wanted**2).flatten(1).sum(1)
    return torch.sqrt(off / (whole + 0.1 * whole.mean().detach()) + 1e-12).mean()


@torch.no_grad()
def rolled(stepper: Stepper, march: March, part: Trajectories, steps: int, starts: int) -> Float[Tensor, " rollout"]:
    """Relative error of each rollout, over its whole stack, from so many starts in each trajectory."""
    n, horizon = march.lags, march.horizon
    free = part.state.shape[1] - n - horizon
    errors = []
    for start in sorted({round(free * k / max(1, starts - 1)) for k in range(starts)}):
        state = part.state[:, start : start + n + horizon]
        forcing = part.forcing[:, start : start + n + horizon]
        for rows in torch.arange(len(part)).split(64):
            found = rollout(stepper, state[rows, :n], forcing[rows], part.static[rows], steps)
            errors.append(relative(found, state[rows, n:], march.geometry.volume.to(found.device)))
    return torch.nan_to_num(torch.cat(errors), nan=1e3, posinf=1e3).clamp(max=1e3)


@torch.no_grad()
def mapped(model: Callable[..., Tensor], problem: Map, part: Samples) -> Float[Tensor, " sample"]:
    """Relative error of each sample."""
    volume = problem.geometry.volume.to(part.given.device)
    errors = []
    for rows in torch.arange(len(part)).split(64):
        found = model(part.given[rows], None if part.where is None else part.where[rows])
        errors.append(relative(found, part.wanted[rows], volume))
    return torch.nan_to_num(torch.cat(errors), nan=1e3, posinf=1e3).clamp(max=1e3)
