"""Course of a build out of the tables, and the list of all builds: for a page that looks back.

Every question goes by index. Outcomes are read as the first and last frames of their stretches, which the database
finds in one walk over a build's frames; nothing else grows with them.
"""

from typing import Any

import pandas as pd
from sqlalchemy import Select, func, or_, select

from twin import course
from twin.course import FIELD_FRAMES, Course
from twin.forecast import Field
from twin.store import packing
from twin.store.sql.read import Reader, forecast_of
from twin.store.tables import AlertRow, BuildRow, FieldRow, ForecastRow, GapRow, LayerRow, MachineRow

MOST = 1000  # alerts, gaps, ranges of skipped frames
RECORDINGS = {
    "machine": object, "build": object, "part": object, "material": object, "layers": float, "begun": int,
    "first_layer": float, "last_layer": float, "received_s": float, "begun_s": float, "last_time_s": float,
    "last_received_s": float, "origin": object, "operator": object, "alerts": int,
}  # fmt: skip


class SqlCourses(Reader):
    """`twin.course.Courses` over any engine."""

    def recordings(self, limit: int = 500) -> pd.DataFrame:
        build, layer, forecast, alert = BuildRow, LayerRow, ForecastRow, AlertRow
        mine = (layer.machine == build.machine) & (layer.build == build.build)

        def at(column: Any, order: Any) -> Any:
            return select(column).where(mine).order_by(order).limit(1).correlate(build).scalar_subquery()

        begun = select(func.count()).select_from(layer).where(mine).correlate(build).scalar_subquery()
        made_by = (
            select(forecast.operator)
            .where(forecast.machine == build.machine, forecast.build == build.build, forecast.opinion == "")
            .order_by(forecast.time_s.desc())
            .limit(1)
            .correlate(build)
            .scalar_subquery()
        )
        raised = select(func.count()).select_from(alert).where(
            alert.machine == build.machine, alert.build == build.build
        ).correlate(build).scalar_subquery()  # fmt: skip
        rows = select(
            build.machine, build.build, build.part, build.material, build.layers, begun,
            at(layer.layer, layer.layer), at(layer.layer, layer.layer.desc()), build.received_s,
            at(layer.begun_s, layer.layer), at(layer.last_time_s, layer.layer.desc()),
            at(layer.received_s, layer.received_s.desc()), MachineRow.origin, made_by, raised,
        ).outerjoin(MachineRow, MachineRow.machine == build.machine)  # fmt: skip
        newest = rows.order_by(build.received_s.desc(), build.machine, build.build).limit(limit)
        return packing.table(self._rows(newest), RECORDINGS)

    def course(self, machine: str, build: str) -> Course:
        told = self.build(machine, build)
        row = LayerRow
        begun_s = func.coalesce(row.begun_s, row.last_time_s)
        rows = select(row.layer, row.z_m, row.note, begun_s, row.last_time_s, row.final, row.begun_received_s)
        in_order = rows.where(row.machine == machine, row.build == build).order_by(row.layer)
        layers = packing.table(self._rows(in_order), course.LAYERS)
        outcomes = course.runs(self._ends_of_runs(machine, build))
        skipped = self.skipped(machine, build, limit=MOST)
        alerts = course.alerts_at(
            self._alerts_of(machine, build), outcomes, layers,
            lambda wall_s, from_then: self._process_s(machine, build, wall_s, from_then),
        )  # fmt: skip
        return Course(
            machine,
            build,
            layers,
            course.breaks(layers),
            outcomes,
            course.skipped_at(skipped, layers, float(told["frame_s"]) if told else 0.0),
            alerts,
            self._gaps_of(machine, build, layers),
        )

    def _ends_of_runs(self, machine: str, build: str) -> list[Any]:
        row = ForecastRow
        frames = (
            select(
                row.layer, row.frame, row.time_s, row.outcome_kind, row.issued_s,
                func.lag(row.outcome_kind).over(partition_by=row.layer, order_by=row.frame).label("before"),
                func.lead(row.outcome_kind).over(partition_by=row.layer, order_by=row.frame).label("after"),
            )
            .where(row.machine == machine, row.build == build, row.opinion == "")
            .subquery("beside")
            .c
        )  # fmt: skip
        first = or_(frames.before.is_(None), frames.before != frames.outcome_kind)
        last = or_(frames.after.is_(None), frames.after != frames.outcome_kind)
        ends = select(frames.layer, frames.frame, frames.time_s, frames.outcome_kind, frames.issued_s)
        return sorted(self._rows(ends.where(or_(first, last))), key=lambda end: (end.layer, end.frame))

    def _alerts_of(self, machine: str, build: str) -> list[Any]:
        row = AlertRow
        mine = select(*(row.__table__.c[name] for name in packing.ALERTS)).where(
            row.machine == machine, row.build == build
        )
        found = self._rows(mine)
        return sorted(found, key=lambda alert: (-alert.last_seen_s, alert.kind, alert.occurrence))[:MOST]

    def build_alerts(self, machine: str, build: str) -> pd.DataFrame:
        return packing.table([tuple(row) for row in self._alerts_of(machine, build)], packing.ALERTS)

    def _process_s(self, machine: str, build: str, wall_s: float, from_then: bool) -> float | None:
        """Process time of the first frame that was forecast no earlier than a moment, or of the last no later."""
        row = ForecastRow
        mine = select(row.time_s).where(row.machine == machine, row.build == build, row.opinion == "")
        if from_then:
            found = self._first(mine.where(row.issued_s >= wall_s).order_by(row.issued_s, row.time_s))
        else:
            found = self._first(mine.where(row.issued_s <= wall_s).order_by(row.issued_s.desc(), row.time_s.desc()))
        return None if found is None else float(found.time_s)

    def _gaps_of(self, machine: str, build: str, layers: pd.DataFrame) -> pd.DataFrame:
        """Missing sequences that were noticed while the build was received."""
        row, span = GapRow, LayerRow
        mine = select(span.received_s).where(span.machine == machine, span.build == build)
        last = self._first(mine.order_by(span.received_s.desc()))
        first_s = float(layers["begun_received_s"].min()) if len(layers) else float("nan")
        if last is None or first_s != first_s:
            return packing.table([], course.GAPS)
        rows = select(row.noticed_s, row.source, row.channel, row.first_sequence, row.last_sequence).where(
            row.machine == machine, row.noticed_s >= first_s, row.noticed_s <= last.received_s + 60.0
        )
        found = self._rows(rows.order_by(row.noticed_s).limit(MOST))
        told = [(self._process_s(machine, build, gap.noticed_s, False), *gap) for gap in found]
        return packing.table([gap for gap in told if gap[0] is not None], course.GAPS)

    def forecast_at(self, machine: str, build: str, at_s: float, *, opinion: str = "") -> dict[str, Any] | None:
        before = self._before(machine, build, at_s, opinion, *ForecastRow.__table__.c)
        return forecast_of(self._first(before))

    def _before(self, machine: str, build: str, at_s: float, opinion: str, *columns: Any) -> "Select[*tuple[Any, ...]]":
        """Forecasts of a build not later than a process time, the newest first."""
        row = ForecastRow
        mine = select(*columns).where(row.machine == machine, row.build == build, row.opinion == opinion)
        return mine.where(row.time_s <= at_s).order_by(row.time_s.desc(), row.layer.desc(), row.frame.desc())

    def beside(self, machine: str, build: str, at_s: float, *, opinion: str = "") -> tuple[float | None, float | None]:
        row = ForecastRow
        mine = select(row.time_s).where(row.machine == machine, row.build == build, row.opinion == opinion)
        before = self._first(mine.where(row.time_s < at_s).order_by(row.time_s.desc()))
        after = self._first(mine.where(row.time_s > at_s).order_by(row.time_s))
        return before.time_s if before is not None else None, after.time_s if after is not None else None

    def field_at(self, machine: str, build: str, at_s: float, lead_s: float | None = None) -> Field | None:
        row, near = FieldRow, self._before(machine, build, at_s, "", ForecastRow.id, ForecastRow.time_s)
        before = near.limit(FIELD_FRAMES).subquery("before").c
        found = select(before.id).join(row, row.forecast_id == before.id).order_by(before.time_s.desc(), row.lead)
        newest = self._first(found)
        return None if newest is None else self._field(newest.id, lead_s)
