"""Ends: how far off a pool's ends are, in a form that teaches.

Length, width and depth hang on five places: where the region above the solidus ends before and behind the beam, to
either side, and below it. There an error of the field moves the end, to first order, by

    dx = (f - t) / |df/dx|,    f, t = asinh(theta) of the estimate and of the truth,

read between the two nodes of the outermost crossing. A mean over the whole contour hardly knows of these few nodes.
Where a tail is flat dx says nothing any more: a unit of asinh(theta) counts as STEEP sizes at most.
"""

import numpy as np
import torch
from torch import Tensor

from operators.window import WindowGrid, connected

STEEP = 2.0
LEAST = 0.25  # d, as sizes are scored
FLAT = 1e-4  # of asinh(theta) between two nodes
OF = (0, 0, 1, 1, 2)  # which size an end is of: front and back, right and left, bottom


def missed(field: Tensor, target: Tensor, solidus: Tensor, grid: WindowGrid) -> Tensor:
    """By how much of its true value (of LEAST, where that is less) length, width and depth are off, with a sign:
    (sample, 3). The mean of what the ends of the truth and those of the estimate say. field, target (sample, x, y, z)
    in asinh(theta); solidus (sample,) in theta."""
    edge, off, of = torch.asinh(solidus), field - target, torch.tensor(OF, device=field.device)
    true, estimated = (_ends(each, off, edge, grid) for each in (target, field.detach()))
    none = torch.zeros(len(field), 3, device=field.device)
    sizes = none.index_add(1, of, true[2]).clamp(min=LEAST)
    told = sum(
        wrong * torch.minimum(slope / sizes[:, of], slope.new_tensor(STEEP)) for wrong, slope, _ in (true, estimated)
    )
    return none.index_add(1, of, 0.5 * told)


def _ends(field: Tensor, off: Tensor, edge: Tensor, grid: WindowGrid) -> tuple[Tensor, Tensor, Tensor]:
    """(what is off there, d a unit of asinh(theta), how far out) of the five ends that `field` has: (sample, 5)
    each."""
    read = field.cpu().numpy().astype(np.float64)
    region = np.stack([connected(each, level) for each, level in zip(read, edge.tolist(), strict=True)])
    inside = torch.from_numpy(region).to(field.device)
    x, y, z = (torch.from_numpy(nodes).float().to(field.device) for nodes in (grid.x, grid.y, grid.z))
    along = [part[..., 0] for part in (inside, field, off)]
    across = [part.transpose(1, 2) for part in along]
    down = [part.permute(0, 3, 1, 2).flatten(2) for part in (inside, field, off)]
    ways = [(along, x), (_turned(along), -x.flip(0)), (across, y), (_turned(across), -y.flip(0)), (down, z)]
    ends = [_end(*parts, nodes, edge) for parts, nodes in ways]
    wrong, slope, place = (torch.stack(each, 1) for each in zip(*ends, strict=True))
    return wrong, slope, place


def _turned(parts: list[Tensor]) -> list[Tensor]:
    return [part.flip(1) for part in parts]


def _end(inside: Tensor, field: Tensor, off: Tensor, nodes: Tensor, edge: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`_ends`, of the outermost end towards the last of `nodes`; (sample, node, line) each. Zeros where a region has
    no end in the window."""
    above, below = field[:, :-1], field[:, 1:]
    ends = inside[:, :-1] & ~inside[:, 1:]
    share = ((above - edge[:, None, None]) / (above - below).clamp(min=FLAT)).clamp(0, 1)
    step = (nodes[1:] - nodes[:-1])[:, None]
    places = torch.where(ends, nodes[:-1, None] + share * step, -torch.inf)
    where = places.flatten(1).argmax(1)
    sample, node, line = torch.arange(len(field), device=field.device), where // field.shape[2], where % field.shape[2]
    at, fall = share[sample, node, line], (above - below)[sample, node, line].clamp(min=FLAT)
    wrong = (1 - at) * off[sample, node, line] + at * off[sample, node + 1, line]
    some, zero = ends.flatten(1).any(1), torch.zeros_like(wrong)
    slope, place = step[node, 0] / fall, places[sample, node, line]
    return torch.where(some, wrong, zero), torch.where(some, slope, zero), torch.where(some, place, zero)
