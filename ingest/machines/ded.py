"""ded-1: directed energy deposition of a single-bead wall, to and fro, one pass a layer, at real time."""

from itertools import pairwise

import numpy as np

from ingest.machines.simulated import Design, SimulatedMachine, Vector
from twin.observation import Build

WALL_M = 0.020
SCAN_SPEED_M_PER_S = 0.010
PIECE_S = 0.4  # the power may step this often
WAIT_S = 0.5  # laser off at the end of a pass, while the head rises

ABSORBS = 0.9  # of what the rule says: a dull spot in the optics, told to nobody

_POWERS_W = (300.0, 330.0, 360.0, 390.0, 420.0)
FINE = (0.945, 0.945)  # of the camera's sizes: its cells are coarse for so shallow a pool


def ded_wall(seed: int, run: str = "", name: str = "ded-1", absorbs: float = ABSORBS) -> SimulatedMachine:
    """360 W and slow steps around it on IN718; frames of 20 ms, in which the beam travels a quarter of its diameter."""
    build = Build(
        source=name,
        sequence=0,
        time_s=0.0,
        build=f"wall-{run}" if run else "wall",
        material="IN718",
        beam_diameter_m=0.8e-3,
        layer_thickness_m=0.4e-3,
        preheat_k=298.15,
        nominal_beam_power_w=360.0,
        nominal_scan_speed_m_per_s=SCAN_SPEED_M_PER_S,
        frame_s=0.020,
        part="single-bead wall",
    )
    design = Design("ded", "simulated, in real time", 1.0, build, 2e-3, 1, _pass, absorbs, 10, FINE)
    return SimulatedMachine(name, design, seed, run)


def _pass(layer: int, rng: np.random.Generator) -> list[Vector]:
    ends = (0.0, WALL_M) if layer % 2 == 0 else (WALL_M, 0.0)
    pieces = round(WALL_M / SCAN_SPEED_M_PER_S / PIECE_S)
    marks_m = np.linspace(*ends, pieces + 1).tolist()
    at = _POWERS_W.index(360.0)
    vectors = []
    for x0_m, x1_m in pairwise(marks_m):
        vectors.append(Vector(PIECE_S, x0_m, 0.0, x1_m, 0.0, _POWERS_W[at]))
        at = min(max(at + int(rng.integers(-1, 2)), 0), len(_POWERS_W) - 1)
    vectors.append(Vector(WAIT_S, marks_m[-1], 0.0, marks_m[-1], 0.0, 0.0))
    return vectors
