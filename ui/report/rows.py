"""Rows: everything that a report says, read from the store once, a layer in memory at a time. No drawing here."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from twin.export.table import ExportError
from twin.store.sql.stretch import Said, Stretch
from ui.report.gathered import Gathered, digested
from ui.report.sizes import Sketch

if TYPE_CHECKING:
    from twin.store.holdings import Snapshot
    from twin.store.sql.stretch import Stretches

MAPS = 4  # layers that are drawn
ALERTS, MISSED, NOTES = 200, 500, 500  # rows at most; a report says where there are more


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
    notes: pd.DataFrame  # of people, on the stretch's layers and on the build, in the order in which they were kept
    marks: pd.DataFrame  # whether the build is good, in order
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
    gathered = Gathered(store, stretch, layers, float(build["frame_s"]))
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
        alerts=store.stretch_alerts(stretch, float(alert_times[0]), float(alert_times[1]), limit=ALERTS + 1),
        gaps=store.stretch_gaps(stretch, begin_s, end_s, limit=MISSED + 1),
        rejects=store.stretch_rejects(stretch, begin_s, end_s, limit=MISSED + 1),
        births=store.stretch_births(stretch, begin_s, end_s),
        notes=_notes(store, stretch),
        marks=store.build_marks(stretch.machine, stretch.build),
        snapshot=store.newest_snapshot(stretch),
        cards={name: store.cards(name) for name in sorted(gathered.operators)},
        schema=SCHEMA_REVISION,
    )


def forecast_hash(store: "Stretches", stretch: Stretch) -> str:
    """SHA-256 over the estimates of record of the stretch: what `Rows.forecast_hash` is, without the rest."""
    every, digest = store.layers(stretch.machine, stretch.build)["layer"], hashlib.sha256()
    for layer in every[(every >= stretch.first_layer) & (every <= stretch.last_layer)]:
        digested(digest, int(layer), store.layer_frames(stretch, int(layer)))
    return digest.hexdigest()


def _machine(store: "Stretches", machine: str) -> dict[str, Any]:
    rows = store.machines()
    found = rows[rows["machine"] == machine].to_dict("records")
    return {str(name): value for name, value in found[0].items()} if found else {"machine": machine}


def _notes(store: "Stretches", stretch: Stretch) -> pd.DataFrame:
    """Notes on these layers or on the build itself, the oldest first; one more than are shown where there are more."""
    every = store.notes(stretch.machine, stretch.build, limit=NOTES + 1)
    here = every["layer"].isna() | every["layer"].between(stretch.first_layer, stretch.last_layer)
    return every[here].iloc[::-1].reset_index(drop=True)


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
