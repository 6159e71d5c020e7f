"""Units: the one place where what a person or a file writes becomes SI, and back. `25.4 um` is `to_si(25.4, "um")`.

A unit belongs to a quantity, so that a length is never read as a time:

    to_si(200.0, "mm/s", "speed") == 0.2          to_si(20.0, "C", "temperature") == 293.15

Values may be numbers or arrays; the shape stays. An unknown unit, or one of another quantity, is a `UnitError` of one
line that lists those that would do.
"""

from typing import NamedTuple, TypeVar

import numpy as np

Value = TypeVar("Value", float, np.ndarray)


class Unit(NamedTuple):
    """value in SI = value times factor plus offset."""

    quantity: str
    factor: float
    offset: float = 0.0


class UnitError(ValueError):
    """Not a unit, or not one of the quantity asked for."""


MILLIMETRES_FROM_M = 0.6e-3
UNITS = {
    "m": Unit("length", 1.0),
    "cm": Unit("length", 1e-2),
    "mm": Unit("length", 1e-3),
    "um": Unit("length", 1e-6),
    "inch": Unit("length", 0.0254),
    "s": Unit("time", 1.0),
    "ms": Unit("time", 1e-3),
    "us": Unit("time", 1e-6),
    "ns": Unit("time", 1e-9),
    "min": Unit("time", 60.0),
    "W": Unit("power", 1.0),
    "mW": Unit("power", 1e-3),
    "kW": Unit("power", 1e3),
    "m/s": Unit("speed", 1.0),
    "mm/s": Unit("speed", 1e-3),
    "mm/min": Unit("speed", 1e-3 / 60),
    "m/min": Unit("speed", 1 / 60),
    "K": Unit("temperature", 1.0),
    "C": Unit("temperature", 1.0, 273.15),
    "1": Unit("share", 1.0),
    "%": Unit("share", 1e-2),
    "ppm": Unit("share", 1e-6),
    "m3/s": Unit("flow", 1.0),
    "m3/h": Unit("flow", 1 / 3600),
    "L/min": Unit("flow", 1e-3 / 60),
    "V": Unit("voltage", 1.0),
    "mV": Unit("voltage", 1e-3),
    "Hz": Unit("frequency", 1.0),
    "kHz": Unit("frequency", 1e3),
    "kg/m3": Unit("density", 1.0),
    "g/cm3": Unit("density", 1e3),
    "J/kgK": Unit("specific heat", 1.0),
    "W/mK": Unit("conductivity", 1.0),
    "J/kg": Unit("latent heat", 1.0),
}
ALIASES = {
    "μm": "um", "µm": "um", "micron": "um", "microns": "um", "degC": "C", "°C": "C", "in": "inch", "sec": "s",
    "m^3/h": "m3/h", "m³/h": "m3/h", "seconds": "s", "watts": "W", "Watts": "W", "celsius": "C", "Celsius": "C",
    "kelvin": "K", "percent": "%", "mm/sec": "mm/s", "meters": "m", "millimeters": "mm",
}  # fmt: skip

SUFFIXES = {
    "_m": "m", "_s": "s", "_w": "W", "_m_per_s": "m/s", "_k": "K", "_v": "V", "_rad": "rad", "_hz": "Hz",
    "_share": "1", "_m3_per_s": "m3/s", "_kg_per_m3": "kg/m3", "_j_per_kg_k": "J/(kg K)", "_w_per_m_k": "W/(m K)",
    "_j_per_kg": "J/kg", "_k_per_s": "K/s",
}  # fmt: skip
"""What the end of a column's name says of its unit."""


def unit(name: str, quantity: str | None = None) -> Unit:
    """The unit of this name, of this quantity where one is named."""
    found = UNITS.get(ALIASES.get(name.strip(), name.strip()))
    if found is None or (quantity is not None and found.quantity != quantity):
        fitting = [known for known, each in UNITS.items() if quantity in (None, each.quantity)]
        raise UnitError(f"{name!r} is no unit of {quantity or 'anything known'}: one of {', '.join(fitting)}")
    return found


def to_si(value: Value, name: str, quantity: str | None = None) -> Value:
    """A value in the named unit, in SI."""
    _, factor, offset = unit(name, quantity)
    return value * factor + offset if offset else value * factor


def from_si(value: Value, name: str, quantity: str | None = None) -> Value:
    """The inverse of `to_si`, to round-off."""
    _, factor, offset = unit(name, quantity)
    return (value - offset) / factor


def length_unit(length_m: float) -> str:
    """The unit in which a person is told a length: mm from 0.6 mm on, where DED's melt pools begin, else um."""
    return "mm" if abs(length_m) >= MILLIMETRES_FROM_M else "um"


def unit_of_column(name: str) -> str:
    """The unit that a column's name says by its longest known suffix; empty where it says none."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return SUFFIXES[suffix]
    return ""
