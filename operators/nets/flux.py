"""Flux: what passes through a face, from the cells around it; the learned half of a Flux NO (arXiv 2401.01783).

`Stencil` is one net for all samples: the plain Flux NO. `Generated` is a net whose weights come from a code of the
context: HFluxNO (arXiv 2605.05488). Both look along one axis at `2 * reach` cells; the published form sees the cell's
place too, which neither does: a law of nature does not know where it is.
"""

from jaxtyping import Float
from torch import Tensor, nn

from operators.nets.hyper import Hyper, Layers, applied
from operators.nets.volumes import Fluxes, around


class Stencil(nn.Module):
    """One net an axis, the same for all samples."""

    def __init__(self, dims: int, channels: int, reach: int, width: int, depth: int = 3) -> None:
        super().__init__()
        self.reach = reach
        sizes = [2 * reach * channels, *[width] * depth]
        self.nets = nn.ModuleList()
        for _ in range(dims):
            parts: list[nn.Module] = []
            for into, out in zip(sizes[:-1], sizes[1:], strict=True):
                parts += [nn.Linear(into, out), nn.GELU()]
            self.nets.append(nn.Sequential(*parts, nn.Linear(width, channels)))

    def forward(self, u: Float[Tensor, "b c *shape"], periodic: bool) -> Fluxes:
        return [_over_faces(net, around(u, axis, self.reach, periodic)) for axis, net in enumerate(self.nets)]

    def of_one_state(self, states: Float[Tensor, "n c"], axis: int = 0) -> Float[Tensor, "n c"]:
        """G(u, ..., u): where the flux of the law is known, this is f(u) (its Eq. of consistency)."""
        return self.nets[axis](states[:, :, None].expand(-1, -1, 2 * self.reach).flatten(1))


class Generated(nn.Module):
    """One net a sample and axis, from the sample's code."""

    def __init__(self, dims: int, channels: int, reach: int, code: int, width: int, depth: int = 3) -> None:
        super().__init__()
        self.reach = reach
        sizes = (2 * reach * channels, *[width] * depth, channels)
        self.hypers = nn.ModuleList(Hyper(code, sizes) for _ in range(dims))

    def nets(self, code: Float[Tensor, "b code"]) -> list[Layers]:
        return [hyper(code) for hyper in self.hypers]

    def forward(self, nets: list[Layers], u: Float[Tensor, "b c *shape"], periodic: bool) -> Fluxes:
        return [
            _over_faces(lambda x, net=net: applied(net, x), around(u, axis, self.reach, periodic))
            for axis, net in enumerate(nets)
        ]


def _over_faces(net: object, cells: Float[Tensor, "b c *faces stencil"]) -> Float[Tensor, "b c *faces"]:
    b, c, *faces, size = cells.shape
    side = cells.movedim(1, -2).reshape(b, -1, c * size)
    return net(side).mT.reshape(b, c, *faces)
