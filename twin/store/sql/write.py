"""Write: one step into the tables, inside a transaction that the caller opens.

What is already there is looked up first, so that what follows from an observation is written once; `on conflict do
nothing` stands behind it. Rows go below the ORM (`bulk`, 7 to 9 times faster).
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, func, select, update

from twin.alarms.acts import Act
from twin.forecast import Alert, Forecast
from twin.observation import Build, Frame, Gap, Layer, Message, Observation, Parameters, Plan, Rejected, Signal
from twin.store import derive, tables
from twin.store.alerts import acted, meant, told
from twin.store.derive import Row
from twin.store.packing import (
    content_digest,
    digest,
    pack_field,
    pack_message,
    plain_text,
    same_content,
    unpack_message,
)
from twin.store.port import Step, Written
from twin.store.sql import bulk

LEFT_OUT = "left_out_"  # before the name of a counter: rows that were never kept, because the disk was short
_CHUNK = 500  # keys in one look-up
Key = tuple[str, str, int]
Tally = Counter[tuple[str, str, str]]  # (name, machine, detail)


def write_step(connection: Connection, step: Step, *, large: bool = True) -> Written:
    """Everything of one step; the caller commits or rolls back. Without `large` no field and no picture is kept, and
    counters of the names `left_out_...` say how many were not."""
    written, tally = Written(), Counter[tuple[str, str, str]]()
    fresh = _observations(connection, step, written, tally)
    _derived(connection, fresh, step.received_s, tally, large)
    _rejects(connection, step, written, tally)
    _reingested(connection, step, written, tally)
    _gaps(connection, step.gaps, written, tally)
    _births(connection, step, tally)
    _skipped(connection, step, written, tally)
    _forecasts(connection, step.forecasts, written, tally, large)
    _alerts(connection, step.alerts, written, tally)
    act(connection, step.acts, written)
    _cards(connection, step, tally)
    counts = [{"name": n, "machine": m, "detail": d, "count": c} for (n, m, d), c in tally.items() if c]
    bulk.insert(connection, tables.CounterRow, counts, on_conflict="add")
    return written


def _found(connection: Connection, model: type[tables.Base], **key: Any) -> Row | None:
    statement = select(model.__table__).filter_by(**key)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else dict(row)


def _chunks(values: Sequence[int]) -> Iterable[Sequence[int]]:
    return (values[i : i + _CHUNK] for i in range(0, len(values), _CHUNK))


def _known_messages(connection: Connection, keys: Iterable[Key]) -> dict[Key, Message]:
    row, known = tables.ObservationRow, {}
    for (source, channel), group in groupby(sorted(set(keys)), key=itemgetter(0, 1)):
        for chunk in _chunks([key[2] for key in group]):
            statement = select(row.sequence, row.encoding, row.payload).where(
                row.source == source, row.channel == channel, row.sequence.in_(chunk)
            )
            for sequence, encoding, payload in connection.execute(statement):
                known[source, channel, sequence] = unpack_message(encoding, payload)
    return known


def _observations(connection: Connection, step: Step, written: Written, tally: Tally) -> list[Observation]:
    """Keep what is new and give it back; a taken key is a duplicate, and a conflict if it says something else."""
    known = _known_messages(connection, (observation.key for observation in step.observations))
    fresh, rows, conflicts = [], [], []
    for observation in step.observations:
        message, key = observation.message, observation.key
        first = known.get(key)
        encoding, payload = pack_message(message, observation.payload)
        if first is None:
            known[key] = message
            fresh.append(observation)
            rows.append(
                {
                    "source": key[0],
                    "channel": key[1],
                    "sequence": key[2],
                    "machine": observation.machine,
                    "received_s": step.received_s,
                    "encoding": encoding,
                    "payload": payload,
                    "site": observation.site,
                    "kind": message.kind,
                    "build": getattr(message, "build", None),
                    "layer": getattr(message, "layer", None),
                    "time_s": message.time_s,
                    "sent_s": message.sent_s,
                }
            )
            continue
        written.duplicates += 1
        written.duplicate_keys.append(key)
        tally["duplicates", observation.machine, observation.source] += 1
        if not same_content(first, message):
            written.conflicts += 1
            tally["conflicts", observation.machine, observation.source] += 1
            name = content_digest(message)
            conflicts.append(
                {
                    "source": key[0],
                    "channel": key[1],
                    "sequence": key[2],
                    "machine": observation.machine,
                    "received_s": step.received_s,
                    "encoding": encoding,
                    "payload": payload,
                    "digest": name,
                }
            )
    bulk.insert(connection, tables.ObservationRow, rows)
    bulk.insert(connection, tables.ConflictRow, conflicts)
    tally.update(("observations", observation.machine, observation.message.kind) for observation in fresh)
    written.observations = len(fresh)
    return fresh


def _derived(
    connection: Connection, fresh: Sequence[Observation], received_s: float, tally: Tally, large: bool
) -> None:
    """Rows that follow from new observations."""
    machines: dict[str, Row] = {}
    builds: dict[tuple[str, str], Row] = {}
    layers: dict[tuple[str, str, int], Row] = {}
    parameters: list[Row] = []
    scan_vectors: list[Row] = []
    signals: list[Row] = []
    frames: list[Row] = []
    for observation in fresh:
        machine, message = observation.machine, observation.message
        row = machines.get(machine) or _found(connection, tables.MachineRow, machine=machine)
        machines[machine] = derive.machine_row(row, observation, received_s)
        if isinstance(message, Build):
            named = (machine, message.build)
            row = builds.get(named) or _found(connection, tables.BuildRow, machine=machine, build=message.build)
            builds[named] = derive.build_row(row, machine, message, received_s)
        elif isinstance(message, Layer | Parameters):
            place = (machine, message.build, message.layer)
            key = {"machine": machine, "build": message.build, "layer": message.layer}
            row = layers.get(place) or _found(connection, tables.LayerRow, **key)
            layers[place] = derive.layer_row(row, machine, message, received_s)
            if isinstance(message, Parameters):
                parameters.append(derive.parameters_row(machine, observation.source, message))
        elif isinstance(message, Plan):
            scan_vectors += derive.scan_vector_rows(machine, observation.source, message)
        elif isinstance(message, Signal):
            signals += derive.signal_rows(machine, observation.source, message)
        elif isinstance(message, Frame):
            frames.append(derive.frame_row(machine, observation.source, message, received_s))
    bulk.insert(connection, tables.MachineRow, list(machines.values()), "update")
    bulk.insert(connection, tables.BuildRow, list(builds.values()), "update")
    bulk.insert(connection, tables.LayerRow, list(layers.values()), "update")
    bulk.insert(connection, tables.ParametersRow, parameters)
    bulk.insert(connection, tables.ScanVectorRow, scan_vectors)
    bulk.insert(connection, tables.SignalRow, signals)
    bulk.insert(connection, tables.FrameRow, frames if large else [])
    frames_are = "frames" if large else LEFT_OUT + "frames"
    for name, rows in (("scan_vectors", scan_vectors), ("signals", signals), (frames_are, frames)):
        tally.update((name, row["machine"], "") for row in rows)
    for row in parameters:
        tally["samples", row["machine"], ""] += row["samples"]


def _rejects(connection: Connection, step: Step, written: Written, tally: Tally) -> None:
    """Rejects have no key of their own: the time and the content are one, so that a repeated step changes nothing."""
    alike: Counter[Rejected] = Counter()
    rows: dict[str, Row] = {}
    for reject in step.rejects:
        alike[reject] += 1
        topic, reason = plain_text(reject.topic), plain_text(reject.reason)
        name = digest(topic.encode(), reject.payload, reason.encode(), str(alike[reject]).encode())
        rows[name] = {
            "received_s": step.received_s, "digest": name, "topic": topic, "payload": reject.payload, "reason": reason,
            "code": reject.code, "reingested_s": None,
        }  # fmt: skip
    row = tables.RejectRow
    for chunk in (list(rows)[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)):
        taken = select(row.digest).where(row.received_s == step.received_s, row.digest.in_(chunk))
        for name in connection.execute(taken).scalars().all():
            del rows[name]
    bulk.insert(connection, row, list(rows.values()))
    written.rejects = len(rows)
    tally.update(("rejects", "", row["code"]) for row in rows.values())


def _reingested(connection: Connection, step: Step, written: Written, tally: Tally) -> None:
    """Rejects of which a later decoder made an observation: their rows say when, once."""
    row = tables.RejectRow
    for reject in step.reingested:
        still = (row.topic == plain_text(reject.topic), row.payload == reject.payload, row.reingested_s.is_(None))
        count = connection.execute(select(func.count()).select_from(row).where(*still)).scalar_one()
        connection.execute(update(row).where(*still).values(reingested_s=step.received_s))
        written.reingested += count
        tally["reingested", "", ""] += count


def _births(connection: Connection, step: Step, tally: Tally) -> None:
    for birth in step.births:
        if _found(connection, tables.BirthRow, source=birth.source, birth=birth.birth) is None:
            bulk.insert(connection, tables.BirthRow, [vars(birth) | {"reason": plain_text(birth.reason)}])
            tally["births", birth.machine, birth.source] += 1


def _skipped(connection: Connection, step: Step, written: Written, tally: Tally) -> None:
    """A range is kept once; ranges of one layer do not overlap, because the frames of a resumed layer are not told."""
    for skipped in step.skipped:
        key = {name: value for name, value in vars(skipped).items() if name not in ("last_frame", "noticed_s")}
        if _found(connection, tables.SkippedRow, **key) is None:
            bulk.insert(connection, tables.SkippedRow, [vars(skipped)])
            written.skipped += skipped.frames
            tally["skipped", skipped.machine, skipped.build] += skipped.frames


def _gaps(connection: Connection, gaps: Sequence[Gap], written: Written, tally: Tally) -> None:
    rows: dict[tuple[object, ...], Row] = {}
    for gap in gaps:
        key = {name: value for name, value in vars(gap).items() if name != "noticed_s"}
        name = tuple(key.values())
        if name not in rows and _found(connection, tables.GapRow, **key) is None:
            rows[name] = vars(gap)
            tally["gaps", gap.machine, gap.source] += 1
    bulk.insert(connection, tables.GapRow, list(rows.values()))
    written.gaps = len(rows)


def _known_frames(connection: Connection, forecasts: Sequence[Forecast]) -> set[tuple[str, str, int, int, str]]:
    row, known = tables.ForecastRow, set()
    keys = sorted({(f.machine, f.build, f.layer, f.frame) for f in forecasts})
    for (machine, build, layer), group in groupby(keys, key=itemgetter(0, 1, 2)):
        for chunk in _chunks([key[3] for key in group]):
            frames = select(row.frame, row.opinion).where(
                row.machine == machine, row.build == build, row.layer == layer, row.frame.in_(chunk)
            )
            known |= {(machine, build, layer, frame, opinion) for frame, opinion in connection.execute(frames)}
    return known


def _forecasts(
    connection: Connection, forecasts: Sequence[Forecast], written: Written, tally: Tally, large: bool
) -> None:
    """Forecasts with their melt pools and fields; a frame keeps the first of each opinion."""
    if not forecasts:
        return
    known = _known_frames(connection, forecasts)
    next_id = (connection.execute(select(func.max(tables.ForecastRow.id))).scalar() or 0) + 1
    rows: list[Row] = []
    melt_pools: list[Row] = []
    fields: list[Row] = []
    calibrations: list[Row] = []
    for forecast in forecasts:
        key = (forecast.machine, forecast.build, forecast.layer, forecast.frame, forecast.opinion)
        if key in known:
            continue
        known.add(key)
        identity = next_id + len(rows)
        rows.append(derive.forecast_row(identity, forecast))
        melt_pools += derive.melt_pool_rows(identity, forecast)
        calibrations += derive.calibration_rows(identity, forecast)
        for lead, field in enumerate(forecast.fields if large else ()):
            place = {"forecast_id": identity, "lead": lead, "machine": forecast.machine, "opinion": forecast.opinion}
            fields.append(place | {"issued_s": forecast.issued_s, "time_s": forecast.time_s} | pack_field(field))
        laser = "forecasts_laser_on" if forecast.laser_on else "forecasts_laser_off"
        tally["opinions" if forecast.opinion else laser, forecast.machine, forecast.outcome.kind] += 1
        tally["melt_pool", forecast.machine, ""] += len(forecast.leads)
        tally["fields" if large else LEFT_OUT + "fields", forecast.machine, ""] += len(forecast.fields)
    bulk.insert(connection, tables.ForecastRow, rows)
    bulk.insert(connection, tables.MeltPoolRow, melt_pools)
    bulk.insert(connection, tables.FieldRow, fields)
    bulk.insert(connection, tables.CalibrationRow, calibrations)
    written.forecasts = len(rows)


def _alerts(connection: Connection, alerts: Sequence[Alert], written: Written, tally: Tally) -> None:
    """The twin's words, each over the newest occurrence of its kind (`store.alerts`)."""
    newest: dict[tuple[str, str, str], Row | None] = {}
    changed: dict[tuple[str, str, str, int], Row] = {}
    history: list[Row] = []
    for alert in alerts:
        if alert.key not in newest:
            newest[alert.key] = next(iter(_occurrences(connection, *alert.key, limit=1)), None)
        folded = told(newest[alert.key], alert)
        history += folded.history
        if folded.row is not None:
            before, newest[alert.key] = newest[alert.key], folded.row
            changed[*alert.key, folded.row["occurrence"]] = folded.row
            if before is None or before["occurrence"] != folded.row["occurrence"]:
                tally["alerts", alert.machine, alert.kind] += 1
    _keep_alerts(connection, list(changed.values()), history, written)
    written.alerts = len(changed)


