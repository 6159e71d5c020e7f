"""Boxes: the nested boxes that cover space around the beam, and the ledger of the energy in them."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Boxes:
    """Geometry of the nested boxes: `levels` boxes of the same shape, cell sizes dx, 2 dx, 4 dx, ...

    along and deep are the inner box's sides in beam diameters; across, where it is given, its side in y (else it is
    square in the plane); lead is how far the beam stands ahead of its centre, in diameters.
    """

    cells_per_diameter: int = 8
    along: float = 9.0
    deep: float = 2.0
    levels: int = 3
    lead: float = 2.5
    across: float | None = None

    def __post_init__(self) -> None:
        if self.levels < 1 or self.shape[0] < 4 or min(self.shape[1:]) < 8:
            raise ValueError(f"boxes must have at least 4, 8, 8 cells to hold one another, got {self.shape}")

    @classmethod
    def fitting(cls, depth: float, cells_per_diameter: int = 8) -> "Boxes":
        """Boxes for a pool about so deep (in diameters; Eagar-Tsai or the source's own depth will do): what is shallow
        is also short, and is given finer cells in smaller boxes. At 8 cells a pool of 0.05 d comes out 25 % too deep
        and 16 % too short.

        The outermost reaches some 30 d: heat of tracks up to that long comes back (`levels` + 1 for twice as much).
        """
        n = cells_per_diameter
        if depth < 0.12:
            return cls(2 * n, along=4.5, deep=1.0, levels=5, lead=1.2)
        if depth < 0.25:
            return cls(3 * n // 2, along=6.0, deep=1.25, levels=5, lead=1.5)
        return cls(n, deep=2.0 if depth < 1.2 else 3.5 if depth < 2.4 else 6.0, levels=4)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(nz, ny, nx) of each box, each even."""
        n = self.cells_per_diameter
        along = 2 * round(self.along * n / 2)
        across = along if self.across is None else 2 * round(self.across * n / 2)
        return 2 * round(self.deep * n / 2), across, along

    @property
    def dx(self) -> float:
        return 1.0 / self.cells_per_diameter


FACES = ("y_low", "y_high", "x_low", "x_high", "bottom")


@dataclass
class Ledger:
    """Energy in units of rho c_ref dT d^3: what came in, what is stored, what left. `defect` is what does not add up.

    There is no entry for turns: the boxes keep the axes of the machine and never turn, so a turn has no defect; and
    they move by whole cells."""

    absorbed: float = 0.0  # from the beam
    stored: float = 0.0  # now
    out: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FACES, 0.0))  # conducted out through each face
    evaporated: float = 0.0
    radiated: float = 0.0
    convected: float = 0.0
    left_behind: float = 0.0  # in cells that the outermost box moved away from

    @property
    def defect(self) -> float:
        """Relative: (absorbed - stored - everything that left)/max(absorbed, tiny)."""
        left = sum(self.out.values()) + self.evaporated + self.radiated + self.convected + self.left_behind
        return (self.absorbed - self.stored - left) / max(abs(self.absorbed), 1e-30)

    def copy(self) -> "Ledger":
        return Ledger(**{**vars(self), "out": dict(self.out)})
