"""Telling: from what an operator saw, in its units, to what is told of a window, in SI."""

import numpy as np

from operators.operator import Look, Operator
from operators.window import WindowGrid
from twin.forecast import CUT, Absorbed, Band, Field, Forecast, Lead, MeltPool, Outcome, cut
from twin.place import Place
from twin.process import Process


def lead(
    place: Place, d: float, lead_s: float, look: Look, beam_power_w: float, sizes: np.ndarray, band: Band | None
) -> Lead:
    """The melt pool at one lead; sizes (3,) in beam diameters."""
    pool = MeltPool(*(float(size) * d for size in sizes))
    return Lead(lead_s, place.window.end_s + lead_s, pool, look.x * d, look.y * d, beam_power_w, band)


def held(grid: WindowGrid, sizes: np.ndarray, d: float) -> tuple[int, Outcome | None, str]:
    """At how many leads, from the first, the window holds the melt pool of sizes (lead, 3) in beam diameters; which
    size it cuts at the next, and that as a person says it."""
    reach = MeltPool(grid.behind * d, 2 * grid.aside * d, grid.deep * d)
    for number, each in enumerate(sizes):
        found = cut(MeltPool(*(float(size) * d for size in each)), reach)
        if found is not None:
            most_m = CUT * getattr(reach, found.which.rpartition(" ")[2] + "_m")
            told, most = (f"{1e6 * value_m:,.0f} µm" for value_m in (most_m + found.by, most_m))
            return number, found, f"{found.which} at least {told}, the window holds {most}"
    return len(sizes), None, ""


def absorbed(place: Place, process: Process, look: Look) -> Absorbed | None:
    """What an operator has inferred, over what the build or the rule says; None where there is nothing to absorb."""
    if look.absorbs is None or not place.beam_power_w > 0:
        return None
    nominal = process.source(place.beam_power_w, place.scan_speed_m_per_s).absorptivity
    return Absorbed(min(float(look.absorbs * nominal), 1.0), float(nominal), look.pictures)


def field(place: Place, process: Process, operator: Operator, lead_s: float, look: Look, now_s: float) -> Field:
    d, grid = process.beam_diameter_m, operator.grid
    return Field(
        grid.x * d,
        grid.y * d,
        grid.z * d,
        (process.preheat_k + process.temperature_k_rise * look.theta).astype(np.float32),
        process.material.solidus_k,
        process.material.boiling_k,
        look.heading,
        lead_s,
        place.window.end_s + lead_s,
        now_s,
    )


def unusable(place: Place, operator: Operator, now_s: float) -> Forecast:
    """A window of a build that nothing can be said about: kept, and why."""
    return withheld(place, operator, now_s, Outcome("outside_envelope", place.unusable))


def withheld(place: Place, operator: Operator, now_s: float, outcome: Outcome) -> Forecast:
    """A row without a forecast, that says why."""
    window = place.window
    return Forecast(
        machine=window.machine,
        build=window.build,
        layer=window.layer,
        frame=window.index,
        time_s=window.end_s,
        issued_s=now_s,
        sent_s=window.sent_s,
        operator=operator.card["name"],
        outcome=outcome,
        regime=None,
        keyhole_number=None,
        laser_on=place.beam_power_w > 0,
    )
