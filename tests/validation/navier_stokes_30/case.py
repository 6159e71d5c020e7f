"""Two-dimensional Navier-Stokes at nu = 1e-3 on 30 x 30: see README.md beside this."""

from operators.problem import March
from tests.validation.navier_stokes_30.flow import Flow, Row, Size

NAME = "navier_stokes_30"
SIZES = {  # trajectories to fit, for validation, for each test
    "smoke": Size(10, 4, 4, cells=40),
    "small": Size(120, 15, 30, cells=60),
    "medium": Size(400, 40, 80, cells=60),
    "full": Size(400, 40, 80, cells=60),
}
FLOW = Flow(NAME, 30, 1e-3, 1.0, SIZES)


def problem(budget: str, seed: int = 0) -> March:
    return FLOW.problem(budget, seed)


def classical(problem: March) -> dict[str, Row]:
    return FLOW.classical(problem)


def convergence() -> dict[str, float]:
    return FLOW.convergence()
