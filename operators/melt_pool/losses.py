"""Losses: the share of what a beam puts into the metal that its boiling surface gives off again.

    kept = q (1 - s),   s = sigmoid(net(ln q, ln D, ln Pe, ln B, groups, surface)),   B = sqrt(2/pi) q/(theta_b sqrt(1 + .19 Pe))

A flat melt that is heated beyond its boiling point gives off up to two fifths of the beam, a hole next to nothing. Where
a beam was some diameters ago, nothing around it now tells which of the two it was: so the forcing counts what was kept
(`forcing`), source by source. The net is fitted to the ledgers of straight tracks (`ledgers`); what hot metal evaporates
beyond that is left to the operator.
"""  # noqa: E501

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.groups import TOLD

MEMBERS = 4  # nets whose logits are averaged
SLOWEST, FASTEST = 0.5, 100.0  # Peclet numbers, beyond which it says what it says there
SHALLOWEST = 0.05  # d; as `trajectories.condition` has it
USUAL = -3.0  # logit of the share at the start
BOILING = TOLD.index("boiling")
SURFACE = 3  # numbers of a surface that stand behind TOLD in a condition: vapour, zero, ln evaporation
OF_A_SOURCE = 4  # ln Pe, ln D, ln q, ln B


class Losses(nn.Module):
    """(told, q, depth, peclet) -> s."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        inputs = len(TOLD) + SURFACE + OF_A_SOURCE
        self.nets = nn.ModuleList(
            nn.Sequential(
                nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
            )
            for _ in range(MEMBERS)
        )  # fmt: skip
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))

    def inputs(
        self, told: Float[Tensor, "b c"], q: Float[Tensor, "b n"], depth: Float[Tensor, "b n"],
        peclet: Float[Tensor, "b n"],
    ) -> Float[Tensor, "b n i"]:  # fmt: skip
        """Of each source of each sample; told as `trajectories.condition` has it."""
        pe = peclet.clamp(SLOWEST, FASTEST)
        strong = q.clamp(min=1e-6)
        boils = (2 / torch.pi) ** 0.5 * strong / (told[:, BOILING : BOILING + 1] * torch.sqrt(1 + 0.19 * pe))
        own = torch.stack([pe, depth.clamp(min=SHALLOWEST), strong, boils], -1).log()
        shared = told[:, None, : len(TOLD) + SURFACE].expand(-1, q.shape[1], -1)
        return torch.cat([shared, own], -1)

    def forward(
        self, told: Float[Tensor, "b c"], q: Float[Tensor, "b n"], depth: Float[Tensor, "b n"],
        peclet: Float[Tensor, "b n"],
    ) -> Float[Tensor, "b n"]:  # fmt: skip
        scaled = (self.inputs(told, q, depth, peclet) - self.mean) / self.spread
        return torch.sigmoid(USUAL + torch.stack([net(scaled)[..., 0] for net in self.nets]).mean(0))

    def kept(self, path: np.ndarray, told: np.ndarray) -> np.ndarray:
        """A path of rows (t, x, y, q, depth) with what is kept of each q."""
        return self.kept_of([path], told[None])[0]

    @torch.no_grad()
    def kept_of(self, paths: Sequence[np.ndarray], told: np.ndarray) -> list[np.ndarray]:
        """`kept` of several paths, told (path, condition): one pass over all of their rows."""
        out = [path.copy() for path in paths]
        lit = [np.flatnonzero((path[:-1, 3] > 0) & (np.diff(path[:, 0]) > 0)) for path in paths]
        count = [len(on) for on in lit]
        if not sum(count):
            return out
        begin, end = (np.concatenate([path[on + k] for path, on in zip(paths, lit, strict=True)]) for k in range(2))
        speed = np.hypot(*(end - begin)[:, 1:3].T) / (end - begin)[:, 0]
        of_row = torch.from_numpy(np.repeat(told, count, axis=0)).to(self.mean.device)
        columns = (torch.from_numpy(a[:, None]).float() for a in (begin[:, 3], begin[:, 4], speed))
        share = self(of_row, *(column.to(self.mean.device) for column in columns))[:, 0].cpu().numpy()
        for path, on, lost in zip(out, lit, np.split(share, np.cumsum(count)[:-1]), strict=True):
            path[on, 3] *= 1 - lost
        return out


def fitted(
    told: Float[Tensor, "b c"], q: Float[Tensor, " b"], depth: Float[Tensor, " b"], peclet: Float[Tensor, " b"],
    share: Float[Tensor, " b"], seed: int = 0, steps: int = 2500,
) -> Losses:  # fmt: skip
    """By least squares of the share."""
    torch.manual_seed(seed)
    losses = Losses()
    seen = losses.inputs(told, q[:, None], depth[:, None], peclet[:, None])[:, 0]
    losses.mean.copy_(seen.mean(0))
    losses.spread.copy_(seen.std(0).clamp(min=1e-6))
    scaled = (seen - losses.mean) / losses.spread
    optimiser = torch.optim.AdamW(losses.nets.parameters(), lr=5e-3, weight_decay=0.3)
    falls = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        # each net on its own: their mean is better than any as long as they differ
        off = [(torch.sigmoid(USUAL + net(scaled)[:, 0]) - share).square().mean() for net in losses.nets]
        optimiser.zero_grad()
        torch.stack(off).sum().backward()
        optimiser.step()
        falls.step()
    return losses.requires_grad_(False)
