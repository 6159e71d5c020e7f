"""Laws of spectral layers: shifts pass through them, what they keep they keep whole, and velocities are among them."""

import math

import pytest
import torch
from torch import Tensor, nn

from operators.nets import explicit
from operators.nets.spectral import Spectral, waves
from operators.problem import Geometry

SHAPES = pytest.mark.parametrize("shape", [(15,), (9, 12), (6, 5, 8)], ids=["1d", "2d", "3d"])


def shifted(u: Tensor, by: int) -> Tensor:
    dims = tuple(range(2, u.dim()))
    return torch.roll(u, (by,) * len(dims), dims)


@SHAPES
def test_a_shift_passes_through(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer, u = Spectral(shape, 2, 3, 3), torch.randn(2, 2, *shape)
    out = layer(u)
    assert out.shape == (2, 3, *shape)
    assert out.abs().max() > 1e-3
    torch.testing.assert_close(layer(shifted(u, 2)), shifted(out, 2), atol=1e-5, rtol=1e-4)


def test_waves_are_orthonormal() -> None:
    both = waves(14, 6).flatten(0, 1)
    product = both @ both.T
    product[1, 1] += 1  # the mean has no sine
    torch.testing.assert_close(product, torch.eye(12), atol=1e-5, rtol=0)


def test_a_derivative_is_among_what_it_can_be() -> None:
    """J times the wave number: d/dx of waves within its modes, exactly."""
    n, x = 20, (torch.arange(20) + 0.5) / 20
    layer = Spectral((n,), 1, 1, 5)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[1, 0, 0] = -2 * math.pi * torch.arange(6)
    u = torch.sin(2 * math.pi * 3 * x) + torch.cos(2 * math.pi * x)
    wanted = 2 * math.pi * (3 * torch.cos(2 * math.pi * 3 * x) - torch.sin(2 * math.pi * x))
    torch.testing.assert_close(layer(u[None, None])[0, 0], wanted, atol=1e-4, rtol=1e-4)
    assert layer(torch.sin(2 * math.pi * 7 * x)[None, None]).abs().max() < 1e-3, "beyond its modes there is nothing"


def test_a_local_step_with_modes_sees_everywhere_and_shifts_pass_through() -> None:
    torch.manual_seed(0)
    geometry = Geometry.grid(12, 12, periodic=True)
    model = explicit.Local(geometry, 1, 1, 0, 3, width=16, modes=3).eval()
    nn.init.normal_(model.out, std=0.3)
    for far in model.far:
        nn.init.normal_(far.weight, std=0.1)
    lags, forcing, static = torch.randn(1, 3, 144, 1), torch.randn(1, 4, 144, 1), torch.zeros(1, 144, 0)
    before = model(lags, forcing, static)

    def rolled(u: Tensor) -> Tensor:
        return torch.roll(u.unflatten(2, (12, 12)), (5, 3), (2, 3)).flatten(2, 3)

    torch.testing.assert_close(model(rolled(lags), rolled(forcing), static), rolled(before), atol=1e-4, rtol=1e-3)
    lags = lags.clone()
    lags[0, -1, 0] += 1.0
    assert ((model(lags, forcing, static) - before).abs().amin() > 1e-7).all()
    with pytest.raises(ValueError, match="periodic"):
        explicit.Local(Geometry.grid(12, 12), 1, 1, 0, 3, width=16, modes=3)
