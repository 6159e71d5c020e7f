"""Laws of the baselines: they learn, samples are independent, and each keeps the symmetry it is built with; those in
context read their past."""

import importlib.util
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from operators.problem import Geometry, March, Trajectories
from tests.validation.baselines import fno
from tests.validation.baselines.deeponet import DeepOnet
from tests.validation.baselines.disco import STEPS, Disco
from tests.validation.baselines.dpot import Dpot, Mixer
from tests.validation.baselines.fno import Fno
from tests.validation.baselines.icon import EXAMPLES, Icon
from tests.validation.baselines.patches import Patches
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


READERS = [Dpot, Disco, Icon]
BOXES = [((20,), 1, True), ((21,), 2, False), ((8, 12), 2, True), ((4, 8, 4), 1, True)]
LAGS, AHEAD = 8, 3


def moving(shape: tuple[int, ...], channels: int = 1, periodic: bool = True, lags: int = LAGS) -> March:
    """Fields with forcing and something static, about nothing: what a reader may read."""
    geometry = Geometry.grid(*shape, periodic=periodic)
    points = len(geometry.points)
    every = Trajectories.of(
        torch.randn(4, lags + AHEAD, points, channels),
        torch.randn(4, lags + AHEAD, points, 1),
        torch.randn(4, points, 2),
    )
    return March("moving", geometry, 1.0, lags, every, every, {}, AHEAD)


def window(problem: March) -> tuple[Tensor, Tensor, Tensor]:
    """What it is asked: lags, the forcing then and at every planned time, and what is static."""
    fit = problem.fit
    return fit.state[:, : problem.lags], fit.forcing, fit.static


def roused(module: nn.Module) -> nn.Module:
    """Its last layer starts at nothing, or near it: with weights everywhere, everything that counts shows."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=draw))
    return module.eval()


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(("shape", "channels", "periodic"), BOXES, ids=lambda x: str(x))
def test_a_reader_gives_one_step_or_every_planned_one(
    kind: type[nn.Module], shape: tuple[int, ...], channels: int, periodic: bool
) -> None:
    problem = moving(shape, channels, periodic)
    model, (lags, forcing, static) = roused(kind(problem, 16)), window(problem)
    for ahead in (1, AHEAD):
        found = model(lags, forcing[:, : LAGS + ahead], static)
        assert found.shape == (4, ahead if kind is Disco else 1, len(problem.geometry.points), channels)
        assert found.isfinite().all()


@pytest.mark.parametrize("kind", READERS)
def test_a_reader_reads_its_own_sample_and_every_frame_that_it_is_told_of(kind: type[nn.Module]) -> None:
    """ICON's examples, pairs a step apart, leave some frames out where there are many: with twelve lags they are those
    of its docstring."""
    problem = moving((8, 8), lags=12)
    model, (lags, forcing, static) = roused(kind(problem, 16)), window(problem)
    known = model(lags, forcing, static)
    torch.testing.assert_close(model(lags[1:2], forcing[1:2], static[1:2]), known[1:2], rtol=1e-4, atol=1e-5)
    first = torch.linspace(0, 10, EXAMPLES).round().int().tolist()
    read = {*first, *(t + 1 for t in first), 11} if kind is Icon else set(range(12))
    for t in range(11):  # the newest is where it starts from, too
        other = lags.clone()
        other[0, t] += torch.randn(64, 1)
        moved = (model(other, forcing, static) - known).abs().amax((1, 2, 3))
        assert (moved[0] > 1e-6) == (t in read)
        assert moved[1:].max() < 1e-6
    for other in ((lags, forcing + 1, static), (lags, forcing, static + 1)):
        assert (model(*other) - known).abs().amax((1, 2, 3)).min() > 1e-6


@pytest.mark.parametrize("kind", [Dpot, Icon])
def test_what_gives_an_increment_starts_as_persistence(kind: type[nn.Module]) -> None:
    problem = moving((8, 8))
    lags, forcing, static = window(problem)
    torch.testing.assert_close(kind(problem, 16)(lags, forcing, static)[:, 0], lags[:, -1])


@pytest.mark.parametrize("kind", READERS)
def test_a_reader_wants_a_grid(kind: type[nn.Module]) -> None:
    problem = replace(moving((60,)), geometry=cloud())
    with pytest.raises(ValueError, match="grid"):
        kind(problem, 16)


def test_widths_that_do_not_divide_into_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="blocks"):
        Dpot(moving((8,)), 18)


def test_disco_reads_once_and_integrates_by_itself() -> None:
    """du/dt knows the state and the written weights alone: what is planned changes nothing, later steps go on from
    earlier ones by Runge and Kutta's weights, and where the net does not, nothing moves."""
    problem = moving((8, 12))
    model, (lags, forcing, static) = roused(Disco(problem, 16)), window(problem)
    known = model(lags, forcing, static)
    other = forcing.clone()
    other[:, LAGS + 1 :] += 1
    torch.testing.assert_close(model(lags, other, static), known)
    torch.testing.assert_close(model(lags, forcing[:, : LAGS + 1], static), known[:, :1])
    model._rate = lambda layers, u: -u
    decayed = model(lags, forcing, static)[:, -1] / lags[:, -1]
    h = 1 / STEPS
    once = 1 - h + h**2 / 2 - h**3 / 6 + h**4 / 24
    torch.testing.assert_close(decayed, torch.full_like(decayed, once ** (STEPS * AHEAD)))


