"""Shelf: what the builds' page shows: every stored build, and of the one that is asked for all by layer. No drawing.

    /builds                                       the list
    /builds?machine=M&build=B                     one build
        &quantity=depth_m &picture=heat &layer=7  what is looked at of it

Reading goes on over several readings (`ui.kept`); `reading` says what is still missing.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pandas as pd

from twin.golden import COMPARISON, LIMITS, Kin, compare, kin, limits, outside
from twin.remarks import NOTES, standing
from twin.store import packing
from twin.store.port import Store
from twin.store.sums import NOT_OK, SUMS
from ui.figures.builds import MEASURES
from ui.kept import FRAMES, Kept, Place, kept

PERIOD_S = 1.0
ARCHIVE_S = 5.0  # between two looks at all builds, which counts their layers
RECOUNT_S = 30.0  # of a build that is not its machine's current one
OUTCOMES = 4  # builds whose frames are counted in one reading
POINTS = 6000  # of the whole part, which a tablet turns smoothly; and of one layer
BINS = 60  # of a layer's time
PICTURES = ("stack", "heat")
OUTCOME, ALERTS = "outcome", "alerts"
CHOICES = (*(name for name in MEASURES if name != NOT_OK), OUTCOME, ALERTS)


@dataclass(frozen=True)
class Looked:
    """What a person looks at, from the page's address; what makes no sense there is the usual."""

    quantity: str = "width_m"
    picture: str = "stack"
    layer: int | None = None

    @classmethod
    def of(cls, asked: dict[str, str]) -> "Looked":
        quantity, picture, layer = asked.get("quantity", ""), asked.get("picture", ""), asked.get("layer", "")
        return cls(
            quantity if quantity in CHOICES else "width_m",
            picture if picture in PICTURES else "stack",
            int(layer) if layer.isdecimal() and len(layer) < 9 else None,
        )


@dataclass(frozen=True)
class OneBuild:
    """A build with all that is read of it so far."""

    row: dict[str, Any]
    layers: tuple[int, ...] = ()
    kin: Kin = field(default_factory=lambda: Kin((), ""))
    comparison: pd.DataFrame = field(default_factory=lambda: packing.table([], COMPARISON))
    shares: pd.DataFrame = field(default_factory=lambda: packing.table([], SUMS))  # of frames not in order, by layer
    within: pd.DataFrame = field(default_factory=lambda: packing.table([], LIMITS))
    marks: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: pd.DataFrame = field(default_factory=lambda: packing.table([], NOTES))
    alerts: pd.DataFrame = field(default_factory=lambda: packing.table([], packing.ALERTS))
    points: pd.DataFrame = field(default_factory=pd.DataFrame)
    bins: pd.DataFrame = field(default_factory=pd.DataFrame)
    every_bin: int = 1
    plane: pd.DataFrame = field(default_factory=pd.DataFrame)
    plane_every: int = 1

    @property
    def place(self) -> Place:
        return str(self.row["machine"]), str(self.row["build"])

    @property
    def outside(self) -> pd.DataFrame:
        return outside(self.comparison)


@dataclass(frozen=True)
class Shelf:
    """What the store said at `read_s`."""

    read_s: float
    waiting_for: str = ""
    trouble: str = ""
    builds: pd.DataFrame = field(default_factory=pd.DataFrame)
    outcomes: dict[Place, dict[str, int]] = field(default_factory=dict)
    good: pd.DataFrame = field(default_factory=pd.DataFrame)  # the marks that stand
    one: OneBuild | None = None
    wanted: Place | None = None  # also where there is none such
    looked: Looked = field(default_factory=Looked)
    reading: str = ""
    rows_s: float = -float("inf")

    def pulse(self) -> dict[str, Any]:
        """See `ui.live.View`. What is stored does not go stale: there is no age."""
        return {"machine": "", "machines": [], "age_s": None, "forecast_age_s": None, "reading": self.reading}

    def waits(self, for_what: str, now_s: float) -> "Shelf":
        """See `ui.live.View`."""
        return Shelf(now_s, waiting_for=for_what)

    def troubled(self, why: str, now_s: float) -> "Shelf":
        """See `ui.live.View`."""
        return replace(self, read_s=now_s, trouble=why)


def read_shelf(store: Store, asked: dict[str, str], before: Shelf, now_s: float) -> Shelf | None:
    """The list, or the build that is asked for; None while there is no build."""
    if now_s - before.rows_s < PERIOD_S and not before.reading:
        return replace(before, read_s=now_s, trouble="")
    held = kept(store)
    builds, marks = _archive(store, held, now_s), store.build_marks()
    if builds.empty:
        return None
    shelf = Shelf(now_s, builds=builds, good=standing(marks), looked=Looked.of(asked), rows_s=now_s)
    if "build" not in asked:
        missing = _count_outcomes(store, held, builds, now_s)
        told = {place: counts for place, (*_, counts) in held.outcomes.items()}
        return replace(shelf, outcomes=told, reading=f"counting the frames of {missing} builds" if missing else "")
    wanted = (asked.get("machine", ""), asked["build"])
    found = builds[(builds["machine"] == wanted[0]) & (builds["build"] == wanted[1])]
    if found.empty:
        return replace(shelf, wanted=wanted)
    row = {str(name): value for name, value in found.iloc[0].to_dict().items()}
    one, reading = _read_one(store, held, shelf, OneBuild(row, marks=marks), marks, now_s)
    _count_outcomes(store, held, found, now_s)
    return replace(shelf, one=one, wanted=wanted, reading=reading, outcomes={wanted: held.outcomes[wanted][-1]})


