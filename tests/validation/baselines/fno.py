"""Fno: the Fourier neural operator as its authors' package `neuraloperator` builds it (arXiv 2010.08895; MIT)."""

from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from operators.problem import Geometry

REMEDY = (
    "the FNO is neuraloperator's own: pip install neuraloperator "
    "(or, lighter: pip install --no-deps neuraloperator tensorly tensorly-torch opt-einsum, and scipy requests)"
)


class Complex(nn.Module):
    """Complex weights kept as two real ones: counted by what they hold, and stepped by any optimiser."""

    def forward(self, real: Float[Tensor, "*w"], imaginary: Float[Tensor, "*w"]) -> Tensor:
        return torch.complex(real, imaginary)

    def right_inverse(self, weights: Tensor) -> tuple[Float[Tensor, "*w"], Float[Tensor, "*w"]]:
        return weights.real.contiguous(), weights.imag.contiguous()


class Fno(nn.Module):
    """Four Fourier layers. `modes` are frequencies along an axis, at most half its points (the package counts positive
    and negative ones: twice as many). Coordinates are given to it where the grid is not periodic; where it is, it
    commutes with shifts."""

    def __init__(self, geometry: Geometry, inputs: int, outputs: int, width: int, modes: int = 12) -> None:
        super().__init__()
        if geometry.shape is None:
            raise ValueError("an FNO needs a grid: this geometry is a cloud without a shape")
        try:
            from neuralop.models import FNO
        except ImportError as absent:
            raise ImportError(REMEDY) from absent
        self.shape = geometry.shape
        self.net = FNO(
            n_modes=tuple(2 * min(modes, n // 2) for n in geometry.shape),
            in_channels=inputs,
            out_channels=outputs,
            hidden_channels=width,
            n_layers=4,
            positional_embedding=None if geometry.periodic else "grid",
        )
        for convolution in self.net.fno_blocks.convs:
            weight = convolution.weight.tensor.detach()
            del convolution.weight  # a module of tltorch, which does not allow parametrizations
            convolution.weight = nn.Parameter(weight)
            register_parametrization(convolution, "weight", Complex())

    def forward(
        self, given: Float[Tensor, "b point inputs"], where: Float[Tensor, "b point dim"]
    ) -> Float[Tensor, "b point outputs"]:
        fields = rearrange(given, "b point c -> b c point").unflatten(-1, self.shape)
        return rearrange(self.net(fields), "b c ... -> b (...) c")

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Tensors alone: the package puts its arguments among them (its issue 700)."""
        told = super().state_dict(*args, **kwargs)
        for name in [name for name, value in told.items() if not isinstance(value, Tensor)]:
            del told[name]
        return told
