"""Order: does a map name first what matters most? Deletion and insertion, after Samek et al. (arXiv 1509.06321).

What a map ranks is taken away (put to a baseline) in its order, and how far the number has gone on its way to the
baseline is averaged over the steps; likewise put back, from the baseline. Both are 1/2 for an order that knows nothing
of a linear number; random orders and the map's reverse are measured beside it. Three maps: of the moments (strength, a
fifth less), of the cells of the forcing (what it would be then), and of the cells by the kernel rows of a node.
"""

from collections.abc import Callable

import numpy as np
import torch

from operators.attribution.gradients import Gradients, Scalar
from operators.attribution.moments import Moments
from operators.attribution.spatial import rows
from tests.validation.attribution.adjoint import HOT, Asked

LESS = 0.8  # of the strength: the baseline
STEPS = 12
RANDOM = 6  # orders
DRAWS = 2000  # of the bootstrap
Values = Callable[[list[np.ndarray]], list[float]]  # masks of what is at the baseline -> the number


def curves(values: Values, score: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """Areas of deletion and insertion in the map's order, in reverse, and the mean of random orders."""
    best = np.argsort(-score.ravel())
    orders = {"map": [best], "reverse": [best[::-1]], "random": [rng.permutation(len(best)) for _ in range(RANDOM)]}
    steps = min(STEPS, len(best))
    counts = np.round(np.linspace(0, len(best), steps + 1)).astype(int)
    masks = []
    for several in orders.values():
        for order in several:
            for count in counts:
                mask = np.zeros(score.size, dtype=bool)
                mask[order[:count]] = True
                masks.append(mask.reshape(score.shape))
    found = np.array(values(masks)).reshape(-1, steps + 1)
    gone = (found - found[:, :1]) / (found[:, -1:] - found[:, :1])  # 0 to 1
    area = 0.5 * (gone[:, 1:] + gone[:, :-1]).mean(1)
    areas = {"map": area[0], "reverse": area[1], "random": area[2:].mean()}
    # to put back the first of the map from the baseline is to leave for last its reverse
    return {f"deletion {name}": float(value) for name, value in areas.items()} | {
        "insertion map": float(1 - area[1]), "insertion reverse": float(1 - area[0]),
        "insertion random": float(1 - area[2:].mean()),
    }  # fmt: skip


def of_moments(one: Asked, gradients: Gradients, rng: np.random.Generator) -> dict[str, float]:
    path = Moments.of(one.path, one.case.stream, one.case.poses[one.last][2])
    (found,) = gradients([path], one.scalar)

    def values(masks: list[np.ndarray]) -> list[float]:
        several = []
        for mask in masks:
            changed = path.values.copy()
            changed[mask, 0] *= LESS
            several.append(path.put(changed))
        return [v for n in range(0, len(several), 32) for v in gradients.values(several[n : n + 32], one.scalar)]

    return curves(values, found.by_moment[:, 0] * path.values[:, 0], rng)


def of_cells(one: Asked, gradients: Gradients, rng: np.random.Generator, kernel: bool = False) -> dict[str, float]:
    """By the gradient with respect to the forcing, or by the kernel rows of a node for its own temperature."""
    scalar = Scalar(None, HOT) if kernel else one.scalar
    path = Moments.of(one.path, one.case.stream, one.case.poses[one.last][2])
    weaker = path.values * [LESS, 1, 1, 1]
    whole, base = gradients([path, path.put(weaker)], scalar)
    if kernel:
        less = [sum(rows(gradients, each, path, HOT)) for each in (whole, base)]
        score = less[0] - less[1]
        score[HOT] += whole.forcing[0][HOT] - base.forcing[0][HOT]
    else:
        score = (whole.by_forcing * (whole.forcing - base.forcing)).sum(0)
    told = torch.from_numpy(path.condition)[None].to(gradients.device)
    full, low = (torch.from_numpy(each.forcing).to(gradients.device) for each in (whole, base))

    def values(masks: list[np.ndarray]) -> list[float]:
        out = []
        for n in range(0, len(masks), 16):
            away = torch.from_numpy(np.stack(masks[n : n + 16])).to(gradients.device)[:, None]
            mixed = torch.where(away, low, full)
            with torch.no_grad():
                theta = torch.sinh(gradients.model(mixed, told.expand(len(mixed), -1))).cpu().numpy()
            out += [scalar.of(gradients.grid, each, float(1 - path.condition[0]))[0] for each in theta]
        return out

    return curves(values, score, rng)


def interval(values: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float]:
    """Mean, and the 95 % interval of a bootstrap over cases."""
    means = values[rng.integers(0, len(values), (DRAWS, len(values)))].mean(1)
    return float(values.mean()), *(float(q) for q in np.quantile(means, [0.025, 0.975]))


def summary(cases: list[dict[str, float]], rng: np.random.Generator) -> dict[str, list[float]]:
    """Areas, and how far the map is ahead of random and reverse orders, with intervals."""
    told = [case for case in cases if all(np.isfinite(v) and abs(v) < 5 for v in case.values())]
    table = {name: np.array([case[name] for case in told]) for name in told[0]}
    for kind in ("deletion", "insertion"):
        for other in ("random", "reverse"):
            table[f"{kind}: map - {other}"] = table[f"{kind} map"] - table[f"{kind} {other}"]
    return {name: [*interval(values, rng)] for name, values in table.items()} | {"cases": [float(len(told))]}
