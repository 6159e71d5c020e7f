"""Linear: ridge regression from everything that a learned operator is given, the row that papers leave out."""

from collections.abc import Callable

import torch
from torch import Tensor

from operators.problem import Map, March, Samples, Trajectories

PENALTIES = (1e-8, 1e-6, 1e-4, 1e-2, 1.0)  # times the mean square of the columns
MOST_ROWS = 3000


class Ridge:
    """wanted = columns W + b; the penalty that is best on validation. With more columns than rows it is solved, and
    kept, in its dual form: predictions are inner products with the fitted rows."""

    def __init__(self, fit: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor]) -> None:
        x, y = fit
        self.mean, self.offset = x.mean(0), y.mean(0)
        self.scale = (x - self.mean).square().mean(0).sqrt().clamp(min=1e-9)
        z, w = (x - self.mean) / self.scale, (y - self.offset).double()
        self.rows = z if z.shape[1] > z.shape[0] else None
        basis = (z.double() @ z.double().T) if self.rows is not None else z.double().T @ z.double()
        values, vectors = torch.linalg.eigh(basis)
        right = vectors.T @ (w if self.rows is not None else z.double().T @ w)
        known, best = self._features(validation[0]), float("inf")
        for penalty in PENALTIES:
            weight = vectors @ (right / (values.clamp(min=0) + penalty * len(z))[:, None])
            off = float((known @ weight + self.offset - validation[1]).norm())
            if off < best:
                best, self.weight, self.penalty = off, weight, penalty

    def _features(self, x: Tensor) -> Tensor:
        z = (x - self.mean) / self.scale
        return (z if self.rows is None else z @ self.rows.T).double()

    def __call__(self, x: Tensor) -> Tensor:
        return (self._features(x) @ self.weight + self.offset).float()


def march(problem: March) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A linear stepper: all lags, the forcing at them and as planned, what is static."""
    ridge = Ridge(_windows(problem.fit, problem.lags), _windows(problem.validation, problem.lags))

    def step(lags: Tensor, forcing: Tensor, static: Tensor) -> Tensor:
        return ridge(_columns(lags, forcing, static)).view(lags[:, -1:].shape)

    return step


def mapped(problem: Map) -> Callable[..., Tensor]:
    """A linear map of the whole field."""
    ridge = Ridge(_pairs(problem.fit), _pairs(problem.validation))
    shape = problem.fit.wanted.shape[1:]

    def found(given: Tensor, where: Tensor | None = None) -> Tensor:
        columns = given.flatten(1) if where is None else torch.cat([given.flatten(1), where.flatten(1)], 1)
        return ridge(columns).view(-1, *shape)

    return found


def mean(problem: Map) -> Callable[..., Tensor]:
    """The mean field of the fitted samples."""
    field = problem.fit.wanted.mean(0, keepdim=True)
    return lambda given, where=None: field.expand(len(given), -1, -1)


def _columns(lags: Tensor, forcing: Tensor, static: Tensor) -> Tensor:
    return torch.cat([lags.flatten(1), forcing.flatten(1), static.flatten(1)], 1)


def _windows(part: Trajectories, lags: int) -> tuple[Tensor, Tensor]:
    """Windows of lags + 1 evenly out of all trajectories, at most MOST_ROWS."""
    starts = part.state.shape[1] - lags
    every = [(i, t) for i in range(len(part)) for t in range(starts)]
    every = every[:: max(1, -(-len(every) // MOST_ROWS))]
    trajectory, start = (torch.tensor(v) for v in zip(*every, strict=True))
    time = start[:, None] + torch.arange(lags + 1)
    state, forcing = part.state[trajectory[:, None], time], part.forcing[trajectory[:, None], time]
    return _columns(state[:, :lags], forcing, part.static[trajectory]), state[:, lags].flatten(1)


def _pairs(part: Samples) -> tuple[Tensor, Tensor]:
    x = part.given.flatten(1) if part.where is None else torch.cat([part.given.flatten(1), part.where.flatten(1)], 1)
    return x, part.wanted.flatten(1)