def _archive(store: Store, held: Kept, now_s: float) -> pd.DataFrame:
    read_s, builds = held.archive
    if builds is None or builds.empty or not 0 <= now_s - read_s < ARCHIVE_S:
        builds = store.archive()
        held.archive = (now_s, builds)
    return builds


def _count_outcomes(store: Store, held: Kept, builds: pd.DataFrame, now_s: float) -> int:
    """Count frames by outcome of some builds, the newest first; how many are left to count."""
    stale = []
    for row in builds.itertuples():
        heard_s, counted_s, _ = held.outcomes.get((str(row.machine), str(row.build)), (-1.0, 0.0, {}))
        if heard_s != row.heard_s or (row.running and now_s - counted_s >= RECOUNT_S):
            stale.append(row)
    for row in stale[:OUTCOMES]:
        place = (str(row.machine), str(row.build))
        held.outcomes[place] = (float(row.heard_s), now_s, store.build_outcomes(*place))  # type: ignore[arg-type]
    return len(stale[OUTCOMES:])


def _counts(store: Store, held: Kept, place: Place, running: bool, now_s: float) -> dict[int, int]:
    counted_s, counts = held.counts.get(place, (-float("inf"), {}))
    if now_s - counted_s >= (PERIOD_S if running else RECOUNT_S) or now_s < counted_s:
        counts = store.frames_by_layer(*place)
        held.counts[place] = (now_s, counts)
    return counts


def _read_one(
    store: Store, held: Kept, shelf: Shelf, one: OneBuild, marks: pd.DataFrame, now_s: float
) -> tuple[OneBuild, str]:
    """What is to be seen of it, as far as one reading goes, and what is missing: the layer that is looked at first,
    then its sums and those of its kin, then the picture of the whole."""
    place, looked, left = one.place, shelf.looked, FRAMES
    counts = _counts(store, held, place, bool(one.row["running"]), now_s)
    alerts = store.alerts(place[0], limit=2000)
    one = replace(
        one, layers=tuple(counts), notes=store.notes(*place), kin=kin(shelf.builds, marks, *place),
        alerts=alerts[alerts["build"] == place[1]].reset_index(drop=True),
        marks=marks[(marks["machine"] == place[0]) & (marks["build"] == place[1])],
    )  # fmt: skip
    missing: list[str] = []
    if looked.layer in counts and looked.layer is not None:
        every = max(1, -(-counts[looked.layer] // POINTS))
        here = held.layers(place, f"plane {looked.layer} {every}")
        own = {looked.layer: counts[looked.layer]}
        left = here.bring(own, lambda first, last: store.layer_points(*place, first, last, every=every), left)
        one = replace(one, plane=here.rows(), plane_every=every)
    sums = {}
    for each in (place, *one.kin.builds):
        own = _counts(store, held, each, each == place and bool(one.row["running"]), now_s)
        layers = held.layers(each, "sums")
        left = layers.bring(own, partial(store.layer_sums, *each), left)
        if layers.missing(own):
            missing.append(f"{layers.missing(own)} of {len(own)} layers of {each[1]}")
        sums[each] = layers.rows()
    if len(sums[place]):
        good = {each: rows for each, rows in sums.items() if each != place and len(rows) and not missing}
        within, comparison = _compared(held, sums[place], good)
        shares = sums[place][sums[place]["quantity"] == NOT_OK]
        one = replace(one, comparison=comparison, within=within, shares=shares)
    one, undrawn = _draw(store, held, one, counts, looked, left)
    return one, "; ".join([*missing, *undrawn])


def _compared(
    held: Kept, own: pd.DataFrame, good: dict[Place, pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Limits and comparison; those of the last reading where nothing has come since."""
    of = (own, *good.values())
    known, within, comparison = held.compared
    if len(known) != len(of) or any(a is not b for a, b in zip(known, of, strict=True)):
        within = limits(good)
        comparison = compare(own, within)
        held.compared = (of, within, comparison)
    return within, comparison


def _draw(
    store: Store, held: Kept, one: OneBuild, counts: dict[int, int], looked: Looked, left: int
) -> tuple[OneBuild, list[str]]:
    """The rows of the picture of the whole part."""
    place = one.place
    if looked.picture == "stack":
        every = 1
        while sum(counts.values()) / every > POINTS:
            every *= 2
        layers = held.layers(place, f"points {every}")
        layers.bring(counts, lambda first, last: store.layer_points(*place, first, last, every=every), left)
        one = replace(one, points=layers.rows())
    else:
        every = max(1, -(-max(counts.values(), default=1) // BINS))
        layers = held.layers(place, f"bins {every}")
        layers.bring(counts, lambda first, last: store.layer_bins(*place, first, last, every=every), left)
        one = replace(one, bins=layers.rows(), every_bin=every)
    undrawn = layers.missing(counts)
    return one, [f"{undrawn} of {len(counts)} layers of the picture"] if undrawn else []
