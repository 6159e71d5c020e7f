"""Bdf: the weights of the lags that an ASNO finds on linear dynamics, beside those of the one right rule.

y' = f for polynomials of degree k, f told at the planned time alone: y_{m+1} = sum alpha y + beta dt f_{m+1} is exact
for one set of numbers, those of BDF-k. What is trained is `operators.nets.asno.Asno`, whose value path is linear in
the lags; what is read are its weights of lags (`Asno.weights_of_lags`), oldest first.
"""

import torch
from torch import Tensor

from operators.nets import explicit
from operators.nets.asno import Asno
from operators.problem import Geometry

EXACT = {
    1: ([1.0], 1.0),
    2: ([-1 / 3, 4 / 3], 2 / 3),
    3: ([2 / 11, -9 / 11, 18 / 11], 6 / 11),
}


def recovered(k: int) -> tuple[list[float], float]:
    """(alpha, beta) as found."""
    draw = torch.Generator().manual_seed(0)
    times = torch.arange(-k, 1).float()  # dt = 1, planned time 0
    powers = torch.randn(64, k + 1, generator=draw)
    y = torch.stack([powers[:, p : p + 1] * (times / k) ** p for p in range(k + 1)]).sum(0)
    lags = y[:, :k, None, None]
    forcing = torch.zeros(64, k + 1, 1, 1)
    forcing[:, k, 0, 0] = powers[:, 1] / k  # the slope of y at the planned time
    static = torch.zeros(64, 1, 0)
    torch.manual_seed(0)
    step = explicit.Local(Geometry.grid(1), 1, 1, 0, k, width=8, heads=2, reach=0, depth=1)
    model = Asno(step, None)
    free = [step.persistence, step.given, step.out, step.drive, step.back.gain, step.driven.gain]
    optimiser = torch.optim.LBFGS(free, 1, 500, None, 1e-10, 1e-14, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        off = (model(lags, forcing, static)[:, 0, 0, 0] - y[:, k]).square().mean()
        off.backward()
        return off

    optimiser.step(loss)
    if not loss().item() < 1e-6:
        raise RuntimeError(f"BDF-{k}: the training has not come to its end")
    with torch.no_grad():
        found = model.weights_of_lags(lags, forcing, static).mean(0)
        one_more = forcing + torch.eye(k + 1)[k][:, None, None]
        pushed = (model(lags, one_more, static) - model(lags, forcing, static)).mean()
    return found.tolist(), float(pushed)


def errors() -> dict[str, float]:
    """Largest error of a coefficient over the largest coefficient, by k."""
    out = {}
    for k, (alpha, beta) in EXACT.items():
        found, pushed = recovered(k)
        largest = max(map(abs, [*alpha, beta]))
        off = [abs(a - b) for a, b in zip([*found, pushed], [*alpha, beta], strict=True)]
        out[f"BDF-{k}"] = max(off) / largest
    return out
