"""Correction: the second half of ASNO's step, implicit in the paper, by nonlocal attention over space.

    X(z) = H(z) + int K_h(z, z') H(z') dz' + int K_f(z, z') F(z') dz'

The printed Eq. 12 of arXiv 2506.11328 has K_f alone and vanishes with the forcing; this one does not. The kernels come
from J = layers of attention on [H, F] (Eq. 9-11); given them the step is linear in H and F, so a row of a kernel says
how much each place contributes to one. Integrals are sums over points with their quadrature weights inside the
softmax, so a kernel carries over to another resolution.

`Full` forms every pair (N^2); `LowRank` goes through M latents (N M), as LRSA does; `Patched` forms every pair of
patches of a grid, and what a patch's cells do to another's is a matrix.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from operators.nets.attention import Attention, Layer, Place, log_volume
from operators.nets.lrsa import Block
from operators.nets.norm import RmsNorm
from operators.nets.patches import Patches
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
        self, h: Float[Tensor, "b point c"], forcing: Float[Tensor, "b point f"], static: Float[Tensor, "b point s"],
        rows: Int[Tensor, " q"] | None = None,
    ) -> tuple[Float[Tensor, "b q c p c"], Float[Tensor, "b q c p f"] | None]:  # fmt: skip
        """K_h and K_f with the quadrature weight of their second point in them: X = H + K_h H + K_f F, summed over
        points and channels. `rows`: the points q of X that are asked for, with memory for no more; left out: all."""
        tokens = self._tokens(h, forcing, static)
        asked = tokens if rows is None else tokens[:, rows]
        of_h = torch.einsum("bhqp,hcd->bqdpc", self._shares(asked, tokens, 0), self.value_h)
        if self.value_f is None:
            return of_h, None
        return of_h, torch.einsum("bhqp,hfd->bqdpf", self._shares(asked, tokens, 1), self.value_f)

    def _integral(self, tokens: Tensor, which: int, values: Tensor) -> Tensor:
        raise NotImplementedError

    def _shares(self, asked: Tensor, tokens: Tensor, which: int) -> Float[Tensor, "b heads q p"]:
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

    def _shares(self, asked: Tensor, tokens: Tensor, which: int) -> Tensor:
        return (self.of_f if which else self.of_h).weights(asked, tokens, self.log_volume)

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

    def factors(self, tokens: Tensor, which: int, asked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Up (b, heads, point, latent) and down (b, heads, latent, point), whose product is the kernel; up from the
        tokens of the rows that are `asked` for, or all."""
        latent = self.latent[which].expand(tokens.shape[0], -1, -1)
        up = self.up[which].weights(tokens if asked is None else asked, latent)
        return up, self.down[which].weights(latent, tokens, self.log_volume)

    def _shares(self, asked: Tensor, tokens: Tensor, which: int) -> Tensor:
        up, down = self.factors(tokens, which, asked)
        return up @ down

    def _integral(self, tokens: Tensor, which: int, values: Tensor) -> Tensor:
        latent = self.latent[which].expand(tokens.shape[0], -1, -1)
        held = self.down[which].carry(latent, tokens, values, self.log_volume)
        return self.up[which].carry(tokens, latent, held).sum(1)


