"""Measure: what a quantity of a layer is called, and in which unit a person reads it. SI becomes mm, µm, % here."""

from dataclasses import dataclass

from ui.figures.style import LengthUnit


@dataclass(frozen=True)
class Measure:
    """A quantity: its column in the rows, its name, its unit, how many of it make one of SI, digits after the point."""

    column: str
    name: str
    unit: str
    per_si: float
    digits: int

    def say(self, value: float, signed: bool = False) -> str:
        """`142 µm`, `+8 µm`."""
        return f"{self.number(value, signed)} {self.unit}"

    def number(self, value: float, signed: bool = False) -> str:
        """The same without the unit, where it stands beside."""
        return f"{value * self.per_si:{'+' if signed else ''}.{self.digits}f}".replace("-", "−")


SPEED, POWER, TIME, SHARE = ("mm/s", 1e3, 0), ("W", 1.0, 1), ("s", 1.0, 3), ("%", 100.0, 1)
NAMES = {
    "width_m": "width", "length_m": "length", "depth_m": "depth", "beam_power_w": "beam power",
    "scan_speed_m_per_s": "scan speed", "observed_width_m": "observed width", "observed_length_m": "observed length",
    "observed_depth_m": "observed depth", "layer_time_s": "layer time", "interlayer_time_s": "inter-layer time",
    "not_ok_share": "frames not in order",
}  # fmt: skip
MEASURES = tuple(NAMES)
_UNITS = {"beam_power_w": POWER, "scan_speed_m_per_s": SPEED, "not_ok_share": SHARE}


def measure(quantity: str, length: LengthUnit) -> Measure:
    """How a quantity is said; lengths in the unit of the process. KeyError for what is none."""
    own = _UNITS.get(quantity) or (TIME if quantity.endswith("_s") else None)
    unit, per_si, digits = own or (length.name, length.per_m, max(length.digits, 1))
    return Measure(quantity, NAMES[quantity], unit, per_si, digits)