def act(connection: Connection, acts: Sequence[Act], written: Written) -> list[Act]:
    """People's acts, each row of them once, however often it is said; those about no known alert are given back."""
    unknown = []
    for each in acts:
        found = _occurrences(connection, each.machine, each.build, each.kind)[::-1]
        rows = meant(found, each)
        if not rows:
            unknown.append(each)
        for row in rows:
            folded = acted(row, each)
            new = [entry for entry in folded.history if not _is_there(connection, entry)]
            if new:
                _keep_alerts(connection, [] if folded.row is None else [folded.row], new, written)
                written.alerts += folded.row is not None
    return unknown


def _keep_alerts(connection: Connection, rows: list[Row], history: list[Row], written: Written) -> None:
    """Rows that are cleared go first: there is one open at a time, at every moment."""
    ordered = sorted(rows, key=lambda row: row["cleared_s"] is None)
    for row in ordered:
        bulk.insert(connection, tables.AlertRow, [row], "update")
    bulk.insert(connection, tables.AlertActRow, history)
    written.acts += len(history)


def _occurrences(connection: Connection, machine: str, build: str, kind: str, limit: int = 1000) -> list[Row]:
    """Of one kind, the newest first."""
    row = tables.AlertRow
    statement = select(row.__table__).where(row.machine == machine, row.build == build, row.kind == kind)
    found = connection.execute(statement.order_by(row.occurrence.desc()).limit(limit))
    return [dict(each) for each in found.mappings()]


def _is_there(connection: Connection, entry: Row) -> bool:
    names = ("machine", "build", "kind", "occurrence", "act", "by", "at_s")
    statement = select(tables.AlertActRow.id).filter_by(**{name: entry[name] for name in names}).limit(1)
    return connection.execute(statement).first() is not None


def _cards(connection: Connection, step: Step, tally: Tally) -> None:
    """Every content that a card has had is kept; `received_s` is when it was last said."""
    for card in step.cards:
        text = json.dumps(card, sort_keys=True)
        key = {"name": card["name"], "sha256": digest(text.encode())}
        known = _found(connection, tables.CardRow, **key)
        received_s = step.received_s if known is None else max(step.received_s, known["received_s"])
        bulk.insert(connection, tables.CardRow, [key | {"json": text, "received_s": received_s}], "update")
        tally["cards", "", ""] += known is None
