"""Correction: the second half of ASNO's step, implicit in the paper, by nonlocal attention over space.

    X(z) = H(z) + int K_h(z, z') H(z') dz' + int K_f(z, z') F(z') dz'

The printed Eq. 12 of arXiv 2506.11328 has K_f alone and vanishes with the forcing; this one does not. The kernels come
from J = layers of attention on [H, F] (Eq. 9-11); given them the step is linear in H and F, so a row of a kernel says
how much each place contributes to one. Integrals are sums over points with their quadrature weights inside the
softmax, so a kernel carries over to another resolution.

`Full` forms every pair (N^2); `LowRank` goes through M latents (N M), as LRSA does.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.nets.attention import Attention, Layer, Place, log_volume
from operators.nets.lrsa import Block
from operators.nets.norm import RmsNorm
from operators.problem import Geometry


class _Correction(nn.Module):
    """What both forms share: the tokens J, and how kernels and channels are put together."""

    def __init__(self, geometry: Geometry, channels: int, forcing: int, static: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.stand_on(geometry)
        self.join = nn.Linear(channels + forcing + static, width)
        self.place = Place(geometry.points.shape[1], width)
        self.norm = RmsNorm(width)
        self.value_h = nn.Parameter(torch.zeros(heads, channels, channels))
        self.value_f = nn.Parameter(torch.zeros(heads, forcing, channels)) if forcing else None

    def stand_on(self, geometry: Geometry) -> None:
        """Evaluate on these points from now on."""
        self.register_buffer("points", geometry.points.float(), persistent=False)
        self.register_buffer("log_volume", log_volume(geometry), persistent=False)

    def _tokens(self, h: Tensor, forcing: Tensor, static: Tensor) -> Tensor:
        tokens = self.join(torch.cat([h, forcing, static], -1)) + self.place(self.points)
        for layer in self.layers:
            tokens = layer(tokens, self.log_volume)
        return self.norm(tokens)

    def forward(
        self, h: Float[Tensor, "b point c"], forcing: Float[Tensor, "b point f"], static: Float[Tensor, "b point s"]
    ) -> Float[Tensor, "b point c"]:
        tokens = self._tokens(h, forcing, static)
        out = h + self._integral(tokens, 0, torch.einsum("bpc,hcd->bhpd", h, self.value_h))
        if self.value_f is not None:
            out = out + self._integral(tokens, 1, torch.einsum("bpf,hfd->bhpd", forcing, self.value_f))
        return out

    def kernels(
        self, h: Float[Tensor, "b point c"], forcing: Float[Tensor, "b point f"], static: Float[Tensor, "b point s"]
    ) -> tuple[Float[Tensor, "b q c p c"], Float[Tensor, "b q c p f"] | None]:
        """K_h and K_f with the quadrature weight of their second point in them: X = H + K_h H + K_f F, summed over
        points and channels."""
        tokens = self._tokens(h, forcing, static)
        of_h = torch.einsum("bhqp,hcd->bqdpc", self._shares(tokens, 0), self.value_h)
        if self.value_f is None:
            return of_h, None
        return of_h, torch.einsum("bhqp,hfd->bqdpf", self._shares(tokens, 1), self.value_f)

    def _integral(self, tokens: Tensor, which: int, values: Tensor) -> Tensor:
        raise NotImplementedError

    def _shares(self, tokens: Tensor, which: int) -> Float[Tensor, "b heads q p"]:
        raise NotImplementedError


class Full(_Correction):
    """Every pair of points."""

    def __init__(
        self, geometry: Geometry, channels: int, forcing: int, static: int, width: int = 64, heads: int = 8,
        layers: int = 2,
    ) -> None:  # fmt: skip
        super().__init__(geometry, channels, forcing, static, width, heads)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.of_h, self.of_f = Attention(width, heads), Attention(width, heads) if forcing else None

    def _shares(self, tokens: Tensor, which: int) -> Tensor:
        return (self.of_f if which else self.of_h).weights(tokens, tokens, self.log_volume)

    def _integral(self, tokens: Tensor, which: int, values: Tensor) -> Tensor:
        return (self.of_f if which else self.of_h).carry(tokens, tokens, values, self.log_volume).sum(1)


class LowRank(_Correction):
    """Through M latents: down to them by an integral over points, up again as a mean over latents."""

    def __init__(
        self, geometry: Geometry, channels: int, forcing: int, static: int, width: int = 64, heads: int = 8,
        layers: int = 2, latents: int = 64,
    ) -> None:  # fmt: skip
        super().__init__(geometry, channels, forcing, static, width, heads)
        self.layers = nn.ModuleList(Block(width, heads, latents) for _ in range(layers))
        self.latent = nn.Parameter(0.5 * torch.randn(2, latents, width))
        self.down = nn.ModuleList(Attention(width, heads) for _ in range(2 if forcing else 1))
        self.up = nn.ModuleList(Attention(width, heads) for _ in range(2 if forcing else 1))

    def factors(self, tokens: Tensor, which: int) -> tuple[Tensor, Tensor]:
        """Up (b, heads, point, latent) and down (b, heads, latent, point), whose product is the kernel."""
        latent = self.latent[which].expand(len(tokens), -1, -1)
        return self.up[which].weights(tokens, latent), self.down[which].weights(latent, tokens, self.log_volume)

    def _shares(self, tokens: Tensor, which: int) -> Tensor:
        up, down = self.factors(tokens, which)
        return up @ down

    def _integral(self, tokens: Tensor, which: int, values: Tensor) -> Tensor:
        latent = self.latent[which].expand(len(tokens), -1, -1)
        held = self.down[which].carry(latent, tokens, values, self.log_volume)
        return self.up[which].carry(tokens, latent, held).sum(1)
