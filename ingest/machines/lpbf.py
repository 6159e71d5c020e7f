"""lpbf-1: laser powder bed fusion of a hatch with turns and power steps, in slow motion.

At 0.8 m/s a frame of 62.5 us is half a beam diameter, 16,000 frames a second; ten of them are shown a wall second.
"""

from itertools import pairwise

import numpy as np

from ingest.machines.simulated import Design, SimulatedMachine, Vector
from twin.observation import Build

VECTOR_M = 3e-3
HATCH_M = 100e-6
TRACKS = 20
SCAN_SPEED_M_PER_S = 0.8
PIECE_M = 0.75e-3  # the power may step this often along a vector
TURN_S = 250e-6  # laser off between two vectors
TIME_FACTOR = 6.25e-4  # process seconds a wall second

ABSORBS = 1.15  # of what the rule says: powder takes up more than the plate that the rule knows; told to nobody

_POWERS_W = (160.0, 175.0, 195.0, 215.0, 230.0)
FINE = (1.015, 1.02)  # of the camera's sizes: its cells are coarse


def lpbf_hatch(seed: int, run: str = "", name: str = "lpbf-1", absorbs: float = ABSORBS) -> SimulatedMachine:
    """195 W and steps around it on IN625; hatch 100 um, vectors of 3 mm, each turned against the one before."""
    build = Build(
        source=name,
        sequence=0,
        time_s=0.0,
        build=f"hatch-{run}" if run else "hatch",
        material="IN625",
        beam_diameter_m=100e-6,
        layer_thickness_m=40e-6,
        preheat_k=298.15,
        nominal_beam_power_w=195.0,
        nominal_scan_speed_m_per_s=SCAN_SPEED_M_PER_S,
        frame_s=62.5e-6,
        hatch_spacing_m=HATCH_M,
        part="hatched square",
    )
    note = f"simulated, in slow motion: one millisecond of the process takes {1e-3 / TIME_FACTOR:g} s"
    design = Design("lpbf", note, TIME_FACTOR, build, 5e-6, 4, _hatch, absorbs, 2, FINE)
    return SimulatedMachine(name, design, seed, run)


def _hatch(layer: int, rng: np.random.Generator) -> list[Vector]:
    """Tracks along x in even layers, along y in odd ones."""
    pieces = round(VECTOR_M / PIECE_M)
    vectors: list[Vector] = []
    at = _POWERS_W.index(195.0)
    for track in range(TRACKS):
        ends = (0.0, VECTOR_M) if track % 2 == 0 else (VECTOR_M, 0.0)
        marks_m = np.linspace(*ends, pieces + 1).tolist()
        across_m = track * HATCH_M
        for a_m, b_m in pairwise(marks_m):
            vectors.append(_turned(layer, PIECE_M / SCAN_SPEED_M_PER_S, a_m, across_m, b_m, across_m, _POWERS_W[at]))
            at = min(max(at + int(rng.integers(-1, 2)), 0), len(_POWERS_W) - 1)
        next_m = across_m + HATCH_M if track < TRACKS - 1 else across_m
        vectors.append(_turned(layer, TURN_S, marks_m[-1], across_m, marks_m[-1], next_m, 0.0))
    return vectors


def _turned(layer: int, duration_s: float, x0: float, y0: float, x1: float, y1: float, power_w: float) -> Vector:
    if layer % 2:
        x0, y0, x1, y1 = y0, x0, y1, x1
    return Vector(duration_s, x0, y0, x1, y1, power_w)
