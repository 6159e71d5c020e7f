"""Laws of the flux operators: what is there is kept, floors hold, jumps are damped, and a sample stands alone."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from operators.nets import volumes
from operators.nets.conservative import BEYOND, RUNGE_KUTTA, FluxNo, HFluxNo, ViscousFluxNo, _Conservative
from operators.nets.context import Context
from operators.nets.fitted import Fitted
from operators.nets.hyper import Hyper, applied, applied_with_slopes
from operators.nets.viscous import Law, fastest, sides
from operators.nets.written import Written
from operators.problem import Geometry

SHAPES = [(24,), (8, 12), (4, 8, 4)]
LAGS = 5
FAMILY: list[Callable[..., nn.Module]] = [
    lambda g, c, **k: FluxNo(g, c, width=8, **k),
    lambda g, c, **k: HFluxNo(g, c, width=16, flux_width=8, reach=3, **k),
    lambda g, c, **k: ViscousFluxNo(g, c, Written(g, c, width=16, flux_width=8), **k),
    lambda g, c, **k: ViscousFluxNo(g, c, Fitted(g, c, width=8, features=3), **k),
]
family = pytest.mark.parametrize("make", FAMILY, ids=["flux-no", "hfluxno", "written", "fitted"])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def wild(module: nn.Module, size: float = 1.0) -> nn.Module:
    """With weights that nothing has tamed."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(size * torch.randn(p.shape, generator=draw) / max(1, p[0].numel()) ** 0.5)
    return module.double().eval()


