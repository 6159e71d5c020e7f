"""Lorenz: the forced Lorenz system, as in ASNO (arXiv 2506.11328), whose own parameters and time step are not public.

    x' = 10 (y - x) + f_x,   y' = x (28 - z) - y + f_y,   z' = x y - 8/3 z + f_z

f is a sum of four sines per component, A sin(w t + p), A from [-5, 5], w from [.5, 3], p from [0, 2 pi]. The three
components are three points of one channel. dt is .05: at .01 a least-squares fit of 19 columns is better than the
figure that the paper prints, so one step there shows nothing.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from operators.learner import rollout
from operators.problem import Geometry, March, Trajectories

NAME = "lorenz"
DT, SUB = 0.05, 10
BURN = 100
LAGS, HORIZON = 5, 100
SIZES = {  # trajectories to fit, validate, test; steps of each
    "smoke": (16, 4, 4, 300),
    "small": (80, 10, 10, 1000),
    "medium": (80, 10, 10, 1000),
    "full": (80, 10, 10, 1000),
}
LONG = {"smoke": 400}  # steps of the test trajectories
LONGEST = 2000  # else: beyond 1,000 only statistics can be right


def slope(state: Tensor, force: Tensor) -> Tensor:
    x, y, z = state.unbind(-1)
    return torch.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], -1) + force


class Forcing:
    """The forcing of many trajectories at any time: (trajectory, 3)."""

    def __init__(self, count: int, draw: torch.Generator) -> None:
        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, 3, 4, generator=draw, dtype=torch.float64)

        self.height, self.pace, self.phase = uniform(-5, 5), uniform(0.5, 3), uniform(0, 2 * torch.pi)

    def __call__(self, time: float) -> Tensor:
        return (self.height * torch.sin(self.pace * time + self.phase)).sum(-1)


def solve(state: Tensor, force: Callable[[float], Tensor], start: float, steps: int, sub: int = SUB) -> Tensor:
    """States at start + dt, ..., by the classical fourth-order Runge-Kutta method with `sub` steps each."""
    states, h, time = [], DT / sub, start
    for _ in range(steps):
        for _ in range(sub):
            a = slope(state, force(time))
            middle = force(time + h / 2)
            b = slope(state + h / 2 * a, middle)
            c = slope(state + h / 2 * b, middle)
            d = slope(state + h * c, force(time + h))
            state, time = state + h / 6 * (a + 2 * b + 2 * c + d), time + h
        states.append(state)
    return torch.stack(states, 1)


def trajectories(count: int, steps: int, seed: int) -> Trajectories:
    """On the attractor, with the forcing at the times of the states."""
    draw = torch.Generator().manual_seed(seed)
    force = Forcing(count, draw)
    start = 5 * torch.randn(count, 3, generator=draw, dtype=torch.float64) + torch.tensor([0.0, 0.0, 25.0])
    begun = solve(start, force, 0.0, BURN)[:, -1]
    states = torch.cat([begun[:, None], solve(begun, force, BURN * DT, steps - 1)], 1)
    forces = torch.stack([force((BURN + t) * DT) for t in range(steps)], 1)
    return Trajectories.of(states[..., None], forces[..., None])


def problem(budget: str, seed: int = 0) -> March:
    fit, validation, test, steps = SIZES[budget]
    long = LONG.get(budget, LONGEST)
    points = torch.linspace(0, 1, 3)[:, None]
    parts = [
        trajectories(n, s, 3 * seed + k) for k, (n, s) in enumerate([(fit, steps), (validation, steps), (test, long)])
    ]
    about = {"solver": f"RK4, {SUB} steps a dt", "trajectories": [fit, validation, test], "steps": [steps, long]}
    return March(
        NAME, Geometry(points, torch.full((3,), 1 / 3)), DT, LAGS, parts[0], parts[1], {"id": parts[2]}, HORIZON,
        about | {"seed": seed},
    )  # fmt: skip


def classical(problem: March) -> dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]]:
    """The solver itself, which knows the equation; the forcing between two times is a straight line."""

    def step(lags: Tensor, forcing: Tensor, static: Tensor) -> Tensor:
        past, plan = (forcing[:, k, :, 0].double() for k in (lags.shape[1] - 1, lags.shape[1]))
        state = lags[:, -1, :, 0].double()
        ahead = solve(state, lambda time: past + (plan - past) * (time / DT), 0.0, 1)
        return ahead[:, 0, :, None].float()

    return {"runge-kutta": step}


def convergence() -> dict[str, float]:
    """Error over a quarter of a time unit at 5 and 10 steps a dt against 80, and the order between them."""
    draw = torch.Generator().manual_seed(9)
    force = Forcing(20, draw)
    start = 5 * torch.randn(20, 3, generator=draw, dtype=torch.float64) + torch.tensor([0.0, 0.0, 25.0])
    fine = solve(start, force, 0.0, 5, 80)[:, -1]
    errors = [float((solve(start, force, 0.0, 5, sub)[:, -1] - fine).norm() / fine.norm()) for sub in (5, 10)]
    return {
        "error at 5": errors[0],
        "error at 10": errors[1],
        "order": float(torch.log2(torch.tensor(errors[0] / errors[1]))),
    }


def valid_time(found: Tensor, wanted: Tensor) -> Tensor:
    """Time units until the error of a rollout passes .4 of the spread of the attractor: (rollout)."""
    spread = wanted.flatten(0, 1).std(0).norm()
    wrong = (found - wanted).flatten(2).norm(dim=2) / spread > 0.4
    first = torch.where(wrong.any(1), wrong.float().argmax(1), wrong.shape[1])
    return first * DT


def statistics(found: Tensor, wanted: Tensor) -> Tensor:
    """How far apart the attractors lie: mean over components of the Wasserstein distance between the two
    distributions, over the spread. found, wanted: (trajectory, time, 3, 1)."""
    levels = torch.linspace(0.005, 0.995, 100)
    apart = []
    for component in range(3):
        a, b = (
            torch.quantile(v[:, ::4, component].flatten()[:100_000].nan_to_num(1e3).clamp(-1e3, 1e3), levels)
            for v in (found, wanted)
        )
        apart.append((a - b).abs().mean() / wanted[:, :, component].std())
    return torch.stack(apart).mean()


def extra(
    stepper: Callable[[Tensor, Tensor, Tensor], Tensor], problem: March, part: Trajectories, steps: int = 1
) -> dict[str, float]:
    """valid time (mean over trajectories, time units), and statistics: of the second half of one long rollout."""
    n = problem.lags
    with torch.no_grad():
        found = rollout(stepper, part.state[:, :n], part.forcing, part.static, steps)
    wanted = part.state[:, n:]
    half = wanted.shape[1] // 2
    return {
        "valid time": float(valid_time(found[:, :400].nan_to_num(1e3), wanted[:, :400]).mean()),
        "statistics": float(statistics(found[:, half:], wanted[:, half:])),
    }
