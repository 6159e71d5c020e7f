"""Two-dimensional Navier-Stokes at nu = 1e-4 on 64 x 64: see README.md beside this."""

from operators.problem import March
from tests.validation.navier_stokes_30.flow import Flow, Row, Size

NAME = "navier_stokes_64"
SIZES = {  # trajectories to fit, for validation, for each test
    "smoke": Size(6, 2, 2, cells=64),
    "small": Size(60, 8, 12, cells=90),
    "medium": Size(200, 20, 40, cells=96),
    "full": Size(200, 20, 40, cells=96),
}
FLOW = Flow(NAME, 64, 1e-4, 0.5, SIZES)


def problem(budget: str, seed: int = 0) -> March:
    return FLOW.problem(budget, seed)


def classical(problem: March) -> dict[str, Row]:
    return FLOW.classical(problem)


def convergence() -> dict[str, float]:
    return FLOW.convergence()
