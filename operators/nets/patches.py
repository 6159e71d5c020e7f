"""Patches: a grid cut into blocks of cells, whose fields lie side by side as those of one token."""

from math import prod

from jaxtyping import Float, Num
from torch import Tensor

from operators.problem import Geometry


class Patches:
    """Of so many cells a side. ValueError where they do not divide the grid."""

    def __init__(self, geometry: Geometry, patch: int) -> None:
        shape = geometry.shape
        if shape is None or any(n % patch for n in shape):
            raise ValueError(f"patches of {patch} want a grid whose sides they divide, got {shape}")
        self.patch, self.shape, self.cells = patch, shape, patch ** len(shape)
        self.coarse = tuple(n // patch for n in shape)

    def grouped(self, fields: Num[Tensor, "b point c"]) -> Num[Tensor, "b patch cellc"]:
        """A patch's cells side by side."""
        dims, channels = len(self.shape), fields.shape[-1]
        sides = [side for n in self.coarse for side in (n, self.patch)]
        order = [0, *range(1, 2 * dims, 2), *range(2, 2 * dims + 1, 2), 2 * dims + 1]
        apart = fields.reshape(fields.shape[0], *sides, channels).permute(order)
        return apart.reshape(fields.shape[0], prod(self.coarse), self.cells * channels)

    def points(self, grouped: Float[Tensor, "b patch cellc"], channels: int) -> Float[Tensor, "b point c"]:
        """Back to the points of the grid, in their order."""
        dims = len(self.shape)
        fields = grouped.reshape(grouped.shape[0], *self.coarse, *(self.patch,) * dims, channels)
        order = [0, *(axis for a in range(dims) for axis in (1 + a, 1 + dims + a)), 1 + 2 * dims]
        return fields.permute(order).reshape(grouped.shape[0], prod(self.shape), channels)

    def geometry(self, fine: Geometry) -> Geometry:
        """Their middles and volumes, for the grid that they cut."""
        volume = self.grouped(fine.volume[None, :, None])[0].sum(1)
        middle = self.grouped(fine.points[None])[0].unflatten(1, (self.cells, -1)).mean(1)
        return Geometry(middle, volume, self.coarse, fine.periodic)
