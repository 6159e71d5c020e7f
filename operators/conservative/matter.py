"""Matter: what a stream's metal does with its heat, as tables over the enthalpy h, in the units of `operators.groups`.

    theta(h), Phi(h) as `Groups.law` has them;   loss(h) = evaporated + radiated + convected of `Surface` at theta(h)

The alloy is told by the stream. Between knots tables are straight, beyond the last one they go on as they were: what is
above it is melt of constant k and c, for which that is exact (the loss is held where the metal boils, see `scheme`).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from operators.enthalpy import columns, theta_of
from operators.groups import Groups
from operators.reference.surface import Surface

HOTTEST = 6.0
PIECES = 768
TINY = 1e-9
WARM = 24  # the knot at h = .19


@dataclass(frozen=True)
class Matter:
    """Tables of one stream: values at the knots 0, HOTTEST/PIECES, ..., HOTTEST. `fastest`: largest dPhi/dh, what
    limits an explicit step; `boiling`: h where the metal boils; `cool`: dPhi/dh in the mean of what is hardly warm."""

    phi: Float[Tensor, " knot"]
    theta: Float[Tensor, " knot"]
    loss: Float[Tensor, " knot"]
    fastest: float
    boiling: float
    cool: float

    @staticmethod
    def of(groups: Groups, surface: Surface) -> "Matter":
        law = groups.law()
        h = np.linspace(0.0, HOTTEST, PIECES + 1)
        spread = columns(torch.from_numpy(law)[None], 2)
        theta = theta_of(torch.from_numpy(h)[None], spread)[0].numpy()
        phi = _phi(theta, law)
        tables = (torch.from_numpy(table).float() for table in (phi, theta, _loss(theta, surface)))
        fastest = float((np.diff(phi) * PIECES / HOTTEST).max())
        return Matter(*tables, fastest, float(np.interp(groups.boiling, theta, h)), float(phi[WARM] / h[WARM]))

    def lookup(self, h: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """theta at an enthalpy."""
        theta = self.theta.to(h.device)
        scaled = h * (PIECES / HOTTEST)
        piece = scaled.clamp(0, PIECES - 1).long()
        return torch.lerp(theta.take(piece), theta.take(piece + 1), scaled - piece)


class Tables:
    """The same of the streams of a batch, one a row."""

    def __init__(self, matters: list[Matter], device: str | torch.device) -> None:
        def stacked(name: str) -> tuple[Tensor, Tensor]:
            values = torch.stack([getattr(matter, name) for matter in matters]).to(device)
            return values[:, :-1].contiguous().flatten(), values.diff(dim=1).flatten()

        self.phi, self.theta, self.loss = (stacked(name) for name in ("phi", "theta", "loss"))
        self.boiling = torch.tensor([matter.boiling for matter in matters], device=device)
        self._first = PIECES * torch.arange(len(matters), device=device)

    def at(self, table: tuple[Tensor, Tensor], h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """A table at an enthalpy."""
        below, rise = table
        scaled = h * (PIECES / HOTTEST)
        piece = scaled.clamp(0, PIECES - 1).long()
        scaled = scaled - piece
        piece += self._first.view(-1, *[1] * (h.dim() - 1))
        return torch.addcmul(below.take(piece), rise.take(piece), scaled)


def _phi(theta: np.ndarray, law: np.ndarray) -> np.ndarray:
    theta_s, k_cold, k_slope, phi_s, k_mushy, phi_l, k_liquid = law[3], *law[7:13]
    above = theta - theta_s
    mushy = phi_s + above + 0.5 * k_mushy * above**2
    melted = np.where(theta < 1, mushy, phi_l + k_liquid * (theta - 1))
    return np.asarray(np.where(theta < theta_s, (k_cold + 0.5 * k_slope * theta) * theta, melted))


def _loss(theta: np.ndarray, surface: Surface) -> np.ndarray:
    hot = np.maximum(theta + surface.zero, TINY)
    flux = surface.radiation * (hot**4 - surface.zero**4) + surface.convection * theta
    if surface.evaporation > 0:
        with np.errstate(over="ignore", under="ignore"):
            vapour = np.exp(np.minimum(surface.vapour * (1 / surface.boiling - 1 / hot), 60.0))
        flux = flux + np.where(theta > 0, surface.evaporation * vapour / np.sqrt(hot), 0.0)
    return np.asarray(flux)
