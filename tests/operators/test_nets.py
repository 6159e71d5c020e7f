"""Laws of the architectures: attention over time and never over a batch, kernels that are what they say, quadrature."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from operators.nets import correction, explicit
from operators.nets.asno import Asno
from operators.nets.lrsa import Block, Lrsa
from operators.problem import Geometry
from tests.validation.attribution import bdf

GRID = Geometry.grid(6, 8)
PERIODIC = Geometry.grid(6, 8, periodic=True)
LINE = Geometry.grid(12, ends=True)  # its ends weigh half
CLOUD = Geometry(torch.rand(20, 2, generator=torch.Generator().manual_seed(0)), torch.full((20,), 1 / 20))
LAGS, CHANNELS, FORCING, STATIC = 3, 2, 1, 1
SIZES = CHANNELS, FORCING, STATIC


def loud(module: nn.Module) -> nn.Module:
    """With weights that do something: a fresh ASNO is persistence."""
    torch.manual_seed(1)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(torch.randn_like(p) * (0.5 if p.dim() > 1 else 0.2) / max(1, p[0].numel()) ** 0.5)
    return module.eval()


def sample(geometry: Geometry, batch: int = 3, steps: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(2)
    n = len(geometry.points)
    return (
        torch.randn(batch, LAGS, n, CHANNELS, generator=draw),
        torch.randn(batch, LAGS + steps, n, FORCING, generator=draw),
        torch.randn(batch, n, STATIC, generator=draw),
    )


def flat(geometry: Geometry, steps: int = 1) -> nn.Module:
    return explicit.Flat(geometry, *SIZES, LAGS, steps, width=16, heads=2)


def local(geometry: Geometry, steps: int = 1) -> nn.Module:
    return explicit.Local(geometry, *SIZES, LAGS, steps, width=16)


def full(geometry: Geometry) -> nn.Module:
    return correction.Full(geometry, *SIZES, width=16, heads=2)


def patched(geometry: Geometry) -> nn.Module:
    return correction.Patched(geometry, *SIZES, width=16, heads=2, patch=2)


def low_rank(geometry: Geometry) -> nn.Module:
    return correction.LowRank(geometry, *SIZES, width=16, heads=2, latents=5)


OPERATORS = [
    lambda g: Asno(flat(g), full(g)),
    lambda g: Asno(local(g), low_rank(g)),
    lambda g: Asno(local(g), None),
    lambda g: Asno(explicit.Local(g, *SIZES, LAGS, width=16, joint=True), None),
    lambda g: Asno(flat(g), patched(g)),
    lambda g: Asno(None, full(g)),
]
every = pytest.mark.parametrize(
    "make", OPERATORS, ids=["flat-full", "local-low-rank", "local", "joint", "flat-patched", "full"]
)


@every
def test_one_sample_of_a_batch_changes_no_other(make: object) -> None:
    """What the released code fails: it attends across the batch."""
    model = loud(make(GRID))
    lags, forcing, static = sample(GRID)
    before = model(lags, forcing, static)
    lags = lags.clone()
    lags[1] += 1
    after = model(lags, forcing, static)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.allclose(before[1], after[1])
    torch.testing.assert_close(model(lags[1:2], forcing[1:2], static[1:2]), after[1:2])


@pytest.mark.parametrize("make", OPERATORS[:3], ids=["flat-full", "local-low-rank", "local"])
@pytest.mark.parametrize("which", range(LAGS))
def test_every_lag_and_every_forcing_counts(make: object, which: int) -> None:
    model = loud(make(GRID))
    lags, forcing, static = sample(GRID)
    before = model(lags, forcing, static)
    for field, time in ((lags, which), (forcing, which), (forcing, LAGS), (static, None)):
        changed = field.clone()
        changed[slice(None) if time is None else (slice(None), time)] += 1
        given = [changed if f is field else f for f in (lags, forcing, static)]
        assert not torch.allclose(before, model(*given), atol=1e-5)


@pytest.mark.parametrize("driven", [True, False])
def test_a_flat_step_does_not_see_the_medium_and_may_leave_the_forcing_to_the_correction(driven: bool) -> None:
    model = loud(explicit.Flat(GRID, *SIZES, LAGS, width=16, driven=driven))
    lags, forcing, static = sample(GRID)
    before = model(lags, forcing, static)
    assert torch.equal(before, model(lags, forcing, static + 1))
    assert torch.equal(before, model(lags, forcing + 1, static)) != driven
    assert not torch.allclose(before, model(lags + 1, forcing, static))


def test_a_flat_step_adds_no_more_beyond_the_states_that_it_can_have_seen() -> None:
    """Or one rollout in ten that leaves an attractor grows by itself, and never comes back."""
    model = loud(explicit.Flat(GRID, *SIZES, LAGS, width=16))
    lags, forcing, static = sample(GRID)
    lags = 10 * lags / lags[:, -1:].square().mean((1, 2, 3), keepdim=True).sqrt()
    held = torch.einsum("kc,bkpc->bpc", model.backward_weights, lags)[:, None]
    added = [model(far * lags, forcing, static) - far * held for far in (0.01, 1.0, 100.0)]
    assert not torch.allclose(added[0], added[1], atol=1e-2)
    torch.testing.assert_close(added[2], added[1], rtol=1e-3, atol=2e-3)


@every
def test_a_fresh_one_is_near_persistence(make: object) -> None:
    torch.manual_seed(0)
    lags, forcing, static = sample(GRID)
    found = make(GRID).eval()(lags, torch.zeros_like(forcing), static)[:, 0]
    assert (found - lags[:, -1]).norm() < 0.02 * lags[:, -1].norm()


def patched_elsewhere(geometry: Geometry) -> nn.Module:
    """Made for a coarser grid than it stands on."""
    model = patched(Geometry.grid(*(n // 2 - n // 2 % 2 for n in geometry.shape)))
    model.stand_on(geometry)
    return model


@pytest.mark.parametrize(
    ("make", "geometry"),
    [
        *((m, g) for m in (full, low_rank) for g in (GRID, LINE, CLOUD)),
        (patched, GRID), (patched, LINE), (patched_elsewhere, GRID), (patched_elsewhere, LINE),
    ],
)  # fmt: skip
def test_kernels_are_the_step(make: object, geometry: Geometry) -> None:
    """X = H + K_h H + K_f F with the kernels as they are read, and it does not vanish without forcing."""
    model = loud(make(geometry))
    n = len(geometry.points)
    h, forcing, static = torch.randn(2, n, CHANNELS), torch.randn(2, n, FORCING), torch.randn(2, n, STATIC)
    of_h, of_f = model.kernels(h, forcing, static)
    built = h + torch.einsum("bqdpc,bpc->bqd", of_h, h) + torch.einsum("bqdpf,bpf->bqd", of_f, forcing)
    torch.testing.assert_close(model(h, forcing, static), built, atol=1e-5, rtol=1e-4)
    assert (model(h, torch.zeros_like(forcing), static) - h).abs().mean() > 1e-3
    rows = torch.tensor([5, 0, n - 1])
    for of_all, of_some in zip((of_h, of_f), model.kernels(h, forcing, static, rows), strict=True):
        torch.testing.assert_close(of_some, of_all[:, rows], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("make", [full, low_rank, patched], ids=["full", "low-rank", "patched"])
def test_a_correction_carries_over_to_another_resolution(make: object) -> None:
    """Integrals are sums with quadrature weights: the fields of two resolutions come together as both get finer, and a
    grid whose points crowd at one end gives what an even one does."""

    def fields(points: Tensor) -> list[Tensor]:
        x = points[:, 0]
        rows = [torch.stack([torch.sin(6 * x), torch.cos(4 * x)], -1), torch.exp(-x)[:, None], (x * x)[:, None]]
        return [r[None] for r in rows]

    model = loud(make(Geometry.grid(32)))

    def on(geometry: Geometry) -> Tensor:
        model.stand_on(geometry)
        return model(*fields(geometry.points))[0].detach()

    apart = []
    for n in (32, 64):
        coarse, fine = on(Geometry.grid(n)), on(Geometry.grid(4 * n)).view(n, 4, CHANNELS).mean(1)
        apart.append(float((fine - coarse).norm() / coarse.norm()))
    assert apart[0] < 0.05
    assert apart[1] < 0.6 * apart[0]
    edges = torch.linspace(0, 1, 257) ** 1.5
    crowded = Geometry(((edges[1:] + edges[:-1]) / 2)[:, None], edges.diff())
    even = Geometry.grid(256)
    near = on(even)[(crowded.points[:, 0][:, None] - even.points[:, 0]).abs().argmin(1)]
    assert (near - on(crowded)).norm() < 0.03 * near.norm()


@pytest.mark.parametrize("periodic", [True, False])
def test_patches_move_with_a_field_by_whole_patches(periodic: bool) -> None:
    """Cells go back to where they came from: without places in its tokens, a correction of a field that is moved by a
    patch along a periodic axis is its correction, moved; and on its own grid it is as fine as the grid."""
    grid = Geometry.grid(6, 8, periodic=periodic)
    model = loud(patched(grid))
    with torch.no_grad():
        for value in model.among.place.parameters():
            value.zero_()
    fields = [torch.randn(1, 48, size) for size in SIZES]

    def moved(x: Tensor) -> Tensor:
        return x.view(1, 6, 8, -1).roll((2, -4), (1, 2)).flatten(1, 2)

    torch.testing.assert_close(model(*(moved(x) for x in fields)), moved(model(*fields)), atol=1e-5, rtol=1e-4)
    one_cell = fields[0].clone()
    one_cell[0, 9] += 1
    assert (model(one_cell, *fields[1:]) - model(*fields)).abs().amin(-1).count_nonzero() > 40


def test_patches_refuse_what_they_do_not_divide_and_what_leaves_a_point_empty() -> None:
    for geometry in (CLOUD, Geometry.grid(9)):
        with pytest.raises(ValueError, match="patches of 2 want a grid"):
            patched(geometry)
    with pytest.raises(ValueError, match="none of these near"):
        patched(Geometry.grid(32)).stand_on(Geometry.grid(8))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_trained_on_linear_dynamics_the_weights_of_bdf_are_found(k: int) -> None:
    """y' = f for polynomials of degree k, f told at the planned time alone: exactly one linear rule is right,
    y_{m+1} = sum alpha y + beta dt f_{m+1}, and it is BDF-k's."""
    found, pushed = bdf.recovered(k)
    alpha, beta = bdf.EXACT[k]
    np.testing.assert_allclose(found, alpha, atol=0.01, rtol=0)
    assert pushed == pytest.approx(beta, abs=0.01)


