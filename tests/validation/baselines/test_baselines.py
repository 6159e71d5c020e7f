"""Laws of the baselines: they learn, samples are independent, and each keeps the symmetry it is built with."""

import importlib.util

import pytest
import torch
from torch import Tensor, nn

from operators.problem import Geometry, March, Trajectories
from tests.validation.baselines import fno
from tests.validation.baselines.deeponet import DeepOnet
from tests.validation.baselines.fno import Fno
from tests.validation.baselines.pod import Basis, Pod
from tests.validation.baselines.transformer import Transformer, patch_of
from tests.validation.baselines.transolver import Transolver
from tests.validation.baselines.unet import Unet

needs_neuralop = pytest.mark.skipif(importlib.util.find_spec("neuralop") is None, reason=fno.REMEDY)
FNO = pytest.param(Fno, marks=needs_neuralop)
GRID = [FNO, Unet]
ANY = [DeepOnet, Transformer, Transolver]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def cloud(count: int = 60) -> Geometry:
    return Geometry(torch.rand(count, 2), torch.full((count,), 1 / count))


def sample(geometry: Geometry, samples: int = 4, inputs: int = 2) -> tuple[Tensor, Tensor]:
    return torch.randn(samples, len(geometry.points), inputs), geometry.points.expand(samples, -1, -1)


@pytest.mark.parametrize("kind", GRID + ANY)
@pytest.mark.parametrize("shape", [(20,), (9, 12), (5, 4, 6)])
def test_fields_come_out_at_the_points_they_went_in_at(kind: type[nn.Module], shape: tuple[int, ...]) -> None:
    for periodic in (False, True):
        geometry = Geometry.grid(*shape, periodic=periodic)
        given, where = sample(geometry)
        out = kind(geometry, 2, 3, 8)(given, where)
        assert out.shape == (4, len(geometry.points), 3)
        assert out.isfinite().all()


