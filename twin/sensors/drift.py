"""Drift: does what is observed leave what is forecast, and how often is that said in vain?

Residuals ln observed - ln forecast come a frame at a time and are alike from one frame to the next (real widths
decorrelate in 42 us). The first `LEARN` of a build say how much: from their correlation rho at one frame comes
tau = -1/ln rho frames, and means of batch = `ALONE` tau frames are near to independent and near to normal. Of these
a self-starting CUSUM (D. M. Hawkins, J. Quality Technology 19 (1987) 199) needs no known mean and spread: the n-th mean
over the mean m and spread s of all before it,

    T = sqrt((n - 1)/n) (x - m)/s  has Student's distribution with n - 2 degrees,   U = z(T) is standard normal,
    C+ <- max(0, C+ + U - k),   C- <- max(0, C- - U - k),   an alarm where either reaches h.

k = 1/2 looks for a step of one spread of a batch. h follows from the false-alarm rate that is promised, by D.
Siegmund's approximation (Sequential Analysis, 1985) of the run length of each side: (exp(2 k b) - 2 k b - 1)/(2 k^2), b
= h + 1.166. Promised is one false alarm in `CALM_S` of process time, of all signals of a machine together, with a
margin of `MARGIN`. U is clipped at `CLIP`: a spike is not a drift.

An alarm stands until the statistic has come down to half: while it stands nothing is learned, so that what is not as it
was does not become what is normal. What changes slower than the build so far has lasted is learned along with it, and
told by the absorptivity (`calibration.py`), not here. After a restart a build's residuals are learned anew.
"""

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

LEARN = 128  # frames before anything is said
ALONE = 16.0  # correlation times in a batch
BATCH = (8, 512)
K = 0.5
CLIP = 3.5
LATELY = 4  # batches
FEW = 8  # batches that what the first frames let expect is worth
CALM_S = 600.0
MARGIN = 10.0
OVERSHOOT = 1.166


@dataclass(frozen=True)
class Shift:
    """How far a signal has gone from where it was: the mean residual since, over the mean before, and its spread."""

    log: float
    spread: float
    batches: int

    @property
    def share(self) -> float:
        """Of the forecast: 0.1 is a tenth more than expected."""
        return math.expm1(self.log)


def run_length(h: float, k: float = K) -> float:
    """Batches between two false alarms of a two-sided CUSUM (Siegmund)."""
    b = h + OVERSHOOT
    return (math.exp(2 * k * b) - 2 * k * b - 1) / (2 * k * k) / 2


def limit(batches: float, k: float = K) -> float:
    """The h at which false alarms are so many batches apart."""
    low, high = 0.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if run_length(middle, k) < batches else (low, middle)
    return high


def normal_of_student(t: float, degrees: int) -> float:
    """The standard normal at the same probability (D. L. Wallace, Ann. Math. Stat. 30 (1959) 1124): off by less than
    0.02 within four spreads, from three degrees on."""
    z = math.sqrt(degrees * math.log1p(t * t / degrees)) * (8 * degrees + 1) / (8 * degrees + 3)
    return math.copysign(z, t)


def correlation_frames(residuals: np.ndarray) -> float:
    """tau in frames, from the correlation at one frame and its own uncertainty above it."""
    away = residuals - residuals.mean()
    total = float((away**2).sum())
    rho = float((away[1:] * away[:-1]).sum()) / total if total > 0 else 0.0
    rho = min(rho + math.sqrt((1 - rho * rho) / len(residuals)), 0.98)
    return -1 / math.log(rho) if rho > 0.05 else 0.0


