"""Naming: which of our fields a metric is, and how its number becomes SI.

A metric's name is read from its end: of `Cell 3/Melt Pool/Width` the words `cell_3_melt_pool_width`, `melt_pool_width`
and `width` are tried. Words that mean many things (`temperature`, `x`) count alone or in a folder that says what they
are of (`Axis/X`). The unit is that of the property `engUnit`, or the end of the name (`melt_pool_width_um`). A
quantity without a unit, or with a unit of another quantity, is a fault and not a guess.
"""

import re
from dataclasses import dataclass
from typing import Literal

from ingest.codecs.fault import Fault, one_line
from ingest.sparkplug.payload import DataType, Metric, Scalar
from twin.units import UnitError, to_si, unit

Use = Literal["signal", "parameters", "build", "context"]


@dataclass(frozen=True)
class Field:
    """A field of ours: what for, its name, the quantity that its unit must be of ("": a number without one), and
    whether it is text."""

    use: Use
    name: str
    quantity: str = ""
    text: bool = False


@dataclass(frozen=True)
class Meaning:
    """A metric's field and unit ("": as it is)."""

    field: Field
    unit: str = ""

    def value(self, said: Scalar) -> Scalar | None:
        """In SI; None where the type does not fit."""
        if self.field.text:
            return said if isinstance(said, str) else None
        if isinstance(said, str):
            return None
        return to_si(float(said), self.unit) if self.unit else float(said)


FIELDS = {
    "melt_pool_width": Field("signal", "melt_pool_width_m", "length"),
    "melt_pool_length": Field("signal", "melt_pool_length_m", "length"),
    "melt_pool_depth": Field("signal", "melt_pool_depth_m", "length"),
    "melt_pool_temperature": Field("signal", "temperature_k", "temperature"),
    "temperature": Field("signal", "temperature_k", "temperature"),
    "photodiode": Field("signal", "photodiode_v", "voltage"),
    "laser_on": Field("signal", "laser_on"),
    "x": Field("parameters", "x_m", "length"),
    "y": Field("parameters", "y_m", "length"),
    "z": Field("parameters", "z_m", "length"),
    "beam_power": Field("parameters", "beam_power_w", "power"),
    "laser_power": Field("parameters", "beam_power_w", "power"),
    "build": Field("context", "build", text=True),
    "layer": Field("context", "layer"),
    "material": Field("build", "material", text=True),
    "part": Field("build", "part", text=True),
    "beam_diameter": Field("build", "beam_diameter_m", "length"),
    "layer_thickness": Field("build", "layer_thickness_m", "length"),
    "hatch_spacing": Field("build", "hatch_spacing_m", "length"),
    "preheat": Field("build", "preheat_k", "temperature"),
    "absorptivity": Field("build", "absorptivity"),
    "nominal_beam_power": Field("build", "nominal_beam_power_w", "power"),
    "nominal_scan_speed": Field("build", "nominal_scan_speed_m_per_s", "speed"),
    "frame": Field("build", "frame_s", "time"),
}
SUFFIXES = {
    "_m_per_s": "m/s", "_mm_per_s": "mm/s", "_mm_per_min": "mm/min", "_m_per_min": "m/min", "_m": "m", "_mm": "mm",
    "_um": "um", "_k": "K", "_c": "C", "_w": "W", "_kw": "kW", "_v": "V", "_mv": "mV", "_s": "s", "_ms": "ms",
    "_us": "us",
}  # fmt: skip
_AXES = frozenset("xyz")
# Words that many machines use for other things too: alone, or under one of these folders, they are ours.
_COMMON = _AXES | {"temperature", "frame", "part", "preheat", "layer", "build", "material", "photodiode"}
_FOLDERS = frozenset(
    {"meltwin", "melt_pool", "beam", "laser", "scanner", "axis", "axes", "position", "build", "process"}
)
_READ = frozenset(range(DataType.INT8, DataType.TEXT + 1))


def meaning_of(metric: Metric) -> Meaning | Fault | None:
    """What a metric of a birth means to us; None: nothing, a Fault: it should, and cannot."""
    words = [re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") for part in (metric.name or "").split("/")]
    for first in range(max(0, len(words) - 4), len(words)):
        found = _field("_".join(words[first:]))
        if found is not None and (found[0] not in _COMMON or first == 0 or words[first - 1] in _FOLDERS):
            return _with_unit(metric, *found)
    return None


def _field(word: str) -> tuple[str, Field, str] | None:
    """(stem, field, unit that the word ends with)."""
    if word in FIELDS:
        return word, FIELDS[word], ""
    for suffix, name in SUFFIXES.items():
        stem = word.removesuffix(suffix)
        if stem != word and stem in FIELDS and FIELDS[stem].quantity:
            return stem, FIELDS[stem], name
    return None


def _with_unit(metric: Metric, stem: str, field: Field, said: str) -> Meaning | Fault | None:
    if metric.datatype not in _READ:
        return Fault("not_supported", one_line(f"{metric.name}: datatype {metric.datatype} is not read"))
    if not field.quantity:
        return Meaning(field)
    name = str(metric.properties.get("engUnit", "")) or said
    try:
        return Meaning(field, name) if name and unit(name, field.quantity) else _no_unit(metric, stem, "no unit")
    except UnitError as wrong:
        return _no_unit(metric, stem, str(wrong))


def _no_unit(metric: Metric, stem: str, why: str) -> Fault | None:
    """An axis without a length is some other x, y or z."""
    return None if stem in _AXES else Fault("wrong_unit", one_line(f"{metric.name}: {why}"))