@pytest.mark.parametrize("kind", GRID + ANY)
def test_each_learns_four_samples(kind: type[nn.Module]) -> None:
    geometry = Geometry.grid(8, 8)
    given, where = sample(geometry)
    wanted = given[..., :1].roll(9, 1) * given[..., 1:]
    model = kind(geometry, 2, 1, 32)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(400):
        loss = (model(given, where) - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if losses[-1] < 0.1 * losses[0]:
            return
    pytest.fail(f"the loss fell from {losses[0]:.3g} to {losses[-1]:.3g} only")


@pytest.mark.parametrize("kind", GRID + ANY)
def test_a_batch_of_one_is_a_row_of_many(kind: type[nn.Module]) -> None:
    geometry = Geometry.grid(8, 12)
    given, where = sample(geometry)
    model = kind(geometry, 2, 1, 16).eval()
    torch.testing.assert_close(model(given[2:3], where[2:3]), model(given, where)[2:3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", GRID + ANY)
def test_parameters_are_real_and_grow_with_width(kind: type[nn.Module]) -> None:
    geometry = Geometry.grid(16, 16)
    counts = []
    for width in (16, 24, 32, 64):
        model = kind(geometry, 1, 1, width)
        assert not any(p.is_complex() for p in model.parameters())
        counts.append(sum(p.numel() for p in model.parameters()))
    assert counts == sorted(set(counts))


@pytest.mark.parametrize("kind", [Transformer, Transolver])
def test_the_order_of_a_cloud_does_not_matter(kind: type[nn.Module]) -> None:
    geometry = cloud()
    given, where = sample(geometry)
    model, order = kind(geometry, 2, 1, 32).eval(), torch.randperm(60)
    torch.testing.assert_close(
        model(given[:, order], where[:, order]), model(given, where)[:, order], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("kind", [Transformer, Transolver])
def test_where_the_points_are_counts(kind: type[nn.Module]) -> None:
    geometry = cloud()
    given, where = sample(geometry)
    model = kind(geometry, 2, 1, 32).eval()
    assert (model(given, where.flip(1)) - model(given, where)).abs().max() > 1e-3


@needs_neuralop
@pytest.mark.parametrize("shape", [(32,), (12, 16), (8, 8, 8)])
def test_an_fno_on_a_periodic_grid_commutes_with_every_shift(shape: tuple[int, ...]) -> None:
    commutes(Fno, shape, tuple(range(1, len(shape) + 1)))


@pytest.mark.parametrize("shape", [(32,), (12, 16), (8, 8, 8)])
def test_a_unet_on_a_periodic_grid_commutes_with_shifts_by_its_stride(shape: tuple[int, ...]) -> None:
    commutes(Unet, shape, Unet(Geometry.grid(*shape, periodic=True), 2, 1, 8).stride)


def commutes(kind: type[nn.Module], shape: tuple[int, ...], by: tuple[int, ...]) -> None:
    geometry = Geometry.grid(*shape, periodic=True)
    given, where = sample(geometry)
    model, axes = kind(geometry, 2, 1, 16).eval(), tuple(range(1, len(shape) + 1))

    def shifted(fields: Tensor) -> Tensor:
        return fields.unflatten(1, shape).roll(by, axes).flatten(1, -2)

    before = model(given, where)
    torch.testing.assert_close(
        model(shifted(given), where), shifted(before), rtol=0, atol=1e-5 * before.abs().max().item()
    )


def test_a_unet_halves_only_axes_that_are_long() -> None:
    assert Unet(Geometry.grid(4, 64), 1, 1, 8).stride == (1, 4)
    assert Unet(Geometry.grid(5, 5), 1, 1, 8).stride == (1, 1)


@pytest.mark.parametrize("shape", [(5000,), (64, 64), (37, 41), (30, 20, 10)])
def test_patches_keep_tokens_at_or_below_a_thousand(shape: tuple[int, ...]) -> None:
    patch = patch_of(shape, 1024)
    assert torch.Size([-(-n // p) for n, p in zip(shape, patch, strict=True)]).numel() <= 1024


def test_cutting_into_patches_and_joining_gives_each_point_its_own_value() -> None:
    geometry = Geometry.grid(7, 9)
    model = Transformer(geometry, 1, 1, 8, most=16)
    given = torch.arange(63.0)
    held = given[model.held]
    assert held.numel() >= 63
    assert len(held) <= 16
    torch.testing.assert_close(held.flatten()[model.found], given, rtol=0, atol=0)


@pytest.mark.parametrize("kind", GRID)
def test_a_grid_model_refuses_a_cloud(kind: type[nn.Module]) -> None:
    with pytest.raises(ValueError, match="needs a grid"):
        kind(cloud(), 1, 1, 8)


def test_without_neuralop_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "neuralop.models", None)
    with pytest.raises(ImportError, match="pip install neuraloperator"):
        Fno(Geometry.grid(8), 1, 1, 8)


def march(lags: int = 2, trajectories: int = 12, times: int = 30) -> March:
    """Four oscillating modes on 40 points, pushed by one of two patterns of forcing."""
    modes = torch.linalg.qr(torch.randn(40, 4)).Q
    turn = torch.linalg.matrix_exp(torch.tensor([[0, 0.3, 0, 0], [-0.3, 0, 0, 0], [0, 0, 0, 0.5], [0, 0, -0.5, 0]]))
    push = torch.randn(trajectories, times, 2)
    a = torch.randn(trajectories, times, 4)
    for t in range(1, times):
        a[:, t] = a[:, t - 1] @ turn.T + 0.1 * push[:, t] @ torch.eye(2, 4)
    forcing = push @ torch.randn(2, 40)
    every = Trajectories.of((3 + a @ modes.T)[..., None], forcing[..., None])
    return March("linear", Geometry.grid(40), 1.0, lags, every, every, {}, 10)


def test_a_pod_finds_a_linear_system_of_low_rank() -> None:
    problem = march()
    model = Pod(problem, 16)
    assert (model.state.size, model.forcing.size, model.static.size) == (4, 2, 0)
    state, forcing = problem.fit.state, problem.fit.forcing
    lags = state.unfold(1, 2, 1)[:, :-1].permute(0, 1, 4, 2, 3).flatten(0, 1)
    plan = forcing.unfold(1, 3, 1).permute(0, 1, 4, 2, 3).flatten(0, 1)
    wanted = state[:, 2:].flatten(0, 1)
    static = problem.fit.static[:1].expand(len(lags), -1, -1)
    torch.testing.assert_close(model(lags, plan, static), lags[:, -1])  # before training: persistence
    persistence = (wanted - lags[:, -1]).square().mean()
    optimiser = torch.optim.LBFGS(model.linear.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        error = (model(lags, plan, static) - wanted).square().mean() / persistence
        error.backward()
        return error

    optimiser.step(loss)
    assert loss() < 1e-6


def test_what_the_basis_does_not_hold_is_carried_over() -> None:
    problem = march()
    model = Pod(problem, 16)
    nn.init.normal_(model.linear.weight)
    lags, plan, static = problem.fit.state[:1, :2], problem.fit.forcing[:1, :3], problem.fit.static[:1]
    foreign = torch.randn(1, 40, 1)
    held = model.state.field(model.state.coefficients(foreign + model.state.mean))
    more = lags + (foreign - held)[:, None]
    torch.testing.assert_close(model(more, plan, static) - model(lags, plan, static), foreign - held, atol=1e-4, rtol=0)


def test_a_basis_is_orthonormal_and_its_coefficients_have_unit_spread() -> None:
    fields = torch.randn(200, 5, 3) @ torch.randn(3, 3) * torch.tensor([1.0, 100.0, 1e-3])
    basis = Basis(fields, 64)
    assert basis.size == 15
    torch.testing.assert_close(basis.rows @ basis.rows.mT, torch.eye(15), atol=1e-5, rtol=0)
    coefficients = basis.coefficients(fields)
    torch.testing.assert_close(coefficients.square().mean(0), torch.ones(15), atol=1e-2, rtol=0)
    torch.testing.assert_close(basis.field(coefficients) + basis.mean, fields, rtol=1e-3, atol=1e-3)


@needs_neuralop
def test_an_fno_is_its_tensors() -> None:
    net = fno.Fno(Geometry.grid(8, 8), 1, 1, 8)
    told = torch.nn.Sequential(net).state_dict()
    assert all(isinstance(value, Tensor) for value in told.values())
    other = torch.nn.Sequential(fno.Fno(Geometry.grid(8, 8), 1, 1, 8))
    other.load_state_dict(told)
    x, where = torch.randn(2, 64, 1), torch.rand(2, 64, 2)
    torch.testing.assert_close(other[0](x, where), net(x, where))
