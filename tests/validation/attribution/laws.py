"""Laws: completeness, randomised weights, stability and batches of the maps, measured on trajectories."""

import numpy as np
import torch
from torch import Tensor

from operators.attribution.gradients import Gradients
from operators.attribution.moments import Moments
from operators.attribution.shares import between
from operators.melt_pool.asno import Asno
from tests.validation.attribution.adjoint import Asked, ranked

CLOSE = 1e-3  # relative: of inputs that are close
TRIES = 4
HOTTEST = 2.0  # asinh(theta) of about 3.6: hotter than metal boils


def path_of(one: Asked) -> Moments:
    return Moments.of(one.path, one.case.stream, one.case.poses[one.last][2])


def completeness(one: Asked, gradients: Gradients) -> float:
    """What the shares miss of the difference from the nominal straight track."""
    path, case = path_of(one), one.case
    q, depth = case._source(1.0)
    nominal = np.tile([q, depth, case.stream.peclet, 0.0], (len(path), 1))
    return between(gradients, path, nominal, one.scalar).defect


def maps(one: Asked, gradients: Gradients, path: Moments | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Of the moments (times their values), and of the forcing's cells."""
    path = path or path_of(one)
    (found,) = gradients([path], one.scalar)
    return (found.by_moment * path.values)[:, :3], found.by_forcing.sum(0)


class Bounded(Asno):
    """An operator whose field is scaled down until it is nowhere beyond HOTTEST: shuffled weights make fields that no
    float holds once their hyperbolic sine is taken."""

    def forward(self, forcing: Tensor, condition: Tensor) -> Tensor:
        field = super().forward(forcing, condition)
        largest = field.detach().abs().flatten(1).amax(1).clamp(min=HOTTEST)
        return field * (HOTTEST / largest)[:, None, None, None]


def randomised(gradients: Gradients, seed: int = 0) -> Gradients:
    """The same operator with the entries of each weight shuffled (MPRT: Adebayo et al., arXiv 1810.03292). What
    evaporates stays as it was fitted."""
    draw, model = torch.Generator().manual_seed(seed), Bounded(**gradients.model.sizes).to(gradients.device)
    model.load_state_dict(gradients.model.state_dict())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if not name.startswith("losses."):
                order = torch.randperm(weight.numel(), generator=draw).to(weight.device)
                weight.copy_(weight.flatten()[order].view_as(weight))
    return Gradients(model.eval(), gradients.grid, gradients.device)


def kept_by_random_weights(one: Asked, gradients: Gradients, seed: int) -> dict[str, float]:
    """Rank correlation of a map with that of random weights: near 1 would say that it tells nothing of them. 0 where
    random weights forecast no pool, and so have no map."""
    of, against = maps(one, gradients), maps(one, randomised(gradients, seed))
    pairs = zip(("moments", "cells"), of, against, strict=True)
    return {name: ranked(a, b) if np.any(b) else 0.0 for name, a, b in pairs}


def steadiness(one: Asked, gradients: Gradients, rng: np.random.Generator) -> float:
    """How much a map changes relatively, over how much its input does: the largest of some tries."""
    path = path_of(one)
    first, worst = maps(one, gradients)[0], 0.0
    for _ in range(TRIES):
        factors = 1 + CLOSE * rng.standard_normal((len(path), 3))
        moved = path.values.copy()
        moved[:, :3] *= factors
        second = maps(one, gradients, path.put(moved))[0]
        change = np.linalg.norm(second - first) / np.linalg.norm(first)
        worst = max(worst, float(change / np.sqrt(np.mean((factors - 1) ** 2))))
    return worst


def batched(several: list[Asked], gradients: Gradients) -> float:
    """The largest relative difference of a map alone from the same in a batch of many."""
    paths, worst = [path_of(one) for one in several], 0.0
    scalar = several[0].scalar
    for path, found in zip(paths, gradients(paths, scalar), strict=True):
        (alone,) = gradients([path], scalar)
        largest = np.abs(alone.by_moment).max(0)
        worst = max(worst, float((np.abs(found.by_moment - alone.by_moment).max(0) / np.maximum(largest, 1e-9)).max()))
    return worst
