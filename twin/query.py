"""Query: the steady melt pool of one set of laser parameters, without a machine."""

import math
from dataclasses import dataclass, replace

import numpy as np

from operators.reference.beam import BeamShape
from twin.forecast import Band, MeltPool, Outcome, Regime, cut
from twin.material import Material
from twin.material import material as material_of
from twin.process import Process, Source
from twin.regime import balling, keyhole_number, lack_of_fusion, regime, remelted_m

SLOWEST_PECLET = 0.5  # below it the heat outruns the boxes and a frame takes minutes
TRACK_DIAMETERS = 40.0  # long enough to be steady
COOLING_K = 100.0  # below the solidus: the range of NIST's cooling rates, 1290 to 1190 C in IN625
NO_POOL = MeltPool(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Answer:
    """The melt pool and whether it may be trusted. `operator` names who computed it."""

    melt_pool: MeltPool
    regime: Regime
    keyhole_number: float
    outcome: Outcome
    operator: str
    boiling_number: float = 0.0  # how hot conduction alone would make the surface, over its boiling point
    absorptivity: float = 0.0
    source_depth_m: float = 0.0
    remelted_m: float = 0.0  # depth below the powder layer; the depth on a bare plate
    above_melt_s: float = math.nan  # how long the middle of the track stays above the solidus
    # from the solidus to 100 K below it, by the reference alone; else NaN. Read off the window, whose nodes stand far
    # apart there, it is up to a third off, and off an operator's field up to a half
    cooling_k_per_s: float = math.nan
    band: Band | None = None  # None: nothing is claimed about the error
    credibility: float | None = None  # a p-value (`twin.trust`); None where nothing was calibrated
    evidence: str = ""  # why the outcome is what it is, to a person

    @property
    def balling(self) -> float:
        """L/W over its limit (`twin.regime.balling`)."""
        return balling(self.melt_pool.length_m, self.melt_pool.width_m)

    def lack_of_fusion(self, hatch_spacing_m: float, layer_thickness_m: float) -> float:
        """(h/W)^2 + (t/D)^2 (`twin.regime.lack_of_fusion`)."""
        return lack_of_fusion(hatch_spacing_m, layer_thickness_m, self.melt_pool.width_m, self.melt_pool.depth_m)


def melt_pool(
    material: str | Material,
    beam_power_w: float,
    scan_speed_m_per_s: float,
    beam_diameter_m: float,
    preheat_k: float = 298.15,
    absorptivity: float | None = None,
    by: str = "reference",
    device: str = "cpu",
    *,
    beam_shape: BeamShape = "gaussian",
    layer_thickness_m: float = 0.0,
) -> Answer:
    """The steady melt pool of a straight track; absorptivity None means by the rule (`operators.reference.rule`).

    by: reference (the solver, a second), operator (the shipped weights), eagar-tsai or rosenthal (constant properties,
    no latent heat). layer_thickness_m is of powder over the plate, 0 for a bare one.
    """
    process = Process(
        material=material_of(material) if isinstance(material, str) else material,
        beam_diameter_m=beam_diameter_m,
        preheat_k=preheat_k,
        absorptivity=absorptivity,
        beam_shape=beam_shape,
        layer_thickness_m=layer_thickness_m,
    )
    if not (math.isfinite(beam_power_w) and beam_power_w >= 0):
        raise ValueError(f"beam power must be at least 0 W, got {beam_power_w}")
    if not (math.isfinite(scan_speed_m_per_s) and scan_speed_m_per_s > 0):
        raise ValueError(f"scan speed must be above 0 m/s for a steady melt pool, got {scan_speed_m_per_s}")
    if by == "reference":
        return _by_reference(process, beam_power_w, scan_speed_m_per_s)
    if by == "operator":
        return _by_operator(process, beam_power_w, scan_speed_m_per_s, device)
    if by in ("eagar-tsai", "rosenthal"):
        if beam_shape != "gaussian":
            raise ValueError(f"{by} knows no {beam_shape} beam: ask --by reference")
        return _by_formula(process, beam_power_w, scan_speed_m_per_s, by)
    raise ValueError(f"by must be reference, operator, eagar-tsai or rosenthal, got {by!r}")


def _answer(
    process: Process, beam_power_w: float, scan_speed_m_per_s: float, source: Source, pool: MeltPool, outcome: Outcome,
    by: str, cooling_k_per_s: float = math.nan,
) -> Answer:  # fmt: skip
    return Answer(
        pool,
        regime(source.boiling_number),
        keyhole_number(process, beam_power_w, scan_speed_m_per_s),
        outcome,
        by,
        source.boiling_number,
        source.absorptivity,
        source.depth * process.length_m,
        remelted_m(pool.depth_m, process.layer_thickness_m),
        pool.length_m / scan_speed_m_per_s,
        cooling_k_per_s,
    )


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
    outcome = trust.outside(told["envelope"], process, beam_power_w, scan_speed_m_per_s)
    if outcome is not None:
        slowest, said = (
            slowest_m_per_s(process),
            trust.said(told["envelope"], process, beam_power_w, scan_speed_m_per_s),
        )
        if scan_speed_m_per_s < slowest:
            raise ValueError(
                f"{told['name']} has not learned this ({said}), and the reference, which answers outside, wants a scan "
                f"speed of at least {slowest:.3g} m/s, got {scan_speed_m_per_s}"
            )
        answer = _by_reference(process, beam_power_w, scan_speed_m_per_s)
        return replace(answer, outcome=outcome, evidence=said)
    source, peclet = process.source(beam_power_w, scan_speed_m_per_s), process.peclet(scan_speed_m_per_s)
    here = [source.q, source.depth]
    rows = np.array([[0.0, 0.0, 0.0, *here], [TRACK_DIAMETERS / peclet, TRACK_DIAMETERS, 0.0, *here]])
    stream = Stream("query", process.groups(), peclet, process.surface(), process.beam_shape)
    look = engine.step([Task(stream, [rows], [])])[0][0]
    pool, outcome = _measured(process, look.theta)
    kind = regime(source.boiling_number)
    setting = trust.Setting(process, beam_power_w, scan_speed_m_per_s, kind, told["envelope"])
    sizes = np.array([[pool.length_m, pool.width_m, pool.depth_m]]) / process.length_m
    judged = trust.judged(told, setting, [look], sizes, outcome)
    answer = _answer(process, beam_power_w, scan_speed_m_per_s, source, pool, judged.outcome, told["name"])
    return replace(answer, band=judged.bands[0], credibility=judged.credibility, evidence=judged.evidence)


def _by_formula(process: Process, beam_power_w: float, scan_speed_m_per_s: float, by: str) -> Answer:
    """The analytic solutions, with the absorptivity that the rule gives a flat melt (or the one that was asked for)."""
    from operators.reference import eagar_tsai, rosenthal
    from operators.reference.rule import RULE
    from operators.window import WindowGrid

    source, peclet = process.source(beam_power_w, scan_speed_m_per_s), process.peclet(scan_speed_m_per_s)
    absorptivity = process.absorptivity or RULE.flat(process.material.minimum_absorptivity)
    q = absorptivity * process.strength(beam_power_w)
    source = Source(q, absorptivity, 0.0, source.boiling_number)
    steady = eagar_tsai.steady if by == "eagar-tsai" else rosenthal.steady
    pool, outcome = _measured(process, steady(q, peclet, WindowGrid()))
    return _answer(process, beam_power_w, scan_speed_m_per_s, source, pool, outcome, by)


def _by_reference(process: Process, beam_power_w: float, scan_speed_m_per_s: float) -> Answer:
    """Scan straight on until the sizes stand still."""
    from operators.reference import track

    source, peclet = process.source(beam_power_w, scan_speed_m_per_s), process.peclet(scan_speed_m_per_s)
    slowest = slowest_m_per_s(process)
    if scan_speed_m_per_s < slowest:
        raise ValueError(f"scan speed must be at least {slowest:.3g} m/s for the reference, got {scan_speed_m_per_s}")
    steady = track.steady(
        process.groups(),
        process.surface(),
        source.q,
        peclet,
        source.depth,
        drop=COOLING_K / process.temperature_k_rise,
        beam=process.beam_shape,
    )
    pool, outcome = _measured(process, steady.theta, (steady.length, steady.width, steady.depth))
    if outcome.kind == "ok" and not steady.change < track.STEADY_CHANGE:
        outcome = Outcome("residual", "melt-pool size still changing", steady.change)
    cooling_k_per_s = steady.cooling * process.temperature_k_rise / process.time_s
    return _answer(process, beam_power_w, scan_speed_m_per_s, source, pool, outcome, "reference", cooling_k_per_s)


def slowest_m_per_s(process: Process) -> float:
    """The scan speed below which the reference is not asked."""
    return SLOWEST_PECLET * process.diffusivity_m2_per_s / process.beam_diameter_m


def _measured(
    process: Process, theta: np.ndarray, read: tuple[float, float, float] | None = None
) -> tuple[MeltPool, Outcome]:
    """Sizes of the pool in m, and whether the window holds it. `read`: length, width and depth where they are known
    better than the window's nodes tell them, d."""
    from operators.window import WindowGrid

    grid = WindowGrid()
    if not np.isfinite(theta).all():
        return NO_POOL, Outcome("non_finite", "temperature")
    length, width, depth = grid.sizes(theta, process.groups().solidus) if read is None else read
    d = process.length_m
    pool = MeltPool(length * d, width * d, depth * d)
    reach = MeltPool(grid.behind * d, 2 * grid.aside * d, grid.deep * d)
    return pool, cut(pool, reach) or Outcome()