both_steps = pytest.mark.parametrize("make", [flat, local], ids=["flat", "local"])


@both_steps
def test_a_forecast_in_a_bundle_knows_the_plan_until_then_and_none_of_later(make: object) -> None:
    model = loud(make(GRID, 3))
    lags, forcing, static = sample(GRID, steps=3)
    whole = model(lags, forcing, static)
    assert whole.shape == (3, 3, len(GRID.points), CHANNELS)
    for step in range(3):
        changed = forcing.clone()
        changed[:, LAGS + step] += 1
        found = model(lags, changed, static)
        assert torch.equal(found[:, :step], whole[:, :step])
        assert not torch.allclose(found[:, step], whole[:, step])


@both_steps
def test_a_shorter_plan_is_the_begin_of_the_bundle(make: object) -> None:
    model = loud(make(GRID, 3))
    lags, forcing, static = sample(GRID, steps=3)
    for ahead in (1, 2):
        found = model(lags, forcing[:, : LAGS + ahead], static)
        torch.testing.assert_close(found, model(lags, forcing, static)[:, :ahead])
    for wrong in ((lags[:, 1:], forcing[:, 1:]), (lags, forcing[:, :LAGS]), (lags, forcing.repeat(1, 2, 1, 1))):
        with pytest.raises(ValueError, match="3 lags and 1 to 3 planned times are wanted"):
            model(*wrong, static)


