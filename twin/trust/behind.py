"""Behind: whether the beam has left behind what more power than was learned has heated.

That is in the field of the next windows, which an operator that never learned it cannot tell: until the beam has gone
FAR from it, they are outside by the same number. After one frame of 1,000 W on a track of 195 W (IN625, .8 m/s, 100 um,
trained up to 391 W) the depth is up to a third off for 4.5 d, after one of 5,000 W for 7.5 d, and no other score sees
it. Frames that are too slow, too fast or too faint leave nothing of the kind: after a tenth of the speed of a DED track
and 15 % of the power of an LPBF track sizes are 4 % off at most, after six times its speed 10 % for one frame
(docs/LOG.md), and a build with corners would be told nothing for most of its way.
"""

import math

from twin.forecast import Outcome
from twin.trust.followed import Sampled

FAR = 8.0  # beam diameters


class Behind:
    """Of one stream."""

    def __init__(self) -> None:
        self._last: tuple[Outcome, str] | None = None
        self._gone = 0.0  # beam diameters since

    def take(self, found: Outcome | None, evidence: str, path: Sampled, beam_diameter_m: float) -> tuple[Outcome, str]:
        """The next window, and what is outside in it, as an outcome and as a person says it. Gives the power that was
        outside last, as long as the beam has not left it behind; else an outcome that is in order."""
        if found is not None and found.which == "beam power" and found.by > 0:
            self._last, self._gone = (found, evidence), 0.0
            return found, evidence
        self._gone += math.hypot(path.x_m[-1] - path.x_m[0], path.y_m[-1] - path.y_m[0]) / beam_diameter_m
        if self._gone >= FAR - 1e-6:
            self._last = None
        if found is not None:
            return found, evidence
        if self._last is None:
            return Outcome(), ""
        outcome, said = self._last
        return outcome, f"{said}; {self._gone:.2g} beam diameters ago, and its heat counts for {FAR:g}"
