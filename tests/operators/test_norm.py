"""Laws of the norm: torch's own numbers and gradients, and torch's own path where nothing is trained."""

import pytest
import torch
from torch.nn import functional

from operators.nets.norm import RmsNorm


@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 6, 4, 8)], ids=str)
@pytest.mark.parametrize("turned", [False, True], ids=["in one piece", "a view"])
def test_numbers_and_gradients_are_torchs(shape: tuple[int, ...], turned: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    norm = RmsNorm(shape[-1]).double()
    norm.weight.data = torch.randn(shape[-1], generator=draw, dtype=torch.float64)
    x = torch.randn(shape, generator=draw, dtype=torch.float64)
    x = (x.mT.contiguous().mT if turned and x.dim() > 1 else x).requires_grad_()
    grad = torch.randn(shape, generator=draw, dtype=torch.float64)
    ours, own = norm(x), functional.rms_norm(x, (shape[-1],), norm.weight, torch.finfo(torch.float64).eps)
    assert "_Trained" in type(ours.grad_fn).__name__
    torch.testing.assert_close(ours, own, rtol=1e-12, atol=1e-14)
    for a, b in zip(*(torch.autograd.grad(y, (x, norm.weight), grad) for y in (ours, own)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_nothing_in_is_nothing_out_and_no_gradient_breaks() -> None:
    norm, x = RmsNorm(4), torch.zeros(3, 4, requires_grad=True)
    norm(x).sum().backward()
    assert x.grad.isfinite().all()


def test_what_is_not_trained_goes_torchs_way() -> None:
    norm, x = RmsNorm(4), torch.randn(3, 4, requires_grad=True)
    assert "_Trained" not in type(norm.eval()(x).grad_fn).__name__
    with torch.no_grad():
        assert norm.train()(x).grad_fn is None
