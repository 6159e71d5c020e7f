"""SqlSums: builds and layers added up by SQLite or PostgreSQL; the half of `SqlStore` that answers `Sums`.

Quantiles by window functions, which both have: each value's rank in its layer, then the two about the quantile's rank.
"""

from typing import Any

import pandas as pd
from sqlalchemy import Select, and_, case, func, select

from twin.store import packing
from twin.store.read import Reader
from twin.store.sums import (
    ARCHIVE,
    BINS,
    MOST,
    NOT_OK,
    OBSERVED,
    OF_FRAMES,
    PER_CENT,
    POINTS,
    QUANTITIES,
    SIZES,
    SUMS,
    layer_times,
)
from twin.store.tables import AlertRow, BuildRow, ForecastRow, LayerRow, MachineRow, MeltPoolRow, SignalRow


class SqlSums(Reader):
    """`Sums` over any engine."""

    def archive(self) -> pd.DataFrame:
        build, machine, layer, alert = BuildRow, MachineRow, LayerRow, AlertRow
        begun_s = func.min(func.coalesce(layer.begun_received_s, layer.received_s)).label("begun_s")
        of = (layer.machine, layer.build)
        layers = select(*of, func.count().label("seen"), begun_s, func.max(layer.received_s).label("heard_s"))
        layers_of = layers.group_by(*of).subquery("heard")
        by = [func.sum(case((alert.severity == name, 1), else_=0)).label(name) for name in ("high", "medium", "low")]
        alerts_of = select(alert.machine, alert.build, *by).group_by(alert.machine, alert.build).subquery("told")
        heard, told = layers_of.c, alerts_of.c
        first_s = func.coalesce(heard.begun_s, build.received_s)
        rows = (
            select(
                build.machine, build.build, build.part, build.material, machine.process, machine.origin,
                func.coalesce(machine.build == build.build, False), build.layers, func.coalesce(heard.seen, 0),
                first_s, func.coalesce(heard.heard_s, build.received_s), build.beam_diameter_m,
                build.layer_thickness_m, build.preheat_k, build.nominal_beam_power_w,
                build.nominal_scan_speed_m_per_s, build.hatch_spacing_m, build.frame_s,
                *(func.coalesce(told[name], 0) for name in ("high", "medium", "low")),
            )
            .outerjoin(machine, machine.machine == build.machine)
            .outerjoin(layers_of, and_(heard.machine == build.machine, heard.build == build.build))
            .outerjoin(alerts_of, and_(told.machine == build.machine, told.build == build.build))
        )  # fmt: skip
        return packing.table(self._rows(rows.order_by(first_s.desc(), build.machine, build.build)), ARCHIVE)

    def build_outcomes(self, machine: str, build: str) -> dict[str, int]:
        row = ForecastRow
        mine = select(row.outcome_kind, func.count()).where(*_of_record(machine, build))
        return {kind: int(count) for kind, count in self._rows(mine.group_by(row.outcome_kind))}

    def frames_by_layer(self, machine: str, build: str) -> dict[int, int]:
        row, layer = ForecastRow, LayerRow
        known = self._rows(select(layer.layer).where(layer.machine == machine, layer.build == build))
        mine = select(row.layer, func.count()).where(*_of_record(machine, build)).group_by(row.layer)
        counts = dict.fromkeys((int(number) for (number,) in known), 0)
        counts.update({int(number): int(count) for number, count in self._rows(mine)})
        return dict(sorted(counts.items()))

    def layer_sums(self, machine: str, build: str, first_layer: int, last_layer: int) -> pd.DataFrame:
        stretch = (machine, build, first_layer, last_layer)
        found: list[tuple[Any, ...]] = []
        for quantity in OF_FRAMES:
            found += self._quantiles(_values(stretch, quantity), quantity)
        for signal, quantity in OBSERVED.items():
            found += self._quantiles(self._seen(stretch, signal), quantity)
        found += self._times(stretch)
        row = ForecastRow
        odd = func.sum(case((row.outcome_kind != "ok", 1), else_=0))
        mine = select(row.layer, func.count(), odd).where(*_of_record(*stretch)).group_by(row.layer)
        for layer, count, not_ok in self._rows(mine):
            found.append((layer, NOT_OK, count, *([int(not_ok) / int(count)] * 3)))
        return packing.table(sorted(found, key=lambda row: (row[0], QUANTITIES.index(row[1]))), SUMS)

    def _quantiles(self, values: "Select[*tuple[Any, ...]]", quantity: str) -> list[tuple[Any, ...]]:
        """Of rows (layer, value): the two values about each quantile's rank, between which it lies."""
        value = values.subquery("value").c
        rank = (func.row_number().over(partition_by=value.layer, order_by=value.value) - 1).label("rank")
        count = func.count().over(partition_by=value.layer).label("count")
        ranked = select(value.layer, value.value, rank, count).subquery("ranked").c
        columns = []
        for share in PER_CENT:
            below = (ranked.count - 1) * share // 100
            columns += [func.max(case((ranked.rank == at, ranked.value))) for at in (below, below + 1)]
        rows = select(ranked.layer, func.max(ranked.count), *columns).group_by(ranked.layer)
        found = []
        for layer, number, *about in self._rows(rows):
            if quantity == "scan_speed_m_per_s":  # its square was ranked, which a database without roots can do
                about = [None if each is None else float(each) ** 0.5 for each in about]
            shares = [(int(number) - 1) * share % 100 / 100 for share in PER_CENT]
            ends = [about[2 * n : 2 * n + 2] for n in range(len(PER_CENT))]
            found.append((layer, quantity, number, *(_between(*end, s) for end, s in zip(ends, shares, strict=True))))
        return found

    def _seen(self, stretch: tuple[str, str, int, int], signal: str) -> "Select[*tuple[Any, ...]]":
        """Samples of a sensor in these layers, looked for in the time of their layers, thrice as wide."""
        machine, build, first, last = stretch
        row, layer = SignalRow, LayerRow
        begun_s = func.coalesce(layer.begun_s, layer.last_time_s)
        bounds = select(func.min(begun_s), func.max(layer.last_time_s)).where(
            layer.machine == machine, layer.build == build, layer.layer.between(first, last)
        )
        ((begin_s, end_s),) = self._rows(bounds)
        mine = [row.machine == machine, row.build == build, row.name == signal, row.layer.between(first, last)]
        if begin_s is not None:
            room_s = end_s - begin_s + 1.0
            mine.append(row.time_s.between(begin_s - room_s, end_s + room_s))
        return select(row.layer.label("layer"), row.value.label("value")).where(*mine, row.value.between(0.0, MOST))

    def _times(self, stretch: tuple[str, str, int, int]) -> list[tuple[Any, ...]]:
        machine, build, first, last = stretch
        row = LayerRow
        mine = select(row.layer, row.begun_s, row.last_time_s).where(row.machine == machine, row.build == build)
        before = select(func.max(row.layer)).where(row.machine == machine, row.build == build, row.layer < first)
        from_layer = func.coalesce(before.scalar_subquery(), first)
        return layer_times(
            self._rows(mine.where(row.layer >= from_layer, row.layer <= last).order_by(row.layer)), first
        )

    def layer_bins(self, machine: str, build: str, first_layer: int, last_layer: int, *, every: int) -> pd.DataFrame:
        frame = _frames(machine, build, first_layer, last_layer).subquery("one").c
        speed = func.avg(frame.speed_squared)
        number = (frame.frame // every).label("bin")
        odd = func.avg(case((frame.outcome != "ok", 1.0), else_=0.0))
        sizes = [func.avg(case((frame.outcome == "ok", frame[name]))) for name in SIZES]
        rows = select(frame.layer, number, func.count(), *sizes, func.avg(frame.beam_power_w), speed, odd)
        found = self._rows(rows.group_by(frame.layer, number).order_by(frame.layer, number))
        return packing.table([(*row[:7], None if row[7] is None else row[7] ** 0.5, row[8]) for row in found], BINS)

    def layer_points(self, machine: str, build: str, first_layer: int, last_layer: int, *, every: int) -> pd.DataFrame:
        frame, layer = _frames(machine, build, first_layer, last_layer).subquery("one").c, LayerRow
        here = and_(layer.machine == machine, layer.build == build, layer.layer == frame.layer)
        sizes = [case((frame.outcome == "ok", frame[name])) for name in SIZES]
        rows = select(
            frame.layer, frame.frame, frame.time_s, layer.z_m, frame.x_m, frame.y_m, *sizes, frame.beam_power_w,
            frame.speed_squared, frame.outcome,
        ).outerjoin(layer, here).where(frame.frame % every == 0, frame.x_m.is_not(None)).order_by(
            frame.layer, frame.frame
        )  # fmt: skip
        found = [(*row[:10], None if row[10] is None else row[10] ** 0.5, row[11]) for row in self._rows(rows)]
        return packing.table(found, POINTS)


def _of_record(machine: str, build: str, first: int | None = None, last: int | None = None) -> list[Any]:
    row = ForecastRow
    mine: list[Any] = [row.machine == machine, row.build == build, row.opinion == ""]
    return mine if first is None else [*mine, row.layer.between(first, last)]


def _frames(machine: str, build: str, first: int, last: int) -> "Select[*tuple[Any, ...]]":
    """Frames with the laser on and a melt pool at lead 0, with the square of the scan speed in each."""
    row, size = ForecastRow, MeltPoolRow
    window: dict[str, Any] = {"partition_by": row.layer, "order_by": row.frame}
    dx_m, dy_m, dt_s = (c - func.lag(c).over(**window) for c in (size.x_m, size.y_m, row.time_s))
    follows = and_(row.frame - func.lag(row.frame).over(**window) == 1, dt_s > 0)
    squared = case((follows, (dx_m * dx_m + dy_m * dy_m) / (dt_s * dt_s)))
    return (
        select(
            row.layer, row.frame, row.time_s, row.outcome_kind.label("outcome"), size.x_m, size.y_m, size.width_m,
            size.length_m, size.depth_m, size.beam_power_w, squared.label("speed_squared"),
        )
        .join(size, and_(size.forecast_id == row.id, size.lead == 0))
        .where(*_of_record(machine, build, first, last), row.laser_on.is_(True))
    )  # fmt: skip


def _values(stretch: tuple[str, str, int, int], quantity: str) -> "Select[*tuple[Any, ...]]":
    """(layer, value) of the frames that count for a quantity."""
    if quantity == "scan_speed_m_per_s":
        frame = _frames(*stretch).subquery("one").c
        return select(frame.layer.label("layer"), frame.speed_squared.label("value")).where(
            frame.speed_squared.between(0.0, MOST)
        )
    row, size = ForecastRow, MeltPoolRow
    value = getattr(size, quantity)
    counts = [row.outcome_kind == "ok"] if quantity in SIZES else []
    return (
        select(row.layer.label("layer"), value.label("value"))
        .join(size, and_(size.forecast_id == row.id, size.lead == 0))
        .where(*_of_record(*stretch), row.laser_on.is_(True), *counts, value.between(0.0, MOST))
    )


def _between(low: float, high: float | None, share: float) -> float:
    return float(low) if high is None or share == 0 else float(low) * (1 - share) + float(high) * share
