"""Prune: an end to what is large and old, by a policy of days a kind; a preview says beforehand what would go.

    fields         temperature fields of forecasts, by when they were issued
    parameters     samples and planned vectors of a layer ..
    signals        .. and sensors' samples, by when the layer was last heard of
    observations   messages kept whole (parameters, plan, signal, frame), by when they were received
    frames         pictures, by when they were received
    requests       what pages asked and was answered, by when it was asked

Never: forecasts and their sizes, alerts, notes, acknowledgements, gaps, rejects, and messages that say what a build or
a layer is. Nothing of a build that a person has marked as kept, and nothing that a restart needs: the layers that are
not finished. The counters go down with the rows, and `pruned_...` beside them goes up.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, delete, func, not_, select, tuple_

from twin.store import tables
from twin.store.requests import ENDED
from twin.store.sql import bulk
from twin.store.sql.engine import answering, connect, writing
from twin.store.sql.read import Reader
from twin.store.tables import Base, BuildRow, CounterRow, FieldRow, KeptBuildRow, LayerRow

PRUNED = "pruned_"  # before the name of a counter, which itself goes down by as many
KINDS = ("fields", "parameters", "signals", "observations", "frames", "requests")
DAY_S = 86_400.0
ROWS = 2000  # deleted in one transaction: meanwhile whoever writes has to wait
LAYERS = 50  # the same of tables whose key does not begin with the layer: a build is passed through once for so many
_MESSAGES = ("parameters", "plan", "signal", "frame")  # kinds of observation that are pruned
_OF_LAYERS = {"parameters": ("parameters", "scan_vectors"), "signals": ("signals",)}
_COUNTED = {"parameters": "samples"}  # counters that count something else than rows
Place = tuple[str, str, int]


@dataclass
class Pruned:
    """What of one table goes, or has gone: rows, and the bytes of their arrays and messages."""

    kind: str
    table: str
    rows: int = 0
    bytes: int = 0

    def add(self, rows: int, size: int) -> None:
        self.rows += rows
        self.bytes += size


def preview(url: str, keep_days: Mapping[str, float], now_s: float) -> list[Pruned]:
    """What `prune` would delete at `now_s` (UTC s); changes nothing."""
    return _pruned(url, keep_days, now_s, really=False)


def prune(url: str, keep_days: Mapping[str, float], now_s: float) -> list[Pruned]:
    """Delete what is older than its kind's days; a kind that is not named, or has 0, is kept for ever.

    In many short transactions, each with its counters: stopped half-way, what is left is whole and goes the next time.
    """
    return _pruned(url, keep_days, now_s, really=True)


def keep(url: str, machine: str, build: str, *, by: str, now_s: float, note: str = "") -> None:
    """Mark a build: pruning leaves it whole. Saying it again replaces who, when and why."""
    row = {"machine": machine, "build": build, "kept_by": by, "kept_s": now_s, "note": note}
    with writing(url) as connection:
        bulk.insert(connection, KeptBuildRow, [row], "update")


def release(url: str, machine: str, build: str) -> bool:
    """Take the mark back; whether there was one."""
    with writing(url) as connection:
        marked = and_(KeptBuildRow.machine == machine, KeptBuildRow.build == build)
        return connection.execute(delete(KeptBuildRow).where(marked)).rowcount > 0


def _pruned(url: str, keep_days: Mapping[str, float], now_s: float, *, really: bool) -> list[Pruned]:
    unknown = set(keep_days) - set(KINDS)
    if unknown:
        raise ValueError(f"no kind {sorted(unknown)[0]!r} is pruned: {', '.join(KINDS)}")
    engine = connect(url, writes=really, upkeep=True)
    try:
        with answering(engine):
            unfinished = Reader(engine).open_layers()
            told: list[Pruned] = []
            for kind in KINDS:
                days = keep_days.get(kind, 0.0)
                if days > 0:
                    told += _Pruning(engine, kind, now_s - days * DAY_S, unfinished, really).tables()
            return told
    finally:
        engine.dispose()


class _Pruning:
    """One kind, before one moment."""

    def __init__(self, engine: Engine, kind: str, before_s: float, unfinished: list[Place], really: bool) -> None:
        self._engine, self._kind, self._before_s = engine, kind, before_s
        self._unfinished, self._really = unfinished, really

    def tables(self) -> Iterator[Pruned]:
        names = _OF_LAYERS.get(self._kind, (self._kind,))
        for table in (Base.metadata.tables[name] for name in names if name in Base.metadata.tables):
            told = Pruned(self._kind, table.name)
            for condition in self._parts(table):
                if self._really:
                    self._delete(table, condition, told)
                else:
                    with self._engine.connect() as connection:
                        told.add(*self._sizes(connection, table, condition))
            yield told

    def _parts(self, table: Table) -> Iterable[ColumnElement[bool]]:
        """What goes of a table, in parts that do not overlap."""
        if self._kind in _OF_LAYERS:
            return self._layers(table)
        if self._kind == "requests":
            return [and_(table.c.asked_s < self._before_s, table.c.state.in_(ENDED))]
        kept = _kept(table.c.machine, _build_of(table))
        at_s = table.c.issued_s if self._kind == "fields" else table.c.received_s
        condition = and_(at_s < self._before_s, not_(kept))
        if self._kind == "observations":
            needed = [
                and_(table.c.machine == m, table.c.build == b, table.c.layer == n) for m, b, n in self._unfinished
            ]
            condition = and_(condition, table.c.kind.in_(_MESSAGES), *(not_(place) for place in needed))
        return [condition]

    def _layers(self, table: Table) -> Iterator[ColumnElement[bool]]:
        """Builds that are old as a whole, then old layers of the others."""
        with self._engine.connect() as connection:
            newest = _newest_by_build(connection)
            old = select(LayerRow.machine, LayerRow.build, LayerRow.layer).where(LayerRow.received_s < self._before_s)
            layers = connection.execute(old.order_by(*LayerRow.__table__.primary_key)).all()
            marked = select(KeptBuildRow.machine, KeptBuildRow.build)
            kept = {(machine, build) for machine, build in connection.execute(marked)}
        live = {place[:2] for place in self._unfinished}
        whole = {place for place, at_s in newest.items() if at_s < self._before_s} - kept - live
        for machine, build in sorted(whole):
            yield and_(table.c.machine == machine, table.c.build == build)
        rest = [
            place
            for place in map(tuple, layers)
            if place[:2] not in whole and place[:2] not in kept and place not in self._unfinished
        ]
        for (machine, build), group in groupby(rest, key=itemgetter(0, 1)):
            numbers = [place[2] for place in group]
            for some in (numbers[i : i + LAYERS] for i in range(0, len(numbers), LAYERS)):
                yield and_(table.c.machine == machine, table.c.build == build, table.c.layer.in_(some))

    def _sizes(self, connection: Connection, table: Table, condition: ColumnElement[bool]) -> tuple[int, int]:
        content = [func.length(column) for column in table.c if column.type.python_type is bytes]
        size = sum((func.coalesce(part, 0) for part in content[1:]), start=content[0]) if content else 0
        rows, total = connection.execute(select(func.count(), func.sum(size)).select_from(table).where(condition)).one()
        return int(rows), int(total or 0)

    def _delete(self, table: Table, condition: ColumnElement[bool], told: Pruned) -> None:
        """A part, some rows at a time; of a layer's table a part is some layers or a build, and goes at once."""
        key = list(table.primary_key)
        clustered = self._kind in _OF_LAYERS
        while True:
            with self._engine.begin() as connection:
                some = condition
                if not clustered:
                    keys = connection.execute(select(*key).where(condition).limit(ROWS)).all()
                    if not keys:
                        return
                    some = tuple_(*key).in_(keys) if len(key) > 1 else key[0].in_([row[0] for row in keys])
                rows, size = self._sizes(connection, table, some)
                if self._kind != "requests":  # nobody counts them
                    self._count(connection, table, some)
                gone = connection.execute(delete(table).where(some)).rowcount
                assert gone == rows, "rows that were counted and rows that went are the same ones"
                told.add(rows, size)
            if clustered:
                return

    def _count(self, connection: Connection, table: Table, condition: ColumnElement[bool]) -> None:
        """Counters have the same machine and detail as when the rows came."""
        name = _COUNTED.get(table.name, table.name)
        detail = table.c.kind if table.name == "observations" else None
        amount = func.sum(table.c.samples) if table.name == "parameters" else func.count()
        by = [table.c.machine] if detail is None else [table.c.machine, detail]
        changes: list[dict[str, Any]] = []
        for row in connection.execute(select(*by, amount).select_from(table).where(condition).group_by(*by)):
            place: dict[str, Any] = {"machine": row[0], "detail": "" if detail is None else row[1]}
            changes.append({"name": name, **place, "count": -int(row[-1])})
            changes.append({"name": PRUNED + name, **place, "count": int(row[-1])})
        bulk.insert(connection, CounterRow, changes, "add")


def _kept(machine: ColumnElement[str], build: ColumnElement[str]) -> ColumnElement[bool]:
    marked = and_(KeptBuildRow.machine == machine, KeptBuildRow.build == build)
    return select(KeptBuildRow.machine).where(marked).exists()


def _build_of(table: Table) -> Any:
    """A field's build is its forecast's."""
    if table.name != FieldRow.__tablename__:
        return table.c.build
    forecast = tables.ForecastRow
    return select(forecast.build).where(forecast.id == table.c.forecast_id).correlate(table).scalar_subquery()


def _newest_by_build(connection: Connection) -> dict[tuple[str, str], float]:
    """When each build was last heard of, by its own message or by a layer's."""
    newest: dict[tuple[str, str], float] = {}
    for row in (BuildRow, LayerRow):
        asked = select(row.machine, row.build, func.max(row.received_s)).group_by(row.machine, row.build)
        for machine, build, at_s in connection.execute(asked):
            newest[machine, build] = max(at_s, newest.get((machine, build), at_s))
    return newest