def test_disco_on_a_periodic_grid_has_a_rate_that_commutes_with_shifts_by_two() -> None:
    """Of which its half resolution knows the parity."""
    problem = moving((8, 12), 2)
    model = roused(Disco(problem, 16))
    layers = [torch.randn(4, *size) / 3 for size in model.sizes]
    u = torch.randn(4, 2, 8, 12)
    shifted = model._rate(layers, u.roll((2, 4), (2, 3)))
    torch.testing.assert_close(shifted, model._rate(layers, u).roll((2, 4), (2, 3)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("shape", "side"), [((20,), 4), ((15, 10), 5), ((9,), 3), ((6, 10), 2), ((7, 4), 1)], ids=str)
def test_patches_are_cut_where_they_are_and_joined_there(shape: tuple[int, ...], side: int) -> None:
    problem = moving(shape)
    patches, (lags, forcing, static) = Patches(problem, 8), window(problem)
    assert patches.coarse == tuple(n // side for n in shape)
    nn.init.normal_(patches.out.weight)
    tokens = patches.cut(lags, forcing, static)
    assert tokens.shape == (4, LAGS, torch.Size(patches.coarse).numel(), 8)
    point = len(problem.geometry.points) - 1  # of the last patch
    other = lags.clone()
    other[:, 3, point] += 1
    moved = (patches.cut(other, forcing, static) - tokens).abs().amax((0, 3)) > 1e-6
    assert moved.nonzero().tolist() == [[3, tokens.shape[2] - 1]]
    one = torch.zeros(1, tokens.shape[2], 8)
    one[:, -1] = 1
    touched = patches.joined(one)[0, :, 0].view(shape).nonzero()
    assert (touched >= torch.tensor(shape) - side).all()
    assert len(touched) == side ** len(shape)


def test_a_mixers_layers_are_complex_the_same_at_every_wave_and_in_blocks() -> None:
    mixer, waves = roused(Mixer(8, (4, 6))), torch.randn(3, 4, 4, 4, 2, dtype=torch.complex64)
    real, turned = mixer._layer(waves.real, waves.imag, mixer.first, mixer.bias[0])
    weight, bias = torch.complex(*mixer.first), torch.complex(*mixer.bias[0])
    wanted = torch.stack([waves[..., k, :] @ weight[k] + bias[k] for k in range(4)], -2)
    torch.testing.assert_close(torch.complex(real, turned), wanted)
