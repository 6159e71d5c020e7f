"""The laws' fluxes and speeds, their solver against exact solutions, what is drawn, and the fit of the coefficients."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.validation.laws import draws, fitted, muscl, riemann
from tests.validation.laws.law import Burgers, Cubic, Law, Scalar, ShallowWater, Sine


def law(kind: type[Law], *coefficients: float) -> Law:
    """Of one trajectory."""
    return kind(*(torch.tensor([c], dtype=torch.float64) for c in coefficients))


NON_CONVEX = law(Cubic, 1.0, -0.2, -0.4)
WAVE = law(Sine, 0.9, -0.95)
CONVEX = law(Burgers, 0.8, 0.0)
WATER = law(ShallowWater, 0.8, 1.2, 9.0)
SCALARS = [NON_CONVEX, law(Cubic, 0.0, 0.5, 0.1), WAVE, CONVEX, law(Burgers, 1.2, 0.012)]


def several(seed: int, count: int = 6) -> list[tuple[Law, Tensor]]:
    """Laws with smooth and with stepped first states on 100 cells."""
    random = np.random.default_rng(seed)
    one = (-1.0, 1.0)
    scalars = [
        Cubic(*draws.uniform(random, count, one, one, one)),
        Sine(*draws.uniform(random, count, one, one)),
        Burgers(*draws.uniform(random, count, (0.5, 1.5), (0.005, 0.015))),
    ]
    found: list[tuple[Law, Tensor]] = [
        (each, draw(random, count)) for each in scalars for draw in (draws.smooth, draws.steps)
    ]
    gamma, alpha = torch.stack(draws.uniform(random, count, (0.5, 1.5), (0.5, 1.5))).sort(0).values
    water = ShallowWater(gamma, alpha, *draws.uniform(random, count, (8.0, 12.0)))
    for height in ((draws.smooth(random, count) / 2).exp(), draws.steps(random, count, 0.5, 4.5)):
        found.append((water, torch.cat([height, height * draws.steps(random, count)], 1)))
    return [(each, muscl.coarsen(first, 100)) for each, first in found]


def mean_error(found: Tensor, exact: Tensor) -> float:
    """L1 on the unit line, a mean over the channels."""
    return float((found - exact).abs().mean())


def order(error: Callable[[int], float], coarse: int, fine: int) -> float:
    return math.log2(error(coarse) / error(fine)) / math.log2(fine / coarse)


def ended(each: Law, first: Tensor, time: float) -> Tensor:
    """ "channel cell", of the one trajectory."""
    return muscl.run(each, first[None], time, 2)[0, 1]


def test_numerical_fluxes_are_consistent() -> None:
    for each, u in several(0):
        torch.testing.assert_close(each.through(u, u)[0], each.flux(u))


@pytest.mark.parametrize("each", SCALARS, ids=lambda each: type(each).__name__)
def test_the_speed_is_the_largest_slope_of_the_flux_between_two_states(each: Scalar) -> None:
    left, right = 7 * torch.rand(2, 1, 1, 60, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 3.5
    between = (left + torch.linspace(0, 1, 4001, dtype=torch.float64)[:, None] * (right - left)).requires_grad_()
    (slope,) = torch.autograd.grad(each.flux(between).sum(), between)
    wanted = slope.abs().amax(1, keepdim=True)
    torch.testing.assert_close(each.speed(left, right), wanted, rtol=1e-5, atol=1e-5)


def test_what_is_conserved_is_conserved_to_round_off() -> None:
    for each, first in several(1):
        frames = muscl.run(each, first, 0.005, 41)
        drift = (frames.mean(-1) - first[:, None].mean(-1)).abs().max()
        assert drift < 1e-13 * first.abs().max() * 41


def test_scalar_laws_make_no_new_extrema_and_no_new_variation() -> None:
    for each, first in several(2):
        if isinstance(each, Scalar):
            frames = muscl.run(each, first, 0.005, 41)[:, :, 0]
            top, bottom, variation = frames.amax(-1), frames.amin(-1), (frames - frames.roll(1, -1)).abs().sum(-1)
            assert (top.diff() < 1e-12).all()
            assert (bottom.diff() > -1e-12).all()
            assert (variation.diff() < 1e-10).all()


def test_there_is_water_everywhere_and_waves_have_speeds() -> None:
    for each, first in several(3, count=24):
        if isinstance(each, ShallowWater):
            frames = muscl.run(each, first, 0.005, 81)
            assert frames[:, :, 0].min() > 0.05
    dam = torch.ones(2, 200, dtype=torch.float64)
    dam[1] = 0
    dam[0, 50:150] = 0.05
    assert ended(WATER, dam, 0.05)[0].min() > 0.02


def test_water_mirrors() -> None:
    each, first = several(4)[-1]
    flip = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    ahead = muscl.run(each, first, 0.005, 11)
    back = muscl.run(each, flip * first.flip(-1), 0.005, 11)
    torch.testing.assert_close(flip * back.flip(-1), ahead, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("each", [NON_CONVEX, WAVE, CONVEX], ids=lambda each: type(each).__name__)
def test_smooth_scalar_solutions_converge_at_second_order(each: Scalar) -> None:
    first = lambda x: 0.3 + 0.5 * torch.sin(2 * math.pi * x)  # noqa: E731

    def error(cells: int) -> float:
        start = riemann.smooth(each, first, 0.0, cells)
        return mean_error(ended(each, start[None], 0.08)[0], riemann.smooth(each, first, 0.08, cells))

    assert order(error, 100, 400) == pytest.approx(2, abs=0.25)
    assert error(400) < 1e-4


def test_viscous_waves_converge_to_those_of_cole_and_hopf() -> None:
    each = law(Burgers, 0.8, 0.01)

    def error(cells: int) -> float:
        start, exact = (riemann.sine_wave(each, 0.9, time, cells) for time in (0.0, 0.2))
        return mean_error(ended(each, start[None], 0.2)[0], exact)

    assert order(error, 100, 400) == pytest.approx(2, abs=0.25)
    assert error(400) < 1e-4


def test_smooth_water_converges_at_second_order() -> None:
    x = (torch.arange(3200, dtype=torch.float64) + 0.5) / 3200
    height = 1 + 0.1 * torch.sin(2 * math.pi * x)
    first = torch.stack([height, 0.2 * height * torch.cos(2 * math.pi * x)])
    exact = ended(WATER, muscl.coarsen(first, 1600), 0.05)

    def error(cells: int) -> float:
        return mean_error(ended(WATER, muscl.coarsen(first, cells), 0.05), muscl.coarsen(exact, cells))

    assert order(error, 50, 200) == pytest.approx(2, abs=0.3)


def jumps(exact: Callable[[Tensor, bool], Tensor], cells: int, time: float, samples: int = 16) -> Tensor:
    """Means of two Riemann problems, up at 1/4 and back at 3/4, before they meet."""
    x = (torch.arange(samples * cells, dtype=torch.float64) + 0.5) / (samples * cells)
    up, back = (exact((x - place) / time, first) for place, first in ((0.25, True), (0.75, False)))
    return torch.where(x < 0.5, up, back).unflatten(-1, (cells, samples)).mean(-1)


@pytest.mark.parametrize(
    ("each", "left", "right", "time"),
    [
        (law(Cubic, 1.0, 0.0, 0.0), -1.0, 1.0, 0.06),
        (NON_CONVEX, 0.9, 0.1, 0.1),
        (NON_CONVEX, -0.9, 0.8, 0.1),
        (law(Sine, 1.0, 1.0), -2.5, 2.0, 0.1),
        (CONVEX, -0.9, 0.8, 0.1),
    ],
)
def test_scalar_riemann_problems_are_approached(each: Scalar, left: float, right: float, time: float) -> None:
    """Those of the first flux, of both signs of f", are where limiters that are steeper settle on wrong shocks."""

    def error(cells: int) -> float:
        exact = lambda xi, first: riemann.scalar(each, *((left, right) if first else (right, left)), xi)  # noqa: E731
        start = torch.full((1, cells), left, dtype=torch.float64)
        start[:, cells // 4 : 3 * cells // 4] = right
        return mean_error(ended(each, start, time)[0], jumps(exact, cells, time))

    assert order(error, 100, 400) > 0.8
    assert error(400) < 0.01


def test_the_hull_of_a_convex_flux_gives_the_textbook_solution() -> None:
    xi = torch.linspace(-2, 2, 401, dtype=torch.float64)
    fan = (xi / 1.6).clamp(-0.4, 0.7)
    torch.testing.assert_close(riemann.scalar(CONVEX, -0.4, 0.7, xi), fan, rtol=0, atol=1e-3)
    shock = torch.where(xi < 0.8 * (0.7 - 0.4), 0.7, -0.4).double()
    apart = (xi - 0.8 * 0.3).abs() > 1e-9
    torch.testing.assert_close(riemann.scalar(CONVEX, 0.7, -0.4, xi)[apart], shock[apart])


def test_a_cubic_joins_a_shock_to_a_fan() -> None:
    """f = u^3 from -1 to 1: a shock from -1 to 1/2 at speed 3/4, where it touches the flux, then sqrt(xi / 3)."""
    xi = torch.tensor([-1.0, 0.7, 0.8, 1.5, 2.9, 3.1], dtype=torch.float64)
    wanted = torch.tensor([-1, -1, (0.8 / 3) ** 0.5, 0.5**0.5, (2.9 / 3) ** 0.5, 1], dtype=torch.float64)
    torch.testing.assert_close(riemann.scalar(law(Cubic, 1.0, 0.0, 0.0), -1.0, 1.0, xi), wanted, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("left", "right"),
    [((1.0, 0.0), (3.0, 0.0)), ((2.0, 1.5), (2.0, -1.5)), ((2.0, -1.0), (1.5, 1.2)), ((0.7, 1.0), (3.0, 1.0))],
    ids=["dam", "two shocks", "two fans", "swift"],
)  # fmt: skip
def test_water_riemann_problems_are_approached(left: tuple[float, float], right: tuple[float, float]) -> None:
    time = 0.03

    def error(cells: int) -> float:
        exact = lambda xi, first: riemann.shallow_water(WATER, *((left, right) if first else (right, left)), xi)  # noqa: E731
        start = torch.tensor(left, dtype=torch.float64)[:, None].repeat(1, cells)
        start[:, cells // 4 : 3 * cells // 4] = torch.tensor(right, dtype=torch.float64)[:, None]
        return mean_error(ended(WATER, start, time), jumps(exact, cells, time))

    assert order(error, 100, 400) > 0.8
    assert error(400) < 0.05


def test_to_refine_and_average_is_to_leave_as_it_was() -> None:
    for _, u in several(5):
        fine = muscl.refine(u, 4)
        torch.testing.assert_close(muscl.coarsen(fine, 100), u)
        assert (fine.amax(-1) <= u.amax(-1) + 1e-12).all()
        assert (fine.amin(-1) >= u.amin(-1) - 1e-12).all()


def test_trajectories_do_not_see_each_other() -> None:
    """But for the length of their steps."""
    for each, first in several(6):
        together, alone = (
            muscl.run(some, u, 0.005, 3, 4) for some, u in ((each, first), (each.of(slice(2, 3)), first[2:3]))
        )
        torch.testing.assert_close(together[2:3], alone, rtol=0, atol=0.02)


def test_random_fields_have_their_covariance() -> None:
    fields = draws.smooth(np.random.default_rng(0), 6000)[:, 0]
    found = (fields[:, :1] * fields[:, ::200]).mean(0)
    distance = torch.arange(8, dtype=torch.float64) / 8
    torch.testing.assert_close(found, torch.exp(torch.cos(2 * math.pi * distance) - 1), rtol=0, atol=0.05)


def test_steps_have_two_to_five_pieces_within_their_heights() -> None:
    fields = draws.steps(np.random.default_rng(0), 400, 0.5, 4.5)[:, 0]
    assert fields.min() >= 0.5
    assert fields.max() <= 4.5
    jumps = fields != fields.roll(1, -1)
    assert set(jumps.sum(-1).tolist()) == {2, 3, 4, 5}
    assert not jumps.unflatten(-1, (100, -1))[..., 1:].any()


@pytest.mark.parametrize(
    ("fit", "each", "off"),
    [
        (fitted.cubic, law(Cubic, 0.6, -0.5, 0.8), 0.02),
        (fitted.burgers, law(Burgers, 0.8, 0.01), 0.02),
        (fitted.shallow_water, law(ShallowWater, 0.7, 1.3, 10.0), 0.05),
    ],
    ids=["cubic", "burgers", "shallow water"],
)
def test_the_fit_finds_the_coefficients(fit: Callable[[Tensor, float], Law], each: Law, off: float) -> None:
    first = muscl.coarsen(draws.smooth(np.random.default_rng(7), 2).transpose(0, 1), 400)
    if isinstance(each, ShallowWater):
        height = (first[:, :1] / 2).exp()
        first = torch.cat([height, height * first[:, 1:]], 1)
    else:
        first = first[:, :1]
    lags = muscl.coarsen(muscl.run(each, first, 0.005, 20), 100)
    for name, wanted in vars(each).items():
        assert getattr(fit(lags, 0.005), name).item() == pytest.approx(wanted.item(), rel=off)


def test_the_fit_takes_a_constant_state() -> None:
    found = fitted.cubic(torch.full((1, 20, 1, 100), 0.3, dtype=torch.float64), 0.005)
    assert all(abs(c.item()) < 1e-6 for c in vars(found).values())