@dataclass
class Drift:
    """Of one signal of one build. `signals`: how many share the promise."""

    frame_s: float
    signals: int = 4
    batch: int = 0  # frames; 0 while it learns
    h: float = math.inf
    means: int = 0  # batches that were learned from
    standing: bool = False
    _waiting: list[float] = field(default_factory=list)
    _expected: float = 0.0  # spread of a batch's mean, by the first frames
    _mean: float = 0.0
    _square: float = 0.0  # sum of squares about the mean
    _up: float = 0.0
    _down: float = 0.0
    _newest: deque[float] = field(default_factory=lambda: deque(maxlen=LATELY))
    _since: list[float] = field(default_factory=list)  # batch means since the side that leads was at 0

    def take(self, residuals: np.ndarray) -> np.ndarray:
        """Residuals of frames, in order; the means of the batches that they end."""
        self._waiting += np.asarray(residuals, dtype=float).tolist()
        if not self.batch:
            if len(self._waiting) < LEARN:
                return np.zeros(0)
            tau = correlation_frames(np.array(self._waiting[:LEARN]))
            self.batch = int(min(max(math.ceil(ALONE * tau), BATCH[0]), BATCH[1]))
            self._expected = float(np.std(self._waiting[:LEARN])) * math.sqrt(max(2 * tau, 1.0) / self.batch)
            self.h = limit(MARGIN * self.signals * CALM_S / (self.frame_s * self.batch))
        count = len(self._waiting) // self.batch
        whole, self._waiting = self._waiting[: count * self.batch], self._waiting[count * self.batch :]
        means = np.array(whole).reshape(count, self.batch).mean(axis=1)
        for mean in means.tolist():
            self._one(mean)
        return means

    @property
    def spread(self) -> float:
        """Of a batch's mean; infinite before three are known."""
        return math.sqrt(self._square / (self.means - 1)) if self.means > 2 else math.inf

    @property
    def noise(self) -> float:
        """The same, from what the first frames let expect and, more and more, from the batches themselves."""
        if not self.means or not math.isfinite(self.spread):
            return self._expected
        return math.sqrt((FEW * self._expected**2 + self._square) / (FEW + self.means - 1))

    @property
    def shift(self) -> Shift | None:
        """How far the signal has gone; None while no alarm stands."""
        if not self.standing or not self._since:
            return None
        newest = self._since[-16:]
        return Shift(sum(newest) / len(newest) - self._mean, self.spread / math.sqrt(len(newest)), len(newest))

    @property
    def lately(self) -> Shift | None:
        """The same of the last few batches, whether or not an alarm stands."""
        if len(self._newest) < LATELY or not 0 < self.spread < math.inf:
            return None
        return Shift(sum(self._newest) / LATELY - self._mean, self.spread / math.sqrt(LATELY), LATELY)

    @property
    def delay_frames(self) -> int:
        """Frames until a step of 10 % is told, on the mean, with the spread as it is now."""
        if not self.batch or not self.spread < math.inf:
            return 0
        u = min(math.log(1.1) / self.spread, CLIP) if self.spread > 0 else CLIP
        return math.ceil(self.h / (u - K)) * self.batch if u > K else 0

    def begin_anew(self) -> None:
        """What was learned no longer holds: forecasts are made in another way from here on."""
        self.__init__(self.frame_s, self.signals)  # type: ignore[misc]

    def _one(self, mean: float) -> None:
        u = self._u(mean)
        self._newest.append(mean)
        up, down = max(0.0, self._up + u - K), max(0.0, self._down - u - K)
        if max(up, down) == 0.0:
            self._since = []
        else:
            self._since = [*self._since[-255:], mean]
        self._up, self._down = min(up, self.h), min(down, self.h)
        most = max(self._up, self._down)
        self.standing = most >= self.h or (self.standing and most > self.h / 2)
        if not self.standing:
            self.means += 1
            step = mean - self._mean
            self._mean += step / self.means
            self._square += step * (mean - self._mean)

    def _u(self, mean: float) -> float:
        n, spread = self.means + 1, self.spread
        if n < 5:
            return 0.0
        if spread <= 1e-9:  # a signal without any scatter: what moves at all has left
            return 0.0 if abs(mean - self._mean) <= 1e-6 else math.copysign(CLIP, mean - self._mean)
        t = math.sqrt((n - 1) / n) * (mean - self._mean) / spread
        return max(-CLIP, min(CLIP, normal_of_student(t, n - 2)))