@pytest.mark.parametrize(
    "make", [*OPERATORS, lambda g: Asno(explicit.Local(PERIODIC, *SIZES, LAGS, width=16, modes=2, reach=0), None)],
    ids=["flat-full", "local-low-rank", "local", "joint", "flat-patched", "full", "modes"],
)  # fmt: skip
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_gradients_in_half_precision_are_near_single(make: object, precision: torch.dtype) -> None:
    model = loud(make(GRID)).train()
    given = sample(GRID)
    wanted = torch.randn_like(given[0][:, :1])

    def slopes(cast: torch.dtype | None) -> Tensor:
        model.zero_grad()
        with torch.autocast("cpu", cast, enabled=cast is not None):
            loss = (model(*given).float() - wanted).square().mean()
        loss.backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    single, half = slopes(None), slopes(precision)
    assert (half - single).norm() < (0.1 if precision is torch.bfloat16 else 0.02) * single.norm()


@every
def test_any_batch_exports(make: object) -> None:
    """One graph for every number of samples, the same numbers, and real arithmetic."""
    model = loud(make(GRID))
    batch = torch.export.Dim("batch", min=2, max=64)
    told = torch.export.export(model, sample(GRID), dynamic_shapes=({0: batch}, {0: batch}, {0: batch}))
    seven = sample(GRID, batch=7)
    torch.testing.assert_close(told.module()(*seven), model(*seven))
    assert not any("complex" in str(node.meta.get("val")) for node in told.graph.nodes)


