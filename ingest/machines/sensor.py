"""MeltPoolSensor: a camera's noisy reading of a melt-pool size.

The mean follows the size of the set-point with a first-order lag. Around it the reading scatters by a relative standard
deviation of 0.108 that decorrelates (to 1/e) in 42 us, or 72 um of travel: an AR(1) process,

    g' = rho g + sqrt(1 - rho^2) n,   rho = exp(-dt / tau).

Measured on 30,000 track widths of Ti-6Al-4V at 1.7 m/s: mean 145.7 um, sd 15.8 um (CMU KiltHub 25696293, CC BY 4.0).
A wrong tau shows at once in a forecast's residual: too long looks like drift, too short like white noise.
"""

from math import exp, sqrt

import numpy as np

RELATIVE_SD = 15.8 / 145.7
DECORRELATION_TRAVEL_M = 72e-6
_TRACK_BEAM_DIAMETER_M = 100e-6  # of the machine that made those tracks
_SMALLEST = 0.05  # of the mean: a reading is never negative


def decorrelation_s(beam_diameter_m: float, scan_speed_m_per_s: float) -> float:
    """Time in which the scatter decorrelates: the measured travel, scaled with the beam diameter, at this speed."""
    return DECORRELATION_TRAVEL_M * (beam_diameter_m / _TRACK_BEAM_DIAMETER_M) / scan_speed_m_per_s


class MeltPoolSensor:
    """Readings of one size. `lag_s` is the time constant of the mean, `tau_s` that of the scatter."""

    def __init__(self, rng: np.random.Generator, lag_s: float, tau_s: float, relative_sd: float = RELATIVE_SD) -> None:
        self._rng = rng
        self._lag_s = lag_s
        self._tau_s = tau_s
        self._relative_sd = relative_sd
        self._mean_m = 0.0
        self._scatter = float(rng.standard_normal())  # stationary from the first reading on

    @property
    def mean_m(self) -> float:
        """The lagged mean, without scatter."""
        return self._mean_m

    def read(self, set_point_m: float, dt_s: float) -> float:
        """The reading `dt_s` after the last one, the set-point having held since."""
        self._mean_m += (set_point_m - self._mean_m) * (1.0 - exp(-dt_s / self._lag_s))
        rho = exp(-dt_s / self._tau_s)
        self._scatter = rho * self._scatter + sqrt(1.0 - rho * rho) * float(self._rng.standard_normal())
        return self._mean_m * max(1.0 + self._relative_sd * self._scatter, _SMALLEST)
