"""Query: the steady melt pool of one set of laser parameters, without a machine."""

import math
from dataclasses import dataclass

import numpy as np

from twin.forecast import MeltPool, Outcome, Regime
from twin.material import material as material_of
from twin.process import ABSORPTIVITY, Process, keyhole_number, regime

FRAME_DIAMETERS = 0.5  # how far the beam goes between two looks at the reference
STEADY_CHANGE = 0.003  # over STEADY_FRAMES
STEADY_FRAMES = 8
FEWEST_FRAMES, MOST_FRAMES = 20, 200
SLOWEST_PECLET = 0.5  # below it the heat outruns the boxes and a frame takes minutes
CELLS_PER_DIAMETER = 10  # of the reference; more in shallow pools
CUT = 0.95  # share of the window's reach beyond which a pool counts as cut by it
TRACK_DIAMETERS = 40.0  # long enough to be steady
NO_POOL = MeltPool(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Answer:
    """The melt pool and whether it may be trusted. `operator` names who computed it."""

    melt_pool: MeltPool
    regime: Regime
    keyhole_number: float
    outcome: Outcome
    operator: str


def melt_pool(
    material: str,
    beam_power_w: float,
    scan_speed_m_per_s: float,
    beam_diameter_m: float,
    preheat_k: float = 298.15,
    absorptivity: float | None = None,
    by: str = "reference",
    device: str = "cpu",
) -> Answer:
    """The steady melt pool of a straight track on bare plate; absorptivity None means the default of conduction, .35.

    by: reference (the solver, seconds), eagar-tsai (constant properties, no latent heat) or operator.
    """
    process = Process(
        material=material_of(material),
        beam_diameter_m=beam_diameter_m,
        preheat_k=preheat_k,
        absorptivity=ABSORPTIVITY if absorptivity is None else absorptivity,
    )
    if not (math.isfinite(beam_power_w) and beam_power_w >= 0):
        raise ValueError(f"beam power must be at least 0 W, got {beam_power_w}")
    if not (math.isfinite(scan_speed_m_per_s) and scan_speed_m_per_s > 0):
        raise ValueError(f"scan speed must be above 0 m/s for a steady melt pool, got {scan_speed_m_per_s}")
    if by == "reference":
        pool, outcome = _by_reference(process, beam_power_w, scan_speed_m_per_s)
    elif by == "eagar-tsai":
        pool, outcome = _by_eagar_tsai(process, beam_power_w, scan_speed_m_per_s)
    elif by == "operator":
        return _by_operator(process, beam_power_w, scan_speed_m_per_s, device)
    else:
        raise ValueError(f"by must be reference, operator or eagar-tsai, got {by!r}")
    number = keyhole_number(process, beam_power_w, scan_speed_m_per_s)
    return Answer(pool, regime(number), number, outcome, by)


def _by_operator(process: Process, beam_power_w: float, scan_speed_m_per_s: float, device: str) -> Answer:
    """One look at the end of a long straight track; outside the envelope the reference answers, and it is said."""
    from operators import card
    from operators.engine import Engine
    from operators.operator import Stream, Task
    from twin import trust

    shipped = card.names()
    if not shipped:
        raise ValueError("no operator is shipped here: make one with ./meltwin train melt-pool, or ask --by reference")
    model, told = card.load(shipped[0], device=device)
    engine = Engine(model, told, device)
    number = keyhole_number(process, beam_power_w, scan_speed_m_per_s)
    outcome = trust.outside(told["envelope"], process, beam_power_w, scan_speed_m_per_s)
    if outcome is not None:
        pool, _ = _by_reference(process, beam_power_w, scan_speed_m_per_s)
        return Answer(pool, regime(number), number, outcome, "reference")
    q, peclet = process.q(beam_power_w), process.peclet(scan_speed_m_per_s)
    rows = np.array([[0.0, 0.0, 0.0, q], [TRACK_DIAMETERS / peclet, TRACK_DIAMETERS, 0.0, q]])
    look = engine.step([Task(Stream("query", process.groups(), peclet), [rows], [])])[0][0]
    pool, outcome = _measured(process, look.theta)
    return Answer(pool, regime(number), number, outcome, told["name"])


def _by_eagar_tsai(process: Process, beam_power_w: float, scan_speed_m_per_s: float) -> tuple[MeltPool, Outcome]:
    from operators.reference import eagar_tsai
    from operators.window import WindowGrid

    grid = WindowGrid()
    theta = eagar_tsai.steady(process.q(beam_power_w), process.peclet(scan_speed_m_per_s), grid)
    return _measured(process, theta)


def _by_reference(process: Process, beam_power_w: float, scan_speed_m_per_s: float) -> tuple[MeltPool, Outcome]:
    """Scan straight on until the sizes stand still."""
    from operators.reference import eagar_tsai
    from operators.reference.melt_pool import Boxes, MeltPoolSolver
    from operators.window import WindowGrid

    q, peclet = process.q(beam_power_w), process.peclet(scan_speed_m_per_s)
    if peclet < SLOWEST_PECLET:
        slowest = SLOWEST_PECLET * process.diffusivity_m2_per_s / process.beam_diameter_m
        raise ValueError(f"scan speed must be at least {slowest:.3g} m/s for the reference, got {scan_speed_m_per_s}")
    grid, groups = WindowGrid(), process.groups()
    x, y, z = grid.points
    _, _, depth = grid.sizes(eagar_tsai.steady(q, peclet, grid), groups.solidus)
    solver = MeltPoolSolver(groups, Boxes.fitting(depth, CELLS_PER_DIAMETER))
    frame = FRAME_DIAMETERS / peclet  # in d^2/alpha
    sizes: list[np.ndarray] = []
    change = math.inf
    theta = np.zeros(grid.shape)
    for n in range(MOST_FRAMES):
        here, there = n * FRAME_DIAMETERS, (n + 1) * FRAME_DIAMETERS
        solver.advance(np.array([[n * frame, here, 0.0, q], [(n + 1) * frame, there, 0.0, q]]))
        theta = solver.theta(x + there, y, z)
        if not np.isfinite(theta).all():
            break
        sizes.append(np.array(grid.sizes(theta, groups.solidus)))
        if n + 1 >= FEWEST_FRAMES:
            before, now = sizes[-1 - STEADY_FRAMES], sizes[-1]
            change = float(np.max(np.abs(now - before) / np.maximum(now, 1e-9)))
            if change < STEADY_CHANGE:
                break
    pool, outcome = _measured(process, theta)
    if outcome.kind == "ok" and not change < STEADY_CHANGE:
        return pool, Outcome("residual", "melt-pool size still changing", change)
    return pool, outcome


def _measured(process: Process, theta: np.ndarray) -> tuple[MeltPool, Outcome]:
    """Sizes of the pool in m, and whether the window holds it."""
    from operators.window import WindowGrid

    grid = WindowGrid()
    if not np.isfinite(theta).all():
        return NO_POOL, Outcome("non_finite", "temperature")
    length, width, depth = grid.sizes(theta, process.groups().solidus)
    d = process.length_m
    pool = MeltPool(length * d, width * d, depth * d)
    for which, size, reach in (
        ("melt-pool length", length, grid.behind),
        ("melt-pool width", width, 2 * grid.aside),
        ("melt-pool depth", depth, grid.deep),
    ):
        if size > CUT * reach:
            return pool, Outcome("outside_envelope", which, (size - CUT * reach) * d, "m")
    return pool, Outcome()