@pytest.mark.parametrize("patch", [1, 2])
def test_a_local_step_sees_no_farther_than_its_stencils(patch: int) -> None:
    """A change at one cell changes H within depth x reach, and what lies in and around the patches there."""
    line = Geometry.grid(32)
    model = loud(explicit.Local(line, *SIZES, LAGS, width=16, patch=patch, reach=1, depth=2))
    lags, forcing, static = sample(line)
    changed = lags.clone()
    changed[:, -1, 15] += 1
    moved = (model(changed, forcing, static) - model(lags, forcing, static)).abs().sum((1, 3)) > 1e-6
    seen = torch.arange(32).sub(15).abs() <= 2 + 2 * patch  # stencils, a patch's kernel
    assert moved[:, 13:18].all()
    assert not moved[:, ~seen].any()


@pytest.mark.parametrize(("reach", "modes"), [(2, 0), (1, 2), (0, 3)])
def test_a_local_step_on_a_periodic_grid_commutes_with_shifts(reach: int, modes: int) -> None:
    periodic = Geometry.grid(6, 8, periodic=True)
    model = loud(explicit.Local(periodic, *SIZES, LAGS, width=16, patch=2, reach=reach, modes=modes))

    def rolled(fields: Tensor) -> Tensor:
        return fields.unflatten(-2, (6, 8)).roll((2, 4), (-3, -2)).flatten(-3, -2)

    given = sample(periodic)
    torch.testing.assert_close(model(*(rolled(g) for g in given)), rolled(model(*given)))


def test_lrsa_by_patches_is_as_fine_as_the_grid() -> None:
    """Every cell of a patch counts and is told apart; and a field moved by a patch gives what it gave, moved."""
    grid = Geometry.grid(6, 8, periodic=True)
    model = loud(Lrsa(grid, 3, 2, width=16, heads=2, latents=4, layers=2, patch=2))
    x, where = torch.randn(2, 48, 3), grid.points.expand(2, -1, -1)
    before = model(x, where)
    assert before.shape == (2, 48, 2)
    for cell in (0, 1, 8, 9):
        changed = x.clone()
        changed[0, cell] += 1
        after = model(changed, where)
        assert not torch.allclose(after[0], before[0], atol=1e-5)
        torch.testing.assert_close(after[1], before[1])
    cells = before[0, [0, 1, 8, 9]]
    assert (cells[:, None] - cells).abs().amax(-1)[~torch.eye(4, dtype=torch.bool)].min() > 1e-4
    with torch.no_grad():
        for value in model.place.parameters():
            value.zero_()

    def moved(fields: Tensor) -> Tensor:
        return fields.unflatten(1, (6, 8)).roll((2, -4), (1, 2)).flatten(1, 2)

    torch.testing.assert_close(model(moved(x), where), moved(model(x, where)), atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="want a grid"):
        Lrsa(CLOUD, 3, 2, width=16, heads=2, patch=2)


def test_a_local_step_wants_a_grid() -> None:
    for geometry, patch in ((GRID, 4), (CLOUD, 1)):
        with pytest.raises(ValueError, match="want a grid"):
            explicit.Local(geometry, *SIZES, LAGS, patch=patch)


def test_the_kernel_of_a_block_has_the_rank_of_its_latents() -> None:
    block = loud(Block(16, 2, 4))
    x = torch.randn(2, 30, 16)
    up, among, down = block.factors(x)
    kernel = up @ among @ down
    assert kernel.shape == (2, 30, 30)
    assert torch.linalg.matrix_rank(kernel, atol=1e-5).tolist() == [4, 4]
    for shares in (up, down):
        torch.testing.assert_close(shares.sum(-1), torch.ones_like(shares.sum(-1)))


def test_lrsa_on_a_cloud_does_not_see_the_order_of_points() -> None:
    model = loud(Lrsa(CLOUD, 3, 2, width=16, heads=2, latents=4, layers=2))
    x, where = torch.randn(2, 20, 3), CLOUD.points.expand(2, -1, -1)
    order = torch.randperm(20)
    torch.testing.assert_close(model(x[:, order], where[:, order]), model(x, where)[:, order], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_lrsa_in_half_precision_is_near_single(precision: torch.dtype) -> None:
    model = loud(Lrsa(GRID, 3, 2, width=16, heads=2, latents=8, layers=2))
    x, where = 30 * torch.randn(2, 48, 3), GRID.points.expand(2, -1, -1)
    single = model(x, where)
    with torch.autocast("cpu", precision):
        half = model(x, where)
    assert torch.isfinite(half).all()
    assert (half.float() - single).norm() < (0.05 if precision is torch.bfloat16 else 0.01) * single.norm()


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match="explicit step or a correction"):
        Asno(None, None)
    with pytest.raises(ValueError, match="no kernels"):
        Asno(local(GRID), None).kernels(*sample(GRID))
    with pytest.raises(ValueError, match="multiple of heads"):
        correction.Full(GRID, *SIZES, width=10, heads=4)
