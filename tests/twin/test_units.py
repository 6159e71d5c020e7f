"""Units: there and back is the same, the known pairs hold, and a length is never read as a time."""

import math

import numpy as np
import pytest

from twin.units import UNITS, UnitError, from_si, length_unit, to_si, unit_of_column


@pytest.mark.parametrize("name", UNITS)
def test_there_and_back(name: str) -> None:
    values = np.array([-3.0, 0.0, 1e-7, 12.5, 4e5])
    assert from_si(to_si(values, name), name) == pytest.approx(values, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize(
    ("value", "name", "si"),
    [
        (25.4, "mm", 0.0254), (1.0, "inch", 0.0254), (77.0, "um", 77e-6), (77.0, "µm", 77e-6), (10.0, "us", 1e-5),
        (960.0, "mm/s", 0.96), (1296.0, "mm/min", 0.0216), (20.0, "C", 293.15), (273.15, "K", 273.15),
        (1.2, "kW", 1200.0), (8.44, "g/cm3", 8440.0), (500.0, "ppm", 5e-4), (100.0, "kHz", 1e5),
    ],
)  # fmt: skip
def test_known_pairs(value: float, name: str, si: float) -> None:
    assert math.isclose(to_si(value, name), si, rel_tol=1e-14)


def test_a_unit_of_another_quantity_is_refused_with_those_that_fit() -> None:
    with pytest.raises(UnitError, match="of length: one of m, cm, mm, um, inch"):
        to_si(1.0, "ms", "length")
    with pytest.raises(UnitError, match="furlong"):
        to_si(1.0, "furlong")


@pytest.mark.parametrize(
    ("column", "unit"),
    [("scan_speed_m_per_s", "m/s"),
     ("time_s", "s"), ("beam_power_w", "W"), ("frame", ""), ("specific_heat_j_per_kg_k", "J/(kg K)")],
)  # fmt: skip
def test_a_columns_name_says_its_unit(column: str, unit: str) -> None:
    assert unit_of_column(column) == unit


@pytest.mark.parametrize(("length_m", "unit"), [(104e-6, "um"), (-31e-6, "um"), (0.6e-3, "mm"), (-1.4e-3, "mm")])
def test_a_person_is_told_a_length_in_the_unit_of_its_process(length_m: float, unit: str) -> None:
    assert length_unit(length_m) == unit
