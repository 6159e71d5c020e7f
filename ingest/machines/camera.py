"""SimulatedCamera: what a coaxial camera would see of a simulated machine, whose metal absorbs what nobody is told.

A reference solver goes along with the beam, with `absorbs` times the heat that the rule for absorptivity says; pictures
are its surface with 3 % of noise, clipped at the sensor's range, and the size of the pool is read on it. Its cells are
coarse: sizes are multiplied by `fine`, which a test holds to a finer solver. Solver and properties are loaded with the
first layer.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from twin.observation import Build, Frame

PIXELS = 24
PIXEL = 0.25  # beam diameters
NOISE = 0.03
SENSOR_K = (675.0, 2100.0)
SEEN_AT = 0.03  # beam diameters below the surface
CELLS = 4
SURFACE = 0.5  # beam diameters that are looked at for the size of the pool


class SimulatedCamera:
    """Goes along with one layer; the plate is cold as it begins. `every` so many frames there is a picture."""

    def __init__(
        self, build: Build, absorbs: float, every: int, rng: np.random.Generator, fine: tuple[float, float] = (1.0, 1.0)
    ) -> None:
        self._build, self._absorbs, self._every, self._rng, self._fine = build, absorbs, every, rng, fine
        self._grid: Any = None
        self._beam = (0.0, 0.0, 0.0)  # x and y in diameters, and where it heads
        self._solver: Any = None
        self._process: Any = None
        self._origin_s = 0.0

    def begin(self, start_s: float) -> None:
        """A new layer."""
        from operators.reference.boxes import Boxes
        from operators.reference.melt_pool import MeltPoolSolver
        from operators.window import WindowGrid
        from twin.material import material
        from twin.process import Process

        build = self._build
        alloy = material(build.material)
        self._process = Process(
            alloy, build.beam_diameter_m, build.preheat_k, build.absorptivity, layer_thickness_m=build.layer_thickness_m
        )
        boxes = Boxes(CELLS, along=9.0, deep=2.0, levels=5)  # a track and its neighbours are long
        self._solver = MeltPoolSolver(self._process.groups(), boxes, surface=self._process.surface())
        self._grid = WindowGrid(deep=SURFACE)
        self._origin_s = start_s

    def advance(self, samples: Sequence[tuple[float, float, float, float]]) -> None:
        """Samples (time_s, x_m, y_m, beam_power_w), the power held to the next."""
        rows = np.zeros((len(samples), 5))
        d, unit_s = self._process.length_m, self._process.time_s
        for row, (time_s, x_m, y_m, power_w) in zip(rows, samples, strict=True):
            source = self._process.source(power_w, self._build.nominal_scan_speed_m_per_s)
            row[:] = (time_s - self._origin_s) / unit_s, x_m / d, y_m / d, self._absorbs * source.q, source.depth
        if rows[-1, 0] > rows[0, 0]:
            self._solver.advance(rows)
        heading = self._beam[2]
        for (_, x0, y0, q, _), (_, x1, y1, _, _) in pairwise(rows.tolist()):
            if q > 0 and math.hypot(x1 - x0, y1 - y0) > 1e-6:
                heading = math.atan2(y1 - y0, x1 - x0)
        self._beam = (rows[-1, 1], rows[-1, 2], heading)

    def size(self) -> tuple[float, float]:
        """Width and length of the pool as it stands now, in m."""
        x, y, z = self._grid.points
        bx, by, heading = self._beam
        c, s = math.cos(heading), math.sin(heading)
        theta = self._solver.theta(bx + c * x - s * y, by + s * x + c * y, z)
        length, width, _ = self._grid.sizes(theta, self._process.groups().solidus)
        d = self._process.length_m
        return width * d * self._fine[0], length * d * self._fine[1]

    def due(self, frame: int) -> bool:
        """Whether there is a picture at the end of this frame of a layer."""
        return frame % self._every == self._every - 1

    def picture(self, source: str, sequence: int, layer: int, time_s: float, x_m: float, y_m: float) -> Frame:
        """Of the plate as it stands now."""
        process = self._process
        at = (np.arange(PIXELS) - (PIXELS - 1) / 2) * PIXEL
        x, y = x_m / process.length_m + at[None, :], y_m / process.length_m + at[:, None]
        theta = self._solver.theta(x, y, np.full((1, 1), SEEN_AT)).reshape(PIXELS, PIXELS)
        kelvin = process.preheat_k + process.temperature_k_rise * theta
        kelvin = kelvin + NOISE * (kelvin - process.preheat_k) * self._rng.standard_normal(kelvin.shape)
        return Frame(
            source=source,
            sequence=sequence,
            time_s=time_s,
            build=self._build.build,
            layer=layer,
            quantity="temperature_k",
            rows=PIXELS,
            columns=PIXELS,
            pixel_m=PIXEL * process.length_m,
            exposure_s=0.1 * self._build.frame_s,
            sensor_min=SENSOR_K[0],
            sensor_max=SENSOR_K[1],
            dtype="uint16",
            value=np.rint(kelvin.clip(*SENSOR_K)).astype(np.uint16).ravel(),
        )
