"""Tables of observed melt pools and of materials, as DataFrames in SI: for tests, tuning and validation.

`read_table` knows a table by its columns and says the unit in each name: MeltpoolNet's geometry and classification
(Akbari 2022), the AMMT frames, thermal tables k(T) and cp(T), constants of alloys, the NIST AMB2018-02 summary. What it
does not know it refuses; what it leaves out is in `attrs["left_out"]`, the kind in `attrs["kind"]`.

A trap: MeltpoolNet gives the melting temperature in kelvin in one table and in degrees Celsius in the other, and 273 K
where nobody knew it; that becomes NaN.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ingest.errors import BadSourceError
from ingest.files.text import lines, opened
from twin.units import to_si

MAX_TABLE_BYTES = 64 << 20


class Kind(NamedTuple):
    """A table that is known: columns it must have, what each becomes (name, unit), with unit None for words."""

    name: str
    needs: frozenset[str]
    columns: dict[str, tuple[str, str | None]]


_PROCESS: dict[str, tuple[str, str | None]] = {
    "material": ("material", None),
    "process": ("process", None),
    "power": ("beam_power_w", "W"),
    "velocity": ("scan_speed_m_per_s", "mm/s"),
    "hatch_spacing": ("hatch_spacing_m", "um"),
    "layer_thickness": ("layer_thickness_m", "um"),
    "beam_diameter": ("beam_diameter_m", "um"),
    "density": ("density_kg_per_m3", "kg/m3"),
    "specific_heat_capacity": ("specific_heat_j_per_kg_k", "J/kgK"),
    "k": ("conductivity_w_per_m_k", "W/mK"),
    "minimal_absorptivity": ("minimum_absorptivity", "1"),
    "melt_pool_shape": ("label", None),
    "paper_id": ("paper", None),
    "paper_url": ("paper_url", None),
}
KINDS = (
    Kind(
        "meltpoolnet geometry",
        frozenset({"material", "power", "velocity", "melt_pool_depth", "melt_pool_width", "melting_temperature"}),
        _PROCESS
        | {
            "sub_process": ("sub_process", None),
            "melt_pool_depth": ("melt_pool_depth_m", "um"),
            "melt_pool_width": ("melt_pool_width_m", "um"),
            "melt_pool_length": ("melt_pool_length_m", "um"),
            "melting_temperature": ("melting_k", "K"),
        },
    ),
    Kind(
        "meltpoolnet classification",
        frozenset({"material", "power", "velocity", "melt_pool_shape", "melting_temperature"}),
        _PROCESS | {"melting_temperature": ("melting_k", "C")},
    ),
    Kind(
        "ammt frames",
        frozenset({"frame", "power_W", "speed_mm_s", "dir_x", "dir_y"}),
        {
            "strategy": ("strategy", None),
            "frame": ("frame", "1"),
            "power_W": ("beam_power_w", "W"),
            "speed_mm_s": ("scan_speed_m_per_s", "mm/s"),
            "dir_x": ("direction_x", "1"),
            "dir_y": ("direction_y", "1"),
            "meltpool_shape_class8": ("shape_class", "1"),
        },
    ),
    Kind(
        "thermal tables",
        frozenset({"material", "T_K", "k_W_mK", "cp_J_kgK"}),
        {
            "material": ("material", None),
            "T_K": ("temperature_k", "K"),
            "k_W_mK": ("conductivity_w_per_m_k", "W/mK"),
            "cp_J_kgK": ("specific_heat_j_per_kg_k", "J/kgK"),
            "rho_kg_m3": ("density_kg_per_m3", "kg/m3"),
            "source": ("source", None),
        },
    ),
    Kind(
        "material constants",
        frozenset({"material", "rho_kg_m3", "T_solidus_K", "T_liquidus_K"}),
        {
            "material": ("material", None),
            "rho_kg_m3": ("density_kg_per_m3", "kg/m3"),
            "T_solidus_K": ("solidus_k", "K"),
            "T_liquidus_K": ("liquidus_k", "K"),
            "T_boil_K": ("boiling_k", "K"),
            "Lf_J_kg": ("latent_heat_j_per_kg", "J/kg"),
            "Lv_J_kg": ("vaporisation_j_per_kg", "J/kg"),
            "emissivity": ("emissivity", "1"),
            "absorptivity": ("absorptivity", "1"),
            "source": ("source", None),
        },
    ),
)


def kind_of_header(names: list[str]) -> Kind | None:
    """The table that has these columns."""
    return next((kind for kind in KINDS if kind.needs <= set(names)), None)


def read_table(path: Path | str) -> pd.DataFrame:
    """One table, in SI, units in the names. Rows keep their order and number; what nobody measured is NaN."""
    path = Path(path)
    if not path.is_file():
        raise BadSourceError(path, "there is no such file")
    header = [name.strip() for name in next(lines(path, MAX_TABLE_BYTES), (1, ""))[1].split(",")]
    kind = kind_of_header(header)
    if kind is None:
        known = "; ".join(f"{each.name}: {', '.join(sorted(each.needs))}" for each in KINDS)
        raise BadSourceError(path, f"is no table that is known here; those need the columns {known}", 1)
    try:
        with opened(path, MAX_TABLE_BYTES) as file:
            raw = pd.read_csv(file, skipinitialspace=True)
        columns = {}
        for name, (ours, unit) in kind.columns.items():
            if name in raw:
                column = raw[name]
                columns[ours] = column if unit is None else to_si(column.to_numpy(dtype=np.float64), unit)
    except (ValueError, pd.errors.ParserError) as wrong:
        raise BadSourceError(path, f"cannot be read as a table: {str(wrong).splitlines()[0]}") from wrong
    table = pd.DataFrame(columns)
    if "melting_k" in table:
        table["melting_k"] = table["melting_k"].where(table["melting_k"] > 273.2)
    table.attrs = {"kind": kind.name, "left_out": [name for name in raw if name not in kind.columns]}
    return table
