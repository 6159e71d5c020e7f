"""Read: what the tables say, as DataFrames, dicts and domain types.

A live page asks five times a second while the tables grow, so every question is answered through an index, bounded by
`limit`, or from `counters`; none scans a growing table.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine, Select, and_, func, or_, select, tuple_

from twin.alarms.kinds import ADVISORY
from twin.forecast import Field
from twin.observation import Frame, Observation, parts_of
from twin.store import floor as floors
from twin.store import packing
from twin.store.sql.engine import answering
from twin.store.tables import (
    AlertActRow,
    AlertRow,
    BirthRow,
    BuildRow,
    CalibrationRow,
    CardRow,
    CounterRow,
    FieldRow,
    ForecastRow,
    FrameRow,
    GapRow,
    LayerRow,
    MachineRow,
    MeltPoolRow,
    ObservationRow,
    ParametersRow,
    RejectRow,
    ScanVectorRow,
    SignalRow,
    SkippedRow,
)
from twin.store.waiting import WAITED_FOR, first_missing

COUNTED = (
    "observations", "duplicates", "conflicts", "rejects", "reingested", "gaps", "births", "skipped", "forecasts",
    "opinions", "melt_pool", "fields", "alerts", "signals", "samples", "scan_vectors", "frames", "cards",
)  # fmt: skip
_PAGE = 1000  # messages of a replay read at once
_NEWEST = tuple(
    column.desc()
    for column in (ForecastRow.issued_s, ForecastRow.time_s, ForecastRow.build, ForecastRow.layer, ForecastRow.frame)
)


class Reader:
    """The reading half of `SqlStore`, over any engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _rows(self, statement: "Select[*tuple[Any, ...]]") -> list[Any]:
        with answering(self._engine), self._engine.connect() as connection:
            return list(connection.execute(statement).all())

    def _first(self, statement: "Select[*tuple[Any, ...]]") -> Any:
        rows = self._rows(statement.limit(1))
        return rows[0] if rows else None

    def counts(self, machine: str | None = None) -> dict[str, int]:
        counts = dict.fromkeys(COUNTED, 0)
        total = select(CounterRow.name, func.sum(CounterRow.count))
        if machine is not None:
            total = total.where(CounterRow.machine.in_((machine, "")))
        for name, count in self._rows(total.group_by(CounterRow.name)):
            name = "forecasts" if name.startswith("forecasts_") else name
            if name in counts:  # the others say what was pruned or left out
                counts[name] += int(count)
        return counts

    def outcomes(self, machine: str | None = None, *, laser_on_only: bool = False) -> dict[str, int]:
        names = ["forecasts_laser_on"] if laser_on_only else ["forecasts_laser_on", "forecasts_laser_off"]
        total = select(CounterRow.detail, func.sum(CounterRow.count)).where(CounterRow.name.in_(names))
        if machine is not None:
            total = total.where(CounterRow.machine == machine)
        return {kind: int(count) for kind, count in self._rows(total.group_by(CounterRow.detail))}

    def machines(self) -> pd.DataFrame:
        newest = (
            select(LayerRow.layer)
            .where(LayerRow.machine == MachineRow.machine, LayerRow.build == MachineRow.build)
            .order_by(LayerRow.received_s.desc(), LayerRow.layer.desc())
            .limit(1)
            .correlate(MachineRow)
            .scalar_subquery()
        )
        place = and_(
            LayerRow.machine == MachineRow.machine, LayerRow.build == MachineRow.build, LayerRow.layer == newest
        )
        row = MachineRow
        rows = select(
            row.machine, row.site, row.status, row.origin, row.process, row.time_factor,
            row.build, LayerRow.layer, row.last_sent_s, LayerRow.last_time_s,
        ).outerjoin(LayerRow, place).order_by(row.machine)  # fmt: skip
        return packing.table(self._rows(rows), packing.MACHINES)

    def floor(self) -> pd.DataFrame:
        machine, forecast, layer, alert = MachineRow, ForecastRow, LayerRow, AlertRow
        mine = and_(layer.machine == machine.machine, layer.build == machine.build)
        first, newest = (
            select(layer.layer).where(mine).order_by(order).limit(1).correlate(machine).scalar_subquery()
            for order in (layer.layer, layer.layer.desc())
        )
        of = and_(BuildRow.machine == machine.machine, BuildRow.build == machine.build)
        builds = select(machine.machine, BuildRow.part, BuildRow.layers, first.label("first")).join(BuildRow, of)
        last = (
            select(forecast.id)
            .where(forecast.machine == machine.machine, forecast.opinion == "")
            .order_by(*_NEWEST)
            .limit(1)
            .correlate(machine)
            .scalar_subquery()
        )
        outcomes = select(
            forecast.machine, forecast.outcome_kind.label("outcome"), forecast.outcome_which, forecast.outcome_by,
            forecast.outcome_unit, forecast.withheld, forecast.issued_s,
        ).join(machine, forecast.id == last)  # fmt: skip
        few = and_(mine, layer.layer > newest - floors.LAYERS)  # an outer join: machine by machine, through the index
        begun = select(machine.machine, layer.layer, layer.begun_received_s).outerjoin(layer, few)
        opened = select(alert.machine, alert.kind, alert.severity, alert.first_seen_s).where(
            alert.cleared_s.is_(None), alert.shelved_until_s.is_(None)
        )
        return floors.floor(
            self.machines(),
            {row.machine: row._mapping for row in self._rows(builds)},
            {row.machine: row._mapping for row in self._rows(outcomes)},
            self._rows(opened),
            [tuple(row) for row in self._rows(begun) if row.begun_received_s is not None],  # type: ignore[misc]
        )

    def build(self, machine: str, build: str | None = None) -> dict[str, Any] | None:
        rows = select(*BuildRow.__table__.c).where(BuildRow.machine == machine)
        if build is not None:
            rows = rows.where(BuildRow.build == build)
        row = self._first(rows.order_by(BuildRow.received_s.desc(), BuildRow.time_s.desc(), BuildRow.build.desc()))
        if row is None:
            return None
        columns = {name: value for name, value in row._mapping.items() if name not in ("machine", "received_s")}
        return {"version": 1, "kind": "build", **columns, "assumed": json.loads(row.assumed)}

    def nominals(self, limit: int = 200) -> pd.DataFrame:
        rows = select(*(getattr(BuildRow, name) for name in packing.NOMINALS))
        order = (BuildRow.received_s.desc(), BuildRow.time_s.desc(), BuildRow.machine, BuildRow.build.desc())
        return packing.table(self._rows(rows.order_by(*order).limit(limit)), packing.NOMINALS)

    def _forecast_build(self, machine: str) -> str | None:
        of_record = select(ForecastRow.build).where(ForecastRow.machine == machine, ForecastRow.opinion == "")
        row = self._first(of_record.order_by(*_NEWEST))
        return None if row is None else row.build

    def melt_pool(
        self,
        machine: str,
        *,
        build: str | None = None,
        since_s: float | None = None,
        until_s: float | None = None,
        limit: int = 2000,
        opinion: str = "",
    ) -> pd.DataFrame:
        return self._sizes(machine, build, since_s, until_s, limit, opinion, first_lead_only=False)

    def estimates(
        self,
        machine: str,
        *,
        build: str | None = None,
        since_s: float | None = None,
        until_s: float | None = None,
        limit: int = 2000,
        opinion: str = "",
    ) -> pd.DataFrame:
        return self._sizes(machine, build, since_s, until_s, limit, opinion, first_lead_only=True)

    def opinions(self, machine: str, build: str | None = None) -> list[str]:
        row, found = ForecastRow, [""]
        mine = select(row.opinion).where(row.machine == machine, row.build == (build or self._forecast_build(machine)))
        while next_one := self._first(mine.where(row.opinion > found[-1]).order_by(row.opinion)):
            found.append(next_one.opinion)
        return found[1:]

    def absorptivity(
        self, machine: str, *, build: str | None = None, until_s: float | None = None, limit: int = 2000,
        opinion: str = "",
    ) -> pd.DataFrame:  # fmt: skip
        row = ForecastRow
        rows = select(
            row.frame, row.layer, row.time_s, row.issued_s, row.absorptivity, row.nominal_absorptivity,
            row.camera_frames, row.ledger_defect, row.outcome_kind, row.operator,
        ).where(
            row.machine == machine, row.build == (build or self._forecast_build(machine)), row.opinion == opinion
        )  # fmt: skip
        if until_s is not None:
            rows = rows.where(row.time_s <= until_s)
        newest = self._rows(rows.order_by(row.time_s.desc(), row.layer.desc(), row.frame.desc()).limit(limit))
        inferred = [frame for frame in newest[::-1] if frame.absorptivity is not None]
        return packing.table(inferred, packing.ABSORPTIVITY)

    def calibration(
        self, machine: str, *, build: str | None = None, quantity: str = "absorptivity", until_s: float | None = None,
        limit: int = 2000,
    ) -> pd.DataFrame:  # fmt: skip
        row = CalibrationRow
        chosen = build or self._forecast_build(machine)
        rows = select(*(row.__table__.c[name] for name in packing.CALIBRATION)).where(
            row.machine == machine, row.build == chosen, row.quantity == quantity
        )
        if until_s is not None:
            rows = rows.where(row.time_s <= until_s)
        newest = self._rows(rows.order_by(row.made_s.desc(), row.time_s.desc()).limit(limit))
        return packing.table(newest[::-1], packing.CALIBRATION)

    def _sizes(
        self, machine: str, build: str | None, since_s: float | None, until_s: float | None, limit: int, opinion: str,
        *, first_lead_only: bool,
    ) -> pd.DataFrame:  # fmt: skip
        row, size = ForecastRow, MeltPoolRow
        chosen = build or self._forecast_build(machine)
        frames = select(
            row.id, row.frame, row.issued_s, row.time_s, row.layer, row.outcome_kind, row.operator, row.credibility
        ).where(row.machine == machine, row.build == chosen, row.opinion == opinion)
        if since_s is not None:
            frames = frames.where(row.time_s > since_s)
        if until_s is not None:
            frames = frames.where(row.time_s <= until_s)
        frame = frames.order_by(row.time_s.desc(), row.layer.desc(), row.frame.desc()).limit(limit).subquery("frame").c
        rows = select(
            frame.frame, frame.issued_s, size.time_s, size.lead_s, size.length_m, size.width_m, size.depth_m,
            size.x_m, size.y_m, size.beam_power_w, frame.layer, frame.outcome_kind, frame.operator,
            size.length_low_m, size.length_high_m, size.width_low_m, size.width_high_m, size.depth_low_m,
            size.depth_high_m, size.coverage, frame.credibility,
        ).join(size, size.forecast_id == frame.id)  # fmt: skip
        if first_lead_only:
            rows = rows.where(size.lead == 0)
        rows = rows.order_by(frame.time_s, frame.layer, frame.frame, size.lead)
        return packing.table(self._rows(rows), packing.MELT_POOL)

    def signals(
        self, machine: str, *, build: str | None = None, since_s: float | None = None, until_s: float | None = None,
        limit: int = 5000,
    ) -> pd.DataFrame:  # fmt: skip
        row = SignalRow
        current = select(MachineRow.build).where(MachineRow.machine == machine).scalar_subquery()
        rows = select(row.time_s, row.name, row.value, row.layer).where(
            row.machine == machine, row.build == (build if build is not None else current)
        )
        if since_s is not None:
            rows = rows.where(row.time_s > since_s)
        if until_s is not None:
            rows = rows.where(row.time_s <= until_s)
        order = (row.time_s, row.name, row.source, row.sequence, row.sample)
        newest = self._rows(rows.order_by(*(column.desc() for column in order)).limit(limit))
        return packing.table(newest[::-1], packing.SIGNALS)

    def frames(
        self, machine: str, *, build: str | None = None, camera: str | None = None, since_s: float | None = None,
        limit: int = 1000,
    ) -> pd.DataFrame:  # fmt: skip
        row = FrameRow
        rows = self._pictures(machine, build, camera, *(row.__table__.c[name] for name in packing.FRAMES))
        if since_s is not None:
            rows = rows.where(row.time_s > since_s)
        return packing.table(self._rows(rows.limit(limit))[::-1], packing.FRAMES)

    def frame(
        self, machine: str, *, build: str | None = None, camera: str | None = None, at_s: float | None = None
    ) -> Frame | None:
        rows = self._pictures(machine, build, camera, *FrameRow.__table__.c)
        row = self._first(rows if at_s is None else rows.where(FrameRow.time_s <= at_s))
        return None if row is None else packing.unpack_frame(row)

    def _pictures(
        self, machine: str, build: str | None, camera: str | None, *columns: Any
    ) -> "Select[*tuple[Any, ...]]":
        row = FrameRow
        current = select(MachineRow.build).where(MachineRow.machine == machine).scalar_subquery()
        rows = select(*columns).where(row.machine == machine, row.build == (build if build is not None else current))
        order = (row.time_s, row.camera, row.source, row.sequence)
        if camera is not None:
            rows = rows.where(row.camera == camera)
        return rows.order_by(*(column.desc() for column in order))

    def latest_forecast(self, machine: str, *, opinion: str = "") -> dict[str, Any] | None:
        mine = select(*ForecastRow.__table__.c).where(ForecastRow.machine == machine, ForecastRow.opinion == opinion)
        return forecast_of(self._first(mine.order_by(*_NEWEST)))

    def latest_field(self, machine: str, lead_s: float | None = None) -> Field | None:
        row = FieldRow
        newest = select(row.forecast_id).where(row.machine == machine, row.opinion == "")
        found = self._first(newest.order_by(row.issued_s.desc(), row.time_s.desc()))
        if found is None:
            return None
        return self._field(found.forecast_id, lead_s)

    def _field(self, identity: int, lead_s: float | None) -> Field:
        """The snapshot of a forecast that is nearest to a lead."""
        row, wanted_s = FieldRow, 0.0 if lead_s is None else lead_s
        leads = self._rows(select(row.lead, row.lead_s).where(row.forecast_id == identity))
        nearest = min(leads, key=lambda lead: (abs(lead.lead_s - wanted_s), lead.lead))
        snapshot = select(*row.__table__.c).where(row.forecast_id == identity, row.lead == nearest.lead)
        return packing.unpack_field(self._first(snapshot))

    def scan_vectors(self, machine: str, build: str, layer: int) -> pd.DataFrame:
        row = ScanVectorRow
        vectors = select(
            row.plan_time_s, row.sequence, row.source, row.plan_start_s, row.vector, row.start_s, row.x0_m, row.y0_m,
            row.x1_m, row.y1_m, row.z_m, row.beam_power_w, row.scan_speed_m_per_s, row.dwell_s,
        ).where(row.machine == machine, row.build == build, row.layer == layer)  # fmt: skip
        in_order = vectors.order_by(row.plan_time_s, row.sequence, row.source, row.vector)
        return packing.plan_in_force(self._rows(in_order))

    def parameters(self, machine: str, build: str, layer: int) -> pd.DataFrame:
        row = ParametersRow
        messages = select(row.columns, row.samples).where(
            row.machine == machine, row.build == build, row.layer == layer
        )
        in_order = messages.order_by(row.first_time_s, row.source, row.sequence)
        samples = [packing.unpack_samples(columns, count) for columns, count in self._rows(in_order)]
        columns = np.concatenate(samples, axis=1) if samples else np.empty((len(packing.PARAMETERS), 0))
        return pd.DataFrame(dict(zip(packing.PARAMETERS, columns, strict=True)))

    def alerts(
        self, machine: str | None = None, *, open_only: bool = False, standing_only: bool = False, limit: int = 500
    ) -> pd.DataFrame:
        row = AlertRow
        rows = select(*(row.__table__.c[name] for name in packing.ALERTS))
        if machine is not None:
            rows = rows.where(row.machine == machine)
        if open_only:
            rows = rows.where(row.cleared_s.is_(None))
        if standing_only:
            nobody = row.acknowledged_s.is_(None) & (row.severity != ADVISORY)
            loud = or_(row.shelved_until_s.is_(None), row.shelved_until_s < row.cleared_s)
            rows = rows.where(or_(row.cleared_s.is_(None), nobody & loud))
        key = (row.machine, row.build, row.kind, row.occurrence)
        return packing.table(self._rows(rows.order_by(row.last_seen_s.desc(), *key).limit(limit)), packing.ALERTS)

    def alert_acts(self, machine: str | None = None, *, after: int = 0, limit: int = 500) -> pd.DataFrame:
        row = AlertActRow
        rows = select(*(row.__table__.c[name] for name in packing.ALERT_ACTS)).where(row.id > after)
        if machine is not None:
            rows = rows.where(row.machine == machine)
        return packing.table(self._rows(rows.order_by(row.id).limit(limit)), packing.ALERT_ACTS)

    def alert_is_known(self, machine: str, build: str, kind: str, occurrence: int | None = None) -> bool:
        row = AlertRow
        rows = select(row.occurrence).where(row.machine == machine, row.build == build, row.kind == kind)
        return self._first(rows if occurrence is None else rows.where(row.occurrence == occurrence)) is not None

    def last_act(self) -> int:
        row = self._first(select(AlertActRow.id).order_by(AlertActRow.id.desc()))
        return 0 if row is None else int(row.id)

    def rejects(self, limit: int = 500) -> pd.DataFrame:
        row = RejectRow
        rows = select(row.received_s, row.topic, row.payload, row.reason, row.code, row.digest, row.reingested_s)
        newest = rows.order_by(row.received_s.desc(), row.digest).limit(limit)
        return packing.table(self._rows(newest), packing.REJECTS)

    def gaps(self, machine: str, limit: int = 500) -> pd.DataFrame:
        row = GapRow
        rows = select(row.noticed_s, row.source, row.channel, row.first_sequence, row.last_sequence)
        order = (row.noticed_s.desc(), row.source, row.channel, row.first_sequence, row.last_sequence)
        newest = rows.where(row.machine == machine).order_by(*order).limit(limit)
        return packing.table(self._rows(newest), packing.GAPS)

    def messages(
        self, source: str, channel: str, *, first: int = 0, last: int | None = None, newest: int | None = None
    ) -> list[Observation]:
        row = ObservationRow
        kept = select(row.site, row.machine, row.source, row.sequence, row.encoding, row.payload).where(
            row.source == source, row.channel == channel
        )
        if newest is not None:
            found = self._rows(kept.order_by(row.sequence.desc()).limit(newest))[::-1]
        else:
            kept = kept.where(row.sequence >= first)
            found = self._rows((kept if last is None else kept.where(row.sequence <= last)).order_by(row.sequence))
        if channel.startswith("frame/"):
            return self._filmed(source, channel.removeprefix("frame/"), found)
        return [_observation(message.machine, message) for message in found]

    def _filmed(self, source: str, camera: str, kept: list[Any]) -> list[Observation]:
        """Messages with pictures, which stand in their own table; one whose picture was pruned is not among them."""
        row, pictures = FrameRow, {}
        for first in range(0, len(kept), _PAGE):
            some = [message.sequence for message in kept[first : first + _PAGE]]
            named = select(*row.__table__.c).where(row.source == source, row.camera == camera, row.sequence.in_(some))
            pictures.update({found.sequence: packing.unpack_frame(found) for found in self._rows(named)})
        _, own, birth = parts_of(source)
        return [
            Observation(message.site, message.machine, pictures[message.sequence], birth=birth, own=own)
            for message in kept
            if message.sequence in pictures
        ]

    def births(self, source: str) -> int:
        row = self._first(select(func.max(BirthRow.birth).label("newest")).where(BirthRow.source == source))
        return int(row.newest or 0)

    def next_frame(self, machine: str, build: str, layer: int) -> int:
        ends = []
        for row, frame in ((ForecastRow, ForecastRow.frame), (SkippedRow, SkippedRow.last_frame)):
            place = (row.machine == machine, row.build == build, row.layer == layer)
            newest = self._first(select(func.max(frame).label("frame")).where(*place)).frame
            ends.append(0 if newest is None else int(newest) + 1)
        return max(ends)

    def issued(self, machine: str, build: str, layer: int) -> dict[int, float]:
        row = ForecastRow
        of_record = (row.machine == machine, row.build == build, row.layer == layer, row.opinion == "")
        return {
            int(frame): float(at_s) for frame, at_s in self._rows(select(row.frame, row.issued_s).where(*of_record))
        }

    def skipped(self, machine: str, build: str | None = None, limit: int = 500) -> pd.DataFrame:
        row = SkippedRow
        rows = select(row.noticed_s, row.build, row.layer, row.first_frame, row.last_frame).where(
            row.machine == machine
        )
        if build is not None:
            rows = rows.where(row.build == build)
        order = (row.noticed_s.desc(), row.build, row.layer.desc(), row.first_frame.desc())
        return packing.table(self._rows(rows.order_by(*order).limit(limit)), packing.SKIPPED)

    def lives(self, machine: str, limit: int = 500) -> pd.DataFrame:
        row = BirthRow
        rows = select(row.noticed_s, row.source, row.birth, row.channel, row.sequence, row.reason)
        newest = rows.where(row.machine == machine).order_by(row.noticed_s.desc(), row.source, row.birth.desc())
        return packing.table(self._rows(newest.limit(limit)), packing.LIVES)

    def open_layers(self) -> list[tuple[str, str, int]]:
        places: dict[tuple[str, str, int], None] = {}
        for machine, build in self._rows(select(MachineRow.machine, MachineRow.build).order_by(MachineRow.machine)):
            row = LayerRow
            layers = select(row.layer, row.final).where(row.machine == machine, row.build == build)
            newest = self._rows(layers.order_by(row.received_s.desc(), row.layer.desc()).limit(2))
            places |= dict.fromkeys(self._waiting(machine, build, [layer.layer for layer in newest]))
            if newest and not newest[0].final:
                places[machine, build, newest[0].layer] = None
        return list(places)

    def _waiting(self, machine: str, build: str, layers: Sequence[int]) -> list[tuple[str, str, int]]:
        """Layers from the one before the first missing message on, of the sources that speak of these layers."""
        row, gap = ObservationRow, GapRow
        told = (row.machine == machine, row.build == build, row.layer.in_(layers), row.kind == "parameters")
        places = []
        for (source,) in self._rows(select(row.source).where(*told).distinct().order_by(row.source)):
            kept = select(row.sequence, row.received_s, row.build, row.layer)
            kept = kept.where(row.source == source, row.channel == "parameters")
            lately = self._rows(kept.order_by(row.sequence.desc()).limit(WAITED_FOR))[::-1]
            given_up = select(gap.first_sequence, gap.last_sequence).where(
                gap.machine == machine, gap.source == source, gap.channel == "parameters",
                gap.last_sequence >= lately[0].sequence,
            )  # fmt: skip
            gaps = [(first, last) for first, last in self._rows(given_up)]
            at = first_missing([(each.sequence, each.received_s) for each in lately], gaps)
            places += [] if at is None else [(machine, each.build, each.layer) for each in lately[at:]]
        return places

    def replay_messages(self, machine: str, build: str, layer: int) -> Iterator[Observation]:
        row = ObservationRow
        kept = select(row.site, row.source, row.sequence, row.encoding, row.payload).where(row.machine == machine)
        state = kept.where(row.build.is_(None), row.layer.is_(None), row.kind == "state")
        newest = self._first(state.order_by(row.received_s.desc(), row.id.desc()))
        if newest is not None:
            yield _observation(machine, newest)
        yield from self._pages(machine, kept.where(row.build == build, row.layer.is_(None), row.kind == "build"))
        for kind in ("layer", "plan", "parameters"):
            place = row.layer >= layer if kind == "plan" else row.layer == layer
            yield from self._pages(machine, kept.where(row.build == build, place, row.kind == kind))

    def _pages(self, machine: str, messages: "Select[*tuple[Any, ...]]") -> Iterator[Observation]:
        """Messages by source and sequence, a page at a time: no transaction stays open between them."""
        row, after = ObservationRow, ("", -1)
        while True:
            page = messages.where(tuple_(row.source, row.sequence) > tuple_(*after))
            found = self._rows(page.order_by(row.source, row.sequence).limit(_PAGE))
            yield from (_observation(machine, message) for message in found)
            if len(found) < _PAGE:
                return
            after = (found[-1].source, found[-1].sequence)

    def card(self, name: str) -> dict[str, Any] | None:
        row = self._first(
            select(CardRow.json).where(CardRow.name == name).order_by(CardRow.received_s.desc(), CardRow.sha256)
        )
        return None if row is None else dict(json.loads(row.json))


def forecast_of(row: Any) -> dict[str, Any] | None:
    """A row of `forecasts` as the port tells it."""
    if row is None:
        return None
    columns = dict(row._mapping)
    del columns["id"]
    return columns | {"outcome": columns.pop("outcome_kind")}


def _observation(machine: str, row: Any) -> Observation:
    _, own, birth = parts_of(row.source)
    message = packing.unpack_message(row.encoding, row.payload)
    return Observation(site=row.site, machine=machine, message=message, birth=birth, own=own)
