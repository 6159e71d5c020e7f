"""Holdings: what a store has of whom, and whole builds of it; for files in and out, not for a live page.

Unlike the questions of `Store`, these read everything of what they name: `heard` counts an index, `sizes`, `signals_of`
and `fields_of` read a build from beginning to end.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import pandas as pd
from sqlalchemy import func, select

from twin.forecast import Field
from twin.observation import Frame
from twin.store import packing
from twin.store.port import Store
from twin.store.sql.read import Reader
from twin.store.tables import (
    BuildRow,
    FieldRow,
    ForecastRow,
    FrameRow,
    LayerRow,
    MeltPoolRow,
    ObservationRow,
    SignalRow,
)

BUILDS = {
    "machine": object, "build": object, "part": object, "material": object, "layers": float, "data_hash": object,
    "received_s": float,
}  # fmt: skip
LAYERS = {"layer": int, "z_m": float, "note": object, "begun_s": float, "last_time_s": float, "final": bool}
FORECASTS = {
    "layer": int, "frame": int, "frame_time_s": float, "issued_s": float, "operator": object, "outcome": object,
    "outcome_which": object, "outcome_by": float, "regime": object, "keyhole_number": float, "laser_on": bool,
    "lead": float, "lead_s": float, "time_s": float, "length_m": float, "width_m": float, "depth_m": float,
    "x_m": float, "y_m": float, "beam_power_w": float, "length_low_m": float, "length_high_m": float,
    "width_low_m": float, "width_high_m": float, "depth_low_m": float, "depth_high_m": float, "coverage": float,
    "credibility": float, "strangest": object, "evidence": object,
}  # fmt: skip


class Snapshot(NamedTuple):
    """A stored field, and which forecast it is of."""

    layer: int
    frame: int
    lead: int
    operator: str
    x_m: float  # where the beam is, of the melt pool at this lead; NaN where the forecast has no such lead
    y_m: float
    field: Field


class Holdings(Store, Protocol):
    """A store that can also say what it holds."""

    def heard(self, source: str) -> dict[str, int]:
        """How many messages of a source are stored, by channel."""
        ...

    def builds(self) -> pd.DataFrame:
        """One row a build, the newest received last: machine, build, part, material, layers, data_hash, received_s."""
        ...

    def layers(self, machine: str, build: str) -> pd.DataFrame:
        """Layers by number: layer, z_m, note, begun_s, last_time_s, final."""
        ...

    def forecasts(self, machine: str, build: str) -> pd.DataFrame:
        """All forecasts of record with their melt pools, by time of frame and lead; one without a melt pool was
        withheld, and has NaN there."""
        ...

    def all_signals(self, machine: str, build: str) -> pd.DataFrame:
        """All observed samples: time_s, name, value, layer."""
        ...

    def forecasts_by_layer(self, machine: str, build: str) -> dict[int, int]:
        """How many forecasts of record each layer has."""
        ...

    def operators(self, machine: str, build: str) -> list[str]:
        """Names of the cards that made the forecasts of record, sorted."""
        ...

    def snapshots(
        self, machine: str, build: str, *, layer: int | None = None, frame: int | None = None, newest: bool = False
    ) -> Iterator[Snapshot]:
        """Stored fields of record, by time of frame and lead, one in memory at a time: all, of a layer, of frames of
        this number; `newest`: only the estimate of now of the newest frame among them."""
        ...

    def pictures(self, machine: str, build: str) -> Iterator[Frame]:
        """All pictures of all cameras, by time, one in memory at a time."""
        ...


class HoldingsReader(Reader):
    """`Holdings` over any engine."""

    def heard(self, source: str) -> dict[str, int]:
        row = ObservationRow
        counted = select(row.channel, func.count()).where(row.source == source).group_by(row.channel)
        return {channel: int(count) for channel, count in self._rows(counted)}

    def builds(self) -> pd.DataFrame:
        row = BuildRow
        rows = select(row.machine, row.build, row.part, row.material, row.layers, row.data_hash, row.received_s)
        return packing.table(self._rows(rows.order_by(row.received_s, row.machine, row.build)), BUILDS)

    def layers(self, machine: str, build: str) -> pd.DataFrame:
        row = LayerRow
        rows = select(row.layer, row.z_m, row.note, row.begun_s, row.last_time_s, row.final).where(
            row.machine == machine, row.build == build
        )
        return packing.table(self._rows(rows.order_by(row.layer)), LAYERS)

    def forecasts(self, machine: str, build: str) -> pd.DataFrame:
        row, size = ForecastRow, MeltPoolRow
        rows = select(
            row.layer, row.frame, row.time_s, row.issued_s, row.operator, row.outcome_kind, row.outcome_which,
            row.outcome_by, row.regime, row.keyhole_number, row.laser_on, size.lead, size.lead_s, size.time_s,
            size.length_m, size.width_m, size.depth_m, size.x_m, size.y_m, size.beam_power_w, size.length_low_m,
            size.length_high_m, size.width_low_m, size.width_high_m, size.depth_low_m, size.depth_high_m, size.coverage,
            row.credibility, row.strangest, row.evidence,
        ).outerjoin(size, size.forecast_id == row.id).where(
            row.machine == machine, row.build == build, row.opinion == ""
        )  # fmt: skip
        return packing.table(self._rows(rows.order_by(row.time_s, row.layer, row.frame, size.lead)), FORECASTS)

    def all_signals(self, machine: str, build: str) -> pd.DataFrame:
        row = SignalRow
        rows = select(row.time_s, row.name, row.value, row.layer).where(row.machine == machine, row.build == build)
        in_order = rows.order_by(row.time_s, row.name, row.source, row.sequence, row.sample)
        return packing.table(self._rows(in_order), packing.SIGNALS)

    def forecasts_by_layer(self, machine: str, build: str) -> dict[int, int]:
        row = ForecastRow
        mine = select(row.layer, func.count()).where(row.machine == machine, row.build == build, row.opinion == "")
        return {int(layer): int(count) for layer, count in self._rows(mine.group_by(row.layer))}

    def operators(self, machine: str, build: str) -> list[str]:
        row = ForecastRow
        made = select(row.operator).distinct().where(row.machine == machine, row.build == build, row.opinion == "")
        return sorted(operator for (operator,) in self._rows(made))

    def snapshots(
        self, machine: str, build: str, *, layer: int | None = None, frame: int | None = None, newest: bool = False
    ) -> Iterator[Snapshot]:
        row, field, size = ForecastRow, FieldRow, MeltPoolRow
        places = select(row.id, row.layer, row.frame, row.operator, field.lead).join(field, field.forecast_id == row.id)
        places = places.where(row.machine == machine, row.build == build, row.opinion == "")
        if layer is not None:
            places = places.where(row.layer == layer)
        if frame is not None:
            places = places.where(row.frame == frame)
        if newest:
            places = places.order_by(row.time_s.desc(), row.layer.desc(), row.frame.desc(), field.lead).limit(1)
        else:
            places = places.order_by(row.time_s, row.layer, row.frame, field.lead)
        for identity, of_layer, of_frame, operator, lead in self._rows(places):
            stored: Any = self._first(
                select(*field.__table__.c).where(field.forecast_id == identity, field.lead == lead)
            )
            snapshot = packing.unpack_field(stored)
            leads = select(size.lead_s, size.x_m, size.y_m).where(size.forecast_id == identity)
            near = [each for each in self._rows(leads) if abs(each.lead_s - snapshot.lead_s) < 1e-12]
            x_m, y_m = (near[0].x_m, near[0].y_m) if near else (float("nan"), float("nan"))
            yield Snapshot(of_layer, of_frame, lead, operator, x_m, y_m, snapshot)

    def pictures(self, machine: str, build: str) -> Iterator[Frame]:
        row = FrameRow
        key = (row.source, row.camera, row.sequence)
        places = select(*key).where(row.machine == machine, row.build == build).order_by(row.time_s, *key)
        for source, camera, sequence in self._rows(places):
            mine = (row.source == source, row.camera == camera, row.sequence == sequence)
            yield packing.unpack_frame(self._first(select(*row.__table__.c).where(*mine)))
