"""Stretch: layers of a build, or a time in them, read for a report: a layer in memory at a time, questions by index.

The data hash names what the machine said, whoever stored it when: SHA-256 over the stored messages of the stretch's
layers and of the build, by layer, kind, source, sequence and channel, each by its key and its content. When a message
was sent does not count, and neither does how it was compressed. A message that was pruned is missing from it.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd
from sqlalchemy import and_, func, or_, select, tuple_

from twin.store import packing
from twin.store.holdings import Holdings, HoldingsReader, Snapshot
from twin.store.tables import (
    AlertRow,
    BirthRow,
    CardRow,
    FieldRow,
    ForecastRow,
    GapRow,
    LayerRow,
    MeltPoolRow,
    ObservationRow,
    RejectRow,
    SignalRow,
    SkippedRow,
)

_PAGE = 500  # messages read at once: at most some 100 MB
SIZES = ("width", "length", "depth")
FRAMES = {
    "frame": int, "time_s": float, "issued_s": float, "operator": object, "outcome": object, "which": object,
    "by": float, "unit": object, "regime": object, "keyhole_number": float, "laser_on": bool, "withheld": bool,
    "lead_s": float, "length_m": float, "width_m": float, "depth_m": float, "x_m": float, "y_m": float,
    "beam_power_w": float,
}  # fmt: skip
GAPS = packing.GAPS | {"placed": bool}
REJECTED = {"received_s": float, "topic": object, "code": object, "reason": object, "reingested_s": float}


@dataclass(frozen=True)
class Stretch:
    """Layers from first to last of a build, and of these the process time from `from_s` to `to_s` (None: all)."""

    machine: str
    build: str
    first_layer: int
    last_layer: int
    from_s: float | None = None
    to_s: float | None = None


@dataclass(frozen=True)
class Said:
    """What the machine said in a stretch: its hash, how many messages, and when the store received them (UTC s)."""

    data_hash: str
    messages: int
    begin_s: float
    end_s: float
    sources: tuple[str, ...]


class Stretches(Holdings, Protocol):
    """A store of which a report can be made."""

    def layer_frames(self, stretch: Stretch, layer: int, *, lead: int = 0) -> pd.DataFrame:
        """Forecasts of record of a layer with their sizes at a lead, by time; columns FRAMES. One that was withheld
        has NaN for its sizes."""
        ...

    def leads(self, stretch: Stretch) -> int:
        """The last lead of the newest forecast of the stretch that has any; 0 where none has."""
        ...

    def layer_signals(self, stretch: Stretch, layer: int, begin_s: float, end_s: float) -> pd.DataFrame:
        """Observed melt-pool sizes of a layer in a process time: time_s, name, value, layer."""
        ...

    def layers_touched(self, machine: str, build: str, from_s: float, to_s: float) -> list[int]:
        """Numbers of the layers that begin no later than `to_s` and end no earlier than `from_s`, by process time."""
        ...

    def said(self, stretch: Stretch, progress: Callable[[int], None] | None = None) -> Said:
        """Hash of all messages of the stretch's layers (whole, also where it is a time in them) and of the build."""
        ...

    def stretch_alerts(self, stretch: Stretch, begin_s: float, end_s: float, limit: int) -> pd.DataFrame:
        """Alerts raised in these layers, and those of the build or of the machine's messages that stood in this wall
        time: the severest first, then by layer."""
        ...

    def stretch_gaps(self, stretch: Stretch, begin_s: float, end_s: float, limit: int) -> pd.DataFrame:
        """Missing sequences noticed in this wall time whose neighbours are of the stretch (`placed`) or of no build."""
        ...

    def stretch_rejects(self, stretch: Stretch, begin_s: float, end_s: float, limit: int) -> pd.DataFrame:
        """Messages on this machine's topics that could not be read, received in this wall time."""
        ...

    def stretch_births(self, stretch: Stretch, begin_s: float, end_s: float) -> pd.DataFrame:
        """Sources of this machine that began anew in this wall time."""
        ...

    def stretch_skipped(self, stretch: Stretch) -> dict[int, int]:
        """Frames that were passed over, by layer; whole layers, also where the stretch is a time in them."""
        ...

    def newest_snapshot(self, stretch: Stretch) -> Snapshot | None:
        """The newest stored estimate of the field in the stretch with the laser on."""
        ...

    def cards(self, name: str) -> list[dict[str, Any]]:
        """Every card kept under a name, the newest first: json (a dict), sha256 (of its text), received_s."""
        ...


