"""Because: an attribution in the user's units, and the sentence that a person understands. Pure; loads without torch.

An `Attribution` says by how much a number differs from what nominal parameters would give, what of that each moment's
power, scan speed and direction has brought, and what one per cent more would do. `events` puts moments together that
belong together: all since a power step, all before a turn.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from twin.units import from_si, length_unit

Of = Literal["length", "width", "depth", "temperature"]
OFS: tuple[Of, ...] = ("length", "width", "depth", "temperature")
NOTABLE = 0.01  # of the number: a difference from nominal that is worth a word
LIKE = 0.01  # relative: powers or speeds that count as the same
TURN_RAD = math.radians(3.0)
WORTH = 0.05  # of all that moments bring: an event worth naming
NAMED = 3  # events in a sentence
CAUSES = ("power", "scan speed", "direction")
_MORE = {"depth": ("deeper", "shallower"), "width": ("wider", "narrower"), "length": ("longer", "shorter"),
         "temperature": ("hotter", "colder")}  # fmt: skip
_EXTRA = {"depth": "depth", "width": "width", "length": "length", "temperature": "temperature"}


@dataclass(frozen=True)
class Event:
    """What happened: from begin_s to end_s against the moment of the forecast's frame (negative: before), and what it
    has brought, in the number's unit."""

    cause: str
    what: str
    begin_s: float
    end_s: float
    brings: float


@dataclass(frozen=True)
class Attribution:
    """Of one number at one lead of one frame. Moments from the oldest: `edges_s` (m + 1) against now; `brings` (m, 3)
    by CAUSES, which add up to `difference` but for `defect` (of it); `by_percent` (m, 2): what 1 % more power, and 1 %
    more scan speed, in that moment alone would change. Sizes in m, temperatures in K."""

    of: Of
    lead_s: float
    value: float
    nominal: float
    edges_s: np.ndarray
    power_w: np.ndarray
    speed_m_per_s: np.ndarray
    direction_rad: np.ndarray
    nominal_power_w: float
    nominal_speed_m_per_s: float
    brings: np.ndarray
    by_percent: np.ndarray
    by_spot: float  # what a beam 1 % wider would change
    by_preheat: float  # and a plate 10 K warmer
    defect: float

    @property
    def difference(self) -> float:
        return self.value - self.nominal

    def events(self) -> list[Event]:
        """What departs from nominal, what has brought the most first."""
        found = [*self._powers(), *self._speeds(), *self._turns()]
        return sorted(found, key=lambda event: -abs(event.brings))

    def lags(self, edges_s: np.ndarray) -> np.ndarray:
        """(lag, 5): brings and by_percent between these edges, the newest first; moments lie whole in one of them."""
        middle = 0.5 * (self.edges_s[:-1] + self.edges_s[1:])
        which = np.searchsorted(edges_s, middle, side="right") - 1
        out = np.zeros((len(edges_s) - 1, 5))
        for row, bring, by in zip(which, self.brings, self.by_percent, strict=True):
            if 0 <= row < len(out):
                out[row] += [*bring, *by]
        return out[::-1]

    def _runs(self, values: np.ndarray, like: float, departs: np.ndarray) -> Iterator[tuple[int, int]]:
        """Stretches of moments that depart alike."""
        begin = 0
        for n in range(1, len(values) + 1):
            ended = n == len(values) or departs[n] != departs[begin] or abs(values[n] - values[begin]) > like
            if ended:
                if departs[begin]:
                    yield begin, n
                begin = n

    def _event(self, cause: str, what: str, begin: int, end: int, brings: float) -> Event:
        return Event(cause, what, float(self.edges_s[begin]), float(self.edges_s[end]), float(brings))

    def _powers(self) -> Iterator[Event]:
        nominal = self.nominal_power_w
        off = self.power_w <= 0
        for begin, end in self._runs(self.power_w, LIKE * nominal, np.abs(self.power_w - nominal) > LIKE * nominal):
            power = float(self.power_w[begin])
            what = "the laser off" if off[begin] else f"the power of {power:.4g} W instead of {nominal:.4g} W"
            yield self._event("power", what, begin, end, self.brings[begin:end, 0].sum())

    def _speeds(self) -> Iterator[Event]:
        nominal = self.nominal_speed_m_per_s
        lit = self.power_w > 0
        departs = lit & (np.abs(self.speed_m_per_s - nominal) > LIKE * nominal)
        for begin, end in self._runs(self.speed_m_per_s, LIKE * nominal, departs):
            speed = f"{1e3 * self.speed_m_per_s[begin]:.4g} mm/s instead of {1e3 * nominal:.4g} mm/s"
            yield self._event("scan speed", f"the scan speed of {speed}", begin, end, self.brings[begin:end, 1].sum())

    def _turns(self) -> Iterator[Event]:
        """A track that lies otherwise than the one of now: what was before a turn, jumps included."""
        directions = np.where(self.speed_m_per_s > 0, self.direction_rad, 0.0)
        jumps = (self.power_w <= 0) * self.brings[:, 1]  # how far a beam that is off has gone
        departs = np.abs(directions) > TURN_RAD
        for begin, end in self._runs(directions, TURN_RAD, departs):
            angle = math.degrees(abs(float(directions[begin])))
            brings = self.brings[begin:end, 2].sum() + jumps[begin:end].sum()
            yield self._event("direction", f"the turn by {angle:.0f} degrees", begin, end, brings)

    def row(self) -> dict[str, Any]:
        """As JSON holds it."""
        told = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }  # fmt: skip
        return told | {"difference": self.difference, "events": [asdict(event) for event in self.events()]}


