"""Rows: everything that a report says, read from the store once, a layer in memory at a time. No drawing here."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from twin.export.table import ExportError
from twin.store.stretch import Said, Stretch
from ui.report.sizes import SIZES, STATIONS, Sketch, residuals, spread, stations, trusted, with_pool

if TYPE_CHECKING:
    from twin.store.holdings import Snapshot
    from twin.export.table import ExportError
from twin.store.stretch import Stretches

MAPS = 4  # layers that are drawn
ALERTS, MISSED = 200, 500  # rows at most; a report says where there are more
DIGESTED = ("frame", "time_s", "operator", "outcome", "width_m", "length_m", "depth_m", "x_m", "y_m", "beam_power_w")


class ReportError(ExportError):
    """A report cannot be made as asked."""


@dataclass(frozen=True)
class Rows:
    """What the store says of a stretch."""

    stretch: Stretch
    build: dict[str, Any]
    machine: dict[str, Any]
    running: str  # why the build is not at its end; empty: it is
    layers: pd.DataFrame  # a row a layer of the stretch: frames by outcome, sizes, observed sizes, notes
    stations: pd.DataFrame  # a row a bin of the pictures
    outcomes: pd.DataFrame  # kind, which, unit, frames, laser_on, by: the most
    regimes: dict[str, int]  # frames with the laser on
    operators: dict[str, int]  # frames by card
    sizes: dict[str, Sketch]  # frames in order
    others: dict[str, Sketch]  # frames with sizes that are not in order
    residuals: dict[str, tuple[Sketch, Sketch]]  # observed minus estimate, and minus the forecast at the horizon
    horizon_s: float
    maps: dict[int, pd.DataFrame]
    said: Said
    forecast_hash: str
    alerts: pd.DataFrame
    gaps: pd.DataFrame
    rejects: pd.DataFrame
    births: pd.DataFrame
    snapshot: "Snapshot | None"
    cards: dict[str, list[dict[str, Any]]]
    schema: str
    pool_png: bytes = field(default=b"", repr=False)
    no_pool: str = ""  # why there is no picture of the pool

    @property
    def whole(self) -> bool:
        """Whether the stretch is all that is stored of the build."""
        return bool(self.layers.attrs.get("whole"))


def stretch_of(
    store: "Stretches",
    machine: str,
    build: str,
    layers: tuple[int, int] | None = None,
    from_s: float | None = None,
    to_s: float | None = None,
) -> Stretch:
    """The stretch that a person asked for; ReportError lists what there is instead."""
    if store.build(machine, build) is None:
        known = store.builds()
        of_machine = known[known["machine"] == machine]["build"].tolist()
        if of_machine:
            newest = ", ".join(of_machine[-5:][::-1])
            raise ReportError(f"machine {machine} has no build {build!r}; its newest are {newest}")
        machines = ", ".join(sorted(set(known["machine"]))) or "none yet"
        raise ReportError(f"there is no machine {machine!r} with a build; there are {machines}")
    numbers = store.layers(machine, build)["layer"].tolist()
    if not numbers:
        raise ReportError(f"build {build} of {machine} has no layer yet: nothing to report")
    if layers is not None:
        inside = [number for number in numbers if layers[0] <= number <= layers[1]]
    elif from_s is not None or to_s is not None:
        begin, end = -np.inf if from_s is None else from_s, np.inf if to_s is None else to_s
        inside = store.layers_touched(machine, build, float(begin), float(end))
    else:
        inside = numbers
    if not inside:
        of = f"layers {numbers[0]} to {numbers[-1]}"
        raise ReportError(f"build {build} of {machine} has nothing stored there: it has {of} ({len(numbers)} of them)")
    return Stretch(machine, build, int(inside[0]), int(inside[-1]), from_s, to_s)


def read(store: "Stretches", stretch: Stretch, progress: Callable[[str], None] = lambda _: None) -> Rows:
    """Read a stretch. `progress` is told what is being read."""
    from twin.store.tables import SCHEMA_REVISION

    build = store.build(stretch.machine, stretch.build) or {}
    every = store.layers(stretch.machine, stretch.build)
    layers = every[(every["layer"] >= stretch.first_layer) & (every["layer"] <= stretch.last_layer)]
    running = _running(store, stretch, every, build)
    gathered = _Gathered(store, stretch, layers, float(build["frame_s"]))
    for number, layer in enumerate(layers.itertuples(), start=1):
        progress(f"forecasts of layer {layer.layer} ({number} of {len(layers)})")
        gathered.layer(layer)
    table = pd.DataFrame(gathered.rows)
    table.attrs["whole"] = len(layers) == len(every) and stretch.from_s is None and stretch.to_s is None
    progress("hash of the messages")
    said = store.said(stretch, lambda layer: progress(f"hash of layer {layer}"))
    begin_s, end_s = said.begin_s, said.end_s
    issued = table["issued_begin_s"].min(), table["issued_end_s"].max()
    if np.isfinite(issued).all():
        timed = stretch.from_s is not None or stretch.to_s is not None
        alert_times = issued if timed else (min(begin_s, issued[0]), max(end_s, issued[1]))
    else:
        alert_times = begin_s, end_s
    return Rows(
        stretch=stretch,
        build=build,
        machine=_machine(store, stretch.machine),
        running=running,
        layers=table,
        stations=pd.DataFrame(gathered.stations),
        outcomes=gathered.outcome_table(),
        regimes=dict(sorted(gathered.regimes.items())),
        operators=dict(sorted(gathered.operators.items())),
        sizes=gathered.sizes,
        others=gathered.others,
        residuals=gathered.residuals,
        horizon_s=gathered.horizon_s,
        maps={layer: store.layer_frames(stretch, layer) for layer in _drawn(table)},
        said=said,
        forecast_hash=gathered.digest.hexdigest(),
        alerts=store.stretch_alerts(stretch, *map(float, alert_times), limit=ALERTS + 1),
        gaps=store.stretch_gaps(stretch, begin_s, end_s, limit=MISSED + 1),
        rejects=store.stretch_rejects(stretch, begin_s, end_s, limit=MISSED + 1),
        births=store.stretch_births(stretch, begin_s, end_s),
        snapshot=store.newest_snapshot(stretch),
        cards={name: store.cards(name) for name in sorted(gathered.operators)},
        schema=SCHEMA_REVISION,
    )


def forecast_hash(store: "Stretches", stretch: Stretch) -> str:
    """SHA-256 over the estimates of record of the stretch: what `Rows.forecast_hash` is, without the rest."""
    every, digest = store.layers(stretch.machine, stretch.build)["layer"], hashlib.sha256()
    for layer in every[(every >= stretch.first_layer) & (every <= stretch.last_layer)]:
        _digested(digest, int(layer), store.layer_frames(stretch, int(layer)))
    return digest.hexdigest()


def _digested(digest: Any, number: int, frames: pd.DataFrame) -> None:
    digest.update(b"%d %d\n" % (number, len(frames)))
    for name in DIGESTED:
        column = frames[name]
        texts = column.dtype == object
        digest.update("\n".join(column).encode() if texts else column.to_numpy("<f8").tobytes())


class _Gathered:
    """What is added up while the layers pass by."""

    def __init__(self, store: "Stretches", stretch: Stretch, layers: pd.DataFrame, frame_s: float) -> None:
        self._store, self._stretch, self._frame_s = store, stretch, frame_s
        self._skipped = store.stretch_skipped(stretch)
        self._horizon = store.leads(stretch)
        self._bins = max(1, STATIONS // len(layers))
        self._alone = len(layers) == 1
        self.horizon_s = float("nan")
        self.rows: list[dict[str, Any]] = []
        self.stations: list[dict[str, Any]] = []
        self.regimes: Counter[str] = Counter()
        self.operators: Counter[str] = Counter()
        self.sizes = {size: Sketch() for size in SIZES}
        self.others = {size: Sketch() for size in SIZES}
        self.residuals = {size: (Sketch(), Sketch()) for size in SIZES}
        self.digest = hashlib.sha256()
        self._outcomes: dict[tuple[str, str, str], list[Any]] = {}

    def layer(self, layer: Any) -> None:
        number = int(layer.layer)
        frames = self._store.layer_frames(self._stretch, number)
        _digested(self.digest, number, frames)
        pools = with_pool(frames)
        told, fine = trusted(pools)
        for size in SIZES:
            self.sizes[size].add(pools.loc[pools["outcome"] == "ok", f"{size}_m"].to_numpy(float))
            self.others[size].add(pools.loc[pools["outcome"] != "ok", f"{size}_m"].to_numpy(float))
        on = frames[frames["laser_on"]]
        self.regimes.update(on["regime"].dropna())
        self.operators.update(frames["operator"])
        self._count_outcomes(frames)
        seen = self._seen(number, layer, frames)
        skipped = self._skipped.get(number, 0)
        deepest = on["keyhole_number"].max() if len(on) else np.nan
        self.rows.append(
            {
                "layer": number, "z_m": layer.z_m, "note": layer.note, "final": bool(layer.final),
                "begun_s": layer.begun_s, "last_time_s": layer.last_time_s, "frames": len(frames), "skipped": skipped,
                "ok": int((frames["outcome"] == "ok").sum()), "withheld": int(frames["withheld"].sum()),
                "laser_on": len(on), "pools": len(told), "fine": fine, **spread(told),
                "keyhole": int((on["regime"] == "keyhole").sum()), "keyhole_number": float(deepest),
                "beam_power_w": float(on["beam_power_w"].median()) if len(on) else np.nan,
                "issued_begin_s": frames["issued_s"].min() if len(frames) else np.nan,
                "issued_end_s": frames["issued_s"].max() if len(frames) else np.nan,
                **{f"{size}_observed_m": _observed(seen, size) for size in SIZES},
            }
        )  # fmt: skip
        self.stations += stations(number, frames, seen, self._bins, self._alone)

    def _seen(self, number: int, layer: Any, frames: pd.DataFrame) -> pd.DataFrame:
        """What sensors said of the melt pool in the layer; the differences from the forecast are added up."""
        times = [layer.begun_s, layer.last_time_s, *frames["time_s"].iloc[[0, -1]]] if len(frames) else [
            layer.begun_s, layer.last_time_s
        ]  # fmt: skip
        begin_s, end_s = float(np.nanmin(times)) - self._frame_s, float(np.nanmax(times)) + self._frame_s
        if self._stretch.from_s is not None:
            begin_s = max(begin_s, self._stretch.from_s)
        if self._stretch.to_s is not None:
            end_s = min(end_s, self._stretch.to_s)
        seen = self._store.layer_signals(self._stretch, number, begin_s, end_s)
        if seen.empty or frames.empty:
            return seen
        for size, differences in residuals(frames, seen, self._frame_s):
            self.residuals[size][0].add(differences)
        if self._horizon:
            ahead = self._store.layer_frames(self._stretch, number, lead=self._horizon)
            leads_s = ahead["lead_s"].dropna()
            if len(leads_s):
                self.horizon_s = float(leads_s.iloc[-1])
                for size, differences in residuals(ahead.dropna(subset=["lead_s"]), seen, self._frame_s):
                    self.residuals[size][1].add(differences)
        return seen

    def _count_outcomes(self, frames: pd.DataFrame) -> None:
        for key, some in frames.groupby(["outcome", "which", "unit"], sort=True):
            known = self._outcomes.setdefault(key, [0, 0, 0.0])
            known[0] += len(some)
            known[1] += int(some["laser_on"].sum())
            furthest = some["by"].abs().max()
            known[2] = max(known[2], 0.0 if pd.isna(furthest) else float(furthest))

    def outcome_table(self) -> pd.DataFrame:
        rows = [(*key, *values) for key, values in self._outcomes.items()]
        table = pd.DataFrame(rows, columns=["kind", "which", "unit", "frames", "laser_on", "by"])
        table["fine"] = table["kind"] == "ok"
        order = table.sort_values(["fine", "frames", "kind", "which"], ascending=[False, False, True, True])
        return order.drop(columns="fine").reset_index(drop=True)


def _observed(seen: pd.DataFrame, size: str) -> float:
    values = seen.loc[seen["name"] == f"melt_pool_{size}_m", "value"]
    return float(values.mean()) if len(values) else float("nan")


def _machine(store: "Stretches", machine: str) -> dict[str, Any]:
    rows = store.machines()
    found = rows[rows["machine"] == machine].to_dict("records")
    return {str(name): value for name, value in found[0].items()} if found else {"machine": machine}


def _running(store: "Stretches", stretch: Stretch, layers: pd.DataFrame, build: dict[str, Any]) -> str:
    """In words, whether more of the build may come; the machine's newest build alone can be running."""
    row = _machine(store, stretch.machine)
    if row.get("build") != stretch.build:
        return ""
    newest, planned = int(layers["layer"].iloc[-1]), build.get("layers")
    of = f"; {len(layers):,} of {planned:,} layers are stored" if planned else ""
    if not layers["final"].iloc[-1]:
        return f"Layer {newest:,} goes on{of}"
    if planned and len(layers) < planned and row.get("status") == "online":
        return f"The machine is online{of}"
    return ""


def _drawn(layers: pd.DataFrame) -> list[int]:
    """Layers to draw: all, or the first, the last, the one least in order and the one whose width is least like the
    others'."""
    known = layers[layers["pools"] > 0]
    if len(known) <= MAPS:
        return known["layer"].tolist()
    out = (known["frames"] - known["ok"]) / known["frames"]
    far = (known["width_p50_m"] - known["width_p50_m"].median()).abs()
    chosen = [known["layer"].iloc[0], known["layer"].iloc[-1]]
    if out.max() > 0:
        chosen.append(known.loc[out.idxmax(), "layer"])
    order = known.loc[far.sort_values(ascending=False, kind="stable").index, "layer"]
    chosen += [layer for layer in order if layer not in chosen][: 1 + (out.max() <= 0)]
    return sorted({int(layer) for layer in chosen})
