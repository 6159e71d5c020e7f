"""Place: a window with what is constant around it: its build, its process, and what the laser did in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from operators.operator import Operator
from twin import trust
from twin.forecast import Outcome
from twin.material import UnknownMaterialError, material
from twin.observation import Build, Path, Window
from twin.process import Process
from twin.regime import regime

FASTEST_PECLET = 2000.0  # 100 m/s of a beam of 100 um on IN625; high-speed cladding comes to 1,700


@dataclass(frozen=True)
class Place:
    """A window with what is constant around it, and the beam's power and scan speed in it."""

    window: Window
    build: Build
    process: Process | None  # None: `unusable` says why
    unusable: str
    beam_power_w: float
    scan_speed_m_per_s: float


def placed(window: Window, build: Build) -> Place:
    """A window in its place."""
    process, unusable = process_of(build)
    return Place(window, build, process, unusable, *power_and_speed(window.path))


def process_of(build: Build) -> tuple[Process | None, str]:
    """The process that a build names, or why there is none."""
    try:
        alloy = material(build.material)
        return Process(
            alloy, build.beam_diameter_m, build.preheat_k, build.absorptivity, layer_thickness_m=build.layer_thickness_m
        ), ""
    except UnknownMaterialError:
        return None, f"alloy {build.material}, which has no properties here"
    except ValueError as error:
        return None, str(error)


def outside(operator: Operator, process: Process, beam_power_w: float, scan_speed_m_per_s: float) -> Outcome | None:
    envelope = operator.card.get("envelope")
    return None if envelope is None else trust.outside(envelope, process, beam_power_w, scan_speed_m_per_s)


def power_and_speed(path: Path) -> tuple[float, float]:
    """Largest power in a window, and the scan speed while the laser is on."""
    steps_s = np.diff(path.time_s)
    on = path.beam_power_w[:-1] > 0
    if not on.any():
        return 0.0, 0.0
    travelled = np.hypot(np.diff(path.x_m), np.diff(path.y_m))[on].sum()
    span = steps_s[on].sum()
    return float(path.beam_power_w[:-1].max()), float(travelled / span) if span > 0 else 0.0


def departs(operator: Operator, process: Process, planned: Sequence[Path]) -> tuple[int, str]:
    """How many frames of a plan there are before one is outside an operator's envelope, and what is outside in it, as a
    person says it; empty where none is."""
    envelope = operator.card.get("envelope")
    if envelope is None:
        return len(planned), ""
    known: dict[tuple[float, float], str] = {}
    for number, path in enumerate(planned):
        power, speed = (float(f"{value:.9g}") for value in power_and_speed(path))  # a plan goes on as it was
        if (power, speed) not in known:
            known[power, speed] = trust.said(envelope, process, power, speed)
        if known[power, speed]:
            return number, known[power, speed]
    return len(planned), ""


def strays(path: Path, process: Process) -> np.ndarray:
    """Which stretches of a path are lit and faster than any beam that melts: a jump with the power on, a place in mm
    under a name in m. What is spread so thin heats nothing, and no operator is asked to follow it."""
    lit = (path.beam_power_w[:-1] > 0) & (np.diff(path.time_s) > 0)
    return np.asarray(lit & (_speeds(path) > _fastest_m_per_s(process)))


def strayed(path: Path, process: Process) -> Outcome | None:
    """The same as an outcome."""
    if not (found := strays(path, process)).any():
        return None
    beyond = float(_speeds(path)[found].max()) - _fastest_m_per_s(process)
    return Outcome("outside_envelope", "scan speed", beyond, "m/s")


def _speeds(path: Path) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.hypot(np.diff(path.x_m), np.diff(path.y_m)) / np.diff(path.time_s))


def _fastest_m_per_s(process: Process) -> float:
    return FASTEST_PECLET / process.peclet(1.0)


def setting(place: Place, process: Process, own: Operator) -> trust.Setting:
    """What a forecast is judged for: while the laser is off, as the build names it."""
    power, speed = place.beam_power_w, place.scan_speed_m_per_s
    if not (power > 0 and speed > 0):
        power, speed = place.build.nominal_beam_power_w, place.build.nominal_scan_speed_m_per_s
    kind = regime(process.source(power, speed).boiling_number)
    return trust.Setting(process, power, speed, kind, own.card.get("envelope"))
