"""Steady: the pool at the end of a long straight track on a cold plate, as an operator sees it.

It is what pools of a build are held against: by the same operator, what it is off by cancels.
"""

import numpy as np

from operators.operator import Operator, Stream, Task
from twin.forecast import MeltPool
from twin.process import Process

TRACK = 10.0  # beam diameters: width and depth stand still within 1 %, the length of a long pool does not


def steady_pool(
    operator: Operator, process: Process, beam_power_w: float, scan_speed_m_per_s: float, absorbs: float = 1.0
) -> MeltPool | None:
    """`absorbs`: what the metal takes up over what the rule says. None where the operator has no number."""
    source, peclet = process.source(beam_power_w, scan_speed_m_per_s), process.peclet(scan_speed_m_per_s)
    beam = [absorbs * source.q, source.depth]
    rows = np.array([[0.0, 0.0, 0.0, *beam], [TRACK / peclet, TRACK, 0.0, *beam]])
    stream = Stream(
        "steady", process.groups(), peclet, process.surface(), process.beam_shape, process.scales(), "steady"
    )
    look = operator.step([Task(stream, [rows], [])])[0][0]
    operator.forget(stream.name)
    if not np.isfinite(look.theta).all():
        return None
    sizes = operator.grid.sizes(look.theta, process.groups().solidus)
    return MeltPool(*(float(size) * process.beam_diameter_m for size in sizes))