class Patched(nn.Module):
    """Every pair of patches: `Full` among tokens that hold all cells of a patch.

        K(z, z') = sum_h k_h(P, P') V_h(xi, xi'),     z in patch P at place xi, z' in patch P' at place xi'

    As fine as the grid, at the cost of its patches. On another grid than that it was made for, fields are taken to the
    first one's points (each the mean over what is nearest to it) and the change back linearly between them.
    """

    def __init__(
        self, geometry: Geometry, channels: int, forcing: int, static: int, width: int = 64, heads: int = 8,
        layers: int = 2, patch: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        self.native, self.patches = geometry, Patches(geometry, patch)
        sizes = (self.patches.cells * size for size in (channels, forcing, static))
        self.among = Full(self.patches.geometry(geometry), *sizes, width=width, heads=heads, layers=layers)
        self.stand_on(geometry)

    def stand_on(self, geometry: Geometry) -> None:
        """Evaluate on these points from now on."""
        same = geometry.points.shape == self.native.points.shape and torch.equal(
            geometry.points.to(self.native.points), self.native.points
        )
        held, back = (None, None) if same else _between(self.native, geometry)
        self.register_buffer("held", held, persistent=False)
        self.register_buffer("back", back, persistent=False)

    def forward(
        self, h: Float[Tensor, "b point c"], forcing: Float[Tensor, "b point f"], static: Float[Tensor, "b point s"]
    ) -> Float[Tensor, "b point c"]:
        if self.held is None:
            grouped = (self.patches.grouped(x) for x in (h, forcing, static))
            return self.patches.points(self.among(*grouped), h.shape[-1])
        native, *rest = (self.held @ x for x in (h, forcing, static))
        changed = self.patches.points(self.among(*(self.patches.grouped(x) for x in (native, *rest))), h.shape[-1])
        return h + self.back @ (changed - native)

    def kernels(
        self, h: Float[Tensor, "b point c"], forcing: Float[Tensor, "b point f"], static: Float[Tensor, "b point s"],
        rows: Int[Tensor, " q"] | None = None,
    ) -> tuple[Float[Tensor, "b q c p c"], Float[Tensor, "b q c p f"] | None]:  # fmt: skip
        """K_h and K_f, as of `Full`."""
        given = (h, forcing, static) if self.held is None else tuple(self.held @ x for x in (h, forcing, static))
        count = len(self.native.points) if self.held is None else len(self.back)
        rows = torch.arange(count, device=h.device) if rows is None else rows
        # the native points that those rows are made of, and the patches that hold them
        native = rows if self.held is None else self.back[rows].any(0).nonzero().flatten()
        whole = torch.arange(len(self.native.points), device=h.device)[None, :, None]
        places = self.patches.grouped(whole)[0]
        holding = torch.isin(places, native).any(1).nonzero().flatten()
        found = self.among.kernels(*(self.patches.grouped(x) for x in given), holding)
        # among the cells of those patches, where each native point is
        order = places[holding].flatten().argsort()
        where = order[torch.searchsorted(places[holding].flatten()[order], native)]
        of_h, of_f = (
            None if k is None else self._apart(k, h.shape[-1], size, where, rows, native)
            for k, size in zip(found, (h.shape[-1], forcing.shape[-1]), strict=True)
        )
        return of_h, of_f

    def _apart(self, kernel: Tensor, out: int, size: int, where: Tensor, rows: Tensor, native: Tensor) -> Tensor:
        """(b, patch, cell and c, patch, cell and size) -> (b, q, c, p, size), on the points stood on."""
        b, held, _, p, _ = kernel.shape
        cells = self.patches.cells
        found = kernel.reshape(b, held * cells, out, p, cells * size)[:, where]
        columns = self.patches.points(found.flatten(0, 2), size).view(b, len(native), out, -1, size)
        if self.held is None:
            return columns
        return torch.einsum("Qq,bqcpf,pP->bQcPf", self.back[rows][:, native], columns, self.held)


def _between(native: Geometry, other: Geometry) -> tuple[Tensor, Tensor]:
    """Means over what is nearest to each native point (native, point), and hats between native points (point, native):
    products over the axes. ValueError where a native point has none."""
    points, weights = other.points.double(), other.volume.double()
    held = back = torch.ones(len(points), 1, dtype=torch.float64, device=points.device)
    for axis in range(points.shape[1]):
        stops = native.points[:, axis].double().unique()
        near = (points[:, axis, None] - stops).abs()
        if native.periodic:
            near = torch.minimum(near, 1 - near)
            stops = torch.cat([stops[-1:] - 1, stops, stops[:1] + 1])
        inside = nn.functional.one_hot(near.argmin(1), near.shape[1]).double()
        place = points[:, axis].clamp(stops[0], stops[-1]).contiguous()
        low = (torch.searchsorted(stops, place, right=True) - 1).clamp(0, len(stops) - 2)
        share = ((place - stops[low]) / (stops[low + 1] - stops[low]))[:, None]
        hat = (1 - share) * nn.functional.one_hot(low, len(stops)) + share * nn.functional.one_hot(low + 1, len(stops))
        if native.periodic:
            hat[:, 1] += hat[:, -1]
            hat[:, -2] += hat[:, 0]
            hat = hat[:, 1:-1]
        held, back = ((a[:, :, None] * b[:, None]).flatten(1) for a, b in ((held, inside), (back, hat)))
    held = (held * weights[:, None]).T
    total = held.sum(1, keepdim=True)
    if not (total > 0).all():
        raise ValueError(f"{int((total <= 0).sum())} of {len(total)} points of the grid have none of these near")
    return (held / total).float(), back.float()