def given(shape: tuple[int, ...], channels: int, batch: int = 3, steps: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    draw, n = torch.Generator().manual_seed(2), math.prod(shape)
    lags = torch.randn(batch, LAGS, n, channels, generator=draw, dtype=torch.float64)
    return lags, lags.new_zeros(batch, LAGS + steps, n, 0), lags.new_zeros(batch, n, 0)


@family
@pytest.mark.parametrize("shape", SHAPES, ids=["1-D", "2-D", "3-D"])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_in_a_periodic_box_the_sum_is_kept_to_round_off(make: Callable, shape: tuple[int, ...], channels: int) -> None:
    lags, forcing, static = given(shape, channels)
    with torch.no_grad():
        ahead = wild(make(Geometry.grid(*shape, periodic=True), channels))(lags, forcing, static)
    assert not torch.allclose(ahead[:, 0], lags[:, -1], atol=1e-3)  # it does something
    moved = (ahead.sum(2) - lags[:, -1:].sum(2)).abs() / ahead.abs().sum(2)
    assert moved.max() < 1e-13


@family
def test_between_walls_the_sum_changes_by_what_passes_the_outer_faces(make: Callable) -> None:
    geometry = Geometry.grid(8, 12)
    model = wild(make(geometry, 2, order=1), 0.1)
    u = given((8, 12), 2)[0]
    with torch.no_grad():
        read, first = model.read(u), u[:, -1].mT.unflatten(2, (8, 12))
        law = isinstance(model, ViscousFluxNo)
        steps, slowed = read.pace(first) if law else (None, None)
        fluxes = read.fluxes(first, slowed, steps, False) if law else model.fluxes(read, first)
        dt = 1 / 64
        ahead = model._stages(first, dt, lambda now: fluxes)
    passed = sum((g.narrow(2 + a, 0, 1) - g.narrow(2 + a, -1, 1)).sum((2, 3)) for a, g in enumerate(fluxes))
    assert passed.abs().min() > 1e-6
    torch.testing.assert_close((ahead - first).sum((2, 3)), dt * passed, rtol=1e-10, atol=1e-12)


@family
def test_a_batch_of_one_is_a_row_of_many(make: Callable) -> None:
    lags, forcing, static = given((24,), 1, batch=4, steps=3)
    lags = lags * torch.tensor([0.1, 1.0, 5.0, 20.0], dtype=lags.dtype)[:, None, None, None]  # waves of many speeds
    model = wild(make(Geometry.grid(24, periodic=True), 1), 0.3)
    with torch.no_grad():
        many = model(lags, forcing, static)
        alone = torch.cat([model(lags[i : i + 1], forcing[i : i + 1], static[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(many, alone, rtol=1e-10, atol=1e-12)


@family
def test_steps_at_once_are_steps_in_a_row_of_one_context(make: Callable) -> None:
    lags, forcing, static = given((24,), 1, steps=3)
    model = wild(make(Geometry.grid(24, periodic=True), 1), 0.3)
    with torch.no_grad():
        u, read = lags[:, -1].mT, model.read(lags)
        for found in model(lags, forcing, static).unbind(1):
            u = model.advance(read, u)
            torch.testing.assert_close(found, u.mT)


def test_a_flux_that_does_not_read_the_past_forgets_it_and_the_others_do_not() -> None:
    lags, forcing, static = given((24,), 1)
    other = lags.clone()
    other[:, 0] += 1
    for make, reads in zip(FAMILY, (False, True, True, True), strict=True):
        model = wild(make(Geometry.grid(24, periodic=True), 1))
        with torch.no_grad():
            same = torch.allclose(model(lags, forcing, static), model(other, forcing, static), atol=1e-9)
        assert same is not reads


class _Advection(_Conservative):
    """u_t + c u_x = 0 by fourth-order central differences: only the error of time is left on a smooth wave."""

    def __init__(self, n: int, order: int, speed: float) -> None:
        super().__init__(Geometry.grid(n, periodic=True), order, torch.tensor([-torch.inf]))
        self.speed = speed

    def fluxes(self, read: object, u: Tensor) -> volumes.Fluxes:
        cells = volumes.around(u, 0, 2, True)
        return [self.speed * (7 * (cells[..., 1] + cells[..., 2]) - cells[..., 0] - cells[..., 3]) / 12]


@pytest.mark.parametrize("order", list(RUNGE_KUTTA))
def test_time_steps_have_the_order_that_they_are_called_by(order: int) -> None:
    n, span = 64, 4.0
    wave = torch.exp(2j * math.pi * torch.arange(n).double() / n)
    model = _Advection(n, order, 1.0)
    turn = 2 * math.pi / n
    rate = -(16 * math.sin(turn) - 2 * math.sin(2 * turn)) / 12 * 1j  # of this wave under these differences, exactly
    wanted = (wave * torch.exp(torch.tensor(rate * span))).real[None, None]
    errors = []
    for steps in (8, 16, 32):
        u = wave.real[None, None]
        for _ in range(steps):
            u = model._stages(u, span / steps, lambda now: model.fluxes(None, now))
        errors.append(float((u - wanted).abs().max()))
    orders = [math.log2(a / b) for a, b in zip(errors[:-1], errors[1:], strict=True)]
    assert min(orders) > order - 0.1


@pytest.mark.parametrize("order", list(RUNGE_KUTTA))
def test_thousands_of_steps_in_single_precision_keep_the_sum(order: int) -> None:
    """Rounding wanders; shares of stages that do not add up to 1 would move it the same way in every step."""
    u = 1 + torch.rand(8, 1, 64, generator=torch.Generator().manual_seed(0))
    model, before = _Advection(64, order, 0.2), u.double().sum(2)
    upwind = lambda now: [0.3 * volumes.around(now, 0, 1, True)[..., 0]]  # noqa: E731
    with torch.no_grad():
        for _ in range(2000):
            u = model._stages(u, 1.0, upwind)
    assert ((u.double().sum(2) - before) / before).abs().max() < 2e-6


@pytest.mark.parametrize("periodic", [True, False])
def test_a_floor_holds_under_any_flux_and_nothing_is_lost(periodic: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    u = torch.rand(5, 2, 6, 7, generator=draw).double()
    wild_fluxes = [torch.randn(5, 2, 7, 7, generator=draw).double(), torch.randn(5, 2, 6, 8, generator=draw).double()]
    if periodic:
        wild_fluxes = [
            torch.cat([g, g.narrow(2 + a, 0, 1)], 2 + a)
            for a, g in enumerate(g.narrow(2 + a, 0, g.shape[2 + a] - 1) for a, g in enumerate(wild_fluxes))
        ]
    floor, spacing = torch.tensor([0.0, -torch.inf]).double(), (1.0, 0.5)
    kept = volumes.kept_above(u, wild_fluxes, spacing, 1.0, floor, periodic)
    ahead = u + volumes.gain(kept, spacing)
    assert (u + volumes.gain(wild_fluxes, spacing))[:, 0].min() < -0.5  # they would have
    assert ahead[:, 0].min() > -1e-12
    single = u.float()
    kept_single = volumes.kept_above(single, [g.float() for g in wild_fluxes], spacing, 1.0, floor.float(), periodic)
    assert (single + volumes.gain(kept_single, spacing))[:, 0].min() >= 0, "not even by rounding"
    under = volumes.kept_below(u, kept, spacing, 1.0, torch.tensor([1.0, 0.9]).double(), periodic)
    both = u + volumes.gain(under, spacing)
    assert both[:, 0].min() > -1e-12
    assert both[:, 0].max() < 1 + 1e-12
    assert (both[:, 1] <= torch.maximum(u[:, 1], torch.tensor(0.9).double()) + 1e-12).all()
    for ours, told in zip(kept, wild_fluxes, strict=True):
        torch.testing.assert_close(ours[:, 1], told[:, 1])  # the channel without a floor is left alone
    if periodic:
        torch.testing.assert_close(ahead.sum((2, 3)), u.sum((2, 3)))


def test_gradients_at_a_floor_are_numbers() -> None:
    u = torch.tensor([[[0.0, 1.0, 0.0, 2.0], [1.0, -1.0, 0.0, 0.0]]], requires_grad=True)
    fluxes = [torch.tensor([[[1.0, -3.0, 2.0, 0.0, 1.0], [1.0, 0.0, -1.0, 2.0, 1.0]]], requires_grad=True)]
    floor = torch.tensor([0.0, -torch.inf])
    kept = volumes.kept_above(u, fluxes, (1.0,), 1.0, floor, True)
    for found in torch.autograd.grad(volumes.gain(kept, (1.0,)).square().sum(), (u, *fluxes)):
        assert found.isfinite().all()


def test_far_from_the_floor_fluxes_are_as_they_were() -> None:
    u, flux = torch.full((1, 1, 4), 10.0), [torch.tensor([[[1.0, -2.0, 3.0, -1.0, 1.0]]])]
    assert torch.equal(volumes.kept_above(u, flux, (1.0,), 1.0, torch.zeros(1), True)[0], flux[0])


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(24,), (8, 12)])
@pytest.mark.parametrize("size", [0.3, 1.0, 1.5, 3.0, 5.0])
def test_whatever_law_was_read_a_jump_makes_no_new_extremum(
    size: float, shape: tuple[int, ...], precision: torch.dtype
) -> None:
    """For one unknown, also where a net is so steep that few states do not show it; along a line the total variation
    does not grow either."""
    grid = Geometry.grid(*shape, periodic=True)
    model = wild(ViscousFluxNo(grid, 1, Written(grid, 1, width=16, flux_width=8)), size).to(precision)
    n, rounding = math.prod(shape), 1e-9 if precision is torch.float64 else 1e-5
    lags = given(shape, 1, batch=8, steps=6)[0].sign().to(precision)
    with torch.no_grad():
        ahead = model(lags, lags.new_zeros(8, LAGS + 6, n, 0), lags.new_zeros(8, n, 0))
    path = torch.cat([lags[:, -1:], ahead], 1)[..., 0]
    assert not torch.allclose(path[:, 1], path[:, 0], atol=1e-2)
    assert path.abs().max() <= 1 + rounding
    if len(shape) == 1:
        variation = (path - path.roll(1, -1)).abs().sum(-1)
        assert (variation.diff(dim=1) < n * rounding).all()


@pytest.mark.parametrize("make", FAMILY[2:], ids=["written", "fitted"])
@pytest.mark.parametrize("size", [1.0, 3.0])
def test_a_law_of_two_unknowns_that_was_read_wrongly_does_not_run_away(make: Callable, size: float) -> None:
    """A net at random has no real waves, which no dissipation damps: states stay near the range of the past, and the
    sum is kept."""
    model = wild(make(Geometry.grid(24, periodic=True), 2), size).float()
    lags, forcing, static = (x.float() for x in given((24,), 2, batch=4, steps=60))
    lags = lags.sign()
    with torch.no_grad():
        ahead = model(lags, forcing, static)
    assert ahead.abs().max() <= 1 + 2 * BEYOND + 1e-4
    assert (ahead.sum(2) - lags[:, -1:].sum(2)).abs().max() < 1e-4 * 24


@family
def test_a_sample_that_is_no_number_is_no_others_affair(make: Callable) -> None:
    model = wild(make(Geometry.grid(24, periodic=True), 1), 0.3)
    lags, forcing, static = given((24,), 1)
    broken = lags.clone()
    broken[1] = torch.nan
    with torch.no_grad():
        found, wanted = model(broken, forcing, static), model(lags, forcing, static)
    torch.testing.assert_close(found[[0, 2]], wanted[[0, 2]])


def test_limited_slopes_meet_lines_and_flatten_extrema() -> None:
    line = torch.arange(4.0)[None, None, None]
    left, right = sides(line)
    assert float(left) == float(right) == 1.5
    left, right = sides(torch.tensor([0.0, 1.0, 0.0, 0.0])[None, None, None])
    assert (float(left), float(right)) == (1.0, 0.0)


@pytest.mark.parametrize("shape", [(8,), (4, 6)])
@pytest.mark.parametrize("periodic", [True, False])
def test_finer_cells_hold_what_coarse_ones_held_and_make_no_extremum(shape: tuple[int, ...], periodic: bool) -> None:
    u = given(shape, 2)[0][:, 0].mT.unflatten(2, shape)
    fine = volumes.refined(u, 4, periodic)
    torch.testing.assert_close(volumes.coarsened(fine, 4), u)
    assert fine.max() <= u.max() + 1e-12
    assert fine.min() >= u.min() - 1e-12
    assert not torch.allclose(fine, u.repeat_interleave(4, 2).repeat_interleave(4 if len(shape) == 2 else 1, -1))


def test_a_law_in_finer_cells_is_the_same_law_drawn_sharper() -> None:
    """A jump carried along by a linear law: nearer to where it exactly is, and the sum still kept."""
    n, speed, steps = 40, 0.7, 10
    line = Geometry.grid(n, periodic=True)
    x = torch.arange(n).double()
    first = ((x >= 10) & (x < 20)).double()
    edges = torch.tensor([10.0, 20.0]).double() + speed * steps
    wanted = ((x + 1).clamp(max=edges[1]) - x.clamp(min=edges[0])).clamp(0, 1)
    law = Law(
        [[(torch.zeros(1, 1, 1).double(), torch.zeros(1, 1, 1).double())]],
        torch.full((1, 1, 1, 1), speed).double(),
        torch.zeros(1, 1).double(),
    )
    off = []
    for inner in (1, 4):
        model = ViscousFluxNo(line, 1, lambda lags: law, inner=inner).double().eval()
        found = model(first[None, None, :, None], torch.zeros(1, 1 + steps, n, 0), torch.zeros(1, n, 0))[0, -1, :, 0]
        assert float(found.sum()) == pytest.approx(float(first.sum()), abs=1e-12)
        off.append(float((found - wanted).abs().mean()))
    assert off[1] < 0.5 * off[0]


@pytest.mark.parametrize("c", [1, 2, 3, 4])
def test_the_fastest_wave_is_no_slower_than_any_eigenvalue(c: int) -> None:
    slopes = torch.randn(2, 50, c, c, generator=torch.Generator().manual_seed(c)).double()
    found, exact = fastest(slopes), torch.linalg.eigvals(slopes).abs().amax(-1)
    assert (found >= exact - 1e-9).all()
    if c <= 2:
        torch.testing.assert_close(found, exact, rtol=1e-2, atol=2e-3)


def test_generated_nets_are_each_samples_own_and_their_slopes_those_of_autograd() -> None:
    hyper = wild(Hyper(6, (2, 5, 5, 2)), 0.5)
    code, x = torch.randn(3, 6).double(), torch.randn(3, 7, 2).double()
    layers = hyper(code)
    found = applied(layers, x)
    for i in range(3):
        alone = applied(hyper(code[i : i + 1]), x[i : i + 1])
        torch.testing.assert_close(found[i : i + 1], alone)
    values, slopes = applied_with_slopes(layers, x)
    for i in range(3):
        own = hyper(code[i : i + 1])
        for j in range(7):
            exact = torch.autograd.functional.jacobian(
                lambda p, own=own: applied_with_slopes(own, p[None, None])[0][0, 0], x[i, j]
            )
            torch.testing.assert_close(slopes[i, j], exact)
    assert values.shape == (3, 7, 2)


def test_a_context_reads_its_own_sample_and_every_frame_of_it() -> None:
    context = wild(Context(Geometry.grid(12, periodic=True), 1, width=16, heads=2))
    frames = given((12,), 1)[0]
    code = context(frames)
    changed = frames.clone()
    changed[1] += 1
    moved = (context(changed) - code).abs().amax(1)
    assert moved[1] > 1e-6
    assert moved[[0, 2]].max() < 1e-12
    for t in range(LAGS):
        changed = frames.clone()
        changed[:, t, 3] += 1
        assert (context(changed) - code).abs().max() > 1e-6


def test_what_cannot_be_built_is_refused() -> None:
    cloud = Geometry(torch.rand(10, 1), torch.full((10,), 0.1))
    with pytest.raises(ValueError, match="faces of a grid"):
        FluxNo(cloud, 1)
    with pytest.raises(ValueError, match="order of the time step"):
        FluxNo(Geometry.grid(8), 1, order=4)
    with pytest.raises(ValueError, match="want a grid whose sides they divide"):
        HFluxNo(Geometry.grid(10), 1)


@pytest.mark.parametrize("speed", [0.4, -1.3])
@pytest.mark.parametrize("nu", [0.0, 0.2])
def test_a_fitted_law_is_the_one_that_moved_the_frames(speed: float, nu: float) -> None:
    """A linear law, solved exactly: speed and diffusivity in cells and steps come out untrained."""
    n, waves = 60, torch.arange(1, 4).double()
    x, t = torch.arange(n).double() / n, torch.arange(12).double()
    k = 2 * math.pi * waves / n
    angles = 2 * math.pi * waves[:, None, None] * x - k[:, None, None] * speed * t[:, None] + waves[:, None, None]
    frames = (torch.exp(-nu * k**2 * 1.0)[:, None, None] ** t[:, None] * angles.cos()).sum(0)
    fitted = Fitted(Geometry.grid(n, periodic=True), 1, width=8, features=3).double()
    with torch.no_grad():
        fitted.basis[-2].zero_()  # no basis but the linear one
        law = fitted(frames[None, :, :, None])
    assert float(law.linear) == pytest.approx(speed, rel=5e-3)
    assert float(law.diffusivity) == pytest.approx(nu, abs=5e-3)


def test_a_code_does_not_know_the_grid() -> None:
    """The same frames on four times the cells: the same code, though a cell's units are others and the ridge is not
    nothing. Half of a viscosity would be lost to it otherwise."""
    found = []
    for n in (50, 200):
        x, t = (torch.arange(n).double() + 0.5) / n, torch.arange(12).double()
        angle = 2 * math.pi * (x - 0.01 * t[:, None])
        frames = torch.exp(-0.02 * t)[:, None] * angle.sin() + torch.exp(-0.08 * t)[:, None] * (2 * angle).cos()
        torch.manual_seed(0)
        fitted = Fitted(Geometry.grid(n, periodic=True), 1, width=8, features=3).double()
        with torch.no_grad():
            fitted.ridge.fill_(-4.0)
            found.append((fitted.code(frames[None, :, :, None])[0], fitted(frames[None, :, :, None]).diffusivity[0, 0]))
    (coarse, thick), (fine, thicker) = found
    assert (fine - coarse).norm() < 0.02 * coarse.norm()
    assert float(thicker / thick) == pytest.approx(16, rel=0.05)


def test_a_diffusivity_is_found_between_walls_too() -> None:
    n, nu, t = 40, 0.3, torch.arange(12).double()
    k = math.pi / n
    wave = torch.cos(k * (torch.arange(n).double() + 0.5))
    frames = torch.exp(-nu * k**2 * t)[:, None] * wave
    fitted = Fitted(Geometry.grid(n), 1, width=8, features=3).double()
    with torch.no_grad():
        fitted.basis[-2].zero_()
        fitted.ridge.fill_(-40.0)
        law = fitted(frames[None, :, :, None])
    assert float(law.diffusivity) == pytest.approx(nu, rel=2e-2)


def test_a_fit_wants_frames_to_fit() -> None:
    with pytest.raises(ValueError, match="3 past frames"):
        Fitted(Geometry.grid(10, periodic=True), 1)(torch.zeros(1, 2, 10, 1))
