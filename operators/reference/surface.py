"""Surface: what the melt loses through it, in the units of the groups."""

from dataclasses import astuple, dataclass

import numpy as np


@dataclass(frozen=True)
class Surface:
    """Losses of the surface, dimensionless: a heat flux is in k_ref dT/d, a temperature in dT = Tl - T0.

    evaporated = evaporation exp(vapour (1/boiling - 1/T))/sqrt(T),   T = theta + zero,
    radiated   = radiation (T^4 - zero^4),
    convected  = convection theta.

    The first is Hertz and Knudsen's rate at the vapour pressure of Clausius and Clapeyron; it is what keeps a surface
    near its boiling point, whatever the beam. All zero: an insulated surface.
    """

    evaporation: float = 0.0
    vapour: float = 0.0  # Lv M/(R dT)
    boiling: float = 1.0  # T_boil/dT, absolute
    zero: float = 0.0  # T0/dT, absolute
    radiation: float = 0.0
    convection: float = 0.0

    def __post_init__(self) -> None:
        values = np.array(astuple(self))
        if not np.isfinite(values).all() or (values < 0).any() or self.boiling == 0:
            raise ValueError(f"surface numbers must be finite and at least 0, boiling above 0: {self}")

    def vector(self) -> np.ndarray:
        return np.array(astuple(self))
