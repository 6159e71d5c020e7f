"""Export: one table of a store as a DataFrame whose column names say the units, of all that is there or of one build.

Arrays become rows where they are series (`parameters`: one row a sample) and are left out where they are pictures or
fields; a message becomes its JSON. `melt_pool` has its forecast beside it.
"""

from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import LargeBinary, select

from twin.store.packing import PARAMETERS, unpack_message, unpack_samples
from twin.store.port import StoreError
from twin.store.sql.engine import answering, connect
from twin.store.sql.store import SqlStore
from twin.store.tables import Base, ForecastRow, MeltPoolRow

TABLES = tuple(sorted(Base.metadata.tables))
_PLACE = ("machine", "build", "layer")
_MESSAGES = ("observations", "conflicts")
_SECRET = ("password_hash",)  # columns that leave a store only in a backup of it


def table(url: str, name: str, *, machine: str | None = None, build: str | None = None) -> pd.DataFrame:
    """Rows of a table in the order of its key. Raises `StoreError` for a table that is none, or has no such columns."""
    if name not in TABLES:
        raise StoreError(f"there is no table {name}: {', '.join(TABLES)}")
    SqlStore.open_reader(url).close()  # says what is wrong with a store that is not there, or of another schema
    engine = connect(url, writes=False, upkeep=True)
    try:
        with answering(engine), engine.connect() as connection:
            asked = _chosen(name, machine, build)
            rows = connection.execution_options(stream_results=True).execute(asked)
            return _samples(rows) if name == "parameters" else _frame(rows, name)
    finally:
        engine.dispose()


def _chosen(name: str, machine: str | None, build: str | None) -> Any:
    source = Base.metadata.tables[name]
    asked: Any
    place: dict[str, Any]
    order: list[Any]
    if name == "melt_pool":
        forecast = ForecastRow
        keys = [forecast.machine, forecast.build, forecast.layer, forecast.frame, forecast.opinion]
        told = [forecast.outcome_kind, forecast.operator, forecast.issued_s]
        sizes = [column for column in source.c if column.name != "forecast_id"]
        asked = select(*keys, *sizes, *told).join_from(MeltPoolRow, forecast, forecast.id == MeltPoolRow.forecast_id)
        place = {"machine": forecast.machine, "build": forecast.build}
        order = [*keys, MeltPoolRow.lead]
    elif name == "fields":
        forecast = ForecastRow
        left = [column for column in source.c if not isinstance(column.type, LargeBinary) and column.name != "machine"]
        asked = select(forecast.machine, forecast.build, forecast.layer, forecast.frame, *left)
        asked = asked.join_from(source, forecast, forecast.id == source.c.forecast_id)
        place = {"machine": forecast.machine, "build": forecast.build}
        order = [source.c.forecast_id, source.c.lead]
    else:
        kept = name in (*_MESSAGES, "parameters")
        shown = [column for column in source.c if kept or not isinstance(column.type, LargeBinary)]
        asked = select(*(column for column in shown if column.name not in _SECRET))
        place = {key: source.c[key] for key in ("machine", "build") if key in source.c}
        order = list(source.primary_key)
    for key, value in (("machine", machine), ("build", build)):
        if value is not None and key not in place:
            raise StoreError(f"the table {name} does not say which {key} a row is of: export it whole")
        if value is not None:
            asked = asked.where(place[key] == value)
    return asked.order_by(*order)


def _frame(rows: Any, name: str) -> pd.DataFrame:
    columns = list(rows.keys())
    found = [list(row) for row in rows]
    if name in _MESSAGES:
        encoding, payload = columns.index("encoding"), columns.index("payload")
        for row in found:
            row[payload] = _said(row[encoding], row[payload])
    frame = pd.DataFrame(found, columns=columns)
    return frame.rename(columns={"payload": "json"}).drop(columns=["encoding"]) if name in _MESSAGES else frame


def _said(encoding: str, payload: bytes) -> str:
    """A message as JSON; of a picture, whose pixels are in `frames`, what stands in its place."""
    if encoding == "json+digest":
        return payload.decode()
    return str(unpack_message(encoding, payload).model_dump_json())


def _samples(rows: Any) -> pd.DataFrame:
    """One row a sample, with the message that it came in."""
    parts = []
    for row in rows:
        named = dict(zip(PARAMETERS, unpack_samples(row.columns, row.samples), strict=True))
        told = {key: getattr(row, key) for key in (*_PLACE, "source", "sequence")}
        parts.append(pd.DataFrame({**{key: [value] * row.samples for key, value in told.items()}, **named}))
    if parts:
        return pd.concat(parts, ignore_index=True)
    empty = {key: np.empty(0, object) for key in ("machine", "build", "layer", "source", "sequence")}
    return pd.DataFrame(empty | {key: np.empty(0) for key in PARAMETERS})
