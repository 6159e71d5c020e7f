"""Green: the kernel that a nonlocal attention operator finds from pairs, beside the Green's function that made them.

Of -u'' + k^2 u on [0, 1] with u = 0 at its ends, G_k(x, y) = sinh(k x<) sinh(k (1 - x>))/(k sinh k); G_0 = x< (1 - x>)
of -u'' is never in the training. Pairs are those of the radial task, f(x) = int G(x, y) (u(y) - u(x)) dy, with its
noise, its learner and its measure of a kernel (off the diagonal, relative L2).
"""

import numpy as np
import torch

from tests.validation.harness.budgets import BUDGETS
from tests.validation.radial import case, nao
from tests.validation.radial.case import POINTS, SIZES, RadialTask

SEEN, UNSEEN = (1, 2, 3, 4, 6, 7, 8), (0,)


def function(k: float, points: int = POINTS) -> np.ndarray:
    """G_k at the cell centres."""
    x = (np.arange(points) + 0.5) / points
    low, high = np.minimum(x[:, None], x), np.maximum(x[:, None], x)
    if k == 0:
        return low * (1 - high)
    return np.sinh(k * low) * np.sinh(k * (1 - high)) / (k * np.sinh(k))


def matrix(k: float) -> np.ndarray:
    weights = function(k) / POINTS
    return weights - np.diag(weights.sum(1))


def problem(budget: str) -> RadialTask:
    fit, validation, test = SIZES[budget]
    draws = [(SEEN, fit), (SEEN, validation), (SEEN, test), (UNSEEN, len(SEEN) * test)]
    parts = [case.contexts(kernels, each, (7, n), matrix) for n, (kernels, each) in enumerate(draws)]
    points = torch.tensor((np.arange(POINTS) + 0.5) / POINTS, dtype=torch.float32)
    return RadialTask("green", points, parts[0], parts[1], {"id": parts[2], "ood": parts[3]})


def errors(budget: str, seconds: float | None = None) -> dict[str, float]:
    """Kernel errors of the NAO, of the mean of the kernels that it was trained by, and of free ridge."""
    task = problem(budget)
    model = nao.train(task, seconds or BUDGETS[budget].seconds).learner.model
    answers = {"NAO": model.kernel, **{n: a for n, a in case.classical(task).items() if n != "radial"}}
    out = {}
    with torch.no_grad():
        for name, answer in answers.items():
            for split, data in task.tests.items():
                found = answer(data.u, data.f)
                out[f"{name}, {'-u' + chr(39) * 2 if split == 'ood' else 'seen'}"] = float(
                    case.kernel_error(found, data.kernel).mean()
                )
    return out