class StretchReader(HoldingsReader):
    """`Stretches` over any engine."""

    def layer_frames(self, stretch: Stretch, layer: int, *, lead: int = 0) -> pd.DataFrame:
        row, size = ForecastRow, MeltPoolRow
        rows = select(
            row.frame, row.time_s, row.issued_s, row.operator, row.outcome_kind, row.outcome_which, row.outcome_by,
            row.outcome_unit, row.regime, row.keyhole_number, row.laser_on, row.withheld, size.lead_s, size.length_m,
            size.width_m, size.depth_m, size.x_m, size.y_m, size.beam_power_w,
        ).outerjoin(size, and_(size.forecast_id == row.id, size.lead == lead)).where(
            row.machine == stretch.machine, row.build == stretch.build, row.layer == layer, row.opinion == ""
        )  # fmt: skip
        rows = _within(rows, row.time_s, stretch)
        by_frame = packing.table(self._rows(rows.order_by(row.frame)), FRAMES)  # by time it would go by another index
        return by_frame.sort_values(["time_s", "frame"], kind="stable", ignore_index=True)

    def leads(self, stretch: Stretch) -> int:
        row = ForecastRow
        mine = select(row.id).where(row.machine == stretch.machine, row.build == stretch.build, row.opinion == "")
        newest = self._first(mine.where(row.withheld.is_(False)).order_by(row.time_s.desc()))
        if newest is None:
            return 0
        last = self._first(select(func.max(MeltPoolRow.lead).label("lead")).where(MeltPoolRow.forecast_id == newest.id))
        return int(last.lead or 0)

    def layer_signals(self, stretch: Stretch, layer: int, begin_s: float, end_s: float) -> pd.DataFrame:
        row = SignalRow
        rows = select(row.time_s, row.name, row.value, row.layer).where(
            row.machine == stretch.machine, row.build == stretch.build, row.layer == layer,
            row.time_s >= begin_s, row.time_s <= end_s, row.name.in_([f"melt_pool_{size}_m" for size in SIZES]),
        )  # fmt: skip
        in_order = rows.order_by(row.time_s, row.name, row.source, row.sequence, row.sample)
        return packing.table(self._rows(in_order), packing.SIGNALS)

    def layers_touched(self, machine: str, build: str, from_s: float, to_s: float) -> list[int]:
        row = LayerRow
        begun_s = func.coalesce(row.begun_s, row.last_time_s)
        mine = select(row.layer).where(row.machine == machine, row.build == build)
        found = mine.where(begun_s <= to_s, row.last_time_s >= from_s).order_by(row.layer)
        return [int(layer) for (layer,) in self._rows(found)]

    def said(self, stretch: Stretch, progress: Callable[[int], None] | None = None) -> Said:
        whole, messages, sources = hashlib.sha256(), 0, set()
        begin_s, end_s = float("inf"), float("-inf")
        for layer in (None, *self._layer_numbers(stretch)):
            for row in self._messages_of(stretch, layer):
                content = _content(row.encoding, row.payload)
                whole.update(
                    packing.digest(row.source.encode(), row.channel.encode(), b"%d" % row.sequence, content).encode()
                )
                messages += 1
                begin_s, end_s = min(begin_s, row.received_s), max(end_s, row.received_s)
                sources.add(row.source)
            if progress is not None and layer is not None:
                progress(layer)
        if not messages:
            begin_s = end_s = float("nan")
        return Said(whole.hexdigest(), messages, begin_s, end_s, tuple(sorted(sources)))

    def _layer_numbers(self, stretch: Stretch) -> list[int]:
        row = LayerRow
        mine = select(row.layer).where(row.machine == stretch.machine, row.build == stretch.build)
        found = mine.where(row.layer >= stretch.first_layer, row.layer <= stretch.last_layer).order_by(row.layer)
        return [int(layer) for (layer,) in self._rows(found)]

    def _messages_of(self, stretch: Stretch, layer: int | None) -> Iterator[Any]:
        """In the order of the hash, a page at a time; None: the messages of the build itself."""
        row = ObservationRow
        of_layer = row.layer.is_(None) if layer is None else row.layer == layer
        key = (row.kind, row.source, row.sequence, row.channel)
        mine = select(*key, row.received_s, row.encoding, row.payload).where(
            row.machine == stretch.machine, row.build == stretch.build, of_layer
        )
        after = ("", "", -1, "")
        while page := self._rows(mine.where(tuple_(*key) > tuple_(*after)).order_by(*key).limit(_PAGE)):
            yield from page
            after = tuple(page[-1][:4])

    def stretch_alerts(self, stretch: Stretch, begin_s: float, end_s: float, limit: int) -> pd.DataFrame:
        row = AlertRow
        stood = and_(row.first_seen_s <= end_s, func.coalesce(row.cleared_s, row.last_seen_s) >= begin_s)
        here = and_(row.build == stretch.build, row.layer >= stretch.first_layer, row.layer <= stretch.last_layer)
        if stretch.from_s is not None or stretch.to_s is not None:
            here = and_(here, stood)
        rows = select(*(row.__table__.c[name] for name in packing.ALERTS)).where(
            row.machine == stretch.machine, or_(here, and_(stood, row.build.in_((stretch.build, ""))))
        )
        severest = func.instr if self._engine.dialect.name == "sqlite" else func.strpos
        order = (severest("high medium low", row.severity), row.layer, row.first_seen_s, row.kind, row.build)
        return packing.table(self._rows(rows.order_by(*order).limit(limit)), packing.ALERTS)

    def stretch_gaps(self, stretch: Stretch, begin_s: float, end_s: float, limit: int) -> pd.DataFrame:
        row, found = GapRow, []
        rows = select(row.noticed_s, row.source, row.channel, row.first_sequence, row.last_sequence)
        rows = rows.where(row.machine == stretch.machine, row.noticed_s >= begin_s, row.noticed_s <= end_s)
        for gap in self._rows(rows.order_by(row.noticed_s, row.source, row.channel, row.first_sequence).limit(limit)):
            beside = [place for place in self._beside(gap) if place.build is not None]
            if not beside or any(_of(stretch, place) for place in beside):
                found.append((*gap, bool(beside)))
        return packing.table(found, GAPS)

    def _beside(self, gap: Any) -> list[Any]:
        """The messages before and after a gap: where they belong."""
        row = ObservationRow
        mine = select(row.build, row.layer).where(row.source == gap.source, row.channel == gap.channel)
        before = self._first(mine.where(row.sequence < gap.first_sequence).order_by(row.sequence.desc()))
        after = self._first(mine.where(row.sequence > gap.last_sequence).order_by(row.sequence))
        return [place for place in (before, after) if place is not None]

    def stretch_rejects(self, stretch: Stretch, begin_s: float, end_s: float, limit: int) -> pd.DataFrame:
        row = RejectRow
        rows = select(row.received_s, row.topic, row.code, row.reason, row.reingested_s).where(
            row.received_s >= begin_s,
            row.received_s <= end_s,
            row.topic.contains(f"/{stretch.machine}/", autoescape=True),
        )
        return packing.table(self._rows(rows.order_by(row.received_s, row.digest).limit(limit)), REJECTED)

    def stretch_births(self, stretch: Stretch, begin_s: float, end_s: float) -> pd.DataFrame:
        row = BirthRow
        rows = select(row.noticed_s, row.source, row.birth, row.channel, row.sequence, row.reason).where(
            row.machine == stretch.machine, row.noticed_s >= begin_s, row.noticed_s <= end_s
        )
        return packing.table(self._rows(rows.order_by(row.noticed_s, row.source, row.birth)), packing.LIVES)

    def stretch_skipped(self, stretch: Stretch) -> dict[int, int]:
        row = SkippedRow
        frames = func.sum(row.last_frame - row.first_frame + 1)
        rows = select(row.layer, frames).where(
            row.machine == stretch.machine, row.build == stretch.build,
            row.layer >= stretch.first_layer, row.layer <= stretch.last_layer,
        ).group_by(row.layer)  # fmt: skip
        return {int(layer): int(count) for layer, count in self._rows(rows)}

    def newest_snapshot(self, stretch: Stretch) -> Snapshot | None:
        row, field, size = ForecastRow, FieldRow, MeltPoolRow
        mine = select(field.forecast_id, field.lead, row.layer, row.frame, row.operator).join(
            row, row.id == field.forecast_id
        ).where(
            field.machine == stretch.machine, field.opinion == "", row.build == stretch.build, row.laser_on.is_(True),
            row.layer >= stretch.first_layer, row.layer <= stretch.last_layer, field.lead_s == 0.0,
        )  # fmt: skip
        in_order = _within(mine, row.time_s, stretch).order_by(field.issued_s.desc(), field.time_s.desc())
        found = self._first(in_order)
        if found is None:
            return None
        stored = self._first(
            select(*field.__table__.c).where(field.forecast_id == found.forecast_id, field.lead == found.lead)
        )
        leads = select(size.x_m, size.y_m).where(size.forecast_id == found.forecast_id, size.lead == found.lead)
        place = self._first(leads)
        x_m, y_m = (place.x_m, place.y_m) if place is not None else (float("nan"), float("nan"))
        return Snapshot(found.layer, found.frame, found.lead, found.operator, x_m, y_m, packing.unpack_field(stored))

    def cards(self, name: str) -> list[dict[str, Any]]:
        row = CardRow
        rows = select(row.json, row.sha256, row.received_s).where(row.name == name)
        return [
            {"json": dict(json.loads(card.json)), "sha256": card.sha256, "received_s": card.received_s}
            for card in self._rows(rows.order_by(row.received_s.desc(), row.sha256))
        ]


def _within(rows: Any, time_s: Any, stretch: Stretch) -> Any:
    if stretch.from_s is not None:
        rows = rows.where(time_s >= stretch.from_s)
    return rows if stretch.to_s is None else rows.where(time_s <= stretch.to_s)


def _of(stretch: Stretch, place: Any) -> bool:
    """Whether a message is one of the stretch: of its layers, or of the build itself."""
    if place.build != stretch.build:
        return False
    return place.layer is None or stretch.first_layer <= place.layer <= stretch.last_layer


def _content(encoding: str, payload: bytes) -> bytes:
    """What a stored message says, whenever it was sent and however it was packed."""
    if encoding == "samples":
        end = 4 + int.from_bytes(payload[:4], "little")
        head = json.loads(payload[4:end]) | {"sent_s": None}
        return json.dumps(head, sort_keys=True).encode() + zlib.decompress(payload[end:])
    message = packing.unpack_message(encoding, payload)
    if isinstance(message, dict):
        return json.dumps(message | {"sent_s": None}, sort_keys=True).encode()
    return packing.content_digest(message).encode()