def attribution(row: dict[str, Any]) -> Attribution:
    """Back from JSON."""
    names = ("edges_s", "power_w", "speed_m_per_s", "direction_rad", "brings", "by_percent")
    told = {name: row[name] for name in Attribution.__dataclass_fields__}
    return Attribution(**told | {name: np.array(told[name], dtype=float) for name in names})


def sentence(told: Attribution) -> str:
    """One or two sentences: what the number is against nominal, and what that comes from."""
    more, less = _MORE[told.of]
    when = "now" if told.lead_s <= 0 else f"in {seconds(told.lead_s)}"
    head = f"{told.of.capitalize()} {when}: {amount(told.value, told.of, whole=True)}"
    if abs(told.difference) <= NOTABLE * abs(told.value) and not _opposed(told):
        return f"{head}, as at nominal parameters. {_hangs_on(told)}"
    side = more if told.difference > 0 else less
    head += f", {amount(abs(told.difference), told.of)} {side} than at nominal parameters."
    total = float(np.abs([event.brings for event in told.events()]).sum())
    named = [event for event in told.events() if abs(event.brings) > WORTH * max(total, 1e-30)][:NAMED]
    if not named:
        return f"{head} {_hangs_on(told)}"
    left = told.difference - sum(event.brings for event in named)
    untold = abs(left) > WORTH * max(total, abs(told.difference))
    if any(event.brings * told.difference < 0 for event in named) or (untold and left * told.difference < 0):
        # per cents of what nearly cancels say nothing
        parts = [f"{amount(event.brings, told.of, sign=True)} from {_said(event)}" for event in named]
        if untold:
            parts.append(f"{amount(left, told.of, sign=True)} from all else")
        return f"{head} It is made of {_listed(parts)}."
    extra = ("extra " if told.difference > 0 else "missing ") + _EXTRA[told.of]
    first, *rest = [f"{event.brings / told.difference:.0%} of it comes from {_said(event)}" for event in named]
    first = first.replace("of it comes", f"of the {extra} comes")
    return f"{head} {_listed([first, *(each.replace(' of it comes', '') for each in rest)])}."


def _opposed(told: Attribution) -> bool:
    """Whether much cancels to little."""
    return any(abs(event.brings) > 2 * NOTABLE * abs(told.value) for event in told.events())


def _hangs_on(told: Attribution) -> str:
    """What a change would do, and in which moments."""
    by = told.by_percent.sum(0)
    strength = np.abs(told.by_percent).sum(1)
    if not strength.sum() > 0:
        return "No moment of the path changes it."
    from_newest = np.cumsum(strength[::-1]) / strength.sum()
    enough = len(strength) - 1 - int(np.searchsorted(from_newest, 0.8))
    span = told.lead_s - float(told.edges_s[max(enough, 0)])
    more = amount(abs(by[0]), told.of)
    less = amount(abs(by[1]), told.of)
    first, second = (_MORE[told.of][0 if value > 0 else 1] for value in by)
    return (
        f"1 % more power would make it {more} {first}, 1 % more scan speed {less} {second}; "
        f"four fifths of that are decided in the last {seconds(span)} before."
    )


def _said(event: Event) -> str:
    if event.cause == "direction":
        return f"{event.what} {_ago(event.end_s)}"
    if event.what == "the laser off":
        return f"{event.what} for {seconds(event.end_s - event.begin_s)} until {_ago(event.end_s)}"
    if event.begin_s > 0:
        return f"{event.what} planned from {seconds(event.begin_s)} ahead on"
    return f"{event.what} since {_ago(event.begin_s)}"


def _ago(at_s: float) -> str:
    if abs(at_s) < 1e-9:
        return "now"
    return f"{seconds(-at_s)} ago" if at_s < 0 else f"in {seconds(at_s)}"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def seconds(value_s: float) -> str:
    """0.4 ms, 62 us, 1.5 s."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if value_s * scale >= 0.1 or unit == "us":
            return f"{float(f'{value_s * scale:.2g}'):g} {unit}"  # 100, not 1e+02
    raise AssertionError


def amount(value: float, of: Of, *, whole: bool = False, sign: bool = False) -> str:
    """A size in um or mm, a temperature in K."""
    unit = "K" if of == "temperature" else length_unit(value)
    scaled = value if of == "temperature" else from_si(value, unit, "length")
    digits = ".0f" if abs(scaled) >= 100 else f".{3 if whole else 2}g"
    return f"{scaled:{'+' if sign else ''}{digits}} {unit}"


def table(told: Attribution, frame_s: float, lags: int = 8) -> list[dict[str, float | str]]:
    """By lag, the newest first, spans that double: what each has brought, and what 1 % more in it would change."""
    oldest = told.lead_s - float(told.edges_s[0])
    ends = [frame_s * (2.0**n - 1) for n in range(lags)]
    ends = [end for end in ends if end < oldest] + [oldest]
    edges = told.lead_s - np.array(ends)[::-1]
    scale = 1.0 if told.of == "temperature" else 1e6
    rows = []
    for (begin, end), row in zip(zip(edges[::-1][1:], edges[::-1][:-1], strict=True), told.lags(edges), strict=True):
        cells = dict(zip((*CAUSES, "1 % power", "1 % scan speed"), (scale * row).tolist(), strict=True))
        rows.append({"from": _ago(float(begin)), "to": _ago(float(end)), **cells})
    return rows


def cuts(frame_s: float, lags: int = 8) -> np.ndarray:
    """Ages at which moments are parted, so that `table` can tell its spans apart."""
    return frame_s * (2.0 ** np.arange(1, lags) - 1)
